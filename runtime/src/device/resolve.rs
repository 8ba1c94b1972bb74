//! From the device that was asked for to one that can be had.

use percept_fetch::Progress;

use super::{Device, DeviceChoice, DeviceError};
use crate::{
    library::Runtime,
    provider::{self, Presence},
};

/// What `auto` tries, best first. TensorRT compiles for minutes, so it is used by name only.
const CANDIDATES: &[Device] = &[Device::Cuda(0), Device::WebGpu(0)];

impl Runtime {
    /// The device to use: for a name that device, for [`Device::Auto`] the best whose libraries are there.
    ///
    /// A named device's libraries are fetched first if need be; `auto` fetches nothing, takes no software
    /// device, and says in [`DeviceChoice::better`] what one command would bring.
    ///
    /// # Errors
    ///
    /// [`DeviceError`] if a device asked for by name can't be had: what is missing, and the command that
    /// brings it. Never for `auto`, which has `cpu`.
    pub fn resolve(&self, device: &Device, progress: &dyn Progress) -> Result<DeviceChoice, DeviceError> {
        match device {
            Device::Auto => Ok(self.best(progress)),
            Device::Cpu => Ok(DeviceChoice {
                device: Device::Cpu,
                why: "asked for by name".to_owned(),
                better: None,
                software: false,
            }),
            named => self.named(named, progress),
        }
    }

    fn named(&self, device: &Device, progress: &dyn Progress) -> Result<DeviceChoice, DeviceError> {
        let (provider, index) = provider::of(device).ok_or_else(|| DeviceError::Missing {
            device: device.clone(),
            why: "this program knows no provider for it".to_owned(),
            command: None,
        })?;
        let hardware = provider.prepare(self, index, progress)?;
        let why = if hardware.software {
            format!("asked for by name: {}, a software device: for tests, slow", hardware.name)
        } else {
            format!("asked for by name: {}", hardware.name)
        };
        Ok(DeviceChoice { device: device.clone(), why, better: None, software: hardware.software })
    }

    fn best(&self, progress: &dyn Progress) -> DeviceChoice {
        let (mut better, mut reasons) = (None, Vec::new());
        for device in CANDIDATES {
            let Some((provider, index)) = provider::of(device) else { continue };
            let Presence { there, software, why, command, hardware } = provider.look(self);
            if there && !software {
                match provider.prepare(self, index, progress) {
                    Ok(found) if !found.software => {
                        return DeviceChoice {
                            device: device.clone(),
                            why: format!("the best that is there: {}", found.name),
                            better: None,
                            software: false,
                        };
                    }
                    Ok(_) => reasons.push(format!("{device}: only a software device")),
                    Err(error) => reasons.push(error.to_string()),
                }
            } else {
                if hardware {
                    better = better.or(command);
                }
                reasons.push(format!("{device}: {why}"));
            }
        }
        DeviceChoice { device: Device::Cpu, why: reasons.join("; "), better, software: false }
    }
}
