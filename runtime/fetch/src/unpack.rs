//! Taking files out of an archive: a wheel or a gzipped tarball outside, plain or brotli inside.

mod tarball;
mod wheel;

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use crate::{Archive, FetchError, Form, Item, Registry};

/// Unpacks `items` of the file `from` into `into`, each file written through to the disk.
///
/// # Errors
///
/// [`FetchError::Unpackable`] for a torn archive or a missing item; writing errors as they are sorted.
pub(crate) fn unpack(archive: &Archive, from: &Path, items: &[Item], into: &Path) -> Result<(), FetchError> {
    let unpacked = match archive.registry {
        Registry::PyPi => wheel::unpack(from, items, into),
        Registry::Npm => tarball::unpack(from, items, into),
    };
    unpacked.map_err(|failure| match failure {
        Failure::Reading(reason) => FetchError::Unpackable { package: archive.title(), reason },
        Failure::Writing(path, source) => FetchError::writing(&archive.title(), path, source),
    })
}

/// Which side broke: the archive, or the disk.
pub(crate) enum Failure {
    Reading(String),
    Writing(std::path::PathBuf, io::Error),
}

/// Writes one item from its place in the archive to its place in the cache.
fn place(item: &Item, reader: &mut dyn Read, into: &Path) -> Result<(), Failure> {
    let target = item.target(into);
    match item.form {
        Form::Plain => write(reader, &target, false, item.from),
        Form::BrotliProgram => {
            write(&mut brotli::Decompressor::new(reader, 1 << 16), &target, true, item.from)
        }
        Form::BrotliTarball => untar(&mut brotli::Decompressor::new(reader, 1 << 16), &target, item.from),
    }
}

fn write(reader: &mut dyn Read, target: &Path, program: bool, name: &str) -> Result<(), Failure> {
    let writing = |error| Failure::Writing(target.to_owned(), error);
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder).map_err(writing)?;
    }
    let mut file = File::create(target).map_err(writing)?;
    copy(reader, &mut file, name, target)?;
    if program {
        make_program(&file).map_err(writing)?;
    }
    // A rename is only as good as the data behind it: without this a power cut could leave an empty file
    // under the final name.
    file.sync_all().map_err(writing)
}

/// Like [`io::copy`], but tells a torn source from a full disk.
fn copy(reader: &mut dyn Read, file: &mut File, name: &str, target: &Path) -> Result<(), Failure> {
    let mut buffer = vec![0; 1 << 18];
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failure::Reading(format!("{name}: {error}"))),
        };
        io::Write::write_all(file, &buffer[..read])
            .map_err(|error| Failure::Writing(target.to_owned(), error))?;
    }
}

/// Unpacks every file of a tarball; links and devices have no business in one of ours.
fn untar(reader: &mut dyn Read, folder: &Path, name: &str) -> Result<(), Failure> {
    let reading = |error: io::Error| Failure::Reading(format!("{name}: {error}"));
    let mut tarball = tar::Archive::new(reader);
    for entry in tarball.entries().map_err(reading)? {
        let mut entry = entry.map_err(reading)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path().map_err(reading)?.into_owned();
        if path
            .components()
            .any(|part| !matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir))
        {
            return Err(Failure::Reading(format!("{name}: {} leads out of the archive", path.display())));
        }
        let program = entry.header().mode().is_ok_and(|mode| mode & 0o100 != 0);
        write(&mut entry, &folder.join(&path), program, name)?;
    }
    Ok(())
}

#[cfg(unix)]
fn make_program(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn make_program(_file: &File) -> io::Result<()> {
    Ok(())
}
