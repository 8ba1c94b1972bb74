//! Goldens of the tiny models, read from `tests/data`, and folders made of them.
#![allow(dead_code, unused_imports, reason = "each test program uses its own part")]

mod scores;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use percept_models::{
    ChatModel, Content, Conversation, Generate, ImageContent, LoadOptions, LoadedImage, LocalModel, Message,
    ModelFolder, ProcessedImage, Role, Usage,
};
use percept_runtime::{CacheForm, RopePosition, Silent};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

pub(crate) use self::scores::{greatest, greatest_difference, largest, levels_apart, off};

/// What transformers makes of one conversation; `models/export/README.md` tells the keys.
#[derive(Debug, Deserialize)]
pub(crate) struct Golden {
    pub(crate) name: String,
    images: Vec<String>,
    processor: serde_json::Map<String, Value>,
    messages: Vec<GoldenMessage>,
    prompt: String,
    expanded_prompt: String,
    pub(crate) input_ids: Vec<u32>,
    pixel_values: Option<GoldenPixels>,
    pixel_attention_mask: Option<GoldenMask>,
    image_grid_thw: Option<Vec<[usize; 3]>>,
    position_ids: Option<[Vec<i64>; 3]>,
    rope_delta: Option<i64>,
    pub(crate) first_logits: Vec<f32>,
    pub(crate) greedy: Vec<u32>,
    pub(crate) text: String,
    pub(crate) q4: Option<GoldenReply>,
    /// Of a decoder that isn't told which tokens are an image's.
    pub(crate) causal: Option<GoldenReply>,
    #[serde(skip)]
    folder: String,
}

/// What another precision makes of it.
#[derive(Debug, Deserialize)]
pub(crate) struct GoldenReply {
    pub(crate) first_logits: Vec<f32>,
    pub(crate) greedy: Vec<u32>,
    pub(crate) text: String,
}

#[derive(Debug, Deserialize)]
struct GoldenMessage {
    role: Role,
    content: Vec<GoldenPart>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum GoldenPart {
    Text { text: String },
    Image,
}

#[derive(Debug, Deserialize)]
struct GoldenPixels {
    shape: Vec<usize>,
    base64: Option<String>,
    sha256: Option<String>,
}

#[derive(Debug, Deserialize)]
struct GoldenMask {
    shape: Vec<usize>,
    ones: usize,
}

/// The folder of test data.
pub(crate) fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

/// The goldens of a tiny model.
pub(crate) fn goldens(folder: &str) -> Vec<Golden> {
    let text = fs::read_to_string(data().join(folder).join("golden.json")).unwrap();
    let mut goldens: Vec<Golden> = serde_json::from_str(&text).unwrap();
    assert!(goldens.len() > 3);
    for golden in &mut goldens {
        golden.folder = folder.into();
    }
    goldens
}

/// A copy of a tiny model's folder that may be changed.
pub(crate) fn copy(folder: &str) -> (TempDir, PathBuf) {
    let kept = tempfile::tempdir().unwrap();
    let target = kept.path().join(folder);
    fs::create_dir_all(target.join("onnx")).unwrap();
    for under in ["", "onnx"] {
        for entry in fs::read_dir(data().join(folder).join(under)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                fs::copy(&path, target.join(under).join(path.file_name().unwrap())).unwrap();
            }
        }
    }
    (kept, target)
}

/// A copy whose image processor has a golden's own settings.
pub(crate) fn variant(folder: &str, golden: &Golden) -> (TempDir, PathBuf) {
    let (kept, path) = copy(folder);
    golden.set_processor(&path);
    (kept, path)
}

