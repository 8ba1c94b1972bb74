//! A stage for the loop: a screen made of coloured pages, and a model that says its lines and remembers what
//! it was asked.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::stream;
use image::{Rgb, RgbImage};
use percept::{
    models::{
        Call, ChatModel, Completion, Content, Conversation, Generate, Generation, GenerationEvent, ModelCard,
        ModelError, Role, Stage as Milliseconds, StopReason, TokenRecord, Usage,
    },
    tools::{
        Element, Frame, Input, PixelSize, Screen, ScreenError, ScreenPoint, ScreenRegion, Screenshot,
        async_trait,
    },
};
use serde_json::{Value, json};

/// What the screen does when something is done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Every input leads to the next page.
    Turns,
    /// Nothing ever changes.
    Sticks,
    /// The first input kills it.
    Dies,
    /// An input breaks, and nobody knows how far it came.
    Breaks,
    /// An input never returns.
    Hangs,
}

/// A screen of pages, each a colour with a text.
pub(crate) struct Pages {
    shown: Vec<(u8, &'static str)>,
    manner: Manner,
    at: Mutex<usize>,
    pub(crate) inputs: Mutex<Vec<Input>>,
}

impl Pages {
    pub(crate) fn new(manner: Manner, texts: &[&'static str]) -> Arc<Self> {
        let pages = texts.iter().enumerate().map(|(i, text)| (i as u8 * 20, *text)).collect();
        Arc::new(Self { shown: pages, manner, at: Mutex::new(0), inputs: Mutex::default() })
    }
}

impl Pages {
    /// The page goes on by itself.
    pub(crate) fn turn(&self) {
        *self.at.lock().unwrap() += 1;
    }

    /// Every text that was typed.
    pub(crate) fn typed(&self) -> Vec<String> {
        let inputs = self.inputs.lock().unwrap();
        let texts = inputs.iter().filter_map(|input| match input {
            Input::Text(text) => Some(text.clone()),
            _ => None,
        });
        texts.collect()
    }
}

#[async_trait]
impl Screen for Pages {
    async fn look(&self) -> Result<Screenshot, ScreenError> {
        let at = *self.at.lock().unwrap();
        let Some((shade, _)) = self.shown.get(at) else {
            return Err(ScreenError::Gone { reason: "the page closed itself".into() });
        };
        Ok(Screenshot {
            pixels: Arc::new(RgbImage::from_pixel(160, 208, Rgb([*shade, 0, 0]))),
            frame: Frame { size: PixelSize { width: 160, height: 208 }, scale: 1.0 },
            location: Some(format!("file:///page{at}.html")),
            notes: Vec::new(),
        })
    }

    async fn act(&self, input: &Input) -> Result<(), ScreenError> {
        self.inputs.lock().unwrap().push(input.clone());
        match self.manner {
            Manner::Sticks => {}
            Manner::Breaks => return Err(ScreenError::Gone { reason: "the page is gone".into() }),
            Manner::Hangs => tokio::time::sleep(Duration::from_hours(1)).await,
            Manner::Dies => *self.at.lock().unwrap() = usize::MAX,
            Manner::Turns => {
                let mut at = self.at.lock().unwrap();
                *at = (*at + 1).min(self.shown.len() - 1);
            }
        }
        Ok(())
    }

    async fn visible_text(&self) -> Result<String, ScreenError> {
        let typed: String = self.typed().concat();
        Ok(format!("{}\n{typed}", self.shown[*self.at.lock().unwrap()].1))
    }

    /// Two buttons, side by side.
    async fn element_at(&self, at: ScreenPoint) -> Result<Option<Element>, ScreenError> {
        Ok(self.elements().await?.into_iter().find(|element| element.region.contains(at)))
    }

    async fn elements(&self) -> Result<Vec<Element>, ScreenError> {
        let button = |name: &str, left| Element {
            role: "button".into(),
            name: name.into(),
            region: ScreenRegion { left, top: 0.0, right: left + 80.0, bottom: 208.0 },
            acts: true,
            value: None,
            checked: None,
            enabled: true,
        };
        Ok(vec![button("Left", 0.0), button("Right", 80.0)])
    }

