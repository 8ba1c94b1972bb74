//! Language models that see nothing: Llama (Touvron et al. 2023; `SmolLM2` is one), Mistral (Jiang et al. 2023), Phi-3 (Abdin
//! et al. 2024), Qwen2.5, Qwen3 and the small ones of Gemma 3. They plan, judge and sum up for the models that see.
//!
//! A folder holds one graph, which reads token ids: `model`, or `decoder_model_merged` in older exports; in
//! onnxruntime-genai's layout `model.decoder.filename` names it. A prompt is
//! what the chat template wrote and nothing before it, as `apply_chat_template` of transformers' tokenizers has it.

use percept_runtime::HostTensor;

use super::{DECODER, Family, MODEL};
use crate::processor::ProcessedImage;

#[derive(Debug)]
struct TextOnly {
    name: &'static str,
}

/// The family of this name in `config.json`.
pub(super) fn named(name: &'static str) -> Box<dyn Family> {
    Box::new(TextOnly { name })
}

impl Family for TextOnly {
    fn name(&self) -> &'static str {
        self.name
    }

    fn image_token(&self) -> &'static str {
        ""
    }

    fn expand(&self, _image: &ProcessedImage) -> String {
        String::new()
    }

    fn encoder_inputs(&self, _image: ProcessedImage) -> Vec<(String, HostTensor)> {
        Vec::new()
    }

    fn sees(&self) -> bool {
        false
    }

    fn writes_whole_prompts(&self) -> bool {
        true
    }

    fn session_sets(&self) -> Vec<Vec<&'static str>> {
        vec![vec![MODEL], vec![DECODER]]
    }
}
