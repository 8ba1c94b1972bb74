//! Goldens of videos, read from `tests/data/videos`, and how a tiny model is asked about one.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::{fs, path::PathBuf, sync::Arc};

use percept_models::{
    ChatModel, Content, Conversation, Generate, ImageContent, LoadedImage, LocalModel, Message, ModelFolder,
    Usage, Video, VideoContent,
};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::data;

/// What transformers makes of a conversation; `models/export/README.md` tells the keys.
#[derive(Debug, Deserialize)]
pub(crate) struct Golden {
    pub(crate) name: String,
    videos: Vec<GoldenVideo>,
    pub(crate) images: Vec<String>,
    messages: Vec<Value>,
    sampled: Vec<Vec<usize>>,
    pixels: std::collections::BTreeMap<String, GoldenPixels>,
    pub(crate) prompt: String,
    pub(crate) expanded_prompt: String,
    pub(crate) input_ids: Vec<u32>,
    pub(crate) position_ids: Option<[Vec<i64>; 3]>,
    pub(crate) first_logits: Vec<f32>,
    pub(crate) greedy: Vec<u32>,
    pub(crate) text: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct GoldenVideo {
    file: String,
    rate: f64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct GoldenPixels {
    shape: Vec<usize>,
    sha256: String,
}

pub(crate) fn goldens(family: &str) -> Vec<Golden> {
    let text = fs::read_to_string(data().join(format!("videos/{family}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

pub(crate) fn folder(family: &str) -> PathBuf {
    data().join(format!("{family}-tiny"))
}

pub(crate) fn video(file: &str, rate: f64) -> Video {
    let path = data().join("videos").join(file);
    if path.is_dir() { Video::open_folder(&path, rate).unwrap() } else { Video::open(&path).unwrap() }
}

impl Golden {
    pub(crate) fn conversation(&self, family: &str) -> Conversation {
        let mut videos = self.videos.iter();
        let mut images = self.images.iter();
        let mut content = |part: &Value| match part["type"].as_str().unwrap() {
            "text" => Content::Text(part["text"].as_str().unwrap().into()),
            "image" => {
                let path = folder(family).join(images.next().unwrap());
                Content::Image(ImageContent::new(LoadedImage::open(&path).unwrap().pixels))
            }
            _ => {
                let GoldenVideo { file, rate } = videos.next().unwrap();
                Content::Video(VideoContent::new(Arc::new(video(file, *rate))).unwrap())
            }
        };
        let message = |message: &Value| Message {
            role: serde_json::from_value(message["role"].clone()).unwrap(),
            content: message["content"].as_array().unwrap().iter().map(&mut content).collect(),
        };
        self.messages.iter().map(message).collect()
    }

    /// The frames that are seen, and their pixel values, bit for bit.
    pub(crate) fn check_pixels(&self, folder: &ModelFolder, case: &str) {
        let processor = folder.video.as_ref().unwrap();
        let (mut values, mut shapes) = (Vec::new(), Vec::new());
        for (shown, places) in self.videos.iter().zip(&self.sampled) {
            let video = video(&shown.file, shown.rate);
            let sampled = processor.sample(&video).unwrap();
            assert_eq!(&sampled.places, places, "{case}: {}", shown.file);
            let made = processor.process(&video.frames(places).unwrap()).unwrap();
            shapes.push(made.patches.map_or(made.tiles, |grid| grid.layers * grid.rows * grid.columns));
            values.extend(made.values);
        }
        let key = if self.pixels.contains_key("pixel_values_videos") {
            "pixel_values_videos"
        } else {
            "pixel_values"
        };
        let expected = &self.pixels[key];
        assert_eq!(values.len(), expected.shape.iter().product::<usize>(), "{case}: {shapes:?}");
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(hex(&Sha256::digest(bytes)), expected.sha256, "{case}: pixel values");
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// A reply of 24 tokens, its text, and what it cost.
pub(crate) async fn reply(model: &LocalModel, conversation: &Conversation) -> (Vec<u32>, String, Usage) {
    let options =
        Generate { max_tokens: 24, stop_at_end: false, log_probabilities: true, ..Generate::default() };
    let completion = model.generate(conversation, &options).await.unwrap().complete().await.unwrap();
    (completion.tokens.iter().map(|token| token.id).collect(), completion.text, completion.usage)
}
