//! Dual encoders: one tower for texts, one for images, and one space for both.
//!
//! CLIP (Radford et al. 2021) is the first of the lineage, SigLIP (Zhai et al. 2023) its kin: texts and images become
//! vectors of length 1, and how well two fit is the cosine between them. [`DualEncoder`] is the contract,
//! [`LocalDualEncoder`] hosts an exported model, [`ZeroShot`] classifies by labels in words, and [`nearest`] sorts
//! by likeness.

mod config;
mod embedding;
mod family;
mod folder;
mod index;
mod local;
mod temperature;
mod zero_shot;

use std::sync::Arc;

use async_trait::async_trait;
use image::RgbImage;
use serde::Serialize;

use crate::ModelError;
pub use config::EncoderConfig;
pub use embedding::{Cut, Embedding, TextEmbedding, nearest};
pub use family::EncoderFamily;
pub use folder::{EncoderFolder, EncoderLayout};
pub(crate) use folder::{belongs_here, graphs_of, sessions_of};
pub use index::{EmbeddingIndex, IndexedPicture};
pub use local::{EncoderInspection, LocalDualEncoder};
pub use temperature::{Scoring, Temperature, TemperatureSource};
pub use zero_shot::{Classification, LabelScore, ZeroShot};

/// A model that puts texts and images into one space.
///
/// ```
/// use std::sync::Arc;
///
/// use async_trait::async_trait;
/// use image::RgbImage;
/// use percept_models::{DualEncoder, Embedding, EncoderCard, ModelError, Temperature, TextEmbedding, ZeroShot};
///
/// /// A model that knows one thing: how red something is.
/// struct Redness(EncoderCard);
///
/// #[async_trait]
/// impl DualEncoder for Redness {
///     fn card(&self) -> &EncoderCard {
///         &self.0
///     }
///
///     async fn embed_texts(&self, texts: &[String]) -> Result<Vec<TextEmbedding>, ModelError> {
///         let red = |text: &String| if text.contains("red") { 1.0 } else { -1.0 };
///         texts.iter().map(|text| Ok(Embedding::new(vec![red(text), 1.0])?.into())).collect()
///     }
///
///     async fn embed_images(&self, images: &[Arc<RgbImage>]) -> Result<Vec<Embedding>, ModelError> {
///         let red = |image: &Arc<RgbImage>| f32::from(image.get_pixel(0, 0).0[0]) / 127.5 - 1.0;
///         images.iter().map(|image| Embedding::new(vec![red(image), 1.0])).collect()
///     }
///
///     async fn temperature(&self) -> Result<Temperature, ModelError> {
///         Ok(Temperature::softmax(10.0))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ModelError> {
/// let model = Redness(EncoderCard::named("redness"));
/// let labels = ["red".to_owned(), "blue".to_owned()];
/// let question = ZeroShot::ask(&model, &labels, &["a {} square".into()]).await?;
/// let images = [Arc::new(RgbImage::from_pixel(2, 2, image::Rgb([250, 10, 10])))];
/// let answer = question.classify(&model.embed_images(&images).await?[0]);
/// assert_eq!(answer.best().unwrap().label, "red");
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait DualEncoder: Send + Sync {
    /// What it is and where it runs.
    fn card(&self) -> &EncoderCard;

    /// An embedding a text, in order. A text that is longer than the model reads is cut, and
    /// [`TextEmbedding::cut`] says what was left out.
    ///
    /// # Errors
    ///
    /// [`ModelError::Request`] for a text with nothing in it, [`ModelError::Engine`] if the model fails.
    async fn embed_texts(&self, texts: &[String]) -> Result<Vec<TextEmbedding>, ModelError>;

    /// An embedding an image, in order.
    ///
    /// # Errors
    ///
    /// [`ModelError::Image`] for an image that can't be processed, [`ModelError::Engine`] if the model fails.
    async fn embed_images(&self, images: &[Arc<RgbImage>]) -> Result<Vec<Embedding>, ModelError>;

    /// What turns cosines into logits, and logits into probabilities. Ranking needs none.
    ///
    /// # Errors
    ///
    /// [`ModelError::Folder`] where nothing says it and nothing can be assumed.
    async fn temperature(&self) -> Result<Temperature, ModelError>;
}

/// What a dual encoder says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EncoderCard {
    /// How it was named.
    pub name: String,
    /// Its family.
    pub family: String,
    /// Where it runs.
    pub device: String,
    /// Numbers in an embedding, where the graphs say.
    pub dimensions: Option<usize>,
    /// The most tokens of a text, its end included.
    pub context: usize,
    /// What a user should know: the device and why, the precision, what a file leaves open.
    pub notes: Vec<String>,
}

impl EncoderCard {
    /// A card with a name and nothing else, for models of one's own.
    pub fn named(name: &str) -> Self {
        let (name, family, device) = (name.to_owned(), name.to_owned(), "cpu".to_owned());
        Self { name, family, device, dimensions: None, context: usize::MAX, notes: Vec::new() }
    }
}
