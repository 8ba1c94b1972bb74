//! Removing a model from the cache that all programs of the Hub share: only what no other revision uses.
//!
//! Whatever a removal does is worked out first, so that a person can be told. Files go before the names that lead to them:
//! one that breaks off is finished by doing it again, and until then the revision only lacks files, which a pull brings.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    HubAddress, HubError,
    address::is_commit,
    cache::{Shelf, folders, is_listed, revisions},
};

/// What removing a revision would take away.
#[derive(Debug, Clone, Serialize)]
pub struct Removal {
    /// The model's address.
    pub model: HubAddress,
    /// The commit that it is at; `None` of a first pull that broke off before its files had places.
    pub commit: Option<String>,
    /// How many files go.
    pub files: usize,
    /// How many bytes that frees; none if another branch or tag is at the same commit.
    pub bytes: u64,
    /// The revisions of the same repository that stay.
    pub stays: Vec<HubAddress>,
    #[serde(skip)]
    shelf: Shelf,
    /// Files with content, in the order in which they go.
    #[serde(skip)]
    contents: Vec<PathBuf>,
    /// Folders that go with all that is in them.
    #[serde(skip)]
    whole: Vec<PathBuf>,
    /// What names the commit.
    #[serde(skip)]
    names: Vec<PathBuf>,
}

impl Removal {
    /// Works out what goes with a revision.
    ///
    /// # Errors
    ///
    /// [`HubError::Unfit`] if it isn't there, or only a part of it is named; [`HubError::InUse`] while it is fetched;
    /// [`HubError::Disk`] for a cache that can't be read.
    pub(super) fn of(cache: &Path, address: &HubAddress) -> Result<Self, HubError> {
        if let Some(part) = address.folder() {
            let problem = format!("`{part}` is a part of what was fetched, and a revision goes as a whole");
            let remedy = format!("Name it without: {}", address.without_folder());
            return Err(unfit(address, problem, remedy));
        }
        let shelf = Shelf::of(cache, address);
        if shelf.is_fetched() {
            return Err(HubError::InUse { model: address.to_string() });
        }
        Self::worked_out(shelf, address)
    }

    /// The same while nobody fetches.
    fn worked_out(shelf: Shelf, address: &HubAddress) -> Result<Self, HubError> {
        let references = revisions(&shelf.references(), "");
        let snapshots: BTreeMap<String, PathBuf> = folders(&shelf.snapshots()).into_iter().collect();
        // A first pull that broke off left a commit's settings, perhaps parts of graphs, and no name. What another program
        // fetched by its commit alone is listed by that.
        let nameless = || {
            let (commit, snapshot) = snapshots.first_key_value().filter(|_| snapshots.len() == 1)?;
            let is_part = !shelf.parts().is_empty() || !is_listed(snapshot);
            (references.is_empty() && shelf.listing(commit).is_none() && is_part).then(|| commit.clone())
        };
        let commit = shelf
            .commit(address.revision())
            .or_else(nameless)
            .filter(|commit| snapshots.contains_key(commit) || references.iter().any(|(_, at)| at == commit));
        let mut removal = Self {
            model: address.clone(),
            commit: commit.clone(),
            files: 0,
            bytes: 0,
            stays: Vec::new(),
            contents: Vec::new(),
            whole: Vec::new(),
            names: Vec::new(),
            shelf,
        };
        let Some(commit) = commit else {
            // One that broke off even earlier left files that are nowhere yet.
            if references.is_empty() && snapshots.is_empty() {
                removal.take_blobs(removal.shelf.blobs(), &[]);
            }
            if removal.is_name_alone() {
                let remedy = "`percept models list` says which models are".into();
                return Err(unfit(address, "it isn't in the cache".into(), remedy));
            }
            return Ok(removal);
        };
        // By a branch's name that branch goes; by a commit's all that name it.
        let goes = |name: &str| is_commit(address.revision()) || name == address.revision();
        let (going, staying): (Vec<_>, Vec<_>) =
            references.into_iter().partition(|(name, at)| *at == commit && goes(name));
        let is_kept = staying.iter().any(|(_, at)| *at == commit);
        let unnamed =
            snapshots.keys().filter(|at| **at != commit && !staying.iter().any(|(_, named)| named == *at));
        let stays = staying.iter().map(|(name, _)| name).chain(unnamed);
        let mut stays: Vec<HubAddress> = stays.filter_map(|name| address.at(name)).collect();
        stays.sort();
        removal.stays = stays;
        removal.names = going.iter().map(|(name, _)| removal.shelf.references().join(name)).collect();
        if !is_kept {
            removal.take(&commit, &snapshots)?;
        }
        Ok(removal)
    }

