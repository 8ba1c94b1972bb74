//! The APIs that are spoken, and what differs between them beside the form of a request and of its answer.

use super::{
    anthropic, gemini, openai, responses,
    wire::{Asked, Reader},
};
use crate::{ModelError, dialect::Places, processor::Fit};

/// An API that remote models are reached by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RemoteApi {
    /// OpenAI's chat completions, and every server that is compatible with them.
    OpenAi,
    /// OpenAI's responses, which its tools for computer use belong to.
    Responses,
    /// Google's Gemini API, `streamGenerateContent`.
    Gemini,
    /// Anthropic's messages.
    Anthropic,
}

/// One API's facts.
#[derive(Debug)]
pub(super) struct Facts {
    /// What an address begins with, and the family in the card.
    pub(super) name: &'static str,
    /// Where it is, unless an address says otherwise: what the vendor's own libraries call the base URL.
    pub(super) base: &'static str,
    /// The environment variables that may hold the key, the first that is set counts.
    pub(super) key_variables: &'static [&'static str],
    /// The environment variable that names another base URL to the vendor's own libraries. Here it says where else the
    /// key may go.
    pub(super) base_variable: &'static str,
    /// The header that takes the key, and what stands before it there.
    pub(super) key_header: (&'static str, &'static str),
    /// Headers that every request has.
    pub(super) headers: &'static [(&'static str, &'static str)],
    /// The context in tokens of the vendor's current models, taken where the address gives none.
    pub(super) context: usize,
    /// Its models' bounds on an image; the API would scale a larger one down, and places would no longer fit.
    pub(super) fit: Fit,
    /// The most stop texts.
    pub(super) stops: usize,
    /// The highest temperature.
    pub(super) hottest: f32,
    /// Whether it takes a seed.
    pub(super) seed: bool,
}

const OPENAI: Facts = Facts {
    name: "openai",
    base: "https://api.openai.com/v1",
    key_variables: &["OPENAI_API_KEY"],
    base_variable: "OPENAI_BASE_URL",
    key_header: ("authorization", "Bearer "),
    headers: &[],
    context: 128_000,
    // "detail: high": into 2048×2048, then the shorter side to 768 (vision guide).
    fit: Fit { longest: Some(2048), shortest: Some(768), area: None },
    stops: 4,
    hottest: 2.0,
    seed: true,
};

static CHAT: Facts = OPENAI;

static RESPONSES: Facts = Facts { stops: 0, seed: false, ..OPENAI };

static GEMINI: Facts = Facts {
    name: "gemini",
    base: "https://generativelanguage.googleapis.com",
    key_variables: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
    base_variable: "GOOGLE_GEMINI_BASE_URL",
    key_header: ("x-goog-api-key", ""),
    headers: &[],
    context: 1_048_576,
    // It tiles an image of any size; places are thousandths and don't depend on it.
    fit: Fit { longest: Some(3072), shortest: None, area: None },
    stops: 5,
    hottest: 2.0,
    seed: true,
};

static ANTHROPIC: Facts = Facts {
    name: "anthropic",
    base: "https://api.anthropic.com",
    key_variables: &["ANTHROPIC_API_KEY"],
    base_variable: "ANTHROPIC_BASE_URL",
    key_header: ("x-api-key", ""),
    headers: &[("anthropic-version", "2023-06-01")],
    context: 200_000,
    // 1568 pixels and 1568 patches of 28² (vision guide, the tier of all models); 1.15 megapixels never need more.
    fit: Fit { longest: Some(1568), shortest: None, area: Some(1_150_000) },
    stops: 16,
    hottest: 1.0,
    seed: false,
};

impl RemoteApi {
    /// The one that addresses of this kind name.
    pub(crate) fn named(kind: &str) -> Option<Self> {
        [Self::OpenAi, Self::Gemini, Self::Anthropic].into_iter().find(|api| api.facts().name == kind)
    }

    pub(super) fn facts(self) -> &'static Facts {
        match self {
            Self::OpenAi => &CHAT,
            Self::Responses => &RESPONSES,
            Self::Gemini => &GEMINI,
            Self::Anthropic => &ANTHROPIC,
        }
    }

    /// How its models give places on an image that is brought within these bounds.
    pub(super) fn places(self, fit: Fit) -> Places {
        match self {
            Self::OpenAi | Self::Responses | Self::Anthropic => Places::Pixels(fit),
            Self::Gemini => Places::Thousandths,
        }
    }

    /// What follows the base URL, in parts.
    pub(super) fn path(self, model: &str) -> (Vec<String>, Option<&'static str>) {
        match self {
            Self::OpenAi => (vec!["chat".into(), "completions".into()], None),
            Self::Responses => (vec!["responses".into()], None),
            Self::Gemini => {
                // A tuned model has a collection of its own: `tunedModels/NAME`.
                let (collection, name) = model.split_once('/').unwrap_or(("models", model));
                let path = vec!["v1beta".into(), collection.into(), format!("{name}:streamGenerateContent")];
                (path, Some("alt=sse"))
            }
            Self::Anthropic => (vec!["v1".into(), "messages".into()], None),
        }
    }

    /// The body of a request.
    pub(super) fn body(self, asked: &Asked<'_>) -> Result<serde_json::Value, ModelError> {
        match self {
            Self::OpenAi => Ok(openai::body(asked)),
            Self::Responses => Ok(responses::body(asked)),
            Self::Gemini => gemini::body(asked),
            Self::Anthropic => anthropic::body(asked),
        }
    }

    /// What reads the answer.
    pub(super) fn reader(self) -> Box<dyn Reader> {
        match self {
            Self::OpenAi => Box::new(openai::ChunkReader::default()),
            Self::Responses => Box::new(responses::EventReader::default()),
            Self::Gemini => Box::new(gemini::ChunkReader::default()),
            Self::Anthropic => Box::new(anthropic::EventReader::default()),
        }
    }
}
