//! The folder that all programs of the Hub keep their files in
//! (<https://huggingface.co/docs/huggingface_hub/guides/manage-cache>): what one has fetched, the others find.
//!
//! ```text
//! models--org--name/blobs/ce0136…                 a file by its checksum: whole, or not there
//! models--org--name/blobs/ce0136….incomplete      the part of it that came so far
//! models--org--name/snapshots/f00d…/onnx/x.onnx   a link to the blob that this path is at that commit
//! models--org--name/refs/main                     the commit that a branch or tag was at
//! models--org--name/.percept/f00d….json           that commit's listing (ours alone)
//! .locks/models--org--name/ce0136….lock           held while that blob is fetched
//! .locks/models--org--name/percept.lock           held by pulls together, or by a removal alone (ours alone)
//! ```

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::{
    HubAddress, HubError,
    address::is_commit,
    listing::{Entry, Listing},
};
use crate::folder::GENAI_FILE;

/// How often a lock that another process holds is asked for.
const LOCK_PAUSE: Duration = Duration::from_millis(100);
/// What the lock on a whole repository is named after; no blob is called so.
const WHOLE: &str = "percept";
/// What a repository's folder begins with.
const PREFIX: &str = "models--";

/// How far in a repository a model's graphs are looked for.
const DEEPEST: usize = 3;

/// One repository's folder.
#[derive(Debug, Clone)]
pub(super) struct Shelf {
    folder: PathBuf,
    locks: PathBuf,
}

impl Shelf {
    pub(super) fn of(cache: &Path, address: &HubAddress) -> Self {
        let name = format!("{PREFIX}{}", address.repository().replace('/', "--"));
        Self { folder: cache.join(&name), locks: cache.join(".locks").join(name) }
    }

    pub(super) fn blob(&self, name: &str) -> PathBuf {
        self.folder.join("blobs").join(name)
    }

