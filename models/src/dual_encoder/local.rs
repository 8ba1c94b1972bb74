//! A dual encoder of one's own: an exported folder at work in ONNX Runtime sessions.
//!
//! The way of a text: tokenizer → cut to the context → padded in a batch → text tower → length 1. The way of an
//! image: processor → image tower → length 1. A joint graph gets a stand-in on the side that isn't asked for.

mod batch;
mod identity;
mod inspect;
mod load;
mod probe;
mod text;

use std::sync::Arc;

use async_trait::async_trait;
use image::RgbImage;
use percept_runtime::{DeviceChoice, Engine, Runtime};
use tokio::sync::OnceCell;

pub use self::inspect::EncoderInspection;
pub(super) use self::text::TextReader;
use super::{DualEncoder, Embedding, EncoderCard, EncoderFolder, Temperature, TextEmbedding};
use crate::{ModelError, processor::ProcessedImage};

/// An exported dual encoder on a device of this machine; a handle that is cheap to clone.
///
/// ```no_run
/// # async fn example() -> Result<(), percept_models::ModelError> {
/// use std::sync::Arc;
///
/// use percept_models::{DualEncoder, LoadOptions, LoadedImage, LocalDualEncoder};
///
/// let quiet = Arc::new(percept_runtime::Silent);
/// let model = LocalDualEncoder::load("models/clip".as_ref(), LoadOptions::default(), quiet).await?;
/// let image = LoadedImage::open("shot.png".as_ref())?.pixels;
/// let images = model.embed_images(&[image]).await?;
/// let texts = model.embed_texts(&["a login page".into()]).await?;
/// println!("{}", images[0].cosine(&texts[0].embedding));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct LocalDualEncoder {
    inner: Arc<Inner>,
}

struct Inner {
    folder: EncoderFolder,
    engine: Engine,
    card: EncoderCard,
    /// What a joint graph sees where no image is asked for.
    blank: Arc<ProcessedImage>,
    runtime: Runtime,
    device: DeviceChoice,
    /// Threads of the CPU for one graph, for those that are opened later too.
    threads: Option<usize>,
    temperature: OnceCell<Temperature>,
}

impl std::fmt::Debug for LocalDualEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalDualEncoder").field("card", &self.inner.card).finish_non_exhaustive()
    }
}

#[async_trait]
impl DualEncoder for LocalDualEncoder {
    fn card(&self) -> &EncoderCard {
        &self.inner.card
    }

    async fn embed_texts(&self, texts: &[String]) -> Result<Vec<TextEmbedding>, ModelError> {
        batch::texts(&self.inner, texts).await
    }

    async fn embed_images(&self, images: &[Arc<RgbImage>]) -> Result<Vec<Embedding>, ModelError> {
        batch::images(&self.inner, images).await
    }

    /// Where it is given in the folder, that; else it is measured in the joint graph, which is opened for it, on the
    /// processor and once, where the towers are graphs of their own; else what the family allows to assume.
    async fn temperature(&self) -> Result<Temperature, ModelError> {
        self.inner.temperature.get_or_try_init(|| probe::temperature(&self.inner)).await.copied()
    }
}

impl LocalDualEncoder {
    /// The token ids that a batch of texts becomes, padded as the text tower is given them.
    ///
    /// # Errors
    ///
    /// [`ModelError::Request`] for a text with nothing in it.
    pub fn token_ids(&self, texts: &[String]) -> Result<Vec<Vec<u32>>, ModelError> {
        let reader = &self.inner.folder.reader;
        let read = texts.iter().map(|text| reader.read(text)).collect::<Result<Vec<_>, _>>()?;
        Ok(reader.padded(&read, None).into_iter().map(|text| text.ids).collect())
    }
}
