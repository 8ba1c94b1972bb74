//! Videos that a question is about: an animated image, a folder of frames, or a run's screenshots.

use std::{path::Path, sync::Arc};

use anyhow::anyhow;
use percept::{
    footage,
    journal::JOURNAL_FILE,
    models::{Video, VideoContent},
};

use super::super::super::failure::Failure;

/// The video of these bytes, or a folder: its frames follow each other at `rate` a second, or one.
pub(super) fn open(path: &Path, bytes: Option<Vec<u8>>, rate: Option<f64>) -> Result<VideoContent, Failure> {
    let video = match (bytes, rate) {
        (Some(bytes), _) => Video::of_bytes(path, bytes)?,
        (None, _) if is_run(path) => footage(path).map_err(Failure::bad_input)?,
        (None, Some(rate)) => Video::open_folder(path, rate)?,
        (None, None) => Video::open(path)?,
    };
    Ok(VideoContent::new(Arc::new(video))?)
}

/// A rate must have a folder to be for: an animation and a run have their own times.
pub(super) fn check_rate(rate: Option<f64>, files: &[String]) -> Result<(), Failure> {
    let is_frames = |file: &String| Path::new(file).is_dir() && !is_run(Path::new(file));
    match rate {
        Some(rate) if !files.iter().any(is_frames) => {
            let error = anyhow!("--fps {rate}: there is no folder of frames that it could be for");
            Err(Failure::bad_input(error)
                .help("an animated image and a run's folder have times of their own"))
        }
        _ => Ok(()),
    }
}

fn is_run(path: &Path) -> bool {
    path.join(JOURNAL_FILE).is_file()
}
