//! What one model answers to questions about images.

use std::path::PathBuf;

use serde_json::json;

use super::scores::Scores;
use crate::{
    ChatModel, Conversation, Function, Generate, ImageContent, LoadedImage, LocalModel, Message, ModelError,
    Reply, Role, Thought,
};

/// What is asked of both models about every image.
#[derive(Debug, Clone)]
pub struct Questions {
    /// The images' files. Each is opened when it is asked about, so that one is in memory at a time.
    pub images: Vec<PathBuf>,
    /// Questions in words.
    pub asks: Vec<String>,
    /// What to click, in words: "the Log in button".
    pub clicks: Vec<String>,
    /// The most tokens of a reply.
    pub max_tokens: usize,
}

/// What a model makes of one question about one image.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// The likeliest tokens one after another.
    pub(super) tokens: Vec<u32>,
    pub(super) text: String,
}

/// A model's answers, image by image.
#[derive(Debug)]
pub struct Answers {
    /// Scores of each reply's first token, on the disk.
    pub(super) scores: Scores,
    /// One a question, for each image.
    pub(super) replies: Vec<Vec<Answer>>,
    /// A place in pixels of the image, or why there is none; one a target, for each image.
    pub(super) clicks: Vec<Vec<Result<[f64; 2], String>>>,
}

impl Answers {
    /// Asks a model everything. Replies are greedy.
    ///
    /// # Errors
    ///
    /// Those of [`LoadedImage::open`] and [`ChatModel::generate`], and [`ModelError::Request`] if the disk is full; a click that
    /// isn't one is part of the result.
    pub async fn of(model: &LocalModel, questions: &Questions) -> Result<Self, ModelError> {
        let mut answers = Self { scores: Scores::new()?, replies: Vec::new(), clicks: Vec::new() };
        for path in &questions.images {
            let image = &ImageContent::new(LoadedImage::open(path)?.pixels);
            let mut replies = Vec::new();
            for ask in &questions.asks {
                let conversation = about(image, ask);
                answers.scores.push(&model.first_logits(&conversation).await?)?;
                let (tokens, text) = model.greedy(&conversation, questions.max_tokens, true).await?;
                replies.push(Answer { tokens, text });
            }
            answers.replies.push(replies);
            let mut clicks = Vec::new();
            for target in &questions.clicks {
                clicks.push(click(model, image, target).await?);
            }
            answers.clicks.push(clicks);
        }
        Ok(answers)
    }

    /// Whether these replies can be compared with another model's, before that one is asked anything.
    ///
    /// # Errors
    ///
    /// [`ModelError::Request`] if the models have vocabularies of different sizes: their scores can't be compared.
    pub fn check_comparable(&self, other: &LocalModel) -> Result<(), ModelError> {
        self.scores.vocabulary().map_or(Ok(()), |own| same_vocabulary(own, other.vocabulary()))
    }
}

/// Scores of different vocabularies can't be compared.
pub(super) fn same_vocabulary(a: usize, b: usize) -> Result<(), ModelError> {
    if a == b {
        return Ok(());
    }
    Err(ModelError::Request(format!(
        "one model scores {a} tokens, the other {b}: they aren't two exports of one model"
    )))
}

fn about(image: &ImageContent, text: &str) -> Conversation {
    let message = Message { role: Role::User, content: Vec::new() };
    Conversation::from_iter([message.with_image(image.pixels().clone()).with_text(text)])
}

/// Where the model clicks, written under its dialect's grammar and brought to pixels of the image.
async fn click(
    model: &LocalModel,
    image: &ImageContent,
    target: &str,
) -> Result<Result<[f64; 2], String>, ModelError> {
    let (width, height) = image.pixels().dimensions();
    let mark = json!({ "kind": "point", "width": width, "height": height });
    let function = Function {
        name: "click".into(),
        description: "Clicks a point on the screenshot.".into(),
        schema: json!({ "type": "object", "properties": { "point": { "x-percept": mark } }, "required": ["point"] }),
    };
    let options = Generate {
        reply: Reply::Call { thought: Thought::None, functions: vec![function] },
        ..Generate::default()
    };
    let conversation = about(image, &format!("Click {target}."));
    let completion = model.generate(&conversation, &options).await?.complete().await?;
    let call = completion.call.unwrap_or_else(|| Err("the reply is no call".into()));
    Ok(call.and_then(|call| {
        let place = serde_json::from_value(call.arguments["point"].clone());
        place.map_err(|_| format!("{} is no point", call.arguments["point"]))
    }))
}
