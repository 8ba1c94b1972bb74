//! Videos: pictures in time, from an animated image or a folder of frames.
//!
//! A video is opened by its times alone: its frames are decoded once to be counted and thrown away, and decoded again
//! when a model has said which of them it looks at. So a long one takes the memory of the frames that are seen.

mod animation;
mod frames;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use image::RgbImage;

use crate::{ContentHash, LoadedImage, ModelError};

/// How long a picture of a folder is shown, if nobody says otherwise: one second.
pub const DEFAULT_FRAME: Duration = Duration::from_secs(1);

/// What is wrong with frames that are shown for millions of years.
const TOO_LONG: &str = "with it the video takes longer than can be told";

/// A video: when each of its frames is shown, and where they come from.
#[derive(Debug, Clone)]
pub struct Video {
    source: Source,
    /// When each frame begins.
    starts: Vec<Duration>,
    /// When the last one ends.
    end: Duration,
}

#[derive(Debug, Clone)]
enum Source {
    /// The bytes of an animated GIF, PNG or WebP, and the path that errors name.
    Animation { path: PathBuf, bytes: Arc<[u8]> },
    /// A picture a frame.
    Files(Arc<[PathBuf]>),
}

impl Video {
    /// Whether a path is a video: a folder, or an image with more than one frame. What can't be read is none.
    pub fn is_at(path: &Path) -> bool {
        path.is_dir() || LoadedImage::bytes_of(path).is_ok_and(|bytes| Self::is_animated(&bytes))
    }

    /// Whether these are the bytes of an image with more than one frame.
    pub fn is_animated(bytes: &[u8]) -> bool {
        animation::is_animated(bytes)
    }

