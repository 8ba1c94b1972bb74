//! Which files of a repository make a model: by the rules by which a folder on the disk is opened.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::listing::{Entry, Listing, MOST_LICENCE};
use crate::{
    ModelError, dual_encoder, family,
    folder::{FolderSettings, GENAI_FILE, Graphs, Layout, Precision, SETTINGS, Weights, missing},
};

/// The folder of a repository that is a model: all of it, or one in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) listing: &'a Listing,
    /// The path of the folder in the repository.
    pub(super) folder: Option<&'a str>,
}

impl<'a> Part<'a> {
    /// Its files: their paths from it, and what the listing says of them.
    fn files(self) -> impl Iterator<Item = (&'a str, &'a Entry)> + Clone {
        self.listing.files().filter_map(move |(path, entry)| match self.folder {
            Some(folder) => Some((path.strip_prefix(folder)?.strip_prefix('/')?, entry)),
            None => Some((path, entry)),
        })
    }

    fn has(self, path: &str) -> bool {
        self.files().any(|(there, _)| there == path)
    }

    /// The path in the repository.
    fn whole(self, path: &str) -> String {
        self.folder.map_or_else(|| path.to_owned(), |folder| format!("{folder}/{path}"))
    }

    /// Whether anything says what model it is.
    pub(super) fn is_model(self) -> bool {
        self.has("config.json") || self.has(GENAI_FILE)
    }

    /// The folders of the repository that are models of their own, for whoever named none of them.
    pub(super) fn others(self) -> BTreeSet<&'a str> {
        let inside = self.files().filter_map(|(path, _)| path.rsplit_once('/'));
        inside
            .filter(|(_, name)| [GENAI_FILE, "config.json"].contains(name))
            .map(|(folder, _)| folder)
            .collect()
    }

    /// The files that say what the model is and how it is fed, and its licence, as paths in the repository. The licence of
    /// the whole holds for its parts.
    pub(super) fn settings(self) -> Vec<String> {
        let is_licence = |path: &str, entry: &Entry| {
            !path.contains('/') && path.to_uppercase().starts_with("LICEN") && entry.bytes <= MOST_LICENCE
        };
        let own = self.files().filter(|(path, entry)| SETTINGS.contains(path) || is_licence(path, entry));
        let above =
            self.listing.files().filter(|(path, entry)| self.folder.is_some() && is_licence(path, entry));
        own.map(|(path, _)| self.whole(path)).chain(above.map(|(path, _)| path.to_owned())).collect()
    }

    /// The graphs with their data, once the settings are in `at`. Where no precision is asked for, `local` takes the one that
    /// the folder has.
    ///
    /// # Errors
    ///
    /// [`ModelError::Folder`] if the model isn't of a family that is hosted, lacks a session, or has none in the precision.
    pub(super) fn graphs(
        self,
        at: &Path,
        precision: Option<&Precision>,
        local: bool,
    ) -> Result<Vec<String>, ModelError> {
        let remote = Graphs::of_listing(at, self.files().map(|(path, entry)| (path, entry.bytes)));
        if let Some(family) = dual_encoder::belongs_here(at)? {
            let wanted = |graphs: &Graphs| dual_encoder::graphs_of(graphs, family, precision);
            let there = (local && precision.is_none()).then(|| wanted(&Graphs::of_folder(at)).ok()).flatten();
            return Ok(self.paths(at, &remote.files_of(&there.map_or_else(|| wanted(&remote), Ok)?)));
        }
        let settings = FolderSettings::of_folder(at)?;
        let layout = self.layout(at, &settings)?;
        let config = layout.config(at, &settings)?;
        let family = family::of_folder(at, &config)?;
        let sets = family.session_sets();
        let set = layout.set_of(&remote, &sets);
        layout.check_names(at, set)?;
        let (mut named, mut sought) = (Vec::new(), Vec::new());
        for session in set {
            match layout.named(at, session)? {
                Some(path) => named.push(path),
                None => sought.push(*session),
            }
        }
        let wanted = |graphs: &Graphs| match &layout {
            Layout::Community => graphs.choose_set(&sets, precision),
            _ if sought.is_empty() => Ok(Vec::new()),
            // The precision that is asked for may be that of one of the files that are named.
            _ => graphs.choose(&sought, precision).or_else(|_| graphs.choose(&sought, None)),
        };
        let there = (local && precision.is_none()).then(|| wanted(&Graphs::of_folder(at)).ok()).flatten();
        let chosen = there.map_or_else(|| wanted(&remote), Ok)?;
        if let Some(gone) = named.iter().find(|path| !self.has(&from(at, path))) {
            return Err(missing(gone));
        }
        Ok([self.paths(at, &named), self.paths(at, &remote.files_of(&chosen))].concat())
    }

    /// The data of these graphs, which may be called anything: what they themselves say, once they are in `at`; what is among
    /// these paths already is left out.
    ///
    /// # Errors
    ///
    /// [`ModelError::Folder`] for a graph that is torn, or whose data the repository doesn't have.
    pub(super) fn data(self, at: &Path, graphs: &[String]) -> Result<Vec<String>, ModelError> {
        let mut data = BTreeSet::new();
        for graph in graphs.iter().filter(|path| Path::new(path).extension() == Some("onnx".as_ref())) {
            let inside = self.folder.and_then(|folder| graph.strip_prefix(folder)?.strip_prefix('/'));
            let session = at.join(inside.unwrap_or(graph));
            for path in Weights::of_graph(&session)?.data {
                if !path.starts_with(at) || !self.has(&from(at, &path)) {
                    return Err(ModelError::Folder {
                        path: session,
                        problem: format!(
                            "its weights are in `{}`, which the repository doesn't have",
                            from(at, &path)
                        ),
                        remedy: "Tell its owner, or take another export".into(),
                    });
                }
                data.insert(self.whole(&from(at, &path)));
            }
        }
        Ok(data.into_iter().filter(|path| !graphs.contains(path)).collect())
    }

    /// A precision that is asked for must be that of one of the graphs, which only these tell where a file names them.
    ///
    /// # Errors
    ///
    /// [`ModelError::Folder`] if it isn't.
    pub(super) fn check_precision(self, at: &Path, precision: &Precision) -> Result<(), ModelError> {
        let settings = FolderSettings::of_folder(at)?;
        if self.named_graphs(at, &settings)?.is_empty() {
            return Ok(());
        }
        let layout = self.layout(at, &settings)?;
        let family = family::of_folder(at, &layout.config(at, &settings)?)?;
        layout.sessions(at, &family.session_sets(), Some(precision)).map(drop)
    }

    /// The graphs that `genai_config.json` or `percept.toml` names.
    fn named_graphs(self, at: &Path, settings: &FolderSettings) -> Result<Vec<PathBuf>, ModelError> {
        if dual_encoder::belongs_here(at)?.is_some() {
            return Ok(Vec::new());
        }
        let layout = self.layout(at, settings)?;
        let family = family::of_folder(at, &layout.config(at, settings)?)?;
        let sets = family.session_sets();
        let remote = Graphs::of_listing(at, self.files().map(|(path, entry)| (path, entry.bytes)));
        let named = layout.set_of(&remote, &sets).iter().map(|session| layout.named(at, session));
        named.filter_map(Result::transpose).collect()
    }

    fn layout(self, at: &Path, settings: &FolderSettings) -> Result<Layout, ModelError> {
        Layout::of(at, settings, self.files().any(|(path, _)| path.starts_with("onnx/")))
    }

    /// Paths in the repository.
    fn paths(self, at: &Path, paths: &[PathBuf]) -> Vec<String> {
        paths.iter().map(|path| self.whole(&from(at, path))).collect()
    }
}

