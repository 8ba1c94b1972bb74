//! Where a folder keeps its chat template and the names of its special tokens.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;
use serde_json::Value as Json;

use crate::{ModelError, folder::read_text};

/// The keys of `tokenizer_config.json` that a template may name.
#[derive(Debug, Default, Deserialize)]
struct TokenizerConfig {
    chat_template: Option<Written>,
    #[serde(default)]
    extra_special_tokens: Json,
    #[serde(flatten)]
    rest: BTreeMap<String, Json>,
}

/// A template, or several by name.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Written {
    One(String),
    Several(Vec<Named>),
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
    template: String,
}

#[derive(Debug, Deserialize)]
struct TemplateFile {
    chat_template: Written,
}

impl Written {
    /// The one, or the one named `default`.
    fn chosen(self) -> Option<String> {
        match self {
            Self::One(template) => Some(template),
            Self::Several(all) => all.into_iter().find(|one| one.name == "default").map(|one| one.template),
        }
    }
}

/// A template's text and the special tokens that it may name (`bos_token` → `<s>`).
#[derive(Debug)]
pub(super) struct Source {
    pub(super) text: String,
    pub(super) special_tokens: BTreeMap<String, String>,
}

/// Reads `chat_template.jinja`, else `chat_template.json`, else the template in `tokenizer_config.json`, as
/// transformers does; else the one that is given here.
pub(super) fn read(folder: &Path, otherwise: Option<&str>) -> Result<Source, ModelError> {
    let config_path = folder.join("tokenizer_config.json");
    let config: TokenizerConfig = match read_text(&config_path)? {
        Some(text) => parse(&config_path, &text)?,
        None => TokenizerConfig::default(),
    };
    let special_tokens = special_tokens(folder, &config)?;
    let json_path = folder.join("chat_template.json");
    let text = if let Some(text) = read_text(&folder.join("chat_template.jinja"))? {
        Some(text)
    } else if let Some(text) = read_text(&json_path)? {
        parse::<TemplateFile>(&json_path, &text)?.chat_template.chosen()
    } else {
        config.chat_template.and_then(Written::chosen)
    };
    let text = text.or_else(|| otherwise.map(Into::into)).ok_or_else(|| ModelError::Folder {
        path: folder.to_owned(),
        problem: "it has no chat template".into(),
        remedy: "Add the `chat_template.jinja` of the model's own repository, or `chat_template` in \
                 `tokenizer_config.json`"
            .into(),
    })?;
    Ok(Source { text, special_tokens })
}

/// The special tokens that a folder names by their roles (`bos_token` → `<s>`), without those that it leaves empty.
///
/// # Errors
///
/// [`ModelError::Folder`] if `tokenizer_config.json` or `special_tokens_map.json` can't be read.
pub(crate) fn special_tokens_of(folder: &Path) -> Result<BTreeMap<String, String>, ModelError> {
    let path = folder.join("tokenizer_config.json");
    let config: TokenizerConfig = match read_text(&path)? {
        Some(text) => parse(&path, &text)?,
        None => TokenizerConfig::default(),
    };
    let mut tokens = special_tokens(folder, &config)?;
    tokens.retain(|_, text| !text.is_empty());
    Ok(tokens)
}

fn parse<T: for<'a> Deserialize<'a>>(path: &Path, text: &str) -> Result<T, ModelError> {
    serde_json::from_str(text).map_err(|error| ModelError::Folder {
        path: path.to_owned(),
        problem: format!("it can't be read: {error}"),
        remedy: "Fetch the file again".into(),
    })
}

/// Those of `tokenizer_config.json`, and of older folders' `special_tokens_map.json` the roles that it doesn't have.
fn special_tokens(folder: &Path, config: &TokenizerConfig) -> Result<BTreeMap<String, String>, ModelError> {
    let path = folder.join("special_tokens_map.json");
    let map: BTreeMap<String, Json> = match read_text(&path)? {
        Some(text) => parse(&path, &text)?,
        None => BTreeMap::new(),
    };
    let extra = config.extra_special_tokens.as_object().into_iter().flatten();
    let older = map.iter().filter(|(key, _)| !config.rest.contains_key(*key));
    let named = older.chain(&config.rest).filter(|(key, _)| key.ends_with("_token"));
    Ok(named.chain(extra).filter_map(|(key, token)| Some((key.clone(), token_text(token)?))).collect())
}

/// A token is written as its text or as an object with its text in it.
fn token_text(token: &Json) -> Option<String> {
    token.as_str().or_else(|| token.get("content")?.as_str()).map(str::to_owned)
}
