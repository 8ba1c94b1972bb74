//! A task file as it was written: every key that may stand in one, and nothing about what it means.
//!
//! Values that can be wrong in a way that TOML doesn't see keep the place where they stand.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{
        self, IntoDeserializer, MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, SeqAccessDeserializer},
    },
};
use toml::{Spanned, Value};

use crate::{AtLimit, Choose, ElementCheck, FileCheck, Grounds, Prices, Reflect, Rule, Style};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenTask {
    /// Looked at before anything else.
    #[serde(rename = "percept")]
    pub(super) _percept: Option<String>,
    pub(super) task: Spanned<String>,
    pub(super) model: Option<Spanned<String>>,
    pub(super) device: Option<Spanned<String>>,
    pub(super) context: Option<Spanned<usize>>,
    pub(super) seed: Option<u64>,
    #[serde(default)]
    pub(super) screen: WrittenScreen,
    #[serde(default)]
    pub(super) thinking: WrittenThinking,
    #[serde(default)]
    pub(super) limits: WrittenLimits,
    pub(super) prices: Option<Spanned<Prices>>,
    #[serde(default)]
    pub(super) tools: WrittenTools,
    #[serde(default)]
    pub(super) policy: WrittenPolicy,
    #[serde(default)]
    pub(super) secrets: BTreeMap<String, Spanned<WrittenSecret>>,
    #[serde(default)]
    pub(super) agents: BTreeMap<String, Spanned<WrittenAgent>>,
    pub(super) memory: Option<Spanned<WrittenMemory>>,
    #[serde(default)]
    pub(super) done: WrittenDone,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenScreen {
    pub(super) browser: Option<Spanned<String>>,
    pub(super) image: Option<Spanned<String>>,
    pub(super) desktop: Option<Spanned<Value>>,
    pub(super) size: Option<Spanned<[u32; 2]>>,
    pub(super) scale: Option<Spanned<f64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenThinking {
    pub(super) style: Option<Style>,
    pub(super) plan: Option<bool>,
    pub(super) reflect: Option<Reflect>,
    pub(super) votes: Option<Spanned<usize>>,
    pub(super) choose: Option<Choose>,
    pub(super) think: Option<usize>,
    pub(super) prompts: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) demonstrations: Vec<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenLimits {
    pub(super) steps: Option<Spanned<usize>>,
    pub(super) tokens: Option<Spanned<usize>>,
    pub(super) seconds: Option<Spanned<u64>>,
    pub(super) refusals: Option<Spanned<usize>>,
    pub(super) stalls: Option<Spanned<usize>>,
    pub(super) rounds: Option<Spanned<usize>>,
    pub(super) read_tokens: Option<Spanned<usize>>,
    pub(super) cached_tokens: Option<Spanned<usize>>,
    pub(super) memory_mib: Option<Spanned<u64>>,
    pub(super) cost: Option<Spanned<f64>>,
    pub(super) at_limit: Option<AtLimit>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenTools {
    pub(super) allow: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) plugins: Option<Spanned<Value>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenPolicy {
    #[serde(default)]
    pub(super) ask: Vec<Spanned<Rule>>,
    #[serde(default)]
    pub(super) allow: Vec<Spanned<Rule>>,
    #[serde(default)]
    pub(super) refuse: Vec<Spanned<Rule>>,
    #[serde(default)]
    pub(super) grounded: bool,
    #[serde(default)]
    pub(super) confirm: bool,
    #[serde(default)]
    pub(super) hosts: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenAgent {
    pub(super) description: String,
    pub(super) model: Option<Spanned<String>>,
    pub(super) tools: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    pub(super) thinking: WrittenThinking,
    #[serde(default)]
    pub(super) limits: WrittenLimits,
    pub(super) prices: Option<Spanned<Prices>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenMemory {
    pub(super) store: String,
    pub(super) show: Option<usize>,
    pub(super) keep: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenSecret {
    pub(super) env: Option<String>,
    pub(super) file: Option<String>,
    #[serde(default)]
    pub(super) hosts: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenDone {
    pub(super) text_visible: Option<Spanned<OneOrMany<String>>>,
    pub(super) url: Option<Spanned<WrittenUrl>>,
    pub(super) answer: Option<Spanned<WrittenAnswer>>,
    pub(super) grounds: Option<Spanned<Grounds>>,
    pub(super) judge: Option<Spanned<String>>,
    pub(super) element: Option<Spanned<OneOrMany<ElementCheck>>>,
    pub(super) file: Option<Spanned<OneOrMany<FileCheck>>>,
}

/// One value, or a list of them. Which of the two is written decides what is read, so that a mistake inside is told as
/// the mistake that it is.
#[derive(Debug)]
pub(super) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one value or a list of them")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                T::deserialize(text.into_deserializer()).map(OneOrMany::One)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(OneOrMany::One)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(OneOrMany::Many)
            }
        }

        deserializer.deserialize_any(Either(PhantomData))
    }
}

impl<T> OneOrMany<T> {
    pub(super) fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a string, { prefix = \"…\" } or { contains = \"…\" }")]
pub(super) enum WrittenUrl {
    Prefix(String),
    Check(crate::UrlCheck),
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a string, { equals = \"…\" } or { schema = { … } }")]
pub(super) enum WrittenAnswer {
    Equals(String),
    Check(crate::AnswerCheck),
}