    pub(super) fn incomplete(&self, name: &str) -> PathBuf {
        self.folder.join("blobs").join(format!("{name}.incomplete"))
    }

    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.snapshots().join(commit)
    }

    pub(super) fn snapshots(&self) -> PathBuf {
        self.folder.join("snapshots")
    }

    pub(super) fn references(&self) -> PathBuf {
        self.folder.join("refs")
    }

    /// What other programs note here of a commit: files that it doesn't have.
    pub(super) fn marks(&self, commit: &str) -> PathBuf {
        self.folder.join(".no_exist").join(commit)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folders in it and it itself, the inner ones first.
    pub(super) fn rooms(&self) -> impl Iterator<Item = PathBuf> {
        let inner = ["blobs", "snapshots", "refs", ".percept", ".no_exist"];
        inner.into_iter().map(|name| self.folder.join(name)).chain([self.folder.clone()])
    }

    /// The blob that a link in a snapshot leads to; `None` for a file with content of its own, and a link to elsewhere.
    pub(super) fn blob_of(&self, link: &Path) -> Option<String> {
        let target = fs::read_link(link).ok()?;
        let name = target.file_name()?.to_str()?.to_owned();
        // The blob itself may be gone: then what it was called still tells.
        let home = fs::canonicalize(link.parent()?.join(target.parent()?)).ok()?;
        (home == fs::canonicalize(self.folder.join("blobs")).ok()?).then_some(name)
    }

    /// Whether somebody fetches anything of this repository now, this program or another one.
    pub(super) fn is_fetched(&self) -> bool {
        let locks = fs::read_dir(&self.locks).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut locks = locks.filter(|path| path.extension().is_some_and(|end| end == "lock"));
        locks.any(|path| {
            let file = File::options().write(true).open(path);
            file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
        })
    }

    /// Keeps removals away for as long as the file is kept: what is there already may be part of what is fetched, and no
    /// blob's own lock says so. `None` where a cache can't be written, so that nothing can go from it either.
    pub(super) async fn keep_removals_away(&self) -> Option<File> {
        let file = self.whole_lock().ok()?;
        loop {
            match file.try_lock_shared() {
                Ok(()) => return Some(file),
                Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_PAUSE).await,
                Err(TryLockError::Error(_)) => return None,
            }
        }
    }

    /// Keeps pulls away for as long as the file is kept; `None` while there is one.
    pub(super) fn keep_pulls_away(&self) -> Result<Option<File>, HubError> {
        let failed = |error: &io::Error| HubError::disk(self.lock_file(WHOLE), error);
        let file = self.whole_lock().map_err(|error| failed(&error))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed(&error)),
        }
    }

    fn whole_lock(&self) -> io::Result<File> {
        fs::create_dir_all(&self.locks)?;
        File::options().create(true).truncate(false).write(true).open(self.lock_file(WHOLE))
    }

    /// All blobs, and parts of blobs.
    pub(super) fn blobs(&self) -> Vec<PathBuf> {
        let blobs = fs::read_dir(self.folder.join("blobs")).into_iter().flatten().flatten();
        let mut blobs: Vec<PathBuf> = blobs.map(|entry| entry.path()).collect();
        blobs.sort();
        blobs
    }

    /// The parts of blobs that didn't come whole.
    pub(super) fn parts(&self) -> Vec<PathBuf> {
        let is_part = |path: &PathBuf| path.extension().is_some_and(|end| end == "incomplete");
        self.blobs().into_iter().filter(is_part).collect()
    }

    fn lock_file(&self, blob: &str) -> PathBuf {
        self.locks.join(format!("{blob}.lock"))
    }

    /// The commit that a revision was at when it was fetched.
    pub(super) fn commit(&self, revision: &str) -> Option<String> {
        if is_commit(revision) {
            return Some(revision.to_owned());
        }
        let text = fs::read_to_string(self.references().join(revision)).ok()?;
        Some(text.trim().to_owned()).filter(|commit| is_commit(commit))
    }

    /// Notes the commit that a revision is at.
    pub(super) fn note(&self, revision: &str, commit: &str) -> Result<(), HubError> {
        if is_commit(revision) {
            return Ok(());
        }
        write(&self.references().join(revision), commit)
    }

    /// A commit's listing, if it was kept.
    pub(super) fn listing(&self, commit: &str) -> Option<Listing> {
        let text = fs::read_to_string(self.listing_file(commit)).ok()?;
        Listing::of_kept(&text).filter(|listing| listing.commit == commit)
    }

    pub(super) fn keep(&self, listing: &Listing) -> Result<(), HubError> {
        write(&self.listing_file(&listing.commit), &listing.kept())
    }

    pub(super) fn listing_file(&self, commit: &str) -> PathBuf {
        self.folder.join(".percept").join(format!("{commit}.json"))
    }

    /// Waits until nobody else fetches this blob. The lock ends with the file, so a killed process leaves none behind.
    pub(super) async fn lock(&self, blob: &str) -> Result<File, HubError> {
        let path = self.lock_file(blob);
        make_parent(&path)?;
        make_parent(&self.blob(blob))?;
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| HubError::disk(&path, &error))?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_PAUSE).await,
                Err(TryLockError::Error(error)) => return Err(HubError::disk(&path, &error)),
            }
        }
    }

    /// Whether a file is there as a whole: as a blob, or where the commit has it, which is all that some programs leave on
    /// systems without links. Its content was checked when it came, by whichever program fetched it.
    pub(super) fn has(&self, commit: &str, path: &str, entry: &Entry) -> bool {
        is_whole(&self.blob(entry.checksum.text()), entry)
            || is_whole(&self.snapshot(commit).join(path), entry)
    }

    /// Puts a blob where a commit has it: as a link, or as a copy where the system makes none.
    pub(super) fn link(&self, commit: &str, path: &str, entry: &Entry) -> Result<(), HubError> {
        let target = self.snapshot(commit).join(path);
        if is_whole(&target, entry) {
            return Ok(());
        }
        let blob = entry.checksum.text();
        let blob_file = self.blob(blob);
        make_parent(&target)?;
        let up = "../".repeat(path.split('/').count() + 1);
        let beside = beside(&target);
        let made = link_file(Path::new(&format!("{up}blobs/{blob}")), &beside)
            .or_else(|_| copy(&blob_file, &beside))
            .and_then(|()| fs::rename(&beside, &target));
        made.map_err(|error| {
            let _ = fs::remove_file(&beside);
            HubError::disk(&target, &error)
        })
    }
}