    /// What was typed is shown in the top left corner.
    async fn places_of(&self, texts: &[String]) -> Result<Vec<ScreenRegion>, ScreenError> {
        let typed = self.typed();
        let is_shown = typed.iter().any(|typed| texts.iter().any(|text| typed.contains(text)));
        let corner = ScreenRegion { left: 0.0, top: 0.0, right: 20.0, bottom: 10.0 };
        Ok(if is_shown { vec![corner] } else { Vec::new() })
    }
}

/// One line of the model's part.
#[derive(Debug, Clone)]
pub(crate) enum Line {
    /// A thought and a call.
    Calls(&'static str, Value),
    /// Free text, for a reflection.
    Says(&'static str),
    /// A document, for a plan.
    Writes(String),
    /// A reply that is no call.
    Stammers(&'static str),
    /// A reply that ends in the middle.
    CutOff,
    /// A failure.
    Fails,
    /// The conversation is too long.
    TooLong,
    /// Never ends.
    Muses,
}

pub(crate) fn calls(function: &'static str, arguments: Value) -> Line {
    Line::Calls("I see it.", json!({ "tool": function, "arguments": arguments }))
}

pub(crate) fn click(x: i64, y: i64) -> Line {
    calls("click", json!({ "point": [x, y] }))
}

pub(crate) fn finish() -> Line {
    calls("finish", json!({}))
}

/// A model that says its lines; the last one for ever.
pub(crate) struct Actor {
    card: ModelCard,
    /// How likely it takes each of its words to be, if it tells.
    probability: Option<f32>,
    lines: Mutex<VecDeque<Line>>,
    pub(crate) asked: Mutex<Vec<(String, Generate)>>,
}

impl Actor {
    pub(crate) fn new(thinks: bool, lines: &[Line]) -> Arc<Self> {
        Self::telling(thinks, None, lines)
    }

    /// One that tells how likely it takes its words to be.
    pub(crate) fn telling(thinks: bool, probability: Option<f32>, lines: &[Line]) -> Arc<Self> {
        let card = ModelCard {
            name: "actor".into(),
            family: "scripted".into(),
            device: "nowhere".into(),
            context: 4096,
            max_images: None,
            screen: None,
            thinks,
            tells_probabilities: probability.is_some(),
            notes: Vec::new(),
        };
        let lines = Mutex::new(lines.iter().cloned().collect());
        Arc::new(Self { card, probability, lines, asked: Mutex::default() })
    }

    /// Temperatures of every request so far.
    pub(crate) fn temperatures(&self) -> Vec<f32> {
        self.asked.lock().unwrap().iter().map(|(_, options)| options.sampling.temperature).collect()
    }

    /// Everything that it was told with the newest request.
    pub(crate) fn last_told(&self) -> String {
        self.asked.lock().unwrap().last().unwrap().0.clone()
    }
}

#[async_trait]
impl ChatModel for Actor {
    fn card(&self) -> &ModelCard {
        &self.card
    }

    async fn generate(
        &self,
        conversation: &Conversation,
        options: &Generate,
    ) -> Result<Generation, ModelError> {
        self.asked.lock().unwrap().push((told(conversation), options.clone()));
        let line = {
            let mut lines = self.lines.lock().unwrap();
            if lines.len() > 1 { lines.pop_front().unwrap() } else { lines[0].clone() }
        };
        let is_cut = matches!(line, Line::CutOff);
        let (thought, text, call) = match line {
            Line::Calls(thought, written) => {
                let call = Call {
                    function: written["tool"].as_str().unwrap().into(),
                    arguments: written["arguments"].clone(),
                };
                (thought, written.to_string(), Some(Ok(call)))
            }
            Line::Says(text) => ("", text.into(), None),
            Line::Writes(text) => ("", text, None),
            Line::Stammers(text) => ("", text.into(), Some(Err("it isn't JSON".into()))),
            Line::CutOff => ("", "{\"tool\":".into(), Some(Err("it was cut off".into()))),
            Line::Fails => return Err(ModelError::Engine("out of memory".into())),
            Line::TooLong => return Err(ModelError::Conversation("5000 tokens, at most 4096".into())),
            Line::Muses => return Ok(Generation::new(stream::pending())),
        };
        let usage = Usage {
            fresh_tokens: 100,
            cached_tokens: 10,
            output_tokens: 20.min(options.max_tokens),
            forced_tokens: 5,
            stage: Milliseconds { vision: 1.0, prefill: 2.0, decode: 3.0 },
        };
        let token = |probability: f32| TokenRecord {
            id: 0,
            text: String::new(),
            log_probability: probability.ln(),
            forced: false,
            thought: false,
        };
        let completion = Completion {
            thought: thought.into(),
            text: text.clone(),
            call,
            unconfirmed: None,
            stop: if is_cut { StopReason::MaxTokens } else { StopReason::End },
            usage,
            tokens: self.probability.filter(|_| options.log_probabilities).map(token).into_iter().collect(),
            log_probabilities: Vec::new(),
        };
        let events = [
            GenerationEvent::Thought(thought.into()),
            GenerationEvent::Text(text),
            GenerationEvent::Done(Box::new(completion)),
        ];
        Ok(Generation::new(stream::iter(events.map(Ok))))
    }
}

/// A conversation as text, images as their shade.
fn told(conversation: &Conversation) -> String {
    let mut told = String::new();
    for message in conversation.messages() {
        let who = match message.role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        };
        for content in &message.content {
            match content {
                Content::Text(_) | Content::Said { .. } => {
                    told.extend([who, ": ", &content.plain().unwrap(), "\n"]);
                }
                Content::Image(image) => {
                    told.extend([who, ": [image ", &image.pixels().as_raw()[0].to_string(), "]\n"]);
                }
                _ => {}
            }
        }
    }
    told
}