    /// Takes a commit's files, and those blobs that no other commit has.
    fn take(&mut self, commit: &str, snapshots: &BTreeMap<String, PathBuf>) -> Result<(), HubError> {
        let mut used = BTreeSet::new();
        let (mut blobs, mut here) = (BTreeSet::new(), Vec::new());
        for (at, snapshot) in snapshots {
            for file in files(snapshot).map_err(|error| HubError::disk(snapshot, &error))? {
                match self.shelf.blob_of(&file) {
                    Some(blob) if at == commit => drop(blobs.insert(blob)),
                    Some(blob) => drop(used.insert(blob)),
                    None if at == commit => here.push(file),
                    None => {}
                }
            }
        }
        let contents = if snapshots.keys().all(|at| at == commit) {
            // Nobody fetches now: with the last revision goes what never came whole, and what came and was never named.
            self.shelf.blobs()
        } else {
            blobs.difference(&used).map(|name| self.shelf.blob(name)).collect()
        };
        self.take_blobs(contents, &here);
        self.names.insert(0, self.shelf.listing_file(commit));
        self.whole = vec![self.shelf.marks(commit), self.shelf.snapshot(commit)];
        Ok(())
    }

    /// Takes these blobs. Where a system has no links, files lie in the snapshot itself: they are counted too.
    fn take_blobs(&mut self, blobs: Vec<PathBuf>, here: &[PathBuf]) {
        let sized = blobs.iter().chain(here).filter_map(|path| fs::metadata(path).ok());
        (self.files, self.bytes) =
            sized.fold((0, 0), |(files, bytes), metadata| (files + 1, bytes + metadata.len()));
        self.contents = blobs;
    }

    /// Whether another branch or tag is at the same commit, so that only a name goes.
    pub fn is_name_alone(&self) -> bool {
        self.whole.is_empty() && self.contents.is_empty()
    }

    /// Does it.
    ///
    /// # Errors
    ///
    /// [`HubError::InUse`] while it is fetched; [`HubError::Unfit`] if a pull has changed what is there since it was worked
    /// out; [`HubError::Disk`] for what can't be removed; what is left is removed
    /// by doing it again.
    pub fn carry_out(&self) -> Result<(), HubError> {
        // Other programs hold no lock but those on their blobs.
        let kept = if self.shelf.is_fetched() { None } else { self.shelf.keep_pulls_away()? };
        let Some(_kept) = kept else { return Err(HubError::InUse { model: self.model.to_string() }) };
        let now = Self::worked_out(self.shelf.clone(), &self.model)?;
        let is_same = (&now.commit, &now.contents, &now.whole, &now.names)
            == (&self.commit, &self.contents, &self.whole, &self.names);
        if !is_same {
            let problem = "what the cache has of it has changed since that was told".to_owned();
            return Err(unfit(&self.model, problem, "Remove it again, and it is told anew".into()));
        }
        let gone = |path: &Path, result: io::Result<()>| match result {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(HubError::disk(path, &error)),
            _ => Ok(()),
        };
        for path in &self.contents {
            gone(path, fs::remove_file(path))?;
        }
        for path in &self.whole {
            gone(path, fs::remove_dir_all(path))?;
        }
        for path in &self.names {
            gone(path, fs::remove_file(path))?;
            // A branch's name with slashes leaves folders behind; one that isn't empty stays.
            let above = path.ancestors().skip(1).take_while(|above| *above != self.shelf.folder());
            above.for_each(|folder| drop(fs::remove_dir(folder)));
        }
        for folder in self.shelf.rooms() {
            let _ = fs::remove_dir(folder);
        }
        Ok(())
    }
}

fn unfit(address: &HubAddress, problem: String, remedy: String) -> HubError {
    HubError::Unfit { model: address.to_string(), problem, remedy }
}

/// Every file and link below a folder.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path())?);
        } else {
            found.push(entry.path());
        }
    }
    Ok(found)
}
