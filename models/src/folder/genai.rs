//! `genai_config.json`: what onnxruntime-genai's folders say of themselves, as written and as meant.
//!
//! Reference: `make_genai_config` of onnxruntime-genai 0.18's builder, and its documentation of the file.

use std::{collections::BTreeMap, path::Path};

use percept_runtime::DecoderNames;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ModelConfig, bad, config::Tokens, read_text};
use crate::{ModelError, family};

/// The file's name.
pub(crate) const FILE: &str = "genai_config.json";

#[derive(Debug, Deserialize)]
struct Written {
    model: ModelWritten,
}

#[derive(Debug, Deserialize)]
struct ModelWritten {
    r#type: String,
    context_length: Option<usize>,
    eos_token_id: Option<Tokens>,
    vocab_size: Option<usize>,
    image_token_id: Option<u32>,
    decoder: DecoderWritten,
    vision: Option<GraphWritten>,
    embedding: Option<GraphWritten>,
}

#[derive(Debug, Deserialize)]
struct DecoderWritten {
    head_size: Option<usize>,
    hidden_size: Option<usize>,
    num_attention_heads: Option<usize>,
    num_key_value_heads: Option<usize>,
    num_hidden_layers: Option<usize>,
    sliding_window: Option<WindowWritten>,
    #[serde(flatten)]
    graph: GraphWritten,
}

/// How far back layers see; the graph's own operators see to it, unless something is to slide.
#[derive(Debug, Deserialize)]
struct WindowWritten {
    window_size: Option<usize>,
    /// Whether the program cuts caches that are always full, with keys on end (`WindowedKeyValueCache`).
    #[serde(default = "slides")]
    slide_key_value_cache: bool,
    /// Whether a run reads just as many tokens as the window has, padded (`WindowedInputIDs`).
    #[serde(default = "slides")]
    slide_inputs: bool,
    /// Those layers; where the list is empty, the graph knows no window.
    layers: Option<Vec<usize>>,
}

/// What is left out means yes to onnxruntime-genai (`Config::Model::Decoder::SlidingWindow`).
fn slides() -> bool {
    true
}

impl WindowWritten {
    /// The key that asks for graphs of another form, which are built for accelerators.
    fn sliding(&self) -> Option<&'static str> {
        let keys =
            [("slide_key_value_cache", self.slide_key_value_cache), ("slide_inputs", self.slide_inputs)];
        keys.into_iter().find_map(|(key, slides)| slides.then_some(key))
    }

    fn size(&self) -> Option<usize> {
        let is_used = self.layers.as_ref().is_none_or(|layers| !layers.is_empty());
        self.window_size.filter(|_| is_used)
    }
}

#[derive(Debug, Deserialize)]
struct GraphWritten {
    filename: Option<String>,
    /// A graph cut in several for an accelerator.
    pipeline: Option<Value>,
    #[serde(default)]
    inputs: BTreeMap<String, String>,
    #[serde(default)]
    outputs: BTreeMap<String, String>,
    patch_size: Option<usize>,
    spatial_merge_size: Option<usize>,
    window_size: Option<usize>,
}

/// The file's keys for ports, and the names that these are known by.
const DECODER_PORTS: [(&str, &str); 9] = [
    ("input_ids", "input_ids"),
    ("inputs_embeds", "inputs_embeds"),
    ("attention_mask", "attention_mask"),
    ("position_ids", "position_ids"),
    ("past_key_names", "past_key_values.%d.key"),
    ("past_value_names", "past_key_values.%d.value"),
    ("logits", "logits"),
    ("present_key_names", "present.%d.key"),
    ("present_value_names", "present.%d.value"),
];

/// Model types that another program calls otherwise.
const TYPES: [(&str, &str); 2] = [("phi3v", "phi3_v"), ("fara", "qwen2_5_vl")];

/// The file as it is meant.
#[derive(Debug)]
pub(crate) struct GenaiConfig(ModelWritten);

impl GenaiConfig {
    /// That of a folder, if it has one.
    ///
    /// # Errors
    ///
    /// [`ModelError::Folder`] if it is torn, or names a graph that is cut in pieces, or one over which a window slides.
    pub(super) fn of_folder(folder: &Path) -> Result<Option<Self>, ModelError> {
        let path = folder.join(FILE);
        let Some(text) = read_text(&path)? else { return Ok(None) };
        let Written { model } = serde_json::from_str(&text).map_err(|error| bad(&path, error.to_string()))?;
        let graphs = [Some(("decoder", &model.decoder.graph)), model.vision.as_ref().map(|g| ("vision", g))];
        for (name, graph) in graphs.into_iter().flatten() {
            if graph.pipeline.is_some() {
                return Err(ModelError::Folder {
                    path,
                    problem: format!(
                        "its `model.{name}` is a pipeline of several graphs, which isn't hosted"
                    ),
                    remedy: "Take an export for cpu or a GPU, whose graphs are whole".into(),
                });
            }
        }
        if let Some(key) = model.decoder.sliding_window.as_ref().and_then(WindowWritten::sliding) {
            return Err(ModelError::Folder {
                path,
                problem: format!(
                    "its `model.decoder.sliding_window` asks for `{key}` (left out, it is meant), for graphs that read and \
                     keep a fixed number of tokens, which aren't hosted"
                ),
                remedy: "Take an export for cpu or a GPU, whose graphs see to their window themselves (`false` for both \
                         `slide_key_value_cache` and `slide_inputs`)"
                    .into(),
            });
        }
        Ok(Some(Self(model)))
    }

