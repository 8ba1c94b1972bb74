//! An npm package: a gzipped tarball whose files lie under `package/`.

use std::{fs::File, io::BufReader, path::Path};

use flate2::read::GzDecoder;

use super::{Failure, place};
use crate::Item;

/// Reads the tarball once, in its own order: it can't be sought.
pub(super) fn unpack(from: &Path, items: &[Item], into: &Path) -> Result<(), Failure> {
    let reading = |error: std::io::Error| Failure::Reading(error.to_string());
    let mut missing: Vec<&Item> = items.iter().collect();
    let file = File::open(from).map_err(reading)?;
    let mut tarball = tar::Archive::new(GzDecoder::new(BufReader::new(file)));
    for entry in tarball.entries().map_err(reading)? {
        let mut entry = entry.map_err(reading)?;
        let path = entry.path().map_err(reading)?.to_string_lossy().into_owned();
        if let Some(found) = missing.iter().position(|item| item.from == path) {
            place(missing.remove(found), &mut entry, into)?;
        }
        if missing.is_empty() {
            return Ok(());
        }
    }
    Err(Failure::Reading(
        missing.iter().map(|item| format!("{} is not in it", item.from)).collect::<Vec<_>>().join("; "),
    ))
}
