//! The contract of a model that one can talk to.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Call, Conversation, Function, Generate, Generation, Located, ModelError};

/// What a model says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// How the user named it: `bundled:glance`, a folder, an address.
    pub name: String,
    /// The family that hosts it: `smolvlm`, `llava`, `scripted`, …
    pub family: String,
    /// The device it runs on, in words: `cpu`, `webgpu:0`, `remote`.
    pub device: String,
    /// The longest conversation in tokens, prompt and reply together.
    pub context: usize,
    /// How many images one conversation may hold; `None` if only the context limits it.
    pub max_images: Option<usize>,
    /// The screen size in pixels that the model works best on, `[width, height]`, where it has one.
    pub screen: Option<[u32; 2]>,
    /// Whether a thought before the action is this model's better default.
    pub thinks: bool,
    /// Whether it tells how likely each token of a reply is; a remote model tells it of words, not of calls.
    #[serde(default)]
    pub tells_probabilities: bool,
    /// What a user should know before trusting a result: quantised weights, nodes off the device, …
    pub notes: Vec<String>,
}

/// A model that one can talk to: local, remote or scripted.
///
/// ```
/// use percept_models::{ChatModel, Conversation, Generate, GenerationEvent, Message, Role, ScriptedModel, ScriptedReply};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let model: Box<dyn ChatModel> = Box::new(ScriptedModel::new(vec![ScriptedReply::text("A login form.")]));
/// let conversation: Conversation = [Message::text(Role::User, "What do you see?")].into_iter().collect();
/// let mut generation = model.generate(&conversation, &Generate::default()).await?;
/// while let Some(event) = generation.next().await {
///     match event? {
///         GenerationEvent::Text(piece) => assert_eq!(piece, "A login form."),
///         GenerationEvent::Done(completion) => assert_eq!(completion.text, "A login form."),
///         _ => {}
///     }
/// }
/// # Ok::<(), percept_models::ModelError>(())
/// # }).unwrap();
/// ```
#[async_trait]
pub trait ChatModel: Send + Sync {
    /// What the model is.
    fn card(&self) -> &ModelCard;

    /// Whether a user's image without a word asks it for a caption (BLIP-2). Others are to be asked in words.
    fn captions(&self) -> bool {
        false
    }

    /// Whether it takes videos as such. Others refuse them; [`Conversation::with_frames`] makes images of one.
    fn watches_videos(&self) -> bool {
        false
    }

    /// What a reply to these words says is where, in pixels of the image, of this width and height, that it is about;
    /// `None` from a model that doesn't say it in tokens of its own.
    fn located(&self, _asked: &str, _reply: &str, _size: [u32; 2]) -> Option<Located> {
        None
    }

    /// Whether a reply such as these options ask for can begin with a thought ([`Generate::think`]), as far as that is known before
    /// anything is asked. A model that says nothing else is taken to be one that can.
    ///
    /// # Errors
    ///
    /// [`ModelError::Request`] with the reason.
    fn can_think(&self, _options: &Generate) -> Result<(), ModelError> {
        Ok(())
    }

    /// Starts a reply to the conversation; its events arrive through the [`Generation`].
    ///
    /// # Errors
    ///
    /// A [`ModelError`] if the conversation can't be taken as it is; a failure on the way arrives in the
    /// stream.
    async fn generate(
        &self,
        conversation: &Conversation,
        options: &Generate,
    ) -> Result<Generation, ModelError>;

    /// A call, its places in pixels of the screenshot whose size the functions' schemas have, as this model would write it with
    /// these functions on offer; `None` from a model that can't tell. A model that is shown what others did is shown it in its
    /// own words.
    ///
    /// # Errors
    ///
    /// Why it can't be written, in words: the function isn't on offer, say.
    fn written(&self, _call: &Call, _offered: &[Function]) -> Option<Result<String, String>> {
        None
    }

    /// Told once, before anything is asked, when a run is taken up again: so many replies were given in its
    /// earlier life. Only a model that counts its replies, as a script does, has anything to do with that.
    fn taken_up(&self, _replies: usize) {}
}
