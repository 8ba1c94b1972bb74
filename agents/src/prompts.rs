//! What a model is told in Percept's own words, each text in a file of its own, which a user can put another in place of.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

use crate::AgentError;

/// One of the texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prompt {
    /// Before the task, for a model that acts at once.
    Direct,
    /// Before the task, for a model that thinks aloud.
    React,
    /// After either of these, in a run that has secrets.
    Secrets,
    /// The request for a plan.
    Plan,
    /// The request for another plan.
    Replan,
    /// The request for a lesson.
    Lesson,
    /// The request to choose among proposals.
    Choose,
    /// Before a demonstration.
    Example,
    /// After the demonstrations.
    Own,
    /// The request for a summary of what no longer fits.
    Fold,
    /// The request for a verdict on what the screen shows.
    Verdict,
    /// The request for the places where an answer is seen.
    Seen,
}

impl Prompt {
    /// Every text.
    const ALL: [Self; 12] = [
        Self::Direct,
        Self::React,
        Self::Secrets,
        Self::Plan,
        Self::Replan,
        Self::Lesson,
        Self::Choose,
        Self::Example,
        Self::Own,
        Self::Fold,
        Self::Verdict,
        Self::Seen,
    ];

    /// Its name, which is its file's without `.txt`; its own text; and what is filled in.
    fn known(self) -> (&'static str, &'static str, &'static [&'static str]) {
        match self {
            Self::Direct => ("direct", include_str!("prompts/direct.txt"), &[]),
            Self::React => ("react", include_str!("prompts/react.txt"), &[]),
            Self::Secrets => ("secrets", include_str!("prompts/secrets.txt"), &["placeholders"]),
            Self::Plan => ("plan", include_str!("prompts/plan.txt"), &["form"]),
            Self::Replan => ("replan", include_str!("prompts/replan.txt"), &["because", "form"]),
            Self::Lesson => ("lesson", include_str!("prompts/lesson.txt"), &["because"]),
            Self::Choose => ("choose", include_str!("prompts/choose.txt"), &["proposals"]),
            Self::Example => ("example", include_str!("prompts/example.txt"), &["task"]),
            Self::Own => ("own", include_str!("prompts/own.txt"), &[]),
            Self::Fold => ("fold", include_str!("prompts/fold.txt"), &[]),
            Self::Verdict => ("verdict", include_str!("prompts/verdict.txt"), &["question"]),
            Self::Seen => ("seen", include_str!("prompts/seen.txt"), &[]),
        }
    }
}

/// The texts that a run uses: Percept's own, or a user's in their place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Prompts(BTreeMap<String, String>);

impl Prompts {
    /// Percept's own texts, by name: `direct`, `react`, `secrets`, `plan`, `replan`, `lesson`, `choose`,
    /// `example`, `own`, `fold`, `verdict`, and of an [`Inquiry`](crate::Inquiry) `seen`.
    pub fn known() -> BTreeMap<&'static str, &'static str> {
        let texts = Prompt::ALL.iter().map(|prompt| prompt.known());
        texts.map(|(name, text, _)| (name, text.trim_end())).collect()
    }

