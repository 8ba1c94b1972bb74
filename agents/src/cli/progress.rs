//! Bars for what has to be fetched.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};
use percept::tools::Progress;

/// Draws a bar for each stage, on a terminal; elsewhere a line tells what is fetched.
pub(crate) struct Bars {
    bars: MultiProgress,
    now: Mutex<Option<ProgressBar>>,
}

impl Bars {
    pub(crate) fn new(bars: &MultiProgress) -> Arc<Self> {
        Arc::new(Self { bars: bars.clone(), now: Mutex::default() })
    }

    fn now(&self) -> std::sync::MutexGuard<'_, Option<ProgressBar>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Bars {
    fn start(&self, what: &str, bytes: Option<u64>) {
        // What is fetched from elsewhere is said even where nobody can see a bar.
        if self.bars.is_hidden()
            && let Some(bytes) = bytes
        {
            // A closed standard error leaves nobody to tell.
            let _ = writeln!(io::stderr(), "{what} ({})", HumanBytes(bytes));
        }
        let template = match bytes {
            Some(_) => "{spinner} {msg} [{bar:30}] {bytes} of {total_bytes}",
            None => "{spinner} {msg} {bytes}",
        };
        let bar = bytes.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = self.bars.add(bar.with_style(style.progress_chars("━━╌")).with_message(what.to_owned()));
        bar.enable_steady_tick(Duration::from_millis(100));
        if let Some(before) = self.now().replace(bar) {
            before.finish_and_clear();
        }
    }

    fn advance(&self, bytes: u64) {
        if let Some(bar) = &*self.now() {
            bar.set_position(bytes);
        }
    }

    fn finish(&self) {
        if let Some(bar) = self.now().take() {
            bar.finish_and_clear();
        }
    }
}
