//! Whose the bytes of the first model's files are. Two weights may be one there, and two in another model.

use std::{collections::BTreeMap, path::PathBuf};

use super::tensor::Weight;
use crate::{ModelError, folder::bad};

/// Every weight's bytes, by file and by where they begin: where they end, and the weight's name. They don't overlap.
#[derive(Default)]
pub(super) struct Regions(BTreeMap<PathBuf, BTreeMap<u64, (u64, String)>>);

impl Regions {
    /// Takes note of a weight's bytes; the name of a weight that has the same ones, if one does.
    ///
    /// # Errors
    ///
    /// [`ModelError::Folder`] where some of them are another weight's, too.
    pub(super) fn claim(&mut self, weight: &Weight) -> Result<Option<String>, ModelError> {
        let (file, bytes) = (&weight.place.file, &weight.place.bytes);
        if bytes.is_empty() {
            return Ok(None);
        }
        let regions = self.0.entry(file.clone()).or_default();
        // Of those that begin before its end, the last one ends last.
        match regions.range(..bytes.end).next_back() {
            Some((start, (end, name))) if *end > bytes.start => {
                if (*start, *end) == (bytes.start, bytes.end) {
                    return Ok(Some(name.clone()));
                }
                let own = &weight.name;
                Err(bad(file, format!("the weights `{name}` and `{own}` share some bytes, and not all")))
            }
            _ => {
                regions.insert(bytes.start, (bytes.end, weight.name.clone()));
                Ok(None)
            }
        }
    }
}
