//! Models of the Hugging Face Hub: fetched by its documented HTTP API, into the cache that all its programs share.
//!
//! The way of a pull: the revision becomes a commit and a listing → the settings come → they say which graphs are needed,
//! by the rules by which a folder is opened → these come, four at a time → each is checked against its checksum → the
//! commit's folder is linked to them. Endpoints as in <https://huggingface.co/docs/hub/api>. It was held to a server that
//! speaks this protocol as it is documented; the Hub itself wasn't reached.
//!
//! **Invariants:** the token goes to the Hub and nowhere else; nothing is named in the cache before its checksum fits; a
//! pull that is killed anywhere leaves parts that the next one takes up; opening a model asks the Hub only for what isn't
//! there.

mod address;
mod blob;
mod cache;
mod checksum;
mod choice;
mod error;
mod listing;
mod removal;
mod settings;
mod space;
mod transport;

use std::path::{Path, PathBuf};

use futures::{StreamExt, TryStreamExt, stream};
use percept_runtime::Progress;
use serde::Serialize;

pub use self::{address::HubAddress, error::HubError, removal::Removal, settings::HubSettings};
use self::{
    address::is_commit,
    blob::{Download, Tally},
    cache::Shelf,
    choice::Part,
    listing::Listing,
    transport::Transport,
};
use crate::{ModelError, Precision};

/// How many files come at once.
const AT_ONCE: usize = 4;

/// The Hub, and the cache for what comes from it.
///
/// ```no_run
/// use percept_models::{Hub, HubSettings};
///
/// # async fn example(progress: &dyn percept_runtime::Progress) -> Result<(), percept_models::ModelError> {
/// let hub = Hub::new(HubSettings::of_environment()?)?;
/// let pulled = hub.pull(&"org/name@v1.0".parse()?, None, progress).await?;
/// println!("{} at {}", pulled.folder.display(), pulled.commit);
/// # Ok(())
/// # }
/// ```
pub struct Hub {
    settings: HubSettings,
    transport: Transport,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// A model that is there now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pulled {
    /// Its address.
    pub model: HubAddress,
    /// The commit, which names exactly this content.
    pub commit: String,
    /// The folder to open.
    pub folder: PathBuf,
    /// What was looked for; empty where the cache was taken as it is.
    pub files: Vec<PulledFile>,
}

/// One file of a pull.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PulledFile {
    /// Its path in the repository.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Where it was.
    pub source: FileSource,
}

/// Where a file was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileSource {
    /// On the Hub, at least in part.
    Fetched,
    /// In the cache.
    Cached,
}

/// How much of what is there already is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// The revision as it is on the Hub now.
    Newest,
    /// The revision as it was when it was fetched.
    Any,
}

impl Hub {
    /// Readies the Hub; nothing is asked yet.
    ///
    /// # Errors
    ///
    /// [`HubError::Setting`] if the token can't be one.
    pub fn new(settings: HubSettings) -> Result<Self, HubError> {
        Ok(Self { transport: Transport::new(settings.clone())?, settings })
    }

    /// Asks the Hub what the revision is now, and fetches what isn't there of it: the settings, and the graphs in the
    /// precision that is asked for, else in the best there is.
    ///
    /// # Errors
    ///
    /// [`ModelError::Hub`], sorted by who can mend it.
    pub async fn pull(
        &self,
        address: &HubAddress,
        precision: Option<&Precision>,
        progress: &dyn Progress,
    ) -> Result<Pulled, ModelError> {
        self.bring(address, precision, Wish::Newest, progress).await
    }

    /// The revision as it was fetched, in the precision that is there if none is asked for; the Hub is asked only for what
    /// is missing.
    ///
    /// # Errors
    ///
    /// [`ModelError::Hub`], sorted by who can mend it.
    pub async fn obtain(
        &self,
        address: &HubAddress,
        precision: Option<&Precision>,
        progress: &dyn Progress,
    ) -> Result<Pulled, ModelError> {
        self.bring(address, precision, Wish::Any, progress).await
    }

