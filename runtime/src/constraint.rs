//! What a reply may be, enforced while it is written: a grammar over a model's own vocabulary.
//!
//! A dialect writes a [`Grammar`] as data; [`Grammar::compile`] makes a [`Constraint`] of it, which says before
//! each token which ones may come, and after it which ones must. The work is done by `llguidance`
//! (<https://github.com/guidance-ai/llguidance>): an Earley parser over a trie of the vocabulary.

mod dense;
mod grammar;
mod lark;
mod mask;
mod prelude;
mod vocabulary;

use std::sync::Arc;

use llguidance::Matcher;

use self::prelude::RunningPrelude;
pub use self::{
    grammar::{Form, Grammar, Marker, Prelude},
    mask::TokenMask,
    vocabulary::Vocabulary,
};

/// A grammar that can't be used, or a reply that left it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConstraintError {
    /// The tokenizer isn't one that grammars can be laid over, or doesn't belong to the model.
    #[error("no grammar can be laid over this tokenizer: {reason}")]
    Tokenizer {
        /// What is in the way.
        reason: String,
    },
    /// A marker names a special token that the tokenizer doesn't have.
    #[error("the tokenizer has no special token {name}")]
    NoSuchToken {
        /// Its name.
        name: String,
    },
    /// The schema or the Lark text doesn't compile.
    #[error("the grammar doesn't compile: {reason}")]
    Grammar {
        /// The compiler's words.
        reason: String,
    },
    /// A token was written that the grammar doesn't allow, or the parser gave up on an input too complex for it.
    #[error("the reply left its grammar: {reason}")]
    Left {
        /// The parser's words.
        reason: String,
    },
}

/// A compiled grammar in the middle of one reply.
pub struct Constraint {
    matcher: Matcher,
    vocabulary: Arc<Vocabulary>,
    prelude: Option<RunningPrelude>,
    /// Whether what follows the prelude is free.
    frees: bool,
}

impl Constraint {
    /// Whether nothing is bound any more, because what came before a [`Form::Free`] is over.
    pub fn is_free(&self) -> bool {
        self.frees && self.prelude.is_none()
    }

    /// The tokens that may come next.
    ///
    /// # Errors
    ///
    /// [`ConstraintError::Left`] where the grammar is complete, or too complex.
    pub fn mask(&mut self) -> Result<TokenMask, ConstraintError> {
        let plain = self.prelude.as_mut().filter(|prelude| prelude.is_plain());
        if let Some(known) = plain.and_then(|prelude| prelude.plain_mask().clone()) {
            return Ok(known);
        }
        let mask = self.matcher.compute_mask().map(TokenMask::new).map_err(|error| left(&error))?;
        if let Some(prelude) = self.prelude.as_mut().filter(|prelude| prelude.is_plain()) {
            *prelude.plain_mask() = Some(mask.clone());
        }
        Ok(mask)
    }

    /// Takes a token that was chosen under the mask.
    ///
    /// # Errors
    ///
    /// [`ConstraintError::Left`] for one that wasn't.
    pub fn accept(&mut self, token: u32) -> Result<(), ConstraintError> {
        self.matcher.consume_token(token).map_err(|error| left(&error))?;
        if let Some(prelude) = &mut self.prelude
            && prelude.write(token, &self.vocabulary)
        {
            self.prelude = None;
        }
        Ok(())
    }

    /// The tokens that must come next, already taken: the marker of a thought that has grown too long, and
    /// whatever the grammar leaves no choice about.
    ///
    /// # Errors
    ///
    /// [`ConstraintError::Left`] where the parser gives up.
    pub fn forced(&mut self) -> Result<Vec<u32>, ConstraintError> {
        let mut tokens = Vec::new();
        if let Some(prelude) = &self.prelude {
            // Free text forces nothing.
            let Some(marker) = prelude.due() else { return Ok(tokens) };
            // In the middle of a character, which some tokens end in, no marker can stand: it comes after it.
            if self.matcher.validate_tokens(marker).map_err(|error| left(&error))? < marker.len() {
                return Ok(tokens);
            }
            tokens.extend_from_slice(marker);
            self.matcher.consume_tokens(&tokens).map_err(|error| left(&error))?;
            self.prelude = None;
        }
        if self.finished() {
            return Ok(tokens);
        }
        tokens.extend(self.matcher.consume_ff_tokens());
        match self.matcher.get_error() {
            Some(reason) => Err(ConstraintError::Left { reason }),
            None => Ok(tokens),
        }
    }

    /// Whether the grammar is complete, so that nothing more may be written.
    pub fn finished(&self) -> bool {
        self.matcher.is_stopped()
    }

    /// Whether this token ends the reply for the grammar's vocabulary.
    pub fn is_end(&self, token: u32) -> bool {
        self.vocabulary.is_end(token)
    }
}

impl std::fmt::Debug for Constraint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Constraint")
            .field("prelude", &self.prelude)
            .field("finished", &self.finished())
            .finish_non_exhaustive()
    }
}

fn left(error: &impl std::fmt::Display) -> ConstraintError {
    ConstraintError::Left { reason: error.to_string() }
}
