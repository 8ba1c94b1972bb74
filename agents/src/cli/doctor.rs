//! `percept doctor`: which devices there are, why others aren't, and what brings them.

use std::sync::Arc;

use percept::{
    models::LoadOptions,
    runtime::{Device, DeviceChoice, LibraryReport, ProviderReport, Runtime, doctor as runtime_doctor},
};
use serde::Serialize;

use super::{
    arguments::{DoctorOptions, Fetchable},
    failure::Failure,
    inspect::{Inspected, placement},
    output::{Ink, Output},
    progress::Bars,
};

/// What the doctor found.
#[derive(Serialize)]
struct Findings {
    percept: &'static str,
    system: String,
    cores: usize,
    library: LibraryReport,
    device: DeviceChoice,
    providers: Vec<ProviderReport>,
    model: Option<Inspected>,
}

/// Examines the machine.
pub(crate) async fn doctor(options: DoctorOptions, output: &Output) -> Result<u8, Failure> {
    let bars = Bars::new(&output.bars);
    let (device, fetch, progress) = (options.device.clone(), options.fetch, Arc::clone(&bars));
    let examined = tokio::task::spawn_blocking(move || {
        if let Some(fetch) = fetch {
            let wanted = match fetch {
                Fetchable::Cuda => Device::Cuda(0),
                Fetchable::Webgpu => Device::WebGpu(0),
            };
            runtime_doctor::fetch(&wanted, progress.as_ref()).map_err(Failure::broken)?;
        }
        let runtime = Runtime::start(&device, progress.as_ref()).map_err(Failure::broken)?;
        let choice = runtime.resolve(&device, progress.as_ref()).map_err(Failure::bad_input)?;
        Ok::<_, Failure>((runtime.library().clone(), choice, runtime.providers()))
    });
    let (library, device, providers) = examined.await.map_err(Failure::broken)??;
    let model = match &options.model {
        Some(address) => {
            let load = LoadOptions { device: device.device.clone(), ..LoadOptions::default() };
            Some(Inspected::open(address, load, bars).await?)
        }
        None => None,
    };
    let findings = Findings {
        percept: env!("CARGO_PKG_VERSION"),
        system: format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        library,
        device,
        providers,
        model,
    };
    if output.json {
        output.document(&findings)?;
    } else {
        told(&findings, output)?;
    }
    Ok(0)
}

fn told(findings: &Findings, output: &Output) -> Result<(), Failure> {
    output
        .print(&format!("percept {} on {}, {} cores", findings.percept, findings.system, findings.cores))?;
    output.print(&format!("ONNX Runtime: {}", findings.library.path.display()))?;
    output.print(&format!("device: {} ({})", findings.device.device, findings.device.why))?;
    if let Some(better) = &findings.device.better {
        output.print(&format!("  better: {better}"))?;
    }
    output.print("")?;
    for provider in &findings.providers {
        let mark = match (provider.there, provider.software) {
            (true, false) => output.ink(Ink::Good, "✓"),
            (true, true) => output.ink(Ink::Warn, "~"),
            (false, _) => output.ink(Ink::Soft, "·"),
        };
        output.print(&format!("{mark} {:<12} {}", provider.device.to_string(), provider.why))?;
        if let Some(command) = &provider.command {
            output.print(&format!("               to get it: {command}"))?;
        }
    }
    match &findings.model {
        Some(inspected) => placement(inspected.sessions(), output),
        None => Ok(()),
    }
}
