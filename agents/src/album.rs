//! The images of a run: each stored once, found again by its content.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use percept_models::ImageContent;
use percept_tools::{Part, PartBody};
use tokio::task::JoinHandle;

use crate::{Ending, JournalError, RecordedBody, RecordedPart, RunFolder, run_folder::SHOTS};

/// Images on their way between a step and the loop, and from there to the disk.
pub(crate) struct Album {
    folder: Option<RunFolder>,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    /// The file of each image, by its hash.
    files: HashMap<String, String>,
    /// Images that a step brought and the loop hasn't taken yet.
    brought: HashMap<String, ImageContent>,
    storing: Vec<JoinHandle<Result<(), JournalError>>>,
}

impl Album {
    /// An album in this folder; without one, images only pass through.
    pub(crate) fn new(folder: Option<RunFolder>) -> Self {
        Self { folder, inside: Mutex::default() }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an image that a step brought: stores it beside the loop, and names its file; `None` where nothing is
    /// kept.
    pub(crate) fn bring(&self, image: &ImageContent) -> Option<String> {
        let hash = image.hash().to_string();
        let mut inside = self.inside();
        inside.brought.insert(hash.clone(), image.clone());
        let folder = self.folder.as_ref()?;
        if let Some(file) = inside.files.get(&hash) {
            return Some(file.clone());
        }
        let file = format!("{SHOTS}/{:04}.png", inside.files.len() + 1);
        inside.files.insert(hash, file.clone());
        let (folder, pixels, name) = (folder.clone(), Arc::clone(image.pixels()), file.clone());
        inside.storing.push(tokio::task::spawn_blocking(move || folder.store(&name, &pixels)));
        Some(file)
    }

    /// The image with this hash: the one that a step just brought, or the one that an earlier life stored.
    ///
    /// # Errors
    ///
    /// An ending, if the file is gone or was changed.
    pub(crate) fn take(&self, hash: &str, file: Option<&str>) -> Result<ImageContent, Ending> {
        let mut inside = self.inside();
        if let Some(image) = inside.brought.remove(hash) {
            return Ok(image);
        }
        let (Some(folder), Some(file)) = (&self.folder, file) else {
            return Err(Ending::failed("an image of this run was never stored"));
        };
        let image = load(folder.path(), file, hash).map_err(|error| Ending::failed(error.to_string()))?;
        inside.files.insert(hash.to_owned(), file.to_owned());
        Ok(image)
    }

    /// An image that an earlier life stored before its first step.
    ///
    /// # Errors
    ///
    /// [`JournalError::Image`], if the file is gone or was changed.
    pub(crate) fn stored(&self, hash: &str, file: &str) -> Result<ImageContent, JournalError> {
        let folder = self.folder.as_ref().map_or(Path::new(""), RunFolder::path);
        let image = load(folder, file, hash)?;
        self.inside().files.insert(hash.to_owned(), file.to_owned());
        Ok(image)
    }

    /// What the journal keeps of an observation.
    pub(crate) fn recorded(&self, parts: &[Part]) -> Vec<RecordedPart> {
        let body = |part: &Part| match &part.body {
            PartBody::Text(text) => RecordedBody::Text(text.clone()),
            PartBody::Json(value) => RecordedBody::Json(value.clone()),
            PartBody::Image(pixels) => {
                let image = ImageContent::new(Arc::clone(pixels));
                RecordedBody::Image { shot: self.bring(&image), hash: image.hash().to_string() }
            }
            other => RecordedBody::Text(format!("{other:?}")),
        };
        parts.iter().map(|part| RecordedPart { source: part.source.clone(), body: body(part) }).collect()
    }

    /// The observation that the journal kept.
    ///
    /// # Errors
    ///
    /// An ending, if one of its images is gone or was changed.
    pub(crate) fn parts<'p>(&self, recorded: &'p [RecordedPart]) -> Result<Vec<Part>, Ending> {
        let mut taken: HashMap<&str, ImageContent> = HashMap::new();
        let mut body = |part: &'p RecordedPart| {
            Ok(match &part.body {
                RecordedBody::Text(text) => PartBody::Text(text.clone()),
                RecordedBody::Json(value) => PartBody::Json(value.clone()),
                RecordedBody::Image { shot, hash } => {
                    let image = match taken.get(hash.as_str()) {
                        Some(image) => image.clone(),
                        None => self.take(hash, shot.as_deref())?,
                    };
                    taken.insert(hash, image.clone());
                    PartBody::Image(Arc::clone(image.pixels()))
                }
            })
        };
        recorded.iter().map(|part| Ok(Part { source: part.source.clone(), body: body(part)? })).collect()
    }

    /// Waits until every image is stored. Images are encoded while the model thinks; no effect begins before they
    /// are there.
    ///
    /// # Errors
    ///
    /// [`JournalError`], if one can't be.
    pub(crate) async fn settle(&self) -> Result<(), JournalError> {
        let storing = std::mem::take(&mut self.inside().storing);
        for storing in storing {
            storing.await.map_err(|stopped| JournalError::Image {
                path: SHOTS.into(),
                problem: format!("storing a screenshot stopped: {stopped}"),
            })??;
        }
        Ok(())
    }
}

/// Reads an image of a run folder, and sees to it that it is the one that was stored.
///
/// # Errors
///
/// [`JournalError::Image`] if it is gone, torn or another one.
pub(crate) fn load(folder: &Path, file: &str, hash: &str) -> Result<ImageContent, JournalError> {
    let path = folder.join(file);
    let bad = |problem: String| JournalError::Image { path: path.clone(), problem };
    // A journal can come from elsewhere: it names files of its own folder, or none.
    if !Path::new(file).components().all(|part| matches!(part, std::path::Component::Normal(_))) {
        return Err(bad("not in the run folder".into()));
    }
    let decoded = image::open(&path).map_err(|error| bad(error.to_string()))?;
    let image = ImageContent::new(Arc::new(decoded.into_rgb8()));
    if image.hash().to_string() == hash {
        Ok(image)
    } else {
        Err(bad("it isn't the screenshot that was taken: it was changed since".into()))
    }
}
