//! Which session of a folder plays which part.

use super::{DECODER, EMBED_TOKENS, VISION_ENCODER};

/// The sessions of a family by what they do. One may do two things: see and look tokens up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// From pixels to features.
    pub vision: &'static str,
    /// From tokens to embeddings.
    pub embedding: &'static str,
    /// From embeddings to scores, or to what heads make scores of.
    pub decoder: &'static str,
    /// From hidden states to scores, where the decoder leaves that to others; that of text first.
    pub heads: &'static [&'static str],
    /// Those with a use of the family's own.
    pub others: &'static [&'static str],
    /// Those that not every folder has: what is lacking without them, is told where it is asked for.
    pub optional: &'static [&'static str],
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            vision: VISION_ENCODER,
            embedding: EMBED_TOKENS,
            decoder: DECODER,
            heads: &[],
            others: &[],
            optional: &[],
        }
    }
}

impl Parts {
    /// Every session once.
    pub fn sessions(self) -> Vec<&'static str> {
        let mut sessions = vec![self.vision];
        let rest = [self.embedding, self.decoder].into_iter().chain(self.heads.iter().copied());
        for session in rest.chain(self.others.iter().chain(self.optional).copied()) {
            if !sessions.contains(&session) {
                sessions.push(session);
            }
        }
        sessions
    }

    /// The sets that folders have: every session, and those that none does without.
    pub fn session_sets(self) -> Vec<Vec<&'static str>> {
        let least = (!self.optional.is_empty()).then(|| Self { optional: &[], ..self }.sessions());
        [self.sessions()].into_iter().chain(least).collect()
    }
}
