//! What a model makes of a conversation before it replies, and what it remembers: for goldens, evaluations, measurements
//! and a look inside.

use percept_runtime::RopePosition;

use super::{
    LocalModel,
    prefix::Lent,
    prompt::{self, Told},
    reply,
    trouble::engine_error,
};
use crate::{Conversation, ModelError, Reply, Usage};

/// A conversation as a model reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadPrompt {
    /// The prompt that the chat template rendered.
    pub rendered: String,
    /// The same with each image's placeholder expanded.
    pub expanded: String,
    /// Its tokens.
    pub tokens: Vec<u32>,
    /// Where each token stands in time, height and width, for a family that tells them apart.
    pub positions: Option<Vec<RopePosition>>,
}

impl LocalModel {
    /// The prompt of a conversation, for a reply of free text.
    ///
    /// # Errors
    ///
    /// Those of [`ChatModel::generate`](crate::ChatModel::generate).
    pub async fn prompt(&self, conversation: &Conversation) -> Result<ReadPrompt, ModelError> {
        self.prompt_for(conversation, &Reply::Text).await
    }

    /// The prompt of a conversation, for a reply of any kind.
    ///
    /// # Errors
    ///
    /// Those of [`ChatModel::generate`](crate::ChatModel::generate).
    pub async fn prompt_for(
        &self,
        conversation: &Conversation,
        reply: &Reply,
    ) -> Result<ReadPrompt, ModelError> {
        let told = Told::of(&self.inner, conversation, reply, false)?;
        let prompt = prompt::prepare(&self.inner, conversation, told).await?;
        Ok(ReadPrompt {
            rendered: prompt.rendered,
            expanded: prompt.expanded,
            tokens: prompt.tokens.iter().map(|token| token.id).collect(),
            positions: prompt.positions,
        })
    }

    /// Forgets the tokens that were read and written last, and frees their memory: the next reply reads its prompt from the
    /// beginning. A reply that is under way keeps what it has.
    pub fn forget_prompt(&self) {
        drop(self.inner.take_kept());
    }

    /// Forgets the features of all images: the next reply that needs one sees it anew.
    pub fn forget_images(&self) {
        self.inner.seen.clear();
    }

    /// How many tokens [`LocalModel::first_logits`] scores.
    pub(crate) fn vocabulary(&self) -> usize {
        self.inner.engine.vocabulary()
    }

    /// The scores of each token of the vocabulary to come first after a conversation; the least that there is for a token
    /// that is never written in a text.
    ///
    /// # Errors
    ///
    /// Those of [`ChatModel::generate`](crate::ChatModel::generate).
    pub async fn first_logits(&self, conversation: &Conversation) -> Result<Vec<f32>, ModelError> {
        let told = Told::of(&self.inner, conversation, &Reply::Text, false)?;
        let prompt = prompt::prepare(&self.inner, conversation, told).await?;
        let mut lent = Lent::new(&self.inner);
        let kept = reply::read(&self.inner, &prompt, &mut Usage::default(), &mut lent).await?;
        let mut scores = kept.sequence.last_logits().await.map_err(engine_error)?;
        for token in self.inner.silent() {
            if let Some(score) = scores.get_mut(*token as usize) {
                *score = f32::MIN;
            }
        }
        Ok(scores)
    }
}
