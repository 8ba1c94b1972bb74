//! Which dialect a folder's model speaks, and why that is thought.
//!
//! In this order: what its `percept.toml` says, what its name says, what models of its family were trained on, and JSON,
//! which any model can be told.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{
    Dialect, JsonDialect,
    computer_use::ComputerUse,
    grid::{Grid, Scale},
    holo::Holo,
    smol::SmolOperator,
    ui_tars::UiTars,
};
use crate::{
    folder::{FolderSettings, ModelFolder},
    processor::ImageProcessor,
};

/// How a model writes a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DialectKind {
    /// A marker, then one JSON object: for a model that was trained on nothing else.
    Json,
    /// Qwen2.5-VL and Qwen3-VL: `<tool_call>` with the function `computer_use`.
    Qwen,
    /// Qwen3.5: the same actions with tags, `<function=…>` and `<parameter=…>`, in the place of JSON.
    QwenTags,
    /// Fara-7B: the same with a browser's actions.
    Fara,
    /// UI-TARS: `Thought: … Action: click(start_box='(x,y)')`.
    UiTars,
    /// Holo: one JSON object with `note`, `thought` and `tool_call`.
    Holo,
    /// `SmolVLM2`'s agentic form: `<think>` and `<code>click(x=0.5, y=0.3)`.
    Smol,
}

impl DialectKind {
    /// Its name in `percept.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Qwen => "qwen",
            Self::QwenTags => "qwen-tags",
            Self::Fara => "fara",
            Self::UiTars => "ui-tars",
            Self::Holo => "holo",
            Self::Smol => "smol",
        }
    }
}

/// A dialect, and why it is this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChosenDialect {
    /// The dialect.
    pub kind: DialectKind,
    /// What chose it, in words.
    pub why: String,
    /// Whether that is a guess, from a name or the family.
    pub guessed: bool,
}

impl ChosenDialect {
    /// For a model of this family, whose folder has these settings and one of these names.
    pub(crate) fn of(settings: &FolderSettings, names: &[String], family: &str) -> Self {
        if let Some(kind) = settings.dialect {
            return Self { kind, why: "`percept.toml` says so".into(), guessed: false };
        }
        for name in names {
            if let Some(kind) = named(name) {
                return Self { kind, why: format!("the model is named `{name}`"), guessed: true };
            }
        }
        let (kind, why) = match family {
            "qwen2_5_vl" | "qwen3_vl" | "qwen3_vl_moe" => {
                (DialectKind::Qwen, format!("models of the family `{family}` were trained on it"))
            }
            // What its siblings do is what is known of computer use.
            "qwen3_5" => (
                DialectKind::QwenTags,
                "the published template of `qwen3_5` writes calls as `<function=…><parameter=…>`, with the actions that its \
                 siblings of Qwen3-VL were trained on"
                    .into(),
            ),
            // They have a form of their own for functions, and none for a screen.
            "qwen2" | "qwen3" => (
                DialectKind::Json,
                format!(
                    "Percept asks models of the family `{family}` for it, though their templates declare calls as JSON in \
                     `<tool_call>`"
                ),
            ),
            _ => (
                DialectKind::Json,
                format!("models of the family `{family}` were trained on no other that is known"),
            ),
        };
        Self { kind, why, guessed: kind != DialectKind::Json }
    }

    /// What a user should know of it: that it is a guess.
    pub(crate) fn note(&self) -> Option<String> {
        let name = self.kind.name();
        let note = format!(
            "calls are in the dialect `{name}`, as {}; `[dialect] kind` in `percept.toml` takes another",
            self.why
        );
        self.guessed.then_some(note)
    }
}

/// As much of `config.json` as says what a model was called.
#[derive(Deserialize)]
struct Saved {
    #[serde(rename = "_name_or_path")]
    name: Option<String>,
}

/// The names that a folder goes by: the one that it was saved under, the Hub's where it lies in its cache, and its own.
pub(crate) fn names(path: &Path) -> Vec<String> {
    // Whether the file can be read is for others to say.
    let config = std::fs::read_to_string(path.join("config.json")).ok();
    let saved = config.and_then(|text| serde_json::from_str::<Saved>(&text).ok());
    let last = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let own = path.canonicalize().ok().as_deref().and_then(last).or_else(|| last(path));
    // `models--org--name/snapshots/commit`.
    let snapshots = path.parent().filter(|parent| parent.ends_with("snapshots"));
    let hub = snapshots.and_then(Path::parent).and_then(last);
    saved.and_then(|saved| saved.name).into_iter().chain(hub).chain(own).collect()
}

/// The dialect of a model of this name.
fn named(name: &str) -> Option<DialectKind> {
    let name = name.to_ascii_lowercase();
    let words: Vec<&str> = name.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let is =
        |word: &str| words.iter().any(|known| known.trim_end_matches(|c: char| c.is_ascii_digit()) == word);
    if is("uitars") || words.windows(2).any(|pair| pair == ["ui", "tars"]) {
        Some(DialectKind::UiTars)
    } else if is("fara") {
        Some(DialectKind::Fara)
    } else if is("holo") {
        Some(DialectKind::Holo)
    } else if is("smolvlm") && is("agentic") {
        Some(DialectKind::Smol)
    } else {
        None
    }
}

