//! What lies around the graphs: a token must be the same word in all models, and a position the same angle.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};
use tokenizers::Tokenizer;

use super::Merge;
use crate::{
    ModelError,
    folder::{SETTINGS, bad, read_text},
};

/// What graphs have numbers of that aren't learnt: the mean of two models' would be neither's.
const FIXED: [&str; 3] = ["rope_theta", "head_dim", "sliding_window"];
/// What the turning of positions is written in, by older and by newer versions of transformers.
const ROPE: [&str; 2] = ["rope_scaling", "rope_parameters"];

impl Merge {
    /// What differs around the graphs and may; what mustn't differ is refused.
    pub(super) fn same_around(&self) -> Result<Vec<String>, ModelError> {
        let mut notes = Vec::new();
        let (own_tokens, own_config) =
            (tokenizer(&self.a.join("tokenizer.json"))?, json(&self.a.join("config.json"))?);
        for other in [Some(&self.b), self.base.as_ref()].into_iter().flatten() {
            let path = other.join("tokenizer.json");
            let theirs = tokenizer(&path)?;
            let words = |tokenizer: &Tokenizer| tokenizer.get_vocab(true);
            if own_tokens.as_ref().map(words) != theirs.as_ref().map(words) {
                return Err(ModelError::Folder {
                    path,
                    problem: "it has other tokens than the first model's, so the same row means another word"
                        .into(),
                    remedy: "Only models with one vocabulary can be merged".into(),
                });
            }
            if let (Some(ours), Some(theirs)) = (&own_tokens, &theirs)
                && ways(ours, &path)? != ways(theirs, &path)?
            {
                notes.push(format!(
                    "tokenizer.json cuts or joins text otherwise in {}: the first model's is taken",
                    other.display()
                ));
            }
            let path = other.join("config.json");
            let theirs = json(&path)?;
            if let (Some(ours), Some(theirs)) = (&own_config, &theirs) {
                check_fixed(ours, theirs, path)?;
            }
            for file in SETTINGS.into_iter().filter(|file| *file != "tokenizer.json") {
                if !same(&self.a.join(file), &other.join(file)) {
                    notes.push(format!("{file} differs in {}: the first model's is taken", other.display()));
                }
            }
        }
        Ok(notes)
    }
}

/// A model's tokenizer, as it is used: padding and truncation are those of its training. `None` if there is none.
fn tokenizer(path: &Path) -> Result<Option<Tokenizer>, ModelError> {
    let Some(text) = read_text(path)? else { return Ok(None) };
    let wrong = |error: tokenizers::Error| bad(path, error.to_string());
    let mut tokenizer: Tokenizer = text.parse().map_err(wrong)?;
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None).map_err(wrong)?;
    Ok(Some(tokenizer))
}

/// All that a tokenizer does, however its file was written: versions of the library write the same in different ways.
fn ways(tokenizer: &Tokenizer, path: &Path) -> Result<Value, ModelError> {
    serde_json::to_value(tokenizer).map_err(|error| bad(path, error.to_string()))
}

/// What two configurations both say of positions must be the same; what one alone says is the other one's default, or isn't.
fn check_fixed(ours: &Value, theirs: &Value, path: PathBuf) -> Result<(), ModelError> {
    let (mut own, mut other) = (BTreeMap::new(), BTreeMap::new());
    gather(ours, "", &mut own);
    gather(theirs, "", &mut other);
    let unlike = own.iter().find_map(|(key, own)| {
        let theirs = other.get(key).filter(|theirs| !says_the_same(own, theirs))?;
        Some(format!("its `{key}` is {theirs}, the first model's {own}"))
    });
    match unlike {
        Some(problem) => Err(ModelError::Folder {
            path,
            problem,
            remedy: "Only models that turn positions in the same way can be merged: what the graphs compute from it isn't learnt"
                .into(),
        }),
        None => Ok(()),
    }
}

/// What a configuration and the parts in it say of positions, by its path.
fn gather(config: &Value, at: &str, found: &mut BTreeMap<String, Value>) {
    let Value::Object(config) = config else { return };
    let is_used = |key: &str| {
        key != "sliding_window" || config.get("use_sliding_window").and_then(Value::as_bool) != Some(false)
    };
    for key in FIXED.into_iter().filter(|key| is_used(key)) {
        insert(config, key, format!("{at}{key}"), found);
    }
    let by_layers = |rope: &Value| rope.as_object().is_some_and(|rope| rope.values().any(Value::is_object));
    if FIXED.iter().chain(&ROPE).any(|key| config.contains_key(*key))
        && !ROPE.iter().filter_map(|key| config.get(*key)).any(by_layers)
    {
        // Where no way is named it is the usual one.
        found.insert(format!("{at}rope_type"), "default".into());
    }
    for (key, value) in config {
        if !ROPE.contains(&key.as_str()) {
            gather(value, &format!("{at}{key}."), found);
            continue;
        }
        let Value::Object(rope) = value else { continue };
        for part in rope.keys() {
            let name = if part == "type" { "rope_type" } else { part };
            insert(rope, part, format!("{at}{name}"), found);
        }
    }
}

fn insert(config: &Map<String, Value>, key: &str, name: String, found: &mut BTreeMap<String, Value>) {
    let Some(value) = config.get(key).filter(|value| !value.is_null()) else { return };
    let value = match value.as_str() {
        // Older names of the same way.
        Some("mrope") => "default".into(),
        Some("su") => "longrope".into(),
        _ => value.clone(),
    };
    found.insert(name, value);
}

/// 10000 is 10000.0.
fn says_the_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| says_the_same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, one)| other.get(key).is_some_and(|other| says_the_same(one, other)))
        }
        _ => one == other,
    }
}

/// Whether two files of settings say the same, or neither is there.
fn same(one: &Path, other: &Path) -> bool {
    let (one, other) = (fs::read(one).ok(), fs::read(other).ok());
    let parsed = |bytes: &Option<Vec<u8>>| {
        bytes.as_deref().and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok())
    };
    one == other || parsed(&one).is_some_and(|one| Some(one) == parsed(&other))
}

/// A JSON file; `None` if there is none.
fn json(path: &Path) -> Result<Option<Value>, ModelError> {
    let Some(text) = read_text(path)? else { return Ok(None) };
    serde_json::from_str(&text).map(Some).map_err(|error| bad(path, error.to_string()))
}
