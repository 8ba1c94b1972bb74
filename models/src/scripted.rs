//! A model that replies from a list: for tests, and for dry runs of everything around a model.

use std::{
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    Call, ChatModel, Completion, Conversation, Generate, Generation, GenerationEvent, ModelCard, ModelError,
    Reply, StopReason, Unconfirmed, Usage, dialect,
};

/// One reply of a script. In a file: `{"thought": "…", "call": {"function": "click", "arguments": {"point":
/// [12, 34]}}}`, `{"text": "…"}` or `{"error": "…"}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ScriptedReply {
    /// A call, its points in screenshot pixels, perhaps after a thought.
    Call(ScriptedCall),
    /// Text, perhaps where a call was asked for, perhaps after a thought.
    Text(ScriptedText),
    /// A model that breaks.
    Error(ScriptedError),
}

/// See [`ScriptedReply::Call`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptedCall {
    /// What comes before the call.
    #[serde(default)]
    pub thought: String,
    /// The call.
    pub call: Call,
    /// Why a person is to confirm it, as a vendor's model would say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concern: Option<String>,
}

/// See [`ScriptedReply::Text`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptedText {
    /// What comes before it.
    #[serde(default)]
    pub thought: String,
    /// The text.
    pub text: String,
}

/// See [`ScriptedReply::Error`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptedError {
    /// What the error says.
    pub error: String,
}

impl ScriptedReply {
    /// A call without a thought.
    pub fn call(function: &str, arguments: serde_json::Value) -> Self {
        Self::thought_and_call("", function, arguments)
    }

    /// A thought, then a call.
    pub fn thought_and_call(thought: &str, function: &str, arguments: serde_json::Value) -> Self {
        let call = Call { function: function.into(), arguments };
        Self::Call(ScriptedCall { thought: thought.into(), call, concern: None })
    }

    /// Text.
    pub fn text(text: &str) -> Self {
        Self::Text(ScriptedText { thought: String::new(), text: text.into() })
    }

    /// An error.
    pub fn error(error: &str) -> Self {
        Self::Error(ScriptedError { error: error.into() })
    }
}

/// A model that gives the replies of a list, one a turn, whatever it is told.
///
/// ```
/// use percept_models::{ChatModel, Conversation, Generate, ScriptedModel, ScriptedReply};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let model = ScriptedModel::new(vec![ScriptedReply::text("Hello.")]);
/// let generation = model.generate(&Conversation::new(), &Generate::default()).await?;
/// assert_eq!(generation.complete().await?.text, "Hello.");
/// # Ok::<(), percept_models::ModelError>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct ScriptedModel {
    card: ModelCard,
    replies: Vec<ScriptedReply>,
    /// Replies that were given in a run's earlier life.
    given: AtomicUsize,
    asked: Mutex<Vec<Conversation>>,
}

impl ScriptedModel {
    /// A model with these replies.
    pub fn new(replies: Vec<ScriptedReply>) -> Self {
        let card = ModelCard {
            name: "scripted".into(),
            family: "scripted".into(),
            device: "none".into(),
            context: usize::MAX,
            max_images: None,
            screen: None,
            thinks: true,
            tells_probabilities: false,
            notes: Vec::new(),
        };
        Self { card, replies, given: AtomicUsize::new(0), asked: Mutex::default() }
    }

    /// The same model with another card.
    #[must_use]
    pub fn with_card(mut self, card: ModelCard) -> Self {
        self.card = card;
        self
    }

    /// Reads the replies from a JSON file: a list of [`ScriptedReply`].
    ///
    /// # Errors
    ///
    /// [`ModelError::Folder`] if the file can't be read or isn't such a list.
    pub fn of_file(path: &Path) -> Result<Self, ModelError> {
        let bad = |problem: String| {
            ModelError::Folder {
            path: path.to_owned(),
            problem,
            remedy: "A script is a JSON list of {\"thought\", \"call\": {\"function\", \"arguments\"}}, {\"text\"} or \
                     {\"error\"}"
                .into(),
        }
        };
        let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
        let replies = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
        let mut model = Self::new(replies);
        model.card.name = format!("scripted:{}", path.display());
        Ok(model)
    }