fn is_whole(path: &Path, entry: &Entry) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == entry.bytes)
}

/// A copy under a name that nothing has: through a link of that name the file itself would be written over.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut copy = File::options().write(true).create_new(true).open(to)?;
    io::copy(&mut File::open(from)?, &mut copy).map(|_| ())
}

#[cfg(unix)]
fn link_file(to: &Path, at: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(to, at)
}

#[cfg(windows)]
fn link_file(to: &Path, at: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(to, at)
}

/// A name for a file that is still being made.
fn beside(path: &Path) -> PathBuf {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Processes of two machines, or of two containers, may have one number.
    path.with_file_name(format!(".{name}.{}-{number}-{:08x}", process::id(), rand::random::<u32>()))
}

/// Writes a small file, which is there as a whole or not at all.
fn write(path: &Path, text: &str) -> Result<(), HubError> {
    make_parent(path)?;
    let beside = beside(path);
    fs::write(&beside, text).and_then(|()| fs::rename(&beside, path)).map_err(|error| {
        let _ = fs::remove_file(&beside);
        HubError::disk(path, &error)
    })
}

fn make_parent(path: &Path) -> Result<(), HubError> {
    let Some(parent) = path.parent() else { return Ok(()) };
    fs::create_dir_all(parent).map_err(|error| HubError::disk(parent, &error))
}

/// The models in a cache that look as if they could be opened, whoever fetched them.
pub(super) fn models(cache: &Path) -> Vec<HubAddress> {
    let mut found = Vec::new();
    for (name, folder) in folders(cache) {
        let Some(repository) = name.strip_prefix(PREFIX).map(|name| name.replacen("--", "/", 1)) else {
            continue;
        };
        let mut named = Vec::new();
        let mut add = |revision: &str, snapshot: &Path| {
            for inside in model_folders(snapshot, 0) {
                found.extend(format!("{repository}{inside}@{revision}").parse());
            }
        };
        for (revision, commit) in revisions(&folder.join("refs"), "") {
            add(&revision, &folder.join("snapshots").join(&commit));
            named.push(commit);
        }
        for (commit, snapshot) in folders(&folder.join("snapshots")) {
            if !named.contains(&commit) {
                add(&commit, &snapshot);
            }
        }
    }
    found.sort();
    found
}

/// Whether a commit's folder holds a model that [`models`] tells of.
pub(super) fn is_listed(snapshot: &Path) -> bool {
    !model_folders(snapshot, 0).is_empty()
}

/// The folders in a folder, by name; none if it can't be read.
pub(super) fn folders(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())));
    named.filter(|(_, path)| path.is_dir()).collect()
}

/// Every revision with its commit; a branch's name may have slashes.
pub(super) fn revisions(folder: &Path, before: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let (name, path) = (format!("{before}{name}"), entry.path());
        if path.is_dir() {
            found.extend(revisions(&path, &format!("{name}/")));
        } else if let Ok(commit) = fs::read_to_string(&path) {
            found.push((name, commit.trim().to_owned()));
        }
    }
    found
}

/// The paths, from a folder, of it and of folders in it that look like models: each has settings, and graphs that no folder
/// further in has settings for.
fn model_folders(folder: &Path, depth: usize) -> Vec<String> {
    let mut found = Vec::new();
    if has_settings(folder) && has_graph(folder, depth) {
        found.push(String::new());
    }
    if depth < DEEPEST {
        for (name, path) in folders(folder) {
            let inside = model_folders(&path, depth + 1);
            found.extend(inside.into_iter().map(|path| format!("/{name}{path}")));
        }
    }
    found
}

fn has_settings(folder: &Path) -> bool {
    ["config.json", GENAI_FILE].iter().any(|name| folder.join(name).is_file())
}

fn has_graph(folder: &Path, depth: usize) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files = entries.map(|entry| entry.path()).filter(|path| path.is_file());
    files.any(|path| path.extension().is_some_and(|end| end == "onnx"))
        || depth < DEEPEST
            && folders(folder).iter().any(|(_, path)| !has_settings(path) && has_graph(path, depth + 1))
}
