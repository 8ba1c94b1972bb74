//! What a dual encoder is made of, for `models inspect` and `doctor`.

use percept_runtime::{DeviceChoice, Moved};
use serde::Serialize;

use super::LocalDualEncoder;
use crate::{
    DualEncoder, ModelError,
    dual_encoder::{EncoderCard, EncoderConfig, EncoderLayout, Temperature},
    local::{InspectedSession, inspected},
};

/// A loaded dual encoder's parts.
#[derive(Debug, Clone, Serialize)]
pub struct EncoderInspection {
    /// What it says of itself.
    pub card: EncoderCard,
    /// Its configuration, as meant.
    pub config: EncoderConfig,
    /// Which graphs its towers are in.
    pub layout: EncoderLayout,
    /// Its image processor, in words.
    pub processor: String,
    /// Tokens of its tokenizer, special ones included.
    pub vocabulary: usize,
    /// What makes probabilities of its cosines, or why nothing does.
    pub temperature: Option<Temperature>,
    /// Why there is no temperature.
    pub no_temperature: Option<String>,
    /// Its sessions.
    pub sessions: Vec<InspectedSession>,
}

impl LocalDualEncoder {
    /// What the model is made of. Its temperature is found on the way, which may open the joint graph.
    pub async fn inspect(&self) -> EncoderInspection {
        let inner = &self.inner;
        let (temperature, no_temperature) = match self.temperature().await {
            Ok(temperature) => (Some(temperature), None),
            Err(error) => (None, Some(ModelError::to_string(&error))),
        };
        let sessions = inner.folder.sessions.iter();
        EncoderInspection {
            card: inner.card.clone(),
            config: inner.folder.config.clone(),
            layout: inner.folder.layout,
            processor: inner.folder.processor.to_string(),
            vocabulary: inner.folder.reader.vocabulary(),
            temperature,
            no_temperature,
            sessions: sessions.map(|file| inspected(&inner.engine, file, &file.session)).collect(),
        }
    }

    /// Bytes that crossed between host and device since the model was loaded.
    pub fn moved(&self) -> Moved {
        self.inner.engine.moved()
    }

    /// The device, and why it was chosen.
    pub fn device(&self) -> &DeviceChoice {
        &self.inner.device
    }
}
