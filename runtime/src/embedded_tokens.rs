//! A stretch of text as a decoder reads it: embeddings, and what goes beside them.

use crate::{rope_position::RopePosition, tensor::HostTensor};

/// Tokens as embeddings, and what else a decoder may want of each of them.
///
/// ```
/// use percept_runtime::{EmbeddedTokens, HostTensor};
///
/// let two = HostTensor::F32 { shape: vec![1, 2, 4], data: vec![0.5; 8] };
/// let plain = EmbeddedTokens::from(two.clone());
/// assert!(plain.positions.is_none() && plain.side_inputs.is_empty());
/// // A decoder that adds features of its own to the first layer's states.
/// let deep = EmbeddedTokens { side_inputs: vec![("deepstack.0".to_owned(), two)], ..plain };
/// # let _ = deep;
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddedTokens {
    /// `[1, tokens, hidden]`.
    pub embeddings: HostTensor,
    /// Where the tokens stand, one a token, for a decoder that takes them in three rows (`position_ids`,
    /// `[3, 1, tokens]`). `None`: one after another, from one after the greatest so far.
    pub positions: Option<Vec<RopePosition>>,
    /// What the decoder declares beside the embeddings with a row a token, by name, `[1, tokens, width]`: each of
    /// them, and nothing else.
    pub side_inputs: Vec<(String, HostTensor)>,
    /// What the tokens look at, for a decoder that looks at images, or at what an encoder read, by cross-attention. `None`:
    /// each token sees what the one before it saw. What an encoder read comes with a sequence's first tokens and with no
    /// later ones.
    pub looks_at: Option<LooksAt>,
    /// Which tokens see their neighbours that do, later ones too, one a token: an image's (Gemma 3). For a decoder that is
    /// told ([`Engine::tells_blocks`](crate::Engine::tells_blocks)); `None`: every token sees what is before it.
    pub together: Option<Vec<bool>>,
}

/// What there is to look at for a sequence from here on, and which of it each token sees.
///
/// A written token sees what the one before it saw. What is given later takes the place of this; what a token of before
/// saw must keep its number, because a written one that is still to be read goes by it. What an encoder read is one thing,
/// number 0, which every token sees and nothing takes the place of; a sequence that is rewound to its beginning may be given
/// another.
#[derive(Debug, Clone, PartialEq)]
pub struct LooksAt {
    /// `[1, images, states, width]`; what an encoder read is `[1, 1, states, width]`.
    pub states: HostTensor,
    /// The image that each token sees, counted from 0, one a token; `None` where it sees none. Of what an encoder read:
    /// `Some(0)` for each.
    pub seen: Vec<Option<usize>>,
}

impl From<HostTensor> for EmbeddedTokens {
    fn from(embeddings: HostTensor) -> Self {
        Self { embeddings, positions: None, side_inputs: Vec::new(), looks_at: None, together: None }
    }
}
