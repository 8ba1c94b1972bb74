//! What a caller is told while something is fetched.

/// Told how a download is going. The command line draws a bar; a test counts.
///
/// ```
/// use percept_fetch::{Progress, Silent};
/// let progress: &dyn Progress = &Silent;
/// progress.start("onnxruntime 1.31.1", Some(23_753_652));
/// progress.advance(1_000_000);
/// progress.finish();
/// ```
pub trait Progress: Send + Sync {
    /// A stage begins: a download of `bytes` (if known), or an unpacking.
    fn start(&self, what: &str, bytes: Option<u64>);

    /// `bytes` of the stage are there by now, of all of it; never less than the last time.
    fn advance(&self, bytes: u64);

    /// The stage ended, well or not; another may start.
    fn finish(&self);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn start(&self, _what: &str, _bytes: Option<u64>) {}
    fn advance(&self, _bytes: u64) {}
    fn finish(&self) {}
}