    /// The models that are there, whoever fetched them.
    pub fn models(&self) -> Vec<HubAddress> {
        cache::models(&self.settings.cache)
    }

    /// What removing a revision from the cache would take away: nothing that another one uses. Nothing is removed until
    /// [`Removal::carry_out`].
    ///
    /// # Errors
    ///
    /// [`ModelError::Hub`] if it isn't there, or is being fetched.
    pub fn removal(&self, address: &HubAddress) -> Result<Removal, ModelError> {
        Ok(Removal::of(&self.settings.cache, address)?)
    }

    async fn bring(
        &self,
        address: &HubAddress,
        precision: Option<&Precision>,
        wish: Wish,
        progress: &dyn Progress,
    ) -> Result<Pulled, ModelError> {
        let cached = Shelf::of(&self.settings.cache, address);
        let known = cached.commit(address.revision());
        let kept = known.as_deref().and_then(|commit| cached.listing(commit));
        let was_kept = kept.is_some() && (wish == Wish::Any || self.settings.is_offline);
        let listing = match (kept, &known) {
            (Some(kept), _) if wish == Wish::Any || self.settings.is_offline => kept,
            // Another program fetched it.
            (None, Some(commit)) if self.settings.is_offline && cached.snapshot(commit).is_dir() => {
                let folder = inside(&cached.snapshot(commit), address);
                let (model, commit) = (address.clone(), commit.clone());
                return Ok(Pulled { model, commit, folder, files: Vec::new() });
            }
            _ if self.settings.is_offline => {
                return Err(HubError::Offline { problem: format!("{address} isn't in the cache") }.into());
            }
            _ => {
                // What another program fetched stays what it is: only its listing isn't known.
                let revision = known.as_deref().filter(|_| wish == Wish::Any).unwrap_or(address.revision());
                let answer = self.transport.listing(address, revision).await?;
                let listing =
                    Listing::of_answer(&answer).map_err(|problem| self.transport.malformed(problem))?;
                if is_commit(revision) && listing.commit != revision {
                    let problem = format!(
                        "it answers with the commit {} where {revision} is asked for",
                        listing.commit
                    );
                    return Err(self.transport.malformed(problem).into());
                }
                listing
            }
        };
        let snapshot = cached.snapshot(&listing.commit);
        let folder = inside(&snapshot, address);
        let _kept = cached.keep_removals_away().await;
        // What was there when the Hub was asked may have been removed since.
        let known = known.filter(|_| cached.commit(address.revision()).is_some());
        let was_kept = was_kept && cached.listing(&listing.commit).is_some();
        let job = Job { hub: self, shelf: &cached, address, listing: &listing };
        let part = Part { listing: &listing, folder: address.folder() };
        if !part.is_model() {
            return Err(no_model(address, part));
        }
        let told = |error| in_repository(address, &snapshot, error);
        let mut files = job.bring(&part.settings(), "settings", progress).await?;
        let local = wish == Wish::Any || self.settings.is_offline;
        let graphs = part.graphs(&folder, precision, local).map_err(told)?;
        files.extend(job.bring(&graphs, "graphs", progress).await?);
        let data = part.data(&folder, &graphs).map_err(told)?;
        files.extend(job.bring(&data, "data", progress).await?);
        if let Some(precision) = precision {
            part.check_precision(&folder, precision).map_err(told)?;
        }
        // Last, so that a revision never names what isn't there yet. What is known already isn't written again: a cache may be
        // one that can only be read, and another program may have gone on since.
        if !was_kept {
            cached.keep(&listing)?;
        }
        if known.as_deref() != Some(&listing.commit) {
            cached.note(address.revision(), &listing.commit)?;
        }
        Ok(Pulled { model: address.clone(), commit: listing.commit, folder, files })
    }
}

/// What the files of one pull have in common.
struct Job<'a> {
    hub: &'a Hub,
    shelf: &'a Shelf,
    address: &'a HubAddress,
    listing: &'a Listing,
}

