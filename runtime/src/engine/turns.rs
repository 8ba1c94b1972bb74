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

/// What is given back in a turn of its own, also where its thread panics: memory of the device's.
pub(super) struct GivenBackInTurn<T> {
    held: Option<T>,
    turns: Turns,
}

impl<T> GivenBackInTurn<T> {
    pub(super) fn new(held: T, turns: Turns) -> Self {
        Self { held: Some(held), turns }
    }

    /// What is held; never nothing before this is dropped.
    pub(super) fn get(&mut self) -> Option<&mut T> {
        self.held.as_mut()
    }
}

impl<T> Drop for GivenBackInTurn<T> {
    fn drop(&mut self) {
        let _turn = self.turns.take();
        self.held = None;
    }
}

#[cfg(test)]
mod tests {
    use std::{
        panic::catch_unwind,
        sync::Arc,
        sync::TryLockError,
        sync::atomic::{AtomicBool, Ordering},
    };

    use super::*;

    /// Notes whether it is dropped in somebody's turn.
    struct Memory(&'static Mutex<()>, Arc<AtomicBool>);

    impl Drop for Memory {
        fn drop(&mut self) {
            let is_taken = matches!(self.0.try_lock(), Err(TryLockError::WouldBlock));
            self.1.store(is_taken, Ordering::SeqCst);
        }
    }

    #[test]
    fn memory_is_given_back_in_a_turn_whatever_becomes_of_the_thread() {
        static TURN: Mutex<()> = Mutex::new(());
        for panics in [false, true] {
            let in_turn = Arc::new(AtomicBool::new(false));
            let memory = Memory(&TURN, Arc::clone(&in_turn));
            let work = move || {
                let turns = Turns(Some(&TURN));
                let mut held = GivenBackInTurn::new(memory, turns);
                let _turn = turns.take();
                assert!(held.get().is_some() && !panics, "as a run that dies in its turn");
            };
            assert_eq!(catch_unwind(std::panic::AssertUnwindSafe(work)).is_err(), panics);
            assert!(in_turn.load(Ordering::SeqCst), "{panics}");
        }
    }
}
