//! What can be said when a model is asked once, for words or for a picture.

use std::{num::NonZeroUsize, path::PathBuf};

use clap::Args;
use percept::{models::ModelAddress, runtime::Device};

use super::at_least_one;

#[derive(Debug, Args)]
pub(crate) struct AskOptions {
    /// The model: bundled:NAME, a folder, hub:ORGANISATION/NAME, openai:URL#NAME, gemini:NAME, anthropic:NAME, or scripted:FILE.
    pub(crate) model: ModelAddress,

    /// Image files and videos, and at the end the question. A video is an animated GIF, PNG or WebP, a folder of frames in
    /// the order of their names, or a run's folder: its screenshots. Without a question, a model that captions (BLIP-2) tells what the image shows, and
    /// any other goes by its shots.
    #[arg(required = true, value_name = "IMAGE… QUESTION")]
    pub(crate) images_and_question: Vec<String>,

    /// An image and the answer that is right for it, shown to the model before the question, which is put to it too; can be
    /// given several times.
    #[arg(long = "shot", num_args = 2, value_names = ["IMAGE", "ANSWER"], allow_hyphen_values = true)]
    pub(crate) shots: Vec<String>,

    /// How many frames of a folder a second has; without this, one.
    #[arg(long, value_name = "RATE")]
    pub(crate) fps: Option<f64>,

    /// The device: auto, cpu, cuda:N, webgpu:N, and so on.
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: Device,

    /// The most tokens that the answer may have.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = at_least_one)]
    pub(crate) max_tokens: usize,

    /// Let the model think before it answers (`<think>` in its template, or its API's way). The thought is no part of the
    /// answer: --json tells it. A model that isn't known to think is refused.
    #[arg(long)]
    pub(crate) think: bool,

    /// The most tokens of that thought, beside the answer's.
    #[arg(long, value_name = "N", default_value_t = 1024, requires = "think")]
    pub(crate) thought_tokens: usize,

    /// Go on after the token that ends an answer; for comparing with other runtimes.
    #[arg(long)]
    pub(crate) ignore_end: bool,

    /// 0 always takes the likeliest token; 1 samples from the model's own distribution.
    #[arg(long, value_name = "T", default_value_t = 0.0)]
    pub(crate) temperature: f32,

    /// Where sampling begins.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,

    /// Take no more tokens than so many, prompt and answer together: a device's memory for them is taken at once.
    #[arg(long, value_name = "TOKENS")]
    pub(crate) context: Option<NonZeroUsize>,

    /// Of a long conversation, see only so many of the last tokens and the first few: memory stays bounded. Only for
    /// decoders that are told positions (`position_ids`).
    #[arg(long, value_name = "TOKENS")]
    pub(crate) window: Option<NonZeroUsize>,

    /// How many of the first tokens a window keeps.
    #[arg(long, value_name = "TOKENS", default_value_t = 4, requires = "window")]
    pub(crate) sinks: usize,

    /// How many replies to compare; the answer is what most of them say.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub(crate) votes: usize,

    /// Answer only if it is as certain as this, from 0 to 1: the share of the votes that agree, or of a single reply how
    /// likely the model takes its words to be. Otherwise abstain, with exit code 1.
    #[arg(long, value_name = "CERTAINTY")]
    pub(crate) least: Option<f64>,

    /// Ask as well where in the last image the answer is seen.
    #[arg(long)]
    pub(crate) boxes: bool,

    /// Save the last image with the places drawn on it that the answer names, or that --boxes asks for. A picture that is
    /// there already gives way to it, unless it is asked about.
    #[arg(long, value_name = "FILE.png")]
    pub(crate) draw: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct DrawOptions {
    /// The model: a folder of a family that draws.
    pub(crate) model: ModelAddress,

    /// What the picture shows, in words.
    pub(crate) prompt: String,

    /// The file that the picture is written to. A PNG picture that is there already gives way to it, nothing else does.
    #[arg(short, long, value_name = "FILE.png")]
    pub(crate) out: PathBuf,

    /// By how much the words count more than none: 1 leaves guidance out. As much as the family's reference if it isn't said.
    #[arg(long, value_name = "W")]
    pub(crate) guidance: Option<f32>,

    /// What the picture is to be unlike, in words that guidance leads away from (Emu3).
    #[arg(long, value_name = "WORDS")]
    pub(crate) negative: Option<String>,

    /// Width and height to each other, as 16:9, where pictures have any shape (Emu3); square if it isn't said.
    #[arg(long, value_name = "W:H", value_parser = ratio)]
    pub(crate) ratio: Option<[u32; 2]>,

    /// About how many pixels the picture has, where it may have any number (Emu3); 518400 if it isn't said.
    #[arg(long, value_name = "PIXELS")]
    pub(crate) area: Option<u32>,

    /// 0 always takes the likeliest token; 1 samples from the guided distribution.
    #[arg(long, value_name = "T", default_value_t = 1.0)]
    pub(crate) temperature: f32,

    /// Sample from the likeliest tokens alone that have this much probability together.
    #[arg(long, value_name = "P", default_value_t = 1.0)]
    pub(crate) top_p: f32,

    /// Where sampling begins: the same seed draws the same picture.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,

    /// The device: auto, cpu, cuda:N, webgpu:N, and so on.
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: Device,
}

/// Width and height to each other: `16:9`.
fn ratio(text: &str) -> Result<[u32; 2], String> {
    let sides =
        text.split_once(':').and_then(|(width, height)| Some([width.parse().ok()?, height.parse().ok()?]));
    let ratio = sides.filter(|sides| sides.iter().all(|side| *side > 0));
    ratio.ok_or_else(|| format!("`{text}` is no ratio: write it as 16:9, width and then height"))
}
