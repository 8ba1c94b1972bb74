//! Progress that tells nobody, for programs that have no place to show it.

use percept_tools::Progress;

/// Says nothing about what is fetched.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn start(&self, _: &str, _: Option<u64>) {}
    fn advance(&self, _: u64) {}
    fn finish(&self) {}
}