/// The dialect of a folder, its places as the folder or else the family has them.
pub(crate) fn of_folder(folder: &ModelFolder, is_special: impl Fn(&str) -> bool) -> Box<dyn Dialect> {
    let of_image = match &folder.processor {
        Some(ImageProcessor::Patched(patched)) if folder.family.points_at_pixels() => {
            Some(patched.resize.then_some(patched.size))
        }
        _ => None,
    };
    let kind = folder.dialect.kind;
    let scale = match (folder.settings.grid, of_image) {
        (Some([columns, rows]), _) => Scale::Grid(Grid { columns, rows }),
        (None, _) if kind == DialectKind::Smol => Scale::Fractions,
        (None, Some(size)) => size.map_or(Scale::Pixels, Scale::Resized),
        (None, None) => Scale::THOUSANDTHS,
    };
    match kind {
        DialectKind::Json => {
            let dialect = JsonDialect::new(&folder.settings, is_special);
            match of_image {
                Some(size) => Box::new(dialect.with_places_in(size, &folder.settings)),
                None => Box::new(dialect),
            }
        }
        DialectKind::Qwen => Box::new(ComputerUse::qwen(scale, is_special)),
        DialectKind::QwenTags => Box::new(ComputerUse::tagged(scale, is_special)),
        DialectKind::Fara => Box::new(ComputerUse::fara(scale, is_special)),
        DialectKind::UiTars => Box::new(UiTars::new(scale, is_special)),
        DialectKind::Holo => Box::new(Holo::new(scale)),
        DialectKind::Smol => Box::new(SmolOperator::new(scale, is_special)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialect_is_chosen_by_the_settings_a_name_or_the_family() {
        let silent = FolderSettings::default();
        let set = FolderSettings { dialect: Some(DialectKind::Json), ..FolderSettings::default() };
        let cases = [
            (
                &silent,
                "/m/UI-TARS-1.5-7B",
                "qwen2_5_vl",
                DialectKind::UiTars,
                "the model is named `UI-TARS-1.5-7B`",
            ),
            (&silent, "/m/ui_tars_2b", "qwen2_vl", DialectKind::UiTars, "the model is named `ui_tars_2b`"),
            (
                &silent,
                "/hub/models--microsoft--Fara-7B/snapshots/0123",
                "qwen2_5_vl",
                DialectKind::Fara,
                "the model is named `models--microsoft--Fara-7B`",
            ),
            (&silent, "/m/Holo1.5-7B", "qwen2_5_vl", DialectKind::Holo, "the model is named `Holo1.5-7B`"),
            (&silent, "/m/Holo3-35B-A3B", "qwen3_5", DialectKind::Holo, "the model is named `Holo3-35B-A3B`"),
            (
                &silent,
                "/m/SmolVLM2-2.2B-Instruct-Agentic-GUI",
                "smolvlm",
                DialectKind::Smol,
                "the model is named `SmolVLM2-2.2B-Instruct-Agentic-GUI`",
            ),
            (
                &silent,
                "/m/qwen",
                "qwen2_5_vl",
                DialectKind::Qwen,
                "models of the family `qwen2_5_vl` were trained on it",
            ),
            (
                &silent,
                "/m/hologram-safari",
                "smolvlm",
                DialectKind::Json,
                "models of the family `smolvlm` were trained on no other that is known",
            ),
            (
                &silent,
                "/m/q",
                "qwen3_5",
                DialectKind::QwenTags,
                "the published template of `qwen3_5` writes calls as `<function=…><parameter=…>`, with the actions that its \
                 siblings of Qwen3-VL were trained on",
            ),
            (
                &silent,
                "/m/q",
                "qwen3",
                DialectKind::Json,
                "Percept asks models of the family `qwen3` for it, though their templates declare calls as JSON in \
                 `<tool_call>`",
            ),
            (&set, "/m/UI-TARS-1.5-7B", "qwen2_5_vl", DialectKind::Json, "`percept.toml` says so"),
        ];
        for (settings, path, family, kind, why) in cases {
            let chosen = ChosenDialect::of(settings, &names(Path::new(path)), family);
            assert_eq!((chosen.kind, chosen.why.as_str()), (kind, why), "{path}");
            assert_eq!(chosen.note().is_some(), chosen.guessed);
        }
        let folder = tempfile::tempdir().unwrap();
        let saved = r#"{ "_name_or_path": "ByteDance-Seed/UI-TARS-7B-DPO" }"#;
        std::fs::write(folder.path().join("config.json"), saved).unwrap();
        assert_eq!(ChosenDialect::of(&silent, &names(folder.path()), "qwen2_vl").kind, DialectKind::UiTars);
    }
}
