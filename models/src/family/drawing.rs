//! How a family draws, where it can: what differs from one to the next.
//!
//! The rest is the same for all: the prompt is read, image tokens are written one after another, and a graph makes
//! pixels of them ([`ImageModel`](crate::ImageModel)).

mod canvas;

pub use self::canvas::{Canvas, Extent, Rows};

/// A family's own pieces of drawing.
#[derive(Debug, Clone, PartialEq)]
pub struct DrawingPlan {
    /// How the prompt is written.
    pub prompt: DrawingPrompt,
    /// How many tokens an image has.
    pub canvas: Canvas,
    /// What its tokens are.
    pub tokens: ImageTokens,
    /// The session that makes an image `[1, 3, height, width]` of its tokens: `[1, count]`, or `[1, rows, columns]` where
    /// images have rows.
    pub decoder: &'static str,
    /// The scale of its numbers.
    pub painted: Painted,
    /// How the prompt is taken away for guidance; `None` where the family was trained without.
    pub unconditional: Option<Unconditional>,
}

/// What becomes of the words that say what is to be drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DrawingPrompt {
    /// A turn of a conversation, as the folder's template writes it.
    Turn {
        /// What ends it.
        after: String,
        /// The token with which an image begins, after that.
        begin: u32,
    },
    /// The words alone.
    Words {
        /// What stands before them.
        before: String,
        /// What stands after them, with the number of the image's rows and columns between: how an image begins.
        sized: [String; 2],
    },
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
    /// What stays of the prompt.
    pub keeps: Kept,
    /// Whether words that say what the picture isn't may take the prompt's place.
    pub negative: bool,
    /// How much the prompt counts if nobody says.
    pub guidance: f32,
}

/// What stays of a prompt without its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// These tokens, wherever they stand.
    Tokens {
        /// Which they are.
        tokens: Vec<u32>,
        /// The token that takes the place of every other; `None`: the others are left out.
        pad: Option<u32>,
    },
    /// Its last token.
    Last,
}

impl Unconditional {
    /// The prompt's tokens: as many as before, or fewer where nothing takes a word's place.
    pub fn of(&self, prompt: &[u32]) -> Vec<u32> {
        match &self.keeps {
            Kept::Last => prompt.last().copied().into_iter().collect(),
            Kept::Tokens { tokens, pad } => {
                let stays = |token: &u32| if tokens.contains(token) { Some(*token) } else { *pad };
                prompt.iter().filter_map(stays).collect()
            }
        }
    }
}
