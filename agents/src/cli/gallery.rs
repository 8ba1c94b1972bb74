//! Pictures that a command is given: files, which must be readable, and folders, of which what can be read is taken.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use percept::models::{DualEncoder, Embedding, LoadedImage};
use serde::Serialize;

use super::{
    failure::Failure,
    narration::plain,
    output::{Ink, Output},
};

/// Pictures that are in memory at once.
const AT_ONCE: usize = 8;

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

    /// Embeds every picture; what can't be read of a folder is said and left out.
    pub(crate) async fn embed(&self, model: &dyn DualEncoder, output: &Output) -> Result<Embedded, Failure> {
        let mut embedded = Embedded { pictures: Vec::new(), left_out: Vec::new() };
        for files in self.files.chunks(AT_ONCE) {
            let mut opened = Vec::new();
            for Named { path, itself } in files {
                match LoadedImage::open(path) {
                    Ok(image) => opened.push((path, image)),
                    Err(error) if *itself => return Err(error.into()),
                    Err(error) => embedded.leave_out(path, &error.to_string(), output),
                }
            }
            let pixels: Vec<_> = opened.iter().map(|(_, image)| image.pixels.clone()).collect();
            let embeddings = model.embed_images(&pixels).await?;
            for ((path, image), embedding) in opened.into_iter().zip(embeddings) {
                let file = path.display().to_string();
                for note in &image.notes {
                    output.say(&output.ink(Ink::Warn, &format!("note: {}: {note}", plain(&file))));
                }
                embedded.pictures.push(Picture { file, embedding, notes: image.notes });
            }
        }
        if embedded.pictures.is_empty() {
            let problem = anyhow!("none of {} files is a picture that can be read", embedded.left_out.len());
            return Err(Failure::bad_input(problem));
        }
        Ok(embedded)
    }
}

impl Embedded {
    fn leave_out(&mut self, path: &Path, problem: &str, output: &Output) {
        output.say(&output.ink(Ink::Warn, &format!("left out: {}", plain(problem))));
        self.left_out.push(LeftOut { file: path.display().to_string(), problem: problem.to_owned() });
    }
}
