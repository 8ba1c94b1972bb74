//! A model behind somebody's API: OpenAI's and whatever is compatible with it, Google's, Anthropic's.
//!
//! The way of a reply: conversation → turns, images scaled and encoded → a request in the API's own form, functions
//! declared in its own way → a stream of server-sent events → pieces → thought, text, one call, its places brought back
//! into pixels of the screenshot and checked.
//!
//! **Invariants:** nothing goes anywhere but to the host that the address names (no redirect is followed); a key comes
//! from the environment, goes where the environment lets it, and is in nothing that this module gives back; a setting
//! that an API lacks is an error, or a note in the card, and never left out in silence.

mod address;
mod anthropic;
mod api;
mod arguments;
mod computer;
mod error;
mod events;
mod gemini;
mod key;
mod notes;
mod openai;
mod picture;
mod reply;
mod responses;
mod transport;
mod turns;
mod wire;
mod writing;

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;

pub use self::{address::RemoteAddress, api::RemoteApi, computer::ComputerTool, error::RemoteError};
use self::{
    key::Admission, notes::notes, picture::Pictures, reply::Ready, transport::Transport, turns::Turns,
    wire::Asked,
};
use crate::{
    ChatModel, Conversation, Generate, Generation, ModelCard, ModelError, Pace, Patience, RealPace, Reply,
    Thought,
    dialect::{Computer, NativeDialect, Offering},
    inner_speech::Opening,
    processor::Fit,
};

/// How a remote model is opened.
#[derive(Clone)]
pub struct RemoteOptions {
    /// What the card calls it; its address if it isn't given.
    pub name: Option<String>,
    /// What else the card is to note.
    pub notes: Vec<String>,
    /// How long its server is waited for.
    pub patience: Patience,
    /// How the time between attempts passes.
    pub pace: Arc<dyn Pace>,
    /// Reads an environment variable.
    pub environment: fn(&str) -> Option<String>,
}

impl Default for RemoteOptions {
    fn default() -> Self {
        Self {
            name: None,
            notes: Vec::new(),
            patience: Patience::default(),
            pace: Arc::new(RealPace),
            environment: |name| std::env::var(name).ok(),
        }
    }
}

impl std::fmt::Debug for RemoteOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteOptions")
            .field("name", &self.name)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

/// A model that another machine, or another program on this one, works for.
///
/// ```
/// use percept_models::{ChatModel, ModelAddress, RemoteModel, RemoteOptions};
///
/// # fn main() -> Result<(), percept_models::ModelError> {
/// let address = "openai:http://127.0.0.1:8000/v1#qwen2.5-vl".parse::<ModelAddress>()?;
/// let ModelAddress::Remote(address) = address else { unreachable!() };
/// // Nothing is sent before the first question.
/// let model = RemoteModel::open(&address, RemoteOptions::default())?;
/// assert_eq!(model.card().device, "remote");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct RemoteModel {
    inner: Arc<Inner>,
}

struct Inner {
    address: RemoteAddress,
    card: ModelCard,
    transport: Transport,
    pictures: Pictures,
    pace: Arc<dyn Pace>,
    fit: Fit,
    is_vendor: bool,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("card", &self.card).finish_non_exhaustive()
    }
}

impl RemoteModel {
    /// Readies a model; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`RemoteError::Key`] if the vendor's own host is named and no key is set, or the key can't be one.
    pub fn open(address: &RemoteAddress, options: RemoteOptions) -> Result<Self, ModelError> {
        let facts = address.api.facts();
        let url = address.url()?;
        let own = reqwest::Url::parse(facts.base).is_ok_and(|own| own.origin() == url.origin());
        let admission = Admission::to(&url, facts, &options.environment);
        if own && admission == Admission::Unset {
            return Err(RemoteError::Key {
                problem: format!("{address} needs a key, and none is set"),
                remedy: format!("Set {} to yours", facts.key_variables.join(" or ")),
            }
            .into());
        }
        // A server that is compatible with OpenAI's API scales as its own model does.
        let fit = if own || address.api != RemoteApi::OpenAi { facts.fit } else { Fit::default() };
        let mut notes = notes(address, fit, &url);
        notes.extend(options.notes);
        if let Admission::Withheld(reason) = &admission {
            notes.push(reason.clone());
        }
        let card = ModelCard {
            name: options.name.unwrap_or_else(|| address.to_string()),
            family: facts.name.into(),
            device: "remote".into(),
            context: address.context.unwrap_or(facts.context),
            max_images: address.max_images,
            screen: None,
            thinks: true,
            tells_probabilities: address.tells_probabilities,
            notes,
        };
        let transport = Transport::new(address, admission, options.patience)?;
        let inner = Inner {
            address: address.clone(),
            card,
            transport,
            pictures: Pictures::default(),
            pace: options.pace,
            fit,
            is_vendor: own,
        };
        Ok(Self { inner: Arc::new(inner) })
    }
}

#[async_trait]
impl ChatModel for RemoteModel {
    fn card(&self) -> &ModelCard {
        &self.inner.card
    }

    fn can_think(&self, options: &Generate) -> Result<(), ModelError> {
        let inner = &self.inner;
        inner
            .check_thought(options)
            .map_err(|problem| ModelError::Request(format!("{}: {problem}", inner.card.name)))
    }

