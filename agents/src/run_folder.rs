//! A run's folder: `run.toml` as meant, `journal.jsonl`, `shots/*.png`, and later `report.html`.

use std::{
    fs,
    hash::{BuildHasher, RandomState},
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use image::{
    ImageEncoder, RgbImage,
    codecs::png::{CompressionType, FilterType, PngEncoder},
};

use crate::{
    JournalError,
    journal::{JOURNAL_FILE, Journal},
};

/// The file that holds the task as it was meant.
pub const RUN_FILE: &str = "run.toml";
/// The folder of the screenshots.
pub const SHOTS: &str = "shots";

/// The folder of what calls keep, one each.
pub const CALLS: &str = "calls";

/// Where a run keeps its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Makes the folder, which may exist but hold no run yet.
    ///
    /// # Errors
    ///
    /// [`JournalError::Occupied`] if it holds one; [`JournalError::File`] if it can't be made.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self, JournalError> {
        let path = path.into();
        Self::check_free(&path)?;
        let shots = path.join(SHOTS);
        fs::create_dir_all(&shots).map_err(JournalError::file(&shots))?;
        Ok(Self { path })
    }

    /// The folder of a run that was begun.
    ///
    /// # Errors
    ///
    /// [`JournalError::File`] if no run lies there.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, JournalError> {
        let path = path.into();
        let journal = path.join(JOURNAL_FILE);
        fs::metadata(&journal).map_err(JournalError::file(&journal))?;
        Ok(Self { path })
    }

    /// Checks that no run lies there, before anything costly is done for one that could.
    ///
    /// # Errors
    ///
    /// [`JournalError::Occupied`] if one does.
    pub fn check_free(path: &Path) -> Result<(), JournalError> {
        if path.join(JOURNAL_FILE).exists() {
            return Err(JournalError::Occupied { path: path.to_owned() });
        }
        Ok(())
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes down the task as it was meant.
    ///
    /// # Errors
    ///
    /// [`JournalError::File`] if it can't be written.
    pub fn write_task(&self, toml: &str) -> Result<(), JournalError> {
        let path = self.path.join(RUN_FILE);
        fs::write(&path, toml).map_err(JournalError::file(&path))
    }

    pub(crate) fn journal(&self) -> Result<Journal, JournalError> {
        Journal::create(&self.path)
    }

    /// Stores pixels losslessly under a name relative to the folder. Blocking.
    pub(crate) fn store(&self, name: &str, pixels: &Arc<RgbImage>) -> Result<(), JournalError> {
        let path = self.path.join(name);
        let mut bytes = Vec::new();
        PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive)
            .write_image(pixels.as_raw(), pixels.width(), pixels.height(), image::ExtendedColorType::Rgb8)
            .map_err(|e| JournalError::Image { path: path.clone(), problem: e.to_string() })?;
        // A run is gone on from its images too.
        let written = fs::File::create(&path).and_then(|mut file| {
            file.write_all(&bytes)?;
            file.sync_data()
        });
        written.map_err(JournalError::file(&path))
    }
}

/// A new run's name: the time in UTC, and four characters against two runs in the same second.
pub fn new_run_name() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs();
    let (year, month, day) = civil_date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let salt = RandomState::new().hash_one((since.as_nanos(), std::process::id())) & 0xffff;
    format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}-{salt:04x}")
}

/// Days since 1970 as a date of the Gregorian calendar (Howard Hinnant, `chrono`-Compatible Low-Level Date
/// Algorithms, `civil_from_days`).
fn civil_date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::civil_date;

    #[test]
    fn days_become_the_dates_that_a_calendar_shows() {
        let cases = [
            (0, (1970, 1, 1)),
            (58, (1970, 2, 28)),
            (59, (1970, 3, 1)),
            (11_016, (2000, 2, 29)),
            (20_781, (2026, 11, 24)),
        ];
        for (days, date) in cases {
            assert_eq!(civil_date(days), date, "day {days}");
        }
    }
}