/// Rewrites a JSON file.
pub(crate) fn change_json(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    change(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

/// Sets one key of a JSON file.
pub(crate) fn set_json(path: &Path, key: &str, value: Value) {
    change_json(path, |config| config[key] = value);
}

/// Loads a folder on a device.
pub(crate) async fn load(path: &Path, device: &str, cache: CacheForm) -> LocalModel {
    let options =
        LoadOptions { device: device.parse().unwrap(), threads: Some(1), cache, ..LoadOptions::default() };
    LocalModel::load(path, options, Arc::new(Silent)).await.unwrap()
}

impl Golden {
    /// The conversation.
    pub(crate) fn conversation(&self) -> Conversation {
        let mut images = self.images.iter();
        let message = |message: &GoldenMessage| Message {
            role: message.role,
            content: message
                .content
                .iter()
                .map(|part| match part {
                    GoldenPart::Text { text } => Content::Text(text.clone()),
                    GoldenPart::Image => Content::Image(self.image(images.next().unwrap())),
                })
                .collect(),
        };
        self.messages.iter().map(message).collect()
    }

    fn image(&self, name: &str) -> ImageContent {
        ImageContent::new(LoadedImage::open(&data().join(&self.folder).join(name)).unwrap().pixels)
    }

    /// How many pictures the pixel values hold, if there are any.
    pub(crate) fn pictures(&self) -> Option<usize> {
        self.pixel_values.as_ref()?.shape.first().copied()
    }

    /// Gives a folder's image processor the golden's own settings.
    pub(crate) fn set_processor(&self, path: &Path) {
        change_json(&path.join("preprocessor_config.json"), |config| {
            for (key, value) in &self.processor {
                config[key] = value.clone();
            }
        });
    }

    /// Whether its image processor is the folder's own.
    pub(crate) fn has_usual_processor(&self) -> bool {
        self.processor.is_empty()
    }

    /// Its images as the folder's processor makes them.
    pub(crate) fn processed(&self, path: &Path) -> Vec<ProcessedImage> {
        let folder = ModelFolder::open(path, None).unwrap();
        let images = self.images.iter().map(|name| self.image(name));
        let processor = folder.processor_of(self.images.len());
        images.map(|image| processor.unwrap().process(image.pixels()).unwrap()).collect()
    }

    /// Pixel values are equal bit for bit, the mask too.
    pub(crate) fn check_pixels(&self, path: &Path, case: &str) {
        let Some(pixels) = &self.pixel_values else { return };
        let processed = self.processed(path);
        let values: Vec<f32> = processed.iter().flat_map(|image| image.values.clone()).collect();
        assert_eq!(values.len(), pixels.shape.iter().product::<usize>(), "{case}");
        if let Some(checksum) = &pixels.sha256 {
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            assert_eq!(&format!("{:x}", Sha256::digest(bytes)), checksum, "{case}");
        } else {
            let bytes = BASE64_STANDARD.decode(pixels.base64.as_ref().unwrap()).unwrap();
            assert_eq!(bytes.len(), 4 * values.len(), "{case}");
            let expected = bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap()));
            let differing = values.iter().zip(expected).filter(|(a, b)| a.to_bits() != b.to_bits());
            assert_eq!(differing.count(), 0, "{case}: pixel values that differ");
        }
        if let Some(grids) = &self.image_grid_thw {
            let found: Vec<[usize; 3]> = processed
                .iter()
                .map(|image| image.patches.map_or([0; 3], |patches| [1, patches.rows, patches.columns]))
                .collect();
            assert_eq!(&found, grids, "{case}");
        }
        if let Some(mask) = &self.pixel_attention_mask {
            let found: Vec<bool> = processed.iter().flat_map(|image| image.mask.clone()).collect();
            assert_eq!(found.len(), mask.shape.iter().product::<usize>(), "{case}");
            assert_eq!(found.iter().filter(|real| **real).count(), mask.ones, "{case}");
        }
    }

    /// The reply is the reference's, 24 of 24 tokens, and the first logits lie within `most` of the largest. Tells what it took.
    pub(crate) async fn check_reply(&self, model: &LocalModel, most: f32, case: &str) -> Usage {
        let options =
            Generate { max_tokens: 24, stop_at_end: false, log_probabilities: true, ..Generate::default() };
        let conversation = self.conversation();
        let completion = model.generate(&conversation, &options).await.unwrap().complete().await.unwrap();
        let tokens: Vec<u32> = completion.tokens.iter().map(|token| token.id).collect();
        assert_eq!((&tokens, &completion.text), (&self.greedy, &self.text), "{case}");
        let logits = model.first_logits(&conversation).await.unwrap();
        let off = off(&logits, &self.first_logits);
        assert!(off < most, "{case}: {off}");
        completion.usage
    }

    /// The prompt, its expansion, its tokens and where these stand are equal.
    pub(crate) async fn check_prompt(&self, model: &LocalModel, case: &str) {
        let prompt = model.prompt(&self.conversation()).await.unwrap();
        assert_eq!(prompt.rendered, self.prompt, "{case}");
        assert_eq!(prompt.expanded, self.expanded_prompt, "{case}");
        assert_eq!(prompt.tokens, self.input_ids, "{case}");
        if let (Some(places), Some(delta)) = (&prompt.positions, self.rope_delta) {
            let next = places.iter().map(|place| place.greatest() + 1).max().unwrap_or(0);
            assert_eq!(next - places.len() as i64, delta, "{case}");
        }
        let positions = prompt.positions.map(|all| {
            let row = |of: fn(&RopePosition) -> i64| all.iter().map(of).collect();
            [row(|place| place.time), row(|place| place.height), row(|place| place.width)]
        });
        assert_eq!(positions, self.position_ids, "{case}");
    }
}
