//! Goldens: what a reference implementation makes of conversations, kept beside a model, and a model held to them.
//!
//! The form of `golden.json` is a list of cases; `models/export/README.md` tells its keys. What a case doesn't have isn't
//! compared, and keys that aren't known here are left aside.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use percept_runtime::Progress;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Content, Conversation, ImageContent, LoadOptions, LoadedImage, LocalModel, Message, ModelError, Role,
    folder::{bad, read_text},
};

/// One conversation, and what the reference makes of it.
#[derive(Debug, Clone, Deserialize)]
pub struct Golden {
    /// The case's name.
    pub name: String,
    /// Files of its pictures, from the model's folder, in the order in which the messages show them.
    #[serde(default)]
    images: Vec<String>,
    /// Settings of the image processor that it overrides.
    #[serde(default)]
    processor: Map<String, Value>,
    messages: Vec<GoldenMessage>,
    /// The prompt as the chat template renders it.
    pub(crate) prompt: Option<String>,
    /// The tokens of the prompt with every image's placeholder expanded.
    pub(crate) input_ids: Option<Vec<u32>>,
    /// What the image processor gives: its shape, and little-endian 32-bit floats as base64 or by their checksum.
    pub(crate) pixel_values: Option<GoldenPixels>,
    /// Where the prompt's tokens stand: times, heights and widths.
    pub(crate) position_ids: Option<[Vec<i64>; 3]>,
    /// Reply and scores in full precision.
    #[serde(flatten)]
    full: GoldenReply,
    /// The same in other precisions, by their names, among keys of other meanings.
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

/// What a model replies.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct GoldenReply {
    /// Scores of the first token.
    pub(crate) first_logits: Vec<f32>,
    /// The likeliest tokens one after another, ends among them.
    pub(crate) greedy: Vec<u32>,
}

/// Pixel values as they are kept.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct GoldenPixels {
    pub(crate) shape: Vec<usize>,
    pub(crate) base64: Option<String>,
    /// Of many: the checksum of their bytes.
    pub(crate) sha256: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct GoldenMessage {
    role: Role,
    content: Vec<GoldenPart>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum GoldenPart {
    Text { text: String },
    Image,
}

/// How a model's own results compare with one golden.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// The case's name.
    pub name: String,
    /// Pixel values that differ in any bit, of all; `None` if the case has none.
    pub pixels_differing: Option<[usize; 2]>,
    /// Whether the rendered prompt is equal.
    pub prompt_equal: Option<bool>,
    /// Whether the prompt's tokens are equal.
    pub ids_equal: Option<bool>,
    /// Whether the positions of its tokens are equal.
    pub positions_equal: Option<bool>,
    /// The greatest difference of a score of the first token.
    pub logits_difference: f32,
    /// The greatest score without its sign.
    pub largest_logit: f32,
    /// How many tokens of the reply are equal until the first that isn't.
    pub tokens_equal: usize,
    /// How many there are.
    pub tokens: usize,
    /// What the model was compared with: `fp32`, or the precision of its decoder where the case has that.
    pub against: String,
}

impl Verdict {
    /// Whether all is equal, and scores within this share of the largest one.
    pub fn holds(&self, tolerance: f32) -> bool {
        let equal = |found: Option<bool>| found != Some(false);
        self.pixels_differing.is_none_or(|[differing, _]| differing == 0)
            && equal(self.prompt_equal)
            && equal(self.ids_equal)
            && equal(self.positions_equal)
            && self.logits_difference <= tolerance * self.largest_logit
            && self.tokens_equal == self.tokens
    }
}

impl Golden {
    /// Those of a model's folder; none if it has no `golden.json`.
    ///
    /// # Errors
    ///
    /// [`ModelError::Folder`] if the file isn't a list of cases.
    pub fn of_folder(folder: &Path) -> Result<Vec<Self>, ModelError> {
        let path = folder.join("golden.json");
        let Some(text) = read_text(&path)? else { return Ok(Vec::new()) };
        serde_json::from_str(&text)
            .map_err(|error| bad(&path, format!("it is no list of conversations: {error}")))
    }

