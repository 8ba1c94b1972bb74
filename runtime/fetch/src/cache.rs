//! The folder where what was fetched lies, one user's, shared by all of that user's processes.
//!
//! ```text
//! packages/onnxruntime-1.31.1/library/…      a part: complete, or not there
//! archives/sparticuz-chromium-147.0.0        an archive that still holds a part that nobody asked for
//! staging/onnxruntime-1.31.1-…/              a fetch in progress; left over only by a killed process
//! locks/onnxruntime-1.31.1                   held while that package is fetched
//! ```

use std::{
    env,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use crate::{Archive, Build, Clients, FetchError, Part, Platform, Progress, unpack::unpack};

/// The folder where what was fetched lies, and the clients that fetch what isn't there yet.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
    clients: Clients,
}

impl Cache {
    /// The user's cache: `PERCEPT_CACHE`, else the system's place for caches (`$XDG_CACHE_HOME/percept` or
    /// `~/.cache/percept`; `~/Library/Caches/percept`; `%LOCALAPPDATA%\percept`), with the clients on the `PATH`.
    /// Creates nothing yet.
    ///
    /// # Errors
    ///
    /// [`FetchError::NoCacheFolder`] if no variable says where that is.
    pub fn open() -> Result<Self, FetchError> {
        Ok(Self::at(root()?, Clients::on_path()))
    }

    /// A cache in a folder of the caller's choice, with the clients of the caller's choice.
    pub fn at(root: impl Into<PathBuf>, clients: Clients) -> Self {
        Self { root: root.into(), clients }
    }

    /// The cache's own folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a part is or will be, whether it is there or not.
    pub fn folder(&self, part: &Part) -> PathBuf {
        self.root.join("packages").join(part.archive.folder_name()).join(part.name)
    }

    /// The part's folder, if it was fetched already.
    pub fn existing(&self, part: &Part) -> Option<PathBuf> {
        Some(self.folder(part)).filter(|folder| folder.is_dir())
    }

    /// The part's folder, fetched first if it isn't there. Of several processes and threads that want the same
    /// package one fetches, and the others wait for it.
    ///
    /// # Errors
    ///
    /// Any [`FetchError`]; then nothing of the part is there, and the next call tries again.
    pub fn obtain(&self, part: &Part, progress: &dyn Progress) -> Result<PathBuf, FetchError> {
        if let Some(folder) = self.existing(part) {
            return Ok(folder);
        }
        let (archive, platform) = (part.archive, Platform::here());
        let (build, items) = (archive.build_for(platform)?, part.items_for(platform)?);
        let (name, title) = (archive.folder_name(), archive.title());

        let _lock = self.lock(&name, &title, progress)?;
        // Another process may have fetched it while this one waited for the lock.
        if let Some(folder) = self.existing(part) {
            return Ok(folder);
        }
        self.sweep(&name);
        let staging = self.make_folder("staging")?;
        let staging = tempfile::Builder::new()
            .prefix(&format!("{name}-"))
            .tempdir_in(&staging)
            .map_err(|source| FetchError::writing(&title, &staging, source))?;

        let file = self.archive_file(archive, build, staging.path(), progress)?;
        let unpacked = staging.path().join("unpacked");
        fs::create_dir(&unpacked).map_err(|source| FetchError::writing(&title, &unpacked, source))?;
        progress.start(&format!("unpacking {title}"), None);
        let result = unpack(archive, &file, items, &unpacked);
        progress.finish();
        result?;

        let folder = self.folder(part);
        if let Some(parent) = folder.parent() {
            fs::create_dir_all(parent).map_err(|source| FetchError::writing(&title, parent, source))?;
        }
        fs::rename(&unpacked, &folder).map_err(|source| FetchError::writing(&title, &folder, source))?;
        self.keep_or_drop(archive, &file);
        Ok(folder)
    }

    /// The archive's file, checked: the one that was kept from an earlier part, else a fresh download.
    fn archive_file(
        &self,
        archive: &Archive,
        build: &Build,
        staging: &Path,
        progress: &dyn Progress,
    ) -> Result<PathBuf, FetchError> {
        let kept = self.kept(archive);
        if kept.is_file() && check(archive, build, &kept).is_ok() {
            return Ok(kept);
        }
        let file = self.clients.fetch(archive, build, staging, progress)?;
        check(archive, build, &file)?;
        Ok(file)
    }

    /// Keeps the archive for the parts that are still inside, and deletes it with the last one. A failure costs
    /// a download later, no more.
    fn keep_or_drop(&self, archive: &Archive, file: &Path) {
        let folder = self.root.join("packages").join(archive.folder_name());
        let kept = self.kept(archive);
        let outcome = if archive.parts.iter().all(|part| folder.join(part).is_dir()) {
            if kept.is_file() { fs::remove_file(&kept) } else { Ok(()) }
        } else if file == kept {
            Ok(())
        } else {
            self.make_folder("archives").map_or(Ok(()), |_| fs::rename(file, &kept))
        };
        if let Err(error) = outcome {
            tracing::debug!(%error, "the archive of {} could not be kept or deleted", archive.title());
        }
    }

    fn kept(&self, archive: &Archive) -> PathBuf {
        self.root.join("archives").join(archive.folder_name())
    }

    /// Waits until this process is the only one that fetches this package. The lock ends with the file handle,
    /// so a killed process leaves none behind.
    fn lock(&self, name: &str, title: &str, progress: &dyn Progress) -> Result<File, FetchError> {
        let path = self.make_folder("locks")?.join(name);
        let failed = |source| FetchError::CacheNotWritable { path: path.clone(), source };
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                progress.start(&format!("waiting for another process to fetch {title}"), None);
                let locked = file.lock();
                progress.finish();
                locked.map_err(failed)?;
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        Ok(file)
    }

    /// Deletes what a killed fetch of this package left; the caller holds its lock, so nobody uses it.
    fn sweep(&self, name: &str) {
        let Ok(entries) = fs::read_dir(self.root.join("staging")) else { return };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(&format!("{name}-")) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }

    fn make_folder(&self, name: &str) -> Result<PathBuf, FetchError> {
        let folder = self.root.join(name);
        fs::create_dir_all(&folder)
            .map_err(|source| FetchError::CacheNotWritable { path: folder.clone(), source })?;
        Ok(folder)
    }
}

/// # Errors
///
/// [`FetchError::WrongChecksum`] if the file isn't the pinned one.
fn check(archive: &Archive, build: &Build, file: &Path) -> Result<(), FetchError> {
    let found = build.checksum.found(file).map_err(|source| FetchError::Io {
        what: "reading",
        path: file.to_owned(),
        source,
    })?;
    if found == build.checksum.text() {
        return Ok(());
    }
    Err(FetchError::WrongChecksum { package: archive.title(), expected: build.checksum.to_string(), found })
}

fn root() -> Result<PathBuf, FetchError> {
    let folder = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || folder("HOME").or_else(|| folder("USERPROFILE"));
    let system = || {
        if cfg!(windows) {
            folder("LOCALAPPDATA").or_else(|| home().map(|home| home.join("AppData").join("Local")))
        } else if cfg!(target_os = "macos") {
            home().map(|home| home.join("Library").join("Caches"))
        } else {
            folder("XDG_CACHE_HOME").or_else(|| home().map(|home| home.join(".cache")))
        }
    };
    folder("PERCEPT_CACHE")
        .or_else(|| system().map(|caches| caches.join("percept")))
        .ok_or(FetchError::NoCacheFolder)
}
