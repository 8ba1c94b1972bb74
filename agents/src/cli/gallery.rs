//! Pictures that a command is given: files, which must be readable, and folders, of which what can be read is taken.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use percept::models::{
    ContentHash, DualEncoder, Embedding, EmbeddingIndex, IndexedPicture, LoadedImage, ModelError,
};
use serde::Serialize;

use super::{
    failure::Failure,
    narration::plain,
    output::{Ink, Output},
};

/// Pictures that are in memory at once.
const AT_ONCE: usize = 8;
/// How many new pictures are embedded at least before the index is saved on the way, for a search that is broken off.
const SAVED_AFTER: usize = 256;

/// The files that were named, and those of the folders that were.
pub(crate) struct Gallery {
    files: Vec<Named>,
}

struct Named {
    path: PathBuf,
    /// Whether it was named itself, so that it must be readable.
    itself: bool,
}

/// The pictures as embeddings.
pub(crate) struct Embedded {
    pub(crate) pictures: Vec<Picture>,
    pub(crate) left_out: Vec<LeftOut>,
    /// How many of the pictures the index knew.
    pub(crate) known: usize,
}

/// One picture.
pub(crate) struct Picture {
    pub(crate) file: String,
    pub(crate) embedding: Embedding,
    pub(crate) notes: Vec<String>,
}

/// A file of a folder that is no picture.
#[derive(Debug, Serialize)]
pub(crate) struct LeftOut {
    file: String,
    problem: String,
}

impl Gallery {
    /// Finds the files. A folder's own files are taken in the order of their names, not those of folders in it.
    pub(crate) fn of(paths: &[PathBuf]) -> Result<Self, Failure> {
        let mut files = Vec::new();
        for path in paths {
            let told = |error: std::io::Error| Failure::bad_input(anyhow!("{}: {error}", path.display()));
            if !std::fs::metadata(path).map_err(told)?.is_dir() {
                files.push(Named { path: path.clone(), itself: true });
                continue;
            }
            let entries =
                std::fs::read_dir(path).map_err(told)?.collect::<Result<Vec<_>, _>>().map_err(told)?;
            let mut inside: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
            inside.retain(|path| !path.is_dir());
            inside.sort();
            files.extend(inside.into_iter().map(|path| Named { path, itself: false }));
        }
        if files.is_empty() {
            return Err(Failure::bad_input(anyhow!("there is no file in {}", paths[0].display()))
                .help("name image files, or a folder that holds some"));
        }
        Ok(Self { files })
    }

    /// The files, each with whether it was named itself, so that it must be readable.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&Path, bool)> {
        self.files.iter().map(|named| (named.path.as_path(), named.itself))
    }

    /// Whether every file that was named itself can be read: each is opened once and let go. A pipe can't be read twice.
    pub(crate) fn check_named(&self) -> Result<(), Failure> {
        let named = self.files.iter().filter(|named| named.itself && named.path.is_file());
        Ok(named.map(|named| LoadedImage::open(&named.path)).try_for_each(|image| image.map(drop))?)
    }

    /// Embeds every picture that the index doesn't know, and notes it there; what can't be read of a folder is said and left
    /// out.
    pub(crate) async fn embed(
        &self,
        model: &dyn DualEncoder,
        mut index: Option<&mut EmbeddingIndex>,
        output: &Output,
    ) -> Result<Embedded, Failure> {
        let mut embedded = Embedded { pictures: Vec::new(), left_out: Vec::new(), known: 0 };
        let mut unsaved = 0;
        for files in self.files.chunks(AT_ONCE) {
            let mut opened = Vec::new();
            for Named { path, itself } in files {
                match Opened::of(path, *itself, index.as_deref_mut()) {
                    Ok(picture) => opened.push((path, picture)),
                    Err(error) if *itself => return Err(error.into()),
                    Err(error) => embedded.leave_out(path, &error.to_string(), output),
                }
            }
            let new = opened.iter().filter_map(|(_, picture)| match picture {
                Opened::New(_, image) => Some(image.pixels.clone()),
                Opened::Known(_) => None,
            });
            let pixels: Vec<_> = new.collect();
            let mut embeddings = model.embed_images(&pixels).await?.into_iter();
            for (path, picture) in opened {
                let IndexedPicture { embedding, notes } = match picture {
                    Opened::Known(known) => {
                        embedded.known += 1;
                        known
                    }
                    Opened::New(hash, image) => {
                        let missing =
                            || ModelError::Engine("an image came back without its embedding".into());
                        let embedding = embeddings.next().ok_or_else(missing)?;
                        let new = IndexedPicture { embedding, notes: image.notes };
                        if let Some(index) = index.as_deref_mut() {
                            index.insert(hash, new.clone());
                            unsaved += 1;
                        }
                        new
                    }
                };
                let file = path.display().to_string();
                for note in &notes {
                    output.say(&output.ink(Ink::Warn, &format!("note: {}: {note}", plain(&file))));
                }
                embedded.pictures.push(Picture { file, embedding, notes });
            }
            // It is written whole: so seldom that all its writings come to a few times its size.
            let is_due = |index: &&mut EmbeddingIndex| unsaved >= SAVED_AFTER.max(index.len() / 8);
            if let Some(index) = index.as_deref_mut().filter(is_due) {
                // What can't be saved is told at the end, where it is tried once more.
                let _ = index.save();
                unsaved = 0;
            }
        }
        if embedded.pictures.is_empty() {
            let problem = anyhow!("none of {} files is a picture that can be read", embedded.left_out.len());
            return Err(Failure::bad_input(problem));
        }
        Ok(embedded)
    }
}

/// A picture's file, read.
enum Opened {
    /// Its embedding is known.
    Known(IndexedPicture),
    /// It isn't.
    New(ContentHash, LoadedImage),
}

impl Opened {
    fn of(path: &Path, itself: bool, index: Option<&mut EmbeddingIndex>) -> Result<Self, ModelError> {
        check_kind(path, itself)?;
        let bytes = LoadedImage::bytes_of(path)?;
        let hash = ContentHash::of_bytes(&bytes);
        if let Some(known) = index.and_then(|index| index.get(hash)) {
            return Ok(Self::Known(known.clone()));
        }
        Ok(Self::New(hash, LoadedImage::decode_file(path, &bytes)?))
    }
}

/// Whatever lies in a folder is looked at, and a pipe there would be waited for without end; one that is named itself is
/// somebody's wish.
pub(crate) fn check_kind(path: &Path, itself: bool) -> Result<(), ModelError> {
    let named = |problem: String| ModelError::Image(format!("{}: {problem}", path.display()));
    match std::fs::metadata(path) {
        Err(error) => Err(named(error.to_string())),
        Ok(metadata) if !itself && !metadata.is_file() => Err(named("it is no file".into())),
        Ok(_) => Ok(()),
    }
}

impl Embedded {
    fn leave_out(&mut self, path: &Path, problem: &str, output: &Output) {
        output.say(&output.ink(Ink::Warn, &format!("left out: {}", plain(problem))));
        self.left_out.push(LeftOut { file: path.display().to_string(), problem: problem.to_owned() });
    }
}
