//! Taking turns on a device that can't be used by two threads at once.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::device::{Device, DeviceChoice};

/// The one WebGPU context that the plugin keeps in a process. Its sessions share it without a lock of their own:
/// two engine threads that ran on it at once crashed the process (plugin 0.4.0, seen on a software device).
static WEBGPU: Mutex<()> = Mutex::new(());

/// Whether an engine's thread has to take turns with others. A turn is one command: loading, one run, or giving
/// back memory. It is never held while waiting for anything but the device.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turns(Option<&'static Mutex<()>>);

impl Turns {
    pub(super) fn of(choice: &DeviceChoice) -> Self {
        Self(matches!(choice.device, Device::WebGpu(_)).then_some(&WEBGPU))
    }

    pub(super) fn take(self) -> Option<MutexGuard<'static, ()>> {
        // A thread that died in its turn left nothing of ours half done.
        self.0.map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
