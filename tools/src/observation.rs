//! What came of a call: text, data and images, each with the place it came from.

use std::{fmt, sync::Arc};

use image::RgbImage;
use serde::{Deserialize, Serialize};

/// Where a piece of an observation came from. What is seen is data: nothing with a source other than
/// [`Source::Runtime`] can widen what a run may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Percept's own words: "clicked", "nothing changed".
    Runtime,
    /// A screen, with the address it showed.
    Screen(String),
    /// A tool's output, with the tool's name.
    Tool(String),
    /// A file's content.
    File(String),
}

/// The content of a [`Part`].
#[derive(Clone)]
#[non_exhaustive]
pub enum PartBody {
    /// Plain text.
    Text(String),
    /// Structured data.
    Json(serde_json::Value),
    /// Pixels.
    Image(Arc<RgbImage>),
}

impl fmt::Debug for PartBody {
    /// Of an image the size alone: its pixels would fill a log with numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.debug_tuple("Text").field(text).finish(),
            Self::Json(value) => f.debug_tuple("Json").field(value).finish(),
            Self::Image(pixels) => write!(f, "Image({}×{})", pixels.width(), pixels.height()),
        }
    }
}

/// One piece of an observation.
#[derive(Debug, Clone)]
pub struct Part {
    /// Where it came from.
    pub source: Source,
    /// What it is.
    pub body: PartBody,
}

/// What the loop does after a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Then {
    /// Looks again and goes on.
    #[default]
    Continue,
    /// Takes the task for finished and checks the evidence.
    Finish {
        /// The answer, where the task asked for one.
        answer: Option<String>,
    },
}

/// A run of another agent that a call made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Nested {
    /// Its folder, by the name that it has beside the run's other calls' folders; `None` where nothing is kept.
    pub folder: Option<String>,
    /// Tokens that its models wrote: they count as the run's own.
    pub tokens: usize,
    /// Tokens that they read, cached ones aside: these too.
    pub read: usize,
    /// Tokens that they found in their cache: these too.
    #[serde(default)]
    pub cached: usize,
    /// What they cost, in the currency of the run's prices; this too.
    #[serde(default)]
    pub cost: f64,
}

/// What a tool call brought back.
#[derive(Debug, Clone, Default)]
pub struct Observation {
    /// In the order they should be read.
    pub parts: Vec<Part>,
    /// What the loop does next.
    pub then: Then,
    /// The run of another agent, if the call made one.
    pub nested: Option<Nested>,
}

impl Observation {
    /// One line in Percept's own words.
    pub fn note(text: impl Into<String>) -> Self {
        Self::default().with(Source::Runtime, PartBody::Text(text.into()))
    }

    /// Text from elsewhere.
    pub fn text(source: Source, text: impl Into<String>) -> Self {
        Self::default().with(source, PartBody::Text(text.into()))
    }

    /// Data from elsewhere.
    pub fn json(source: Source, value: serde_json::Value) -> Self {
        Self::default().with(source, PartBody::Json(value))
    }

    /// An image from elsewhere.
    pub fn image(source: Source, pixels: Arc<RgbImage>) -> Self {
        Self::default().with(source, PartBody::Image(pixels))
    }

    /// The same observation with one more part.
    #[must_use]
    pub fn with(mut self, source: Source, body: PartBody) -> Self {
        self.parts.push(Part { source, body });
        self
    }

    /// The same observation, of a call that had another agent at work.
    #[must_use]
    pub fn nested(mut self, nested: Nested) -> Self {
        self.nested = Some(nested);
        self
    }

    /// The same observation, after which the loop does `then`.
    #[must_use]
    pub fn then(mut self, then: Then) -> Self {
        self.then = then;
        self
    }
}
