//! What can be said about runs: beginning one, going on, going through it again, recording one, showing it.

use std::path::PathBuf;

use clap::Args;
use percept::{models::ModelAddress, runtime::Device, tools::ScreenSize};

use super::at_least_one;

#[derive(Debug, Args)]
pub(crate) struct RunOptions {
    /// Where sampling begins; local pages get it too.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// The device: auto, cpu, cuda:N, webgpu:N, and so on.
    #[arg(long, value_name = "DEVICE")]
    pub(crate) device: Option<Device>,

    /// The model: bundled:NAME, a folder, hub:ORGANISATION/NAME, openai:URL#NAME, gemini:NAME, anthropic:NAME, or scripted:FILE.
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<ModelAddress>,

    /// The run folder; by default one below runs/ that is named by the time.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct RunTasks {
    /// Task files.
    #[arg(required = true, value_name = "TASK.toml")]
    pub(crate) tasks: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) options: RunOptions,
}

#[derive(Debug, Args)]
pub(crate) struct ResumeOptions {
    /// The run folder.
    pub(crate) run: PathBuf,

    /// The call that was under way did happen: go on after it.
    #[arg(long, conflicts_with = "not_happened")]
    pub(crate) happened: bool,

    /// The call that was under way didn't happen: make it.
    #[arg(long)]
    pub(crate) not_happened: bool,

    /// The call that waits for a person may be made; a limit that waits for one is raised by as much again.
    #[arg(long, conflicts_with = "deny")]
    pub(crate) approve: bool,

    /// It may not, which ends the run.
    #[arg(long, value_name = "WHY", num_args = 0..=1, default_missing_value = "a person said no")]
    pub(crate) deny: Option<String>,

    /// The device: auto, cpu, cuda:N, webgpu:N, and so on.
    #[arg(long, value_name = "DEVICE")]
    pub(crate) device: Option<Device>,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayOptions {
    /// Run folders.
    #[arg(required = true, value_name = "RUN")]
    pub(crate) runs: Vec<PathBuf>,

    /// Go on live from this step of one run, in a folder of its own: model and screen decide anew.
    #[arg(long, value_name = "STEP", value_parser = at_least_one)]
    pub(crate) from: Option<usize>,

    /// The folder for it; by default one below runs/ that is named by the time.
    #[arg(long, value_name = "FOLDER", requires = "from")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct RecordOptions {
    /// The page to begin on: an address, whose host may then be reached, or the path of an HTML file.
    #[arg(value_name = "URL")]
    pub(crate) page: String,

    /// The folder of the recording; by default one below recorded/ that is named by the time.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// What you are going to do, in words: a model reads it, and the store finds the recording by it.
    #[arg(long, value_name = "WORDS")]
    pub(crate) task: Option<String>,

    /// The page's size in CSS pixels. Best is that of the runs that the recording is for.
    #[arg(long, value_name = "WxH", default_value = "1280x800", value_parser = size)]
    pub(crate) size: ScreenSize,

    /// A further host that pages may reach, such as `*.example.org`; can be given several times.
    #[arg(long = "host", value_name = "HOST")]
    pub(crate) hosts: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ReportOptions {
    /// The run folder.
    pub(crate) run: PathBuf,
}

/// Reads 1280x800.
fn size(text: &str) -> Result<ScreenSize, String> {
    let sides = text
        .split_once(['x', '×'])
        .and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    let (width, height) = sides.ok_or("write width and height, as in 1280x800")?;
    Ok(ScreenSize { width, height })
}
