//! How well something works: what is evaluated, and how far.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use percept::{Reflect, Style, models::ModelAddress, runtime::Device};

use super::at_least_one;

#[derive(Debug, Subcommand)]
pub(crate) enum EvalCommand {
    /// Tasks that are written in files.
    #[command(
        after_help = "Examples:\n  percept eval tasks examples/tasks --episodes 20\n  percept eval tasks login.toml \
                      --episodes 50 --against 'thinking.reflect = \"never\"'"
    )]
    Tasks(EvalTasks),

    /// Pages of MiniWoB++, which score themselves: success is a raw reward of 1.
    #[command(
        after_help = "Example:\n  percept eval miniwob --pages miniwob/html --tasks click-button,login-user \
                      --episodes 50 --against never"
    )]
    Miniwob(EvalMiniwob),
}

#[derive(Debug, Args)]
pub(crate) struct EvalTasks {
    /// Task files, or folders of them.
    #[arg(required = true, value_name = "TASK.toml | FOLDER")]
    pub(crate) tasks: Vec<PathBuf>,

    /// TOML that is set in every task instead, for a second evaluation on the same seeds, compared with the first.
    #[arg(long, value_name = "TOML")]
    pub(crate) against: Option<String>,

    #[command(flatten)]
    pub(crate) extent: EvalExtent,

    /// The device: auto, cpu, cuda:N, webgpu:N, and so on.
    #[arg(long, value_name = "DEVICE")]
    pub(crate) device: Option<Device>,

    /// The model: bundled:NAME, a folder, hub:ORGANISATION/NAME, openai:URL#NAME, gemini:NAME, anthropic:NAME, or scripted:FILE.
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<ModelAddress>,
}

#[derive(Debug, Args)]
pub(crate) struct EvalMiniwob {
    /// The folder that holds `miniwob/*.html`: miniwob/html in the Python package `miniwob`.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) pages: PathBuf,

    /// Names of tasks, such as click-button.
    #[arg(long, required = true, value_name = "TASK,…", value_delimiter = ',')]
    pub(crate) tasks: Vec<String>,

    /// Let rules that read the page's DOM do the work: what proves the harness. They know some two dozen tasks.
    #[arg(long, conflicts_with = "model")]
    pub(crate) oracle: bool,

    /// The model: bundled:NAME, a folder, hub:ORGANISATION/NAME, openai:URL#NAME, gemini:NAME, anthropic:NAME, or scripted:FILE.
    #[arg(long, value_name = "MODEL", default_value = "bundled:glance")]
    pub(crate) model: ModelAddress,

    /// The device: auto, cpu, cuda:N, webgpu:N, and so on.
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: Device,

    /// The tools on offer.
    #[arg(long, value_name = "TOOL,…", value_delimiter = ',', default_value = "click,type_text,finish")]
    pub(crate) tools: Vec<String>,

    /// What comes before an action; by default the model's better way.
    #[arg(long, value_name = "STYLE", value_parser = by_name::<Style>)]
    pub(crate) style: Option<Style>,

    /// When it reflects: never, on-failure or every-step.
    #[arg(long, value_name = "WHEN", value_parser = by_name::<Reflect>, default_value = "on-failure")]
    pub(crate) reflect: Reflect,

    /// The same again with this instead, on the same seeds, compared with the first.
    #[arg(long, value_name = "WHEN", value_parser = by_name::<Reflect>)]
    pub(crate) against: Option<Reflect>,

    /// The most actions of an episode.
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = at_least_one)]
    pub(crate) steps: usize,

    #[command(flatten)]
    pub(crate) extent: EvalExtent,
}

#[derive(Debug, Args)]
pub(crate) struct EvalExtent {
    /// Episodes of each task, on seeds that follow one another.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = at_least_one)]
    pub(crate) episodes: usize,

    /// The first seed.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,

    /// How many episodes are on their way at once.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = at_least_one)]
    pub(crate) at_once: usize,

    /// Where scores, report and run folders go; by default a folder below evals/ that is named by the time.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
}

/// Reads a word as the task file does.
fn by_name<T: serde::de::DeserializeOwned>(word: &str) -> Result<T, String> {
    serde_json::from_value(word.into()).map_err(|error| error.to_string())
}
