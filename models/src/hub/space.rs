//! Whether there is room for what is to come. Better said before an hour of fetching than after.

use std::path::Path;

use super::HubError;

/// Refuses to begin where the disk has fewer bytes left; where nobody can tell, the disk will.
pub(super) fn check(cache: &Path, bytes: u64) -> Result<(), HubError> {
    match free(cache) {
        Some(free) if free < bytes => Err(HubError::Disk {
            path: cache.to_owned(),
            problem: format!(
                "{} MB are missing there, and {} MB are free",
                bytes.div_ceil(1_000_000),
                free / 1_000_000
            ),
            remedy: "Make room, name another place in HF_HUB_CACHE, or take another precision".into(),
        }),
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn free(cache: &Path) -> Option<u64> {
    // The cache itself may not be there yet.
    let there = cache.ancestors().find(|folder| folder.is_dir())?;
    let found = rustix::fs::statvfs(there).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(not(unix))]
fn free(_: &Path) -> Option<u64> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_is_larger_than_any_disk_is_refused_before_it_is_begun() {
        let folder = tempfile::tempdir().unwrap();
        let later = folder.path().join("not/there/yet");
        check(&later, 1).unwrap();
        let error = check(&later, u64::MAX).unwrap_err().to_string();
        assert!(error.contains("MB are free. Make room"), "{error}");
    }
}