    /// The conversation, its pictures read from the model's folder.
    ///
    /// # Errors
    ///
    /// [`ModelError::Image`] for a picture that can't be read, [`ModelError::Folder`] if one isn't named, or isn't shown.
    pub fn conversation(&self, folder: &Path) -> Result<Conversation, ModelError> {
        let mut images = self.images.iter();
        let mut conversation = Conversation::new();
        for GoldenMessage { role, content } in &self.messages {
            let mut message = Message { role: *role, content: Vec::new() };
            for part in content {
                message.content.push(match part {
                    GoldenPart::Text { text } => Content::Text(text.clone()),
                    GoldenPart::Image => {
                        let file = images.next().ok_or_else(|| {
                            let problem = format!("the case `{}` shows more images than it names", self.name);
                            bad(&folder.join("golden.json"), problem)
                        })?;
                        Content::Image(ImageContent::new(LoadedImage::open(&folder.join(file))?.pixels))
                    }
                });
            }
            conversation.push(message);
        }
        if let Some(unseen) = images.next() {
            let problem = format!("the case `{}` names `{unseen}`, and no message shows it", self.name);
            return Err(bad(&folder.join("golden.json"), problem));
        }
        Ok(conversation)
    }

    /// What is expected of a decoder in this precision, and the precision that it was recorded in; what is wrong with the case,
    /// if it has one of this precision that is no reply, or one without a token, which any model would hold to.
    pub(crate) fn expected(&self, precision: &str) -> Result<(GoldenReply, String), String> {
        let (reply, against) = match self.others.get(precision) {
            None => (self.full.clone(), "fp32"),
            Some(own) => {
                let reply = GoldenReply::deserialize(own);
                let no_reply = |error| format!("`{precision}` of `{}` is no reply: {error}", self.name);
                (reply.map_err(no_reply)?, precision)
            }
        };
        if reply.greedy.is_empty() {
            return Err(format!("the reply of `{}` in {against} has no token (`greedy`)", self.name));
        }
        Ok((reply, against.into()))
    }
}

/// Holds a folder's model to the folder's goldens. Where a case has settings of the image processor of its own, the model is
/// loaded with these.
///
/// # Errors
///
/// Those of [`Golden::of_folder`], [`LocalModel::load`] and of the replies.
pub async fn verify(
    folder: &Path,
    options: LoadOptions,
    progress: Arc<dyn Progress>,
) -> Result<Vec<Verdict>, ModelError> {
    let mut verdicts = Vec::new();
    let mut loaded: Option<(Map<String, Value>, LocalModel)> = None;
    for golden in Golden::of_folder(folder)? {
        if loaded.as_ref().is_none_or(|(settings, _)| *settings != golden.processor) {
            // The one before goes first: one is in memory at a time.
            drop(loaded.take());
            let options = LoadOptions { processor: golden.processor.clone(), ..options.clone() };
            let model = LocalModel::load(folder, options, Arc::clone(&progress)).await?;
            loaded = Some((golden.processor.clone(), model));
        }
        if let Some((_, model)) = &loaded {
            verdicts.push(model.held_to(&golden, folder).await?);
        }
    }
    Ok(verdicts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn golden(more: &Value) -> Golden {
        let mut case = serde_json::json!({
            "name": "case", "messages": [{ "role": "user", "content": [{ "type": "text", "text": "?" }] }],
            "first_logits": [1.0], "greedy": [7],
        });
        let more = more.as_object().cloned().unwrap_or_default();
        case.as_object_mut().unwrap().extend(more);
        serde_json::from_value(case).unwrap()
    }

    #[test]
    fn a_reply_of_the_precision_that_is_no_reply_is_an_error_and_not_full_precisions() {
        let whole = golden(&serde_json::json!({ "q4": { "first_logits": [2.0], "greedy": [8] } }));
        assert_eq!(whole.expected("q4").unwrap().1, "q4");
        assert_eq!(whole.expected("fp16").unwrap().1, "fp32");
        let torn = golden(&serde_json::json!({ "q4": { "greedy": [8] } }));
        assert_eq!(
            torn.expected("q4").unwrap_err(),
            "`q4` of `case` is no reply: missing field `first_logits`"
        );
    }

    #[test]
    fn a_reply_without_a_token_is_an_error_in_each_precision() {
        let silent = golden(&serde_json::json!({ "greedy": [] }));
        let error = silent.expected("q4").unwrap_err();
        assert_eq!(error, "the reply of `case` in fp32 has no token (`greedy`)");
        let silent = golden(&serde_json::json!({ "q4": { "first_logits": [2.0], "greedy": [] } }));
        let error = silent.expected("q4").unwrap_err();
        assert_eq!(error, "the reply of `case` in q4 has no token (`greedy`)");
        assert!(silent.expected("fp16").is_ok());
    }

    #[test]
    fn a_picture_that_no_message_shows_is_an_error() {
        let unseen = golden(&serde_json::json!({ "images": ["a.png"] }));
        let error = unseen.conversation(Path::new("folder")).unwrap_err().to_string();
        assert!(error.contains("the case `case` names `a.png`, and no message shows it"), "{error}");
    }
}
