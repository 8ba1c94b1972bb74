//! How a family draws, where it can: what differs from one to the next.
//!
//! The rest is the same for all: the prompt is read, image tokens are written one after another, and a graph makes
//! pixels of them ([`ImageModel`](crate::ImageModel)).

/// A family's own pieces of drawing.
#[derive(Debug, Clone, PartialEq)]
pub struct DrawingPlan {
    /// The token with which an image begins, after the prompt.
    pub begin: u32,
    /// How many tokens an image has.
    pub count: usize,
    /// What its tokens are.
    pub tokens: ImageTokens,
    /// The session that makes an image `[1, 3, height, width]` of its tokens `[1, count]`, normalised as the images are
    /// that the model sees.
    pub decoder: &'static str,
    /// How the prompt is taken away for guidance; `None` where the family was trained without.
    pub unconditional: Option<Unconditional>,
}

/// What an image is written in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageTokens {
    /// A vocabulary of its own.
    Own {
        /// The head that scores it.
        head: &'static str,
        /// The session that makes embeddings of its tokens.
        embedding: &'static str,
    },
    /// These tokens of the text's vocabulary, the first of which stands for code 0 of the image's.
    OfText(Vec<u32>),
}

/// Classifier-free guidance (Ho & Salimans 2022): the prompt without its words.
#[derive(Debug, Clone, PartialEq)]
pub struct Unconditional {
    /// The tokens that stay.
    pub keeps: Vec<u32>,
    /// The token that takes the place of every other.
    pub pad: u32,
    /// How much the prompt counts if nobody says.
    pub guidance: f32,
}

impl Unconditional {
    /// The prompt's tokens, as many as before.
    pub fn of(&self, prompt: &[u32]) -> Vec<u32> {
        prompt.iter().map(|token| if self.keeps.contains(token) { *token } else { self.pad }).collect()
    }
}
