//! One file on its way into the cache: taken up where it broke off, counted, checked, and only then given its name.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use percept_runtime::Progress;
use reqwest::{
    StatusCode,
    header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderMap},
};

use super::{HubAddress, HubError, cache::Shelf, listing::Entry, transport::Transport};
use crate::{ModelError, http::Failure};

/// How many bytes are there, of all files together. A bar that went back would look broken, so it never does.
pub(super) struct Tally<'a> {
    pub(super) progress: &'a dyn Progress,
    bytes: AtomicU64,
    told: AtomicU64,
}

impl<'a> Tally<'a> {
    pub(super) fn new(progress: &'a dyn Progress) -> Self {
        Self { progress, bytes: AtomicU64::new(0), told: AtomicU64::new(0) }
    }

    fn add(&self, bytes: u64) {
        let now = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if self.told.fetch_max(now, Ordering::Relaxed) < now {
            self.progress.advance(now);
        }
    }

    fn remove(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// One file's way.
pub(super) struct Download<'a> {
    pub(super) transport: &'a Transport,
    pub(super) shelf: &'a Shelf,
    pub(super) address: &'a HubAddress,
    pub(super) commit: &'a str,
    pub(super) path: &'a str,
    pub(super) entry: &'a Entry,
    pub(super) tally: &'a Tally<'a>,
}

/// The part of a file that is there, with the lock on it: whoever still writes holds both, even if nobody waits for it.
struct Part {
    file: File,
    path: PathBuf,
    _lock: Arc<File>,
}

impl Part {
    fn open(path: PathBuf, lock: Arc<File>) -> Result<Self, HubError> {
        let file = File::options().create(true).append(true).open(&path);
        let file = file.map_err(|error| HubError::disk(&path, &error))?;
        Ok(Self { file, path, _lock: lock })
    }

    fn bytes(&self) -> Result<u64, HubError> {
        self.file
            .metadata()
            .map(|metadata| metadata.len())
            .map_err(|error| HubError::disk(&self.path, &error))
    }

    fn disk(&self, error: &io::Error) -> HubError {
        HubError::disk(&self.path, error)
    }
}

impl Download<'_> {
    /// Brings the blob, unless it is there. Whether it was fetched is the answer.
    pub(super) async fn run(&self) -> Result<bool, ModelError> {
        let name = self.entry.checksum.text();
        let blob = self.shelf.blob(name);
        let is_there = || self.shelf.has(self.commit, self.path, self.entry);
        if is_there() {
            return Ok(false);
        }
        let lock = Arc::new(self.shelf.lock(name).await?);
        // Another process may have fetched it while this one waited for the lock.
        if is_there() {
            self.tally.add(self.entry.bytes);
            return Ok(false);
        }
        for _ in 0..2 {
            let part = Arc::new(Part::open(self.shelf.incomplete(name), Arc::clone(&lock))?);
            self.fill(&part).await?;
            let checksum = self.entry.checksum.clone();
            let checked = Arc::clone(&part);
            let fits = off_the_loop(move || {
                checked.file.sync_data()?;
                checksum.fits(&checked.path)
            });
            if fits.await.map_err(|error| part.disk(&error))? {
                fs::rename(&part.path, &blob).map_err(|error| HubError::disk(&blob, &error))?;
                return Ok(true);
            }
            tracing::warn!(
                path = self.path,
                "the content isn't the one that its checksum names: fetching it anew"
            );
            fs::remove_file(&part.path).map_err(|error| part.disk(&error))?;
            self.tally.remove(self.entry.bytes);
        }
        Err(HubError::Corrupt { model: self.address.to_string(), path: self.path.to_owned() }.into())
    }

    /// Until all bytes are there. Attempts that bring something on are as many as it takes.
    async fn fill(&self, part: &Arc<Part>) -> Result<(), ModelError> {
        let mut there = part.bytes()?;
        if there > self.entry.bytes {
            part.file.set_len(0).map_err(|error| part.disk(&error))?;
            there = 0;
        }
        self.tally.add(there);
        let (mut attempts, mut furthest) = (0, there);
        while there < self.entry.bytes {
            let failure = match self.attempt(part, &mut there).await {
                Ok(()) => continue,
                Err(failure) => failure,
            };
            // What was thrown away and came again is nothing new.
            attempts = if there > furthest { 1 } else { attempts + 1 };
            furthest = furthest.max(there);
            self.transport.rest(failure, attempts).await?;
        }
        Ok(())
    }

    /// Asks for what is missing and takes what comes; `there` is right even if it fails.
    async fn attempt(&self, part: &Arc<Part>, there: &mut u64) -> Result<(), Failure> {
        let url = self.transport.file(self.address, self.commit, self.path);
        let what = format!("`{}` of {}", self.path, self.address);
        let from = Some(*there).filter(|from| *from > 0);
        let mut response = self.transport.get(self.address, &what, &url, from).await?;
        match response.status() {
            StatusCode::RANGE_NOT_SATISFIABLE => {
                self.restart(part, there)?;
                let problem = format!("the rest of {what} can't be had");
                return Err(Failure::passing(
                    self.transport.malformed(problem),
                    from.map(|_| std::time::Duration::ZERO),
                ));
            }
            StatusCode::PARTIAL_CONTENT => {
                if range(response.headers()) != Some((*there, self.entry.bytes)) {
                    self.restart(part, there)?;
                    let problem = format!("it sends another range of {what} than was asked for");
                    return Err(Failure::passing(self.transport.malformed(problem), None));
                }
            }
            // The whole of it, whatever was asked for.
            _ => self.restart(part, there)?,
        }
        if let Some(coming) = length(response.headers())
            && coming != self.entry.bytes.saturating_sub(*there)
        {
            let problem = format!(
                "{what} has {} bytes in its listing, and after {there} another {coming} are sent",
                self.entry.bytes
            );
            return Err(Failure::for_good(self.transport.malformed(problem)));
        }
        while let Some(chunk) = self.transport.more(&mut response).await? {
            let bytes = chunk.as_ref().len() as u64;
            if bytes > self.entry.bytes.saturating_sub(*there) {
                self.restart(part, there)?;
                let problem = format!("{what} is longer than the {} bytes in its listing", self.entry.bytes);
                return Err(Failure::for_good(self.transport.malformed(problem)));
            }
            let writer = Arc::clone(part);
            let written = off_the_loop(move || (&writer.file).write_all(chunk.as_ref()));
            written.await.map_err(|error| Failure::for_good(part.disk(&error)))?;
            *there += bytes;
            self.tally.add(bytes);
        }
        if *there < self.entry.bytes {
            let problem = format!("{there} of {} bytes of {what} came", self.entry.bytes);
            return Err(Failure::passing(self.transport.cut(response.url(), &problem), None));
        }
        Ok(())
    }

    fn restart(&self, part: &Part, there: &mut u64) -> Result<(), Failure> {
        part.file.set_len(0).map_err(|error| Failure::for_good(part.disk(&error)))?;
        self.tally.remove(*there);
        *there = 0;
        Ok(())
    }
}

/// Work on a disk, which may take its time.
async fn off_the_loop<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// How many bytes an answer announces.
fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Where an answer's range begins, and how long the whole file is: `bytes 5-9/10` (RFC 9110, 14.4).
fn range(headers: &HeaderMap) -> Option<(u64, u64)> {
    let text = headers.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?;
    let (range, whole) = text.split_once('/')?;
    let (from, _) = range.split_once('-')?;
    Some((from.parse().ok()?, whole.parse().ok()?))
}
