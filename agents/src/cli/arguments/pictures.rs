//! What can be said about pictures in one space with words.

use std::path::PathBuf;

use clap::Args;
use percept::{models::ModelAddress, runtime::Device};

use super::at_least_one;

#[derive(Debug, Args)]
pub(crate) struct ClassifyOptions {
    /// The model: a folder of CLIP's or SigLIP's.
    pub(crate) model: ModelAddress,

    /// Image files, or folders of them; folders within these are left alone.
    #[arg(required = true, value_name = "IMAGE | FOLDER")]
    pub(crate) images: Vec<PathBuf>,

    /// What the images may show.
    #[arg(long = "label", required = true, num_args = 1.., value_name = "LABEL")]
    pub(crate) labels: Vec<String>,

    /// A text that has {} where the label goes; of several, the mean is taken. Without one, the label is the text.
    #[arg(long = "template", value_name = "TEXT")]
    pub(crate) templates: Vec<String>,

    /// The device: auto, cpu, cuda:N, webgpu:N, and so on.
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: Device,
}

#[derive(Debug, Args)]
pub(crate) struct NearestOptions {
    /// The model: a folder of CLIP's or SigLIP's.
    pub(crate) model: ModelAddress,

    /// Words, or an image file.
    #[arg(value_name = "WORDS | IMAGE")]
    pub(crate) query: String,

    /// Image files, or folders of them; folders within these are left alone.
    #[arg(required = true, value_name = "IMAGE | FOLDER")]
    pub(crate) images: Vec<PathBuf>,

    /// The most images.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = at_least_one)]
    pub(crate) top: usize,

    /// Embed every picture anew, and keep nothing. Otherwise embeddings are kept in the cache for the next search.
    #[arg(long)]
    pub(crate) no_index: bool,

    /// The device: auto, cpu, cuda:N, webgpu:N, and so on.
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: Device,
}

#[derive(Debug, Args)]
pub(crate) struct EmbedOptions {
    /// The model: a folder of CLIP's or SigLIP's.
    pub(crate) model: ModelAddress,

    /// Image files, or folders of them; folders within these are left alone.
    #[arg(value_name = "IMAGE | FOLDER")]
    pub(crate) images: Vec<PathBuf>,

    /// A text.
    #[arg(long = "text", value_name = "TEXT")]
    pub(crate) texts: Vec<String>,

    /// The device: auto, cpu, cuda:N, webgpu:N, and so on.
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: Device,
}