    /// Opens an animated GIF, PNG or WebP, or a folder of pictures, which are taken in the order of their names, numbers
    /// in them by value, and shown for [`DEFAULT_FRAME`] each.
    ///
    /// # Errors
    ///
    /// [`ModelError::Image`] naming the file: it can't be read, is no image or isn't animated, is torn, has more than
    /// [`crate::MAX_PIXELS`] pixels a frame; or the folder holds no picture.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        if path.is_dir() {
            let files = frames::pictures(path)?;
            let shown = std::iter::repeat_n(DEFAULT_FRAME, files.len());
            return Self::new(Source::Files(files.into()), shown).map_err(|_| named(path, &TOO_LONG));
        }
        Self::of_bytes(path, LoadedImage::bytes_of(path)?)
    }

    /// The animated GIF, PNG or WebP whose file has these bytes.
    ///
    /// # Errors
    ///
    /// Those of [`Video::open`].
    pub fn of_bytes(path: &Path, bytes: impl Into<Arc<[u8]>>) -> Result<Self, ModelError> {
        let bytes = bytes.into();
        let shown = animation::durations(&bytes).map_err(|error| named(path, &error))?;
        let source = Source::Animation { path: path.to_owned(), bytes };
        Self::new(source, shown).map_err(|_| named(path, &TOO_LONG))
    }

    /// A folder of pictures as [`Video::open`] takes it, shown at so many frames a second.
    ///
    /// # Errors
    ///
    /// [`ModelError::Image`] if it holds no picture, or for a rate that no video has.
    pub fn open_folder(path: &Path, rate: f64) -> Result<Self, ModelError> {
        if !(rate.is_finite() && (0.001..=1000.0).contains(&rate)) {
            return Err(named(path, &format!("{rate} frames a second: take 0.001 to 1000")));
        }
        let files = frames::pictures(path)?;
        // Each time by itself: sums of rounded thirds would come too early.
        let at = |frame: usize| Duration::from_secs_f64(frame as f64 / rate);
        let (starts, end) = ((0..files.len()).map(at).collect(), at(files.len()));
        Ok(Self { source: Source::Files(files.into()), starts, end })
    }

    /// Pictures and how long each is shown, such as a run's screenshots.
    ///
    /// # Errors
    ///
    /// [`ModelError::Image`] if there are none, one can't be seen at all because it is shown for no time, or all together
    /// take longer than can be told.
    pub fn of_files(files: impl IntoIterator<Item = (PathBuf, Duration)>) -> Result<Self, ModelError> {
        let (files, shown): (Vec<PathBuf>, Vec<Duration>) = files.into_iter().unzip();
        if files.is_empty() {
            return Err(ModelError::Image("a video without a frame".into()));
        }
        if let Some(place) = shown.iter().position(Duration::is_zero) {
            return Err(named(&files[place], &"a frame of a video is shown for no time"));
        }
        let files: Arc<[PathBuf]> = files.into();
        let source = Source::Files(Arc::clone(&files));
        Self::new(source, shown).map_err(|place| named(&files[place], &TOO_LONG))
    }

    /// The error is the place of the frame with which it takes longer than can be told.
    fn new(source: Source, shown: impl IntoIterator<Item = Duration>) -> Result<Self, usize> {
        let (mut starts, mut end) = (Vec::new(), Duration::ZERO);
        for shown in shown {
            let later = end.checked_add(shown).ok_or(starts.len())?;
            starts.push(end);
            end = later;
        }
        Ok(Self { source, starts, end })
    }

    /// How many frames it has; at least one.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Never: a video has a frame.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// How long it takes.
    pub fn duration(&self) -> Duration {
        self.end
    }

    /// Frames a second, over all of it: what samplers that count by a rate take.
    pub fn rate(&self) -> f64 {
        self.len() as f64 / self.end.as_secs_f64()
    }

    /// When a frame begins; `None` after the last one.
    pub fn start(&self, frame: usize) -> Option<Duration> {
        self.starts.get(frame).copied()
    }

    /// The hash of its files and of when each frame is shown.
    pub(crate) fn content(&self) -> Result<ContentHash, ModelError> {
        let mut hasher = blake3::Hasher::new();
        for time in self.starts.iter().chain([&self.end]) {
            hasher.update(&time.as_nanos().to_le_bytes());
        }
        match &self.source {
            Source::Animation { bytes, .. } => {
                hasher.update(bytes);
            }
            Source::Files(files) => {
                for path in files.iter() {
                    let bytes = std::fs::read(path).map_err(|error| named(path, &error))?;
                    hasher.update(&(bytes.len() as u64).to_le_bytes());
                    hasher.update(&bytes);
                }
            }
        }
        Ok(ContentHash(hasher.finalize().into()))
    }

    /// Decodes the frames of these places, which ascend; a place may come twice.
    ///
    /// # Errors
    ///
    /// [`ModelError::Image`] naming the file that is torn or gone, or a place after the last frame.
    pub fn frames(&self, places: &[usize]) -> Result<Vec<Arc<RgbImage>>, ModelError> {
        self.each_frame(places)?.collect()
    }

    /// The same one by one, so that not all are held at once.
    pub(crate) fn each_frame<'a>(&'a self, places: &'a [usize]) -> Result<Frames<'a>, ModelError> {
        if let Some(place) = places.iter().find(|place| **place >= self.len()) {
            return Err(ModelError::Image(format!(
                "there is no frame {place} in a video of {} frames",
                self.len()
            )));
        }
        if !places.is_sorted() {
            return Err(ModelError::Image("a video's frames are taken in ascending order".into()));
        }
        Ok(match &self.source {
            Source::Animation { path, bytes } => {
                let frames = animation::frames(bytes, places).map_err(|error| named(path, &error))?;
                Box::new(frames.map(|frame| frame.map_err(|error| named(path, &error))))
            }
            Source::Files(files) => Box::new(frames::open(files, places)),
        })
    }
}

/// Frames of a video, in turn.
type Frames<'a> = Box<dyn Iterator<Item = Result<Arc<RgbImage>, ModelError>> + 'a>;

fn named(path: &Path, problem: &dyn std::fmt::Display) -> ModelError {
    ModelError::Image(format!("{}: {problem}", path.display()))
}
