//! How a family draws, where it can: what differs from one to the next.
//!
//! The rest is the same for all: the prompt is read, image tokens are written one after another, and a graph makes
//! pixels of them ([`ImageModel`](crate::ImageModel)).

/// A family's own pieces of drawing.
#[derive(Debug, Clone, PartialEq)]
pub struct DrawingPlan {
    /// What ends the prompt.
    pub after_prompt: String,
    /// The token with which an image begins, after the prompt.
    pub begin: u32,
    /// How many tokens an image has.
    pub count: usize,
    /// What its tokens are.
    pub tokens: ImageTokens,
    /// The session that makes an image `[1, 3, height, width]` of its tokens `[1, count]`.
    pub decoder: &'static str,
    /// The scale of its numbers.
    pub painted: Painted,
    /// How the prompt is taken away for guidance; `None` where the family was trained without.
    pub unconditional: Option<Unconditional>,
}

/// What numbers a picture's colours are painted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Painted {
    /// Those that the images are normalised to that the model sees.
    AsSeen,
    /// From −1, which is black, to 1.
    MinusOneToOne,
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
    /// The token that takes the place of every other; `None`: the others are left out.
    pub pad: Option<u32>,
    /// How much the prompt counts if nobody says.
    pub guidance: f32,
}

impl Unconditional {
    /// The prompt's tokens: as many as before, or fewer where nothing takes a word's place.
    pub fn of(&self, prompt: &[u32]) -> Vec<u32> {
        let stays = |token: &u32| if self.keeps.contains(token) { Some(*token) } else { self.pad };
        prompt.iter().filter_map(stays).collect()
    }
}
