//! `percept.toml`: what a folder may say to this program alone, as written and as meant.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

use super::{bad, read_text};
use crate::{ModelError, dialect::DialectKind, processor::Backend};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    dialect: DialectWritten,
    #[serde(default)]
    screen: ScreenWritten,
    #[serde(default)]
    images: ImagesWritten,
    r#match: Option<MatchWritten>,
    #[serde(default)]
    model: ModelWritten,
    #[serde(default)]
    sessions: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelWritten {
    family: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MatchWritten {
    scale: f32,
    #[serde(default)]
    bias: f32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ImagesWritten {
    backend: Option<Backend>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct DialectWritten {
    kind: Option<DialectKind>,
    marker: Option<String>,
    grid: Option<[u32; 2]>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScreenWritten {
    size: Option<[u32; 2]>,
    thinking: Option<bool>,
}

/// A folder's own settings as they are meant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FolderSettings {
    /// How the model writes a call, where the folder says so; [`ModelFolder::dialect`](crate::ModelFolder) has what is chosen.
    pub dialect: Option<DialectKind>,
    /// What stands between a thought and the call in the dialect `json`.
    pub marker: String,
    /// Columns and rows of the grid that the model gives points in. `None`: as its family does, in thousandths of the
    /// screenshot (0 to 1000) if that says nothing.
    pub grid: Option<[u32; 2]>,
    /// Size in CSS pixels of the screens that the model was trained on.
    pub screen: Option<[u32; 2]>,
    /// Whether a thought before the action is the better default.
    pub thinking: bool,
    /// Whose arithmetic the image processor follows, where that isn't what its class's name says.
    pub image_backend: Option<Backend>,
    /// Scale and bias of a dual encoder's logits (`[match]`).
    pub temperature: Option<[f32; 2]>,
    /// The family, in `config.json`'s words, where that names another one or none (`[model]`).
    pub family: Option<String>,
    /// The files of sessions, by their paths in the folder (`[sessions]`).
    pub sessions: BTreeMap<String, String>,
}

impl Default for FolderSettings {
    /// For a model that says nothing of itself.
    fn default() -> Self {
        Self {
            dialect: None,
            marker: "Action:".into(),
            grid: None,
            screen: None,
            thinking: true,
            image_backend: None,
            temperature: None,
            family: None,
            sessions: BTreeMap::new(),
        }
    }
}

impl FolderSettings {
    /// Reads a folder's `percept.toml`; without one, the defaults.
    ///
    /// # Errors
    ///
    /// [`ModelError::Folder`] with the line of an unknown key or a wrong value.
    pub fn of_folder(folder: &Path) -> Result<Self, ModelError> {
        let path = folder.join("percept.toml");
        let Some(text) = read_text(&path)? else {
            return Ok(Self::default());
        };
        let written: Written = toml::from_str(&text).map_err(|error| bad(&path, error.to_string()))?;
        let usual = Self::default();
        let settings = Self {
            // A marker of its own is that of a model that writes JSON.
            dialect: written.dialect.kind.or(written.dialect.marker.as_ref().map(|_| DialectKind::Json)),
            marker: written.dialect.marker.unwrap_or(usual.marker),
            grid: written.dialect.grid,
            screen: written.screen.size,
            thinking: written.screen.thinking.unwrap_or(usual.thinking),
            image_backend: written.images.backend,
            temperature: written.r#match.map(|temperature| [temperature.scale, temperature.bias]),
            family: written.model.family,
            sessions: written.sessions,
        };
        if settings.dialect != Some(DialectKind::Json) && settings.marker != Self::default().marker {
            return Err(bad(
                &path,
                "`dialect.marker` is the dialect `json`'s alone: the others have their own".into(),
            ));
        }
        if settings.marker.is_empty() {
            return Err(bad(&path, "`dialect.marker` is empty: a thought needs an end".into()));
        }
        if settings.grid.into_iter().chain(settings.screen).any(|size| size.contains(&0)) {
            return Err(bad(&path, "`dialect.grid` and `screen.size` must be at least 1 each way".into()));
        }
        if settings.temperature.is_some_and(|[scale, bias]| !(scale > 0.0 && (scale + bias).is_finite())) {
            return Err(bad(&path, "`match.scale` must be greater than 0, and `match.bias` finite".into()));
        }
        Ok(settings)
    }
}