impl Job<'_> {
    /// Brings some files, and then puts all of them where the commit has them: a folder never holds half a choice.
    async fn bring(
        &self,
        paths: &[String],
        what: &str,
        progress: &dyn Progress,
    ) -> Result<Vec<PulledFile>, ModelError> {
        let Self { hub, shelf, address, listing } = *self;
        let entries = || paths.iter().filter_map(|path| Some((path.as_str(), listing.entry(path)?)));
        let missing: Vec<_> =
            entries().filter(|(path, entry)| !shelf.has(&listing.commit, path, entry)).collect();
        if let Some((path, _)) = missing.first()
            && hub.settings.is_offline
        {
            return Err(
                HubError::Offline { problem: format!("`{path}` of {address} isn't in the cache") }.into()
            );
        }
        let tally = Tally::new(progress);
        if !missing.is_empty() {
            let bytes = missing.iter().map(|(_, entry)| entry.bytes).sum();
            let there = |name| std::fs::metadata(shelf.incomplete(name)).map_or(0, |metadata| metadata.len());
            let parts: u64 =
                missing.iter().map(|(_, entry)| there(entry.checksum.text()).min(entry.bytes)).sum();
            space::check(&hub.settings.cache, bytes - parts)?;
            progress.start(&format!("fetching {what} of {address}"), Some(bytes));
        }
        let downloads = stream::iter(entries().enumerate().map(|(number, (path, entry))| {
            let commit = listing.commit.as_str();
            let download =
                Download { transport: &hub.transport, shelf, address, commit, path, entry, tally: &tally };
            async move {
                let source = if download.run().await? { FileSource::Fetched } else { FileSource::Cached };
                let file = PulledFile { path: path.to_owned(), bytes: entry.bytes, source };
                Ok::<_, ModelError>((number, file))
            }
        }));
        let result = downloads.buffer_unordered(AT_ONCE).try_collect::<Vec<_>>().await;
        if !missing.is_empty() {
            progress.finish();
        }
        let mut files = result?;
        files.sort_by_key(|(number, _)| *number);
        for (path, entry) in entries() {
            shelf.link(&listing.commit, path, entry)?;
        }
        Ok(files.into_iter().map(|(_, file)| file).collect())
    }
}

/// Where the model is in a commit's folder.
fn inside(snapshot: &Path, address: &HubAddress) -> PathBuf {
    address.folder().map_or_else(|| snapshot.to_owned(), |folder| snapshot.join(folder))
}

/// Nothing says what model it is; perhaps folders in it are models.
fn no_model(address: &HubAddress, part: Part<'_>) -> ModelError {
    let others: Vec<String> = part
        .others()
        .into_iter()
        .filter_map(|folder| {
            let whole =
                address.folder().map_or_else(|| folder.to_owned(), |above| format!("{above}/{folder}"));
            Some(address.with_folder(&whole)?.to_string())
        })
        .collect();
    let problem = "it has no `config.json` and no `genai_config.json`";
    if others.is_empty() {
        return unfit(
            address,
            problem,
            "A model's folder in the layout of transformers.js or onnxruntime-genai has one",
        );
    }
    unfit(address, problem, &format!("Folders in it have: name {}", others.join(" or ")))
}

fn unfit(address: &HubAddress, problem: &str, remedy: &str) -> ModelError {
    HubError::Unfit { model: address.to_string(), problem: problem.into(), remedy: remedy.into() }.into()
}

/// What is wrong with a folder that isn't there yet is wrong with the repository.
fn in_repository(address: &HubAddress, snapshot: &Path, error: ModelError) -> ModelError {
    let ModelError::Folder { path, problem, .. } = &error else { return error };
    if problem == "it is missing" {
        let name = path.strip_prefix(snapshot).unwrap_or(path).to_string_lossy().replace('\\', "/");
        let problem = format!("it has no `{name}`");
        return unfit(
            address,
            &problem,
            "Only models that were exported to ONNX in the layout of transformers.js or onnxruntime-genai run here",
        );
    }
    match error {
        ModelError::Folder { problem, remedy, .. } => unfit(address, &problem, &remedy),
        other => other,
    }
}
