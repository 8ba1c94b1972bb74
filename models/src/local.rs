//! A model of one's own: an exported folder at work in ONNX Runtime sessions.
//!
//! The way of a reply: conversation → template → prompt with each image's placeholder expanded → tokens →
//! the longest beginning that the kept sequence still holds → features of the images after it (remembered by
//! content) → embeddings, features in the rows of image tokens → prefill → decode under the dialect's grammar.

mod detokenizer;
mod draw;
mod encoded;
mod features;
mod image_tokens;
mod inspect;
mod load;
mod looks;
mod measure;
mod names;
mod pieces;
mod plan;
mod prefix;
mod prompt;
mod reader;
mod reply;
mod rows;
mod shown;
mod trouble;
mod verify;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use percept_runtime::{Engine, Grammar, Vocabulary};

use self::{
    features::SeenImages, names::Names, plan::ReplyPlan, prefix::KeptSequence, prompt::Told,
    trouble::constraint_error,
};
pub(crate) use self::{
    inspect::inspected,
    load::{device_notes, placement_notes},
    trouble::engine_error,
    verify::equal_beginning,
};
pub use self::{
    inspect::{InspectedSession, Inspection, Memory, PlacedOperator},
    load::LoadOptions,
    measure::ReadPrompt,
};
use crate::{
    Call, ChatModel, Conversation, Function, Generate, Generation, Located, ModelCard, ModelError,
    dialect::Dialect, folder::ModelFolder,
};

/// An exported model on a device of this machine; a handle that is cheap to clone.
#[derive(Clone)]
pub struct LocalModel {
    inner: Arc<Inner>,
}

struct Inner {
    folder: ModelFolder,
    engine: Engine,
    card: ModelCard,
    dialect: Box<dyn Dialect>,
    /// The vocabulary that grammars are laid over, or why none can be.
    vocabulary: Result<Arc<Vocabulary>, String>,
    end_tokens: Vec<u32>,
    /// The vision session's output that holds an image's features, for a model that sees.
    features_output: Option<String>,
    /// What a message may only name.
    names: Names,
    /// Special tokens that are part of what a reply says.
    written_tokens: Vec<u32>,
    seen: SeenImages,
    /// The last reply's sequence. A reply takes it out for its time; a second one meanwhile begins its own.
    kept: Mutex<Option<KeptSequence>>,
}

impl Inner {
    fn take_kept(&self) -> Option<KeptSequence> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The name by which the engine knows the session that sees: where one session also looks tokens up, on a device
    /// where both is done in one place, it is there once.
    fn vision(&self) -> &'static str {
        let vision = self.folder.family.parts().vision;
        if self.engine.signature(vision).is_some() { vision } else { "embedding" }
    }

    /// The tokens that are never written in a text.
    fn silent(&self) -> &[u32] {
        let vocabulary = self.folder.family.image_vocabulary().filter(|vocabulary| vocabulary.silent);
        vocabulary.map_or(&[], |vocabulary| vocabulary.tokens.as_slice())
    }

    fn keep(&self, kept: KeptSequence) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
    }

    /// The grammar's constraint, ready for one reply.
    fn compile(&self, grammar: &Grammar) -> Result<percept_runtime::Constraint, ModelError> {
        let vocabulary = self.vocabulary.as_ref().map_err(|reason| {
            ModelError::Request(format!("this model can only write free text: {reason}"))
        })?;
        grammar.compile(vocabulary).map_err(constraint_error)
    }
}

impl std::fmt::Debug for LocalModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalModel").field("card", &self.inner.card).finish_non_exhaustive()
    }
}

#[async_trait]
impl ChatModel for LocalModel {
    fn card(&self) -> &ModelCard {
        &self.inner.card
    }

    fn captions(&self) -> bool {
        self.inner.folder.family.captions()
    }

    fn watches_videos(&self) -> bool {
        self.inner.folder.video.is_some()
    }

    fn written(&self, call: &Call, offered: &[Function]) -> Option<Result<String, String>> {
        self.inner.dialect.write(call, offered)
    }

    fn located(&self, asked: &str, reply: &str, size: [u32; 2]) -> Option<Located> {
        self.inner.folder.family.located(asked, reply, size)
    }

    fn can_think(&self, _: &Generate) -> Result<(), ModelError> {
        prompt::can_think(&self.inner)
    }

    async fn generate(
        &self,
        conversation: &Conversation,
        options: &Generate,
    ) -> Result<Generation, ModelError> {
        let inner = &self.inner;
        if options.max_tokens == 0 {
            return Err(ModelError::Request("a reply of no tokens can't be asked for".into()));
        }
        let told = Told::of(inner, conversation, &options.reply, options.think)?;
        let prompt = prompt::prepare(inner, conversation, told).await?;
        let plan = ReplyPlan::of(inner, &prompt, options)?;
        Ok(Generation::new(reply::stream(Arc::clone(inner), prompt, plan, options.clone())))
    }
}