    /// Reads every `NAME.txt` in a folder, each in place of the text of that name.
    ///
    /// # Errors
    ///
    /// [`AgentError::Prompt`] for a folder or file that can't be read, and what [`Prompts::set`] refuses.
    pub fn read(folder: &Path) -> Result<Self, AgentError> {
        let unreadable = |path: &Path, error: &std::io::Error| AgentError::Prompt {
            name: path.display().to_string(),
            why: error.to_string(),
        };
        let mut prompts = Self::default();
        for entry in std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))? {
            let path = entry.map_err(|error| unreadable(folder, &error))?.path();
            if path.extension().is_none_or(|extension| extension != "txt") {
                continue;
            }
            let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
            prompts.set(&name, text)?;
        }
        Ok(prompts)
    }

    /// Puts another text in place of the one of this name. Where Percept fills something in, it says so in braces, as the
    /// original does: `{because}`.
    ///
    /// # Errors
    ///
    /// [`AgentError::Prompt`] for a name that no text has, an empty text, or one without a place for what must be said.
    pub fn set(&mut self, name: &str, text: impl Into<String>) -> Result<&mut Self, AgentError> {
        let refused = |why: String| AgentError::Prompt { name: name.to_owned(), why };
        let Some((_, _, slots)) =
            Prompt::ALL.iter().map(|prompt| prompt.known()).find(|known| known.0 == name)
        else {
            let names: Vec<_> = Self::known().into_keys().collect();
            return Err(refused(format!("there is no such text; there are: {}", names.join(", "))));
        };
        let text = text.into().trim().to_owned();
        if text.is_empty() {
            return Err(refused("it is empty".into()));
        }
        if let Some(slot) = slots.iter().find(|slot| !text.contains(&format!("{{{slot}}}"))) {
            return Err(refused(format!("it has no place for {{{slot}}}")));
        }
        self.0.insert(name.to_owned(), text);
        Ok(self)
    }

    /// Whether every text is Percept's own.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A text with these filled in. What is filled in is never looked at for places itself.
    pub(crate) fn filled(&self, prompt: Prompt, slots: &[(&str, &str)]) -> String {
        let (name, own, _) = prompt.known();
        let mut rest = self.0.get(name).map_or(own.trim_end(), String::as_str);
        let mut filled = String::new();
        while let Some(open) = rest.find('{') {
            let slot = slots.iter().find_map(|(slot, value)| {
                let inside = rest[open + 1..].strip_prefix(slot)?.strip_prefix('}')?;
                Some((inside, value))
            });
            let (text, after) = match slot {
                Some((after, value)) => (*value, after),
                None => ("{", &rest[open + 1..]),
            };
            filled.push_str(&rest[..open]);
            filled.push_str(text);
            rest = after;
        }
        filled.push_str(rest);
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::{Prompt, Prompts};

    #[test]
    fn the_texts_are_these() {
        let told: Vec<_> = Prompt::ALL
            .into_iter()
            .map(|prompt| {
                let (name, _, slots) = prompt.known();
                let filled: Vec<_> = slots.iter().map(|slot| (*slot, slot.to_uppercase())).collect();
                let filled: Vec<_> = filled.iter().map(|(slot, value)| (*slot, value.as_str())).collect();
                format!("{name}: {}", Prompts::default().filled(prompt, &filled))
            })
            .collect();
        insta::assert_snapshot!(told.join("\n\n"));
    }

    #[test]
    fn what_is_filled_in_is_text_and_no_more() {
        let prompts = Prompts::default();
        let filled = prompts.filled(Prompt::Replan, &[("because", "{form} and {x}"), ("form", "FORM")]);
        assert!(filled.starts_with("The plan has failed: {form} and {x}. Make"), "{filled}");
        assert!(filled.contains("in another way: FORM."), "{filled}");
    }

    #[test]
    fn a_text_in_place_of_another_keeps_its_places() {
        let mut prompts = Prompts::default();
        prompts.set("lesson", "Why did it fail? ({because})\n").unwrap();
        assert_eq!(prompts.filled(Prompt::Lesson, &[("because", "x")]), "Why did it fail? (x)");
        assert_eq!(prompts.filled(Prompt::Direct, &[]), Prompts::known()["direct"]);
        for (name, text, problem) in [
            ("leson", "x", "there is no such text; there are: choose, direct, example,"),
            ("lesson", "Why?", "it has no place for {because}"),
            ("direct", " ", "it is empty"),
        ] {
            let error = prompts.set(name, text).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn a_folder_of_texts_is_read() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("direct.txt"), "Act.\n").unwrap();
        std::fs::write(folder.path().join("notes.md"), "ours").unwrap();
        let prompts = Prompts::read(folder.path()).unwrap();
        assert_eq!(prompts.filled(Prompt::Direct, &[]), "Act.");
        std::fs::write(folder.path().join("else.txt"), "x").unwrap();
        assert!(Prompts::read(folder.path()).is_err());
        assert!(Prompts::read(&folder.path().join("nowhere")).is_err());
    }
}
