//! The file that a picture is to be written to. It is begun before a model is loaded for nothing, beside its place, and takes that
//! place when it is whole.

use std::{
    fs::{self, File},
    io::{self, Cursor, Read, Write},
    path::{Path, PathBuf},
};

use anyhow::anyhow;
use image::{ImageFormat, RgbImage};

use super::failure::Failure;

/// So many bytes tell a picture's format.
const BEGINNING: u64 = 64;

/// A file that is begun; dropped before it is whole, it leaves nothing.
pub(crate) struct PictureFile {
    path: PathBuf,
    format: ImageFormat,
    part: Part,
}

/// What stands beside the place until it takes it.
struct Part {
    path: PathBuf,
    file: Option<File>,
}

impl Drop for Part {
    fn drop(&mut self) {
        // Windows takes nothing away that is open.
        self.file = None;
        // Gone where it took its place; whatever else is wrong, nobody is left to tell.
        let _ = fs::remove_file(&self.path);
    }
}

impl PictureFile {
    /// Begins one in the format of its name's ending. The place is free, or a picture of that format is drawn anew; nothing else
    /// gives way, and no picture of these that are read.
    pub(crate) fn begin(path: &Path, read: &[&Path]) -> Result<Self, Failure> {
        let format =
            ImageFormat::from_path(path).ok().filter(ImageFormat::writing_enabled).ok_or_else(|| {
                named(path, "no picture can be written in the format of this ending")
                    .help("name it so: picture.png")
            })?;
        check_place(path, format)?;
        if let Some(input) = read.iter().find(|input| is_in(path, input)) {
            let problem = format!("it would write over {}, which is read", input.display());
            return Err(named(path, &problem).help("name another file"));
        }
        Ok(Self { path: path.to_owned(), format, part: Part::beside(path)? })
    }

    /// Writes the picture, and puts it in its place.
    pub(crate) fn write(mut self, picture: &RgbImage) -> Result<(), Failure> {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, self.format).map_err(Failure::broken)?;
        // Meanwhile something else may have come there.
        check_place(&self.path, self.format)?;
        let written = match self.part.file.take() {
            Some(mut file) => file.write_all(bytes.get_ref()).and_then(|()| file.sync_all()),
            None => Ok(()),
        };
        written
            .and_then(|()| fs::rename(&self.part.path, &self.path))
            .map_err(|error| unwritten(&self.path, &error))
    }
}

impl Part {
    fn beside(path: &Path) -> Result<Self, Failure> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // A part that a killed drawing left isn't in the way of the next one.
        let mut number = 0_u32;
        loop {
            let beside = folder_of(path).join(format!(".{name}.{number}.part"));
            match File::create_new(&beside) {
                Ok(file) => return Ok(Self { path: beside, file: Some(file) }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < u32::MAX => {
                    number += 1;
                }
                Err(error) => return Err(unwritten(path, &error)),
            }
        }
    }
}

fn check_place(path: &Path, format: ImageFormat) -> Result<(), Failure> {
    let folder = folder_of(path);
    if !folder.is_dir() {
        return Err(named(path, "there is no such folder").help(format!("make {} first", folder.display())));
    }
    let taken = |what: &str| named(path, &format!("it is there already, and it is no {what}"));
    let mut beginning = Vec::new();
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(named(path, &error.to_string())),
        // A pipe would be waited for without end.
        Ok(metadata) if !metadata.is_file() => return Err(taken("file").help("name another file")),
        Ok(_) => {
            let read = File::open(path).and_then(|file| file.take(BEGINNING).read_to_end(&mut beginning));
            read.map_err(|error| named(path, &error.to_string()))?;
        }
    }
    match image::guess_format(&beginning) {
        Ok(found) if found == format => Ok(()),
        _ => Err(taken(&format!("picture in the format {format:?}")).help("name another file")),
    }
}

/// Whether there is a file that is an input, or lies in one that is a folder.
fn is_in(path: &Path, input: &Path) -> bool {
    match (path.canonicalize(), input.canonicalize()) {
        (Ok(path), Ok(input)) => path.starts_with(input),
        _ => false,
    }
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn named(path: &Path, problem: &str) -> Failure {
    Failure::bad_input(anyhow!("{}: {problem}", path.display()))
}

fn unwritten(path: &Path, error: &io::Error) -> Failure {
    Failure::broken(anyhow!("{} can't be written: {error}", path.display()))
        .help("name a file in a folder that you may write to, or make room")
}
