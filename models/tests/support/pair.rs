//! Goldens of the tiny dual encoders, and folders made of them.
#![allow(dead_code, reason = "each test program uses its own part")]

mod scores;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use image::RgbImage;
use percept_models::{
    DualEncoder, Embedding, LoadOptions, LoadedImage, LocalDualEncoder, ModelError, Temperature, ZeroShot,
};
use percept_runtime::Silent;
use serde::Deserialize;

use self::scores::greatest;
pub(crate) use self::scores::off;

/// What transformers makes of a set of texts and images; `models/export/README.md` tells the keys.
#[derive(Debug, Deserialize)]
pub(crate) struct Golden {
    pub(crate) logit_scale: f32,
    pub(crate) logit_bias: f32,
    pub(crate) texts: Vec<GoldenText>,
    pub(crate) images: Vec<GoldenImage>,
    pub(crate) logits_per_image: Vec<Vec<f32>>,
    pub(crate) probabilities: Vec<Vec<f32>>,
    pub(crate) zero_shot: GoldenQuestion,
}

#[derive(Debug, Deserialize)]
pub(crate) struct GoldenText {
    pub(crate) text: String,
    pub(crate) ids: Vec<u32>,
    embedding: Vec<f32>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct GoldenImage {
    pub(crate) file: String,
    pub(crate) pixel_values: GoldenPixels,
    embedding: Vec<f32>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct GoldenPixels {
    pub(crate) shape: [usize; 3],
    base64: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct GoldenQuestion {
    pub(crate) labels: Vec<String>,
    pub(crate) templates: Vec<String>,
    logits: Vec<Vec<f32>>,
    probabilities: Vec<Vec<f32>>,
}

impl GoldenPixels {
    pub(crate) fn bits(&self) -> Vec<u32> {
        let bytes = BASE64_STANDARD.decode(&self.base64).unwrap();
        bytes.chunks_exact(4).map(|four| u32::from_le_bytes(four.try_into().unwrap())).collect()
    }
}

pub(crate) fn data(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder)
}

pub(crate) fn golden(folder: &str) -> Golden {
    serde_json::from_str(&fs::read_to_string(data(folder).join("golden.json")).unwrap()).unwrap()
}

/// Loads a folder on a device.
pub(crate) async fn open(path: &Path, device: &str) -> Result<LocalDualEncoder, ModelError> {
    let options = LoadOptions { device: device.parse().unwrap(), threads: Some(1), ..LoadOptions::default() };
    LocalDualEncoder::load(path, options, Arc::new(Silent)).await
}

impl Golden {
    pub(crate) fn all_texts(&self) -> Vec<String> {
        self.texts.iter().map(|golden| golden.text.clone()).collect()
    }

    pub(crate) fn all_images(&self, folder: &str) -> Vec<Arc<RgbImage>> {
        let open = |golden: &GoldenImage| LoadedImage::open(&data(folder).join(&golden.file)).unwrap().pixels;
        self.images.iter().map(open).collect()
    }

    /// How far the model's embeddings are from the reference's at most.
    pub(crate) async fn embeddings_off(&self, model: &dyn DualEncoder, folder: &str) -> f32 {
        let texts = model.embed_texts(&self.all_texts()).await.unwrap();
        let images = model.embed_images(&self.all_images(folder)).await.unwrap();
        assert_eq!((texts.len(), images.len()), (self.texts.len(), self.images.len()));
        let texts =
            texts.iter().zip(&self.texts).map(|(found, golden)| (&found.embedding, &golden.embedding));
        let images = images.iter().zip(&self.images).map(|(found, golden)| (found, &golden.embedding));
        greatest(texts.chain(images).map(|(found, golden)| off(found.values(), golden)))
    }

    /// How far its logits and probabilities are, for the texts as they are and for labels in templates.
    pub(crate) async fn logits_off(&self, model: &dyn DualEncoder, folder: &str) -> f32 {
        let texts = model.embed_texts(&self.all_texts()).await.unwrap();
        let images = model.embed_images(&self.all_images(folder)).await.unwrap();
        let temperature = model.temperature().await.unwrap();
        assert_eq!((images.len(), images.len()), (self.logits_per_image.len(), self.probabilities.len()));
        let mut furthest: f32 = 0.0;
        for (place, image) in images.iter().enumerate() {
            let logits: Vec<f32> =
                texts.iter().map(|text| temperature.logit(image.cosine(&text.embedding))).collect();
            let probabilities = temperature.probabilities(&logits);
            furthest = furthest
                .max(off(&logits, &self.logits_per_image[place]))
                .max(off(&probabilities, &self.probabilities[place]));
        }
        furthest.max(self.question_off(model, &images).await)
    }

    async fn question_off(&self, model: &dyn DualEncoder, images: &[Embedding]) -> f32 {
        let GoldenQuestion { labels, templates, logits, probabilities } = &self.zero_shot;
        let question = ZeroShot::ask(model, labels, templates).await.unwrap();
        assert_eq!((images.len(), images.len()), (logits.len(), probabilities.len()));
        let mut furthest: f32 = 0.0;
        for (place, image) in images.iter().enumerate() {
            let answer = question.classify(image);
            let of = |value: &dyn Fn(&percept_models::LabelScore) -> f32| -> Vec<f32> {
                let of_label =
                    |label: &String| answer.scores.iter().find(|score| score.label == *label).unwrap();
                labels.iter().map(|label| value(of_label(label))).collect()
            };
            furthest = furthest
                .max(off(&of(&|score| score.logit), &logits[place]))
                .max(off(&of(&|score| score.probability), &probabilities[place]));
            let most = logits[place].iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let best = logits[place].iter().position(|logit| logit.to_bits() == most.to_bits()).unwrap();
            assert_eq!(answer.best().unwrap().label, labels[best]);
        }
        furthest
    }

    /// How far scale and bias are.
    pub(crate) fn temperature_off(&self, temperature: &Temperature) -> f32 {
        off(&[temperature.scale, temperature.bias], &[self.logit_scale, self.logit_bias])
    }
}