/// A file's path from a folder, as a listing writes it.
fn from(folder: &Path, path: &Path) -> String {
    path.strip_prefix(folder).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIT: &str = "ce013625030ba8dba906f756967f9e9ca394464a";

    fn listing(paths: &[&str]) -> Listing {
        let files =
            paths.iter().map(|path| serde_json::json!({ "rfilename": path, "size": 6, "blobId": GIT }));
        let answer = serde_json::json!({ "sha": GIT, "siblings": files.collect::<Vec<_>>() });
        Listing::of_answer(answer.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn only_what_says_what_a_model_is_counts_as_a_setting() {
        let wanted = [
            "LICENSE",
            "LICENSE.md",
            "chat_template.jinja",
            "config.json",
            "genai_config.json",
            "generation_config.json",
            "percept.toml",
            "preprocessor_config.json",
            "processor_config.json",
            "special_tokens_map.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "video_preprocessor_config.json",
        ];
        let others =
            ["README.md", "model.safetensors", "onnx/config.json", "tokenizer.model", "vocab.json", "a.onnx"];
        let listing = listing(&[wanted.as_slice(), &others].concat());
        assert_eq!(Part { listing: &listing, folder: None }.settings(), wanted);
    }

    #[test]
    fn a_folder_in_a_repository_is_a_model_with_the_licence_of_the_whole() {
        let listing =
            listing(&["LICENSE", "a/b/genai_config.json", "a/bc/config.json", "a/b/model.onnx", "README.md"]);
        let part = |folder| Part { listing: &listing, folder };
        assert_eq!(part(Some("a/b")).settings(), ["a/b/genai_config.json", "LICENSE"]);
        assert!(part(Some("a/b")).is_model() && !part(Some("a")).is_model() && !part(None).is_model());
        assert_eq!(part(None).others(), ["a/b", "a/bc"].into());
        assert_eq!(part(Some("a")).others(), ["b", "bc"].into());
    }
}