    /// Every conversation that it was given, in order.
    pub fn asked(&self) -> Vec<Conversation> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl ChatModel for ScriptedModel {
    fn card(&self) -> &ModelCard {
        &self.card
    }

    async fn generate(
        &self,
        conversation: &Conversation,
        options: &Generate,
    ) -> Result<Generation, ModelError> {
        let turn = {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            asked.push(conversation.clone());
            asked.len() + self.given.load(Ordering::Relaxed)
        };
        let reply = self.replies.get(turn - 1).ok_or(ModelError::ScriptOver { turn })?;
        let completion = completion(reply, options)?;
        let mut events = Vec::new();
        if !completion.thought.is_empty() {
            events.push(Ok(GenerationEvent::Thought(completion.thought.clone())));
        }
        if !completion.text.is_empty() {
            events.push(Ok(GenerationEvent::Text(completion.text.clone())));
        }
        events.push(Ok(GenerationEvent::Done(Box::new(completion))));
        Ok(Generation::new(futures::stream::iter(events)))
    }

    fn taken_up(&self, replies: usize) {
        self.given.store(replies, Ordering::Relaxed);
    }
}

fn completion(reply: &ScriptedReply, options: &Generate) -> Result<Completion, ModelError> {
    let mut concern = None;
    let (thought, text, call) = match reply {
        ScriptedReply::Error(ScriptedError { error }) => {
            return Err(ModelError::Engine(error.clone().into()));
        }
        ScriptedReply::Text(ScriptedText { thought, text }) => (
            thought.clone(),
            text.clone(),
            Err("the script gives text where a call was asked for".to_owned()),
        ),
        ScriptedReply::Call(ScriptedCall { thought, call, concern: why }) => {
            concern.clone_from(why);
            let text = serde_json::to_string(call).map_err(|error| ModelError::Engine(error.into()))?;
            (thought.clone(), text, Ok(call.clone()))
        }
    };
    let call = match &options.reply {
        Reply::Call { functions, .. } => Some(call.and_then(|call| {
            if functions.iter().any(|function| function.name == call.function) {
                Ok(call)
            } else {
                Err(format!("there is no function `{}` on offer", call.function))
            }
        })),
        _ => None,
    };
    let (call, unconfirmed) = match (call, concern) {
        (Some(Ok(call)), Some(why)) => {
            (Some(Err(dialect::unconfirmed(&why))), Some(Unconfirmed { call, why }))
        }
        (call, _) => (call, None),
    };
    let stop = if options.cancel.is_cancelled() { StopReason::Cancelled } else { StopReason::End };
    let usage = Usage::default();
    let (tokens, log_probabilities) = (Vec::new(), Vec::new());
    Ok(Completion { thought, text, call, unconfirmed, stop, usage, tokens, log_probabilities })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Function, Thought};

    async fn ask(model: &ScriptedModel, reply: Reply) -> Result<Completion, ModelError> {
        model
            .generate(&Conversation::new(), &Generate { reply, ..Generate::default() })
            .await?
            .complete()
            .await
    }

    fn call() -> Reply {
        let click = Function { name: "click".into(), description: String::new(), schema: json!({}) };
        Reply::Call { thought: Thought::Free, functions: vec![click] }
    }

    #[tokio::test]
    async fn replies_come_in_order_and_then_no_more() {
        let script = r#"[
            {"thought": "Here.", "call": {"function": "click", "arguments": {"point": [1, 2]}}},
            {"call": {"function": "fly", "arguments": {}}},
            {"text": "Hello"},
            {"error": "out of memory"}
        ]"#;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script.json");
        std::fs::write(&path, script).unwrap();
        let model = ScriptedModel::of_file(&path).unwrap();
        let first = ask(&model, call()).await.unwrap();
        assert_eq!(first.thought, "Here.");
        let expected = Call { function: "click".into(), arguments: json!({ "point": [1, 2] }) };
        assert_eq!(first.call, Some(Ok(expected)));
        assert!(ask(&model, call()).await.unwrap().call.unwrap().unwrap_err().contains("`fly`"));
        let third = ask(&model, Reply::Text).await.unwrap();
        assert_eq!((third.text.as_str(), third.call), ("Hello", None));
        assert_eq!(ask(&model, call()).await.unwrap_err().to_string(), "out of memory");
        assert!(matches!(ask(&model, call()).await, Err(ModelError::ScriptOver { turn: 5 })));
        assert_eq!(model.asked().len(), 5);
    }

    #[test]
    fn a_file_that_is_no_script_is_an_error_that_shows_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script.json");
        for text in ["{", "{}", r#"[{"txt": "typo"}]"#, r#"[{"text": "a", "call": 1}]"#] {
            std::fs::write(&path, text).unwrap();
            let error = ScriptedModel::of_file(&path).unwrap_err().to_string();
            assert!(error.contains("A script is a JSON list"), "{error}");
        }
    }
}