    async fn generate(
        &self,
        conversation: &Conversation,
        options: &Generate,
    ) -> Result<Generation, ModelError> {
        let inner = &self.inner;
        inner.check(conversation, options)?;
        let (computer, offering) = inner.computer(options)?.unzip();
        let dialect = NativeDialect { places: inner.address.api.places(inner.fit), computer };
        let (declared, schema) = match (&options.reply, &offering) {
            (Reply::Text, _) => (Vec::new(), None),
            (Reply::Json(schema), _) => {
                let written = dialect.written(schema).map_err(ModelError::Request)?;
                (Vec::new(), Some(written))
            }
            (Reply::Call { .. }, Some(offering)) if offering.others.is_empty() => (Vec::new(), None),
            // Words come before a call of the tool, so they do before one of a function.
            (Reply::Call { .. }, Some(offering)) => (dialect.declare(&offering.others, Thought::None)?, None),
            (Reply::Call { thought, functions }, None) => (dialect.declare(functions, *thought)?, None),
        };
        let begun = Instant::now();
        let pictures = inner.pictures.of(conversation, inner.fit).await?;
        let milliseconds = begun.elapsed().as_secs_f64() * 1000.0;
        let picture = |wanted| {
            pictures.iter().find(|(hash, _)| *hash == wanted).map(|(_, picture)| Arc::clone(picture))
        };
        let shows_calls = inner.address.computer.is_some_and(|tool| tool.shows_calls(&inner.address.model));
        let mut turns = Turns::of(conversation, picture, |called| match &options.reply {
            Reply::Call { functions, .. } if shows_calls => {
                dialect.shows(&called.name, &called.arguments, called.confirmed, functions)
            }
            _ => false,
        })?;
        let tool = inner.address.computer.zip(offering.as_ref());
        if let (Some((tool, offering)), Reply::Call { .. }) = (tool, &options.reply) {
            turns.instruct(&tool.instructions(offering, options));
        }
        let temperature = options.sampling.temperature.min(inner.address.api.facts().hottest);
        let body = inner.address.api.body(&Asked {
            model: &inner.address.model,
            turns: &turns,
            options,
            declared: &declared,
            computer: tool,
            schema: schema.as_ref(),
            temperature: (!inner.address.own_sampling).then_some(temperature),
            is_vendor: inner.is_vendor,
        })?;
        let body = serde_json::to_vec(&body).map_err(|error| ModelError::Engine(error.into()))?;
        let ready = Ready { body: body.into(), options: options.clone(), dialect, milliseconds };
        Ok(Generation::new(reply::stream(Arc::clone(inner), ready)))
    }
}

impl Inner {
    /// The vendor's tool for computer use and what of it can be done, where a call is asked for and there is a screen. To a
    /// model that is made for the tool it is always there: without it the API refuses the request.
    fn computer(&self, options: &Generate) -> Result<Option<(Computer, Offering)>, ModelError> {
        let Some(tool) = self.address.computer else { return Ok(None) };
        let is_needed = ComputerTool::known(self.address.api, &self.address.model) == Some(tool);
        let functions = match &options.reply {
            Reply::Call { functions, .. } if !functions.is_empty() => functions.as_slice(),
            Reply::Text | Reply::Json(_) if is_needed => &[],
            _ => return Ok(None),
        };
        let computer = Computer { vendor: tool.vendor(&self.address.model), fit: self.fit };
        Ok(computer.offering(functions, is_needed)?.map(|offering| (computer, offering)))
    }

    /// How a thought may stand in a reply's text: a server that is compatible with OpenAI's may leave it there, and without
    /// the tag that opens it, which stands in the template. Where a thought was asked for, the text is held back until it is known
    /// what it is; else it is told as it comes, and only the whole reply has the thought apart.
    fn opening(&self, options: &Generate) -> Option<Opening> {
        if self.is_vendor || self.address.api != RemoteApi::OpenAi {
            return None;
        }
        let is_json = matches!(options.reply, Reply::Json(_));
        Some(if options.think { Opening::Hidden { is_json } } else { Opening::Told })
    }

    /// Refuses what this API can't be asked for.
    fn check(&self, conversation: &Conversation, options: &Generate) -> Result<(), ModelError> {
        let facts = self.address.api.facts();
        let refused = |problem: String| Err(ModelError::Request(format!("{}: {problem}", self.card.name)));
        let Generate { sampling, .. } = options;
        if sampling.min_p > 0.0 || (sampling.repetition_penalty - 1.0).abs() > f32::EPSILON {
            return refused(
                "its API has neither min-p nor a repetition penalty: leave them at 0 and 1".into(),
            );
        }
        if options.log_probabilities && !self.card.tells_probabilities {
            return refused(
                "it isn't known to tell probabilities: ask without log-probabilities, or, if its API does, with \
                 `?probabilities=yes` in its address"
                    .into(),
            );
        }
        if options.think && !matches!(options.reply, Reply::Call { .. }) {
            self.check_thought(options).or_else(refused)?;
        }
        if !options.stop_at_end {
            return refused("a remote model always stops at its end".into());
        }
        if options.max_tokens == 0 {
            return refused("a reply of no tokens can't be asked for".into());
        }
        if options.stop.len() > facts.stops && options.reply == Reply::Text {
            return refused(format!(
                "its API takes {} stop texts, {} are given",
                facts.stops,
                options.stop.len()
            ));
        }
        let images = conversation.images().count();
        if let Some(most) = self.card.max_images.filter(|most| images > *most) {
            return Err(ModelError::Conversation(format!(
                "{} takes {most} image(s), the conversation has {images}",
                self.card.name
            )));
        }
        Ok(())
    }

    /// Refuses a thought before words that this API can't be asked for.
    fn check_thought(&self, options: &Generate) -> Result<(), String> {
        match self.address.api {
            RemoteApi::Responses => Err("it isn't asked for its thoughts: ask without one".into()),
            RemoteApi::OpenAi if self.is_vendor => {
                Err("its API tells no thoughts, whatever the model thinks: ask without one".into())
            }
            RemoteApi::Anthropic => anthropic::check_thought(options, self.address.own_sampling),
            RemoteApi::OpenAi | RemoteApi::Gemini => Ok(()),
        }
    }
}
