//! What can be fetched: an archive of a registry, and the parts of it that are of use.

use std::path::Path;

use crate::{Checksum, FetchError, Platform};

/// Where an archive is published, and so which of the user's clients fetches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registry {
    /// The Python package index: a wheel, fetched by `pip`.
    PyPi,
    /// The npm registry: a gzipped tarball, fetched by `npm`.
    Npm,
}

/// One version of one package.
#[derive(Debug)]
pub struct Archive {
    /// Who publishes it.
    pub registry: Registry,
    /// The package's name there.
    pub name: &'static str,
    /// The one version that is ever used.
    pub version: &'static str,
    /// What is published for which platform.
    pub builds: &'static [Build],
    /// The names of the parts that are taken out of it, possibly at different times. While one of several
    /// is still inside, the archive is kept.
    pub parts: &'static [&'static str],
}

/// An archive's file for one platform, as it was when it was pinned.
#[derive(Debug)]
pub struct Build {
    /// The machine it runs on.
    pub platform: Platform,
    /// What the whole file must hash to.
    pub checksum: Checksum,
    /// The file's size, for the progress bar; `None` where it wasn't looked up.
    pub bytes: Option<u64>,
}

/// Some files of an archive that are of use together. This is what [`Cache::obtain`](crate::Cache::obtain) brings.
#[derive(Debug)]
pub struct Part {
    /// The archive that holds it.
    pub archive: &'static Archive,
    /// Its folder's name in the cache, one of [`Archive::parts`].
    pub name: &'static str,
    /// Its files, by platform: they are named differently on each.
    pub items: &'static [(Platform, &'static [Item])],
}

/// One file inside an archive, and what is to become of it.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    /// The path inside the archive, with slashes.
    pub from: &'static str,
    /// The path in the part's folder: of the file, or of the folder that a tarball is unpacked into.
    pub to: &'static str,
    /// How it is packed, and whether it is a program.
    pub form: Form,
}

/// How an [`Item`] is packed inside its archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it is.
    Plain,
    /// A program, compressed with brotli.
    BrotliProgram,
    /// A tarball, compressed with brotli; its own modes are kept.
    BrotliTarball,
}

impl Archive {
    /// Name and version, as in an error: `onnxruntime 1.31.1`.
    pub fn title(&self) -> String {
        format!("{} {}", self.name, self.version)
    }

    /// Name and version as one path component.
    pub(crate) fn folder_name(&self) -> String {
        format!("{}-{}", self.name.trim_start_matches('@').replace('/', "-"), self.version)
    }

    /// # Errors
    ///
    /// [`FetchError::NotPinned`] for a platform that nothing is published for, or that was not pinned.
    pub(crate) fn build_for(&self, platform: Option<Platform>) -> Result<&'static Build, FetchError> {
        self.builds
            .iter()
            .find(|build| Some(build.platform) == platform)
            .ok_or_else(|| self.not_pinned(platform))
    }

    fn not_pinned(&self, platform: Option<Platform>) -> FetchError {
        FetchError::NotPinned {
            package: self.title(),
            platform: platform.map_or_else(
                || format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
                |platform| platform.to_string(),
            ),
        }
    }
}

impl Part {
    /// The names of its plain files in its folder, on this machine; empty where nothing is pinned for it.
    pub fn files(&self) -> impl Iterator<Item = &'static str> {
        let items = self.items_for(Platform::here()).unwrap_or_default();
        items.iter().filter(|item| item.form == Form::Plain).map(|item| item.to)
    }

    /// # Errors
    ///
    /// [`FetchError::NotPinned`] as for [`Archive::build_for`].
    pub(crate) fn items_for(&self, platform: Option<Platform>) -> Result<&'static [Item], FetchError> {
        self.items
            .iter()
            .find(|(of, _)| Some(*of) == platform)
            .map(|(_, items)| *items)
            .ok_or_else(|| self.archive.not_pinned(platform))
    }
}

impl Item {
    /// A file that is taken as it is, under its own name or another.
    pub const fn plain(from: &'static str, to: &'static str) -> Self {
        Self { from, to, form: Form::Plain }
    }

    /// Where this item's file or folder goes.
    pub(crate) fn target(&self, folder: &Path) -> std::path::PathBuf {
        if self.to.is_empty() { folder.to_owned() } else { folder.join(self.to) }
    }
}
