//! Seals: each line of a journal ends with the hash of everything up to it, so that a line that was changed, left
//! out or put in is found, and named.
//!
//! It protects against accidents and careless hands, not against somebody who makes the seals anew.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::Entry;

/// Bytes of the hash that a line carries.
const SIZE: usize = 8;
const BEFORE: &str = ",\"seal\":\"";
const AFTER: &str = "\"}";

/// The seal of the line before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seal([u8; SIZE]);

impl Seal {
    /// What the first line is sealed onto.
    pub(super) fn first() -> Self {
        Self([0; SIZE])
    }

    /// An entry as a line, its newline included, sealed onto the one before.
    ///
    /// # Errors
    ///
    /// The serializer's.
    pub(super) fn line(&mut self, entry: &Entry) -> Result<String, serde_json::Error> {
        let mut line = serde_json::to_string(entry)?;
        // The entry's closing brace makes room for the seal.
        line.pop();
        self.advance(line.as_bytes());
        line.push_str(BEFORE);
        for byte in self.0 {
            // Writing to a string can't fail.
            let _ = write!(line, "{byte:02x}");
        }
        line.push_str(AFTER);
        line.push('\n');
        Ok(line)
    }

    /// Whether the line, without its newline, follows on this seal; if so, the next must follow on its own.
    pub(super) fn fits(&mut self, line: &[u8]) -> bool {
        let sealed = line.len().checked_sub(BEFORE.len() + 2 * SIZE + AFTER.len());
        let Some((body, seal)) = sealed.map(|at| line.split_at(at)) else { return false };
        self.advance(body);
        let mut expected = String::from(BEFORE);
        for byte in self.0 {
            let _ = write!(expected, "{byte:02x}");
        }
        expected.push_str(AFTER);
        seal == expected.as_bytes()
    }

    fn advance(&mut self, body: &[u8]) {
        let hash = Sha256::new().chain_update(self.0).chain_update(body).finalize();
        self.0.copy_from_slice(&hash[..SIZE]);
    }
}
