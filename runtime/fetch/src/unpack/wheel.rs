//! A Python wheel: a zip file (PEP 427).

use std::{fs::File, path::Path};

use super::{Failure, place};
use crate::Item;

pub(super) fn unpack(from: &Path, items: &[Item], into: &Path) -> Result<(), Failure> {
    let file = File::open(from).map_err(|error| Failure::Reading(error.to_string()))?;
    let mut wheel = zip::ZipArchive::new(file).map_err(|error| Failure::Reading(error.to_string()))?;
    for item in items {
        let mut entry =
            wheel.by_name(item.from).map_err(|error| Failure::Reading(format!("{}: {error}", item.from)))?;
        place(item, &mut entry, into)?;
    }
    Ok(())
}