    /// The same in the words of `config.json`, for folders without one.
    pub(super) fn as_config(&self) -> Value {
        let Self(model) = self;
        let kind = TYPES.iter().find(|(theirs, _)| *theirs == model.r#type);
        let decoder = &model.decoder;
        let mut config = json!({
            "model_type": kind.map_or(model.r#type.as_str(), |(_, ours)| ours),
            "text_config": {
                "hidden_size": decoder.hidden_size,
                "num_hidden_layers": decoder.num_hidden_layers,
                "num_attention_heads": decoder.num_attention_heads,
                "num_key_value_heads": decoder.num_key_value_heads,
                "head_dim": decoder.head_size,
                "vocab_size": model.vocab_size,
                "max_position_embeddings": model.context_length,
                "sliding_window": decoder.sliding_window.as_ref().and_then(WindowWritten::size),
                "use_sliding_window": true,
            },
        });
        if let Some(token) = model.image_token_id {
            config["image_token_id"] = token.into();
        }
        if let Some(vision) = &model.vision {
            let sizes = [
                ("patch_size", vision.patch_size),
                ("spatial_merge_size", vision.spatial_merge_size),
                ("window_size", vision.window_size),
            ];
            let written = sizes.into_iter().filter_map(|(key, size)| Some((key.to_owned(), size?.into())));
            config["vision_config"] = Value::Object(written.collect());
        }
        config
    }

    /// What it says about a model that `config.json` tells of too: how long a sequence its graphs take, and what ends
    /// a reply.
    pub(super) fn lay_over(&self, config: &mut ModelConfig) {
        if let Some(context) = self.0.context_length {
            config.text.context = context;
        }
        if let Some(ends) = &self.0.eos_token_id {
            config.end_tokens = ends.all();
        }
    }

    /// The file of a session, as far as it names one.
    pub(super) fn file(&self, session: &str) -> Option<&str> {
        self.graph(session).and_then(|graph| graph.filename.as_deref())
    }

    /// The sessions that it names a graph for.
    pub(super) fn sessions(&self) -> impl Iterator<Item = &'static str> {
        let all = [family::VISION_ENCODER, family::EMBED_TOKENS, family::DECODER];
        all.into_iter().filter(|session| self.file(session).is_some())
    }

    /// Its key for a session; `None` for one that this layout doesn't have.
    pub(super) fn key(session: &str) -> Option<&'static str> {
        match session {
            family::VISION_ENCODER => Some("vision"),
            family::EMBED_TOKENS | family::PREPARE_EMBEDDINGS => Some("embedding"),
            family::DECODER | family::MODEL => Some("decoder"),
            _ => None,
        }
    }

    /// What the decoder calls its ports.
    pub(super) fn decoder_names(&self) -> DecoderNames {
        let GraphWritten { inputs, outputs, .. } = &self.0.decoder.graph;
        DECODER_PORTS.iter().fold(DecoderNames::default(), |names, (key, known)| {
            match inputs.get(*key).or_else(|| outputs.get(*key)) {
                Some(own) if own != known => names.with(known, own),
                _ => names,
            }
        })
    }

    /// What the vision graph calls the inputs and outputs that are known by the file's keys: `(known, own)`.
    pub(super) fn vision_names(&self) -> Vec<(String, String)> {
        let Some(GraphWritten { inputs, outputs, .. }) = &self.0.vision else { return Vec::new() };
        let all = inputs.iter().chain(outputs).map(|(known, own)| (known.clone(), own.clone()));
        all.filter(|(known, own)| known != own).collect()
    }

    fn graph(&self, session: &str) -> Option<&GraphWritten> {
        match Self::key(session)? {
            "vision" => self.0.vision.as_ref(),
            "embedding" => self.0.embedding.as_ref(),
            _ => Some(&self.0.decoder.graph),
        }
    }
}

/// Settings of Phi-3-vision's own image processor, made of the steps of onnxruntime-extensions that name its transform:
/// there is nothing in these but how many tiles there may be.
pub(super) fn hd_settings(steps: &Value) -> Option<Value> {
    let transforms = steps.get("transforms")?.as_array()?;
    let mut operations = transforms.iter().filter_map(|step| step.get("operation"));
    let own = operations
        .find(|operation| operation.get("type").is_some_and(|kind| kind == "Phi3ImageTransform"))?;
    let tiles = own.get("attrs")?.get("num_crops")?;
    Some(json!({ "image_processor_type": "Phi3VImageProcessor", "num_crops": tiles }))
}
