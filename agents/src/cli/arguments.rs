//! What can be typed, with its help.

mod evaluation;

use std::{num::NonZeroUsize, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use percept::{models::ModelAddress, runtime::Device, tools::ScreenSize};

pub(crate) use self::evaluation::{EvalCommand, EvalMiniwob, EvalTasks};
use super::{compare::CompareOptions, merge::MergeOptions, verify::VerifyOptions};

/// Agents that see: a vision-language model on your own machine looks at a screen, thinks, and acts.
#[derive(Debug, Parser)]
#[command(
    name = "percept",
    version,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 done, 1 failed, 2 bad input, 3 a limit was reached, 4 refused, \
                  5 outcome of an effect unknown, 6 waiting for a person's word, 130 interrupted."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Print one JSON document on standard output, and nothing else there.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Watch the bundled model log in on a small page in a real browser.
    #[command(after_help = "Examples:\n  percept demo\n  percept demo --seed 3 --json")]
    Demo(RunOptions),

    /// Work on tasks that are written in files, one after the other.
    #[command(
        after_help = "Examples:\n  percept run login.toml\n  percept run examples/tasks/*.toml --seed 7 --json"
    )]
    Run(RunTasks),

    /// Ask a model a question about images and videos.
    #[command(
        after_help = "Examples:\n  percept ask models/smolvlm shot.png \"What does the button say?\"\n  \
                      percept ask models/llava before.png after.png \"What changed?\" --device webgpu\n  \
                      percept ask models/smolvlm shot.png \"How many mails are unread?\" --votes 5 --least 0.6 --boxes\n  \
                      percept ask models/smolvlm new.png \"What is this?\" --shot a.png \"a cat\" --shot b.png \"a dog\"\n  \
                      percept ask models/qwen2_vl run.gif \"What changed?\"\n  \
                      percept ask openai:http://127.0.0.1:8000/v1#qwen shot.png \"What is on it?\""
    )]
    Ask(AskOptions),

    /// Draw a picture from words: Janus.
    #[command(
        after_help = "Examples:\n  percept draw models/janus \"A red circle on a white page.\" -o circle.png\n  percept draw \
                      models/janus \"A house by the sea.\" -o house.png --seed 7 --guidance 7.5 --json"
    )]
    Draw(DrawOptions),

    /// Say which of some labels in words fits each image best: CLIP and SigLIP.
    #[command(
        override_usage = "percept classify [OPTIONS] <MODEL> <IMAGE | FOLDER>... --label <LABEL>...",
        after_help = "Examples:\n  percept classify models/clip shot.png --label \"a login page\" \"an error\"\n  percept \
                      classify models/siglip photos/ --label cat dog --template \"a photo of a {}.\" --json"
    )]
    Classify(ClassifyOptions),

    /// Find the images that fit words, or another image, best.
    #[command(
        after_help = "Examples:\n  percept nearest models/clip \"a login page\" shots/\n  percept nearest models/clip \
                      shot.png shots/ --top 3 --json"
    )]
    Nearest(NearestOptions),

    /// Print images and texts as vectors of length 1 in one space, as JSON.
    #[command(
        after_help = "Examples:\n  percept embed models/clip shots/ > shots.json\n  percept embed models/clip shot.png \
                      --text \"a login page\" --text \"an error\""
    )]
    Embed(EmbedOptions),

    /// Say which devices there are, why others aren't, and which command brings them.
    #[command(after_help = "Examples:\n  percept doctor\n  percept doctor --fetch webgpu\n  \
                      percept doctor --device cuda:0\n  percept doctor models/smolvlm --device webgpu")]
    Doctor(DoctorOptions),

    /// Show the tools that an agent can call.
    #[command(subcommand)]
    Tools(ToolsCommand),

    /// Record what you do in a browser window, as a demonstration for later runs.
    #[command(
        after_help = "Close the window, or press Ctrl-C, when you are done. The folder is like a run's: a task names it in \
                      [thinking] demonstrations, `percept memory add` keeps it, `percept report` shows it. What you type \
                      into a password field is recorded as {{password}} and painted over in the screenshots; everything \
                      else that you type, and see, is recorded as it is.\n\nExamples:\n  percept record \
                      https://portal.example/login --task \"Log in as ada\"\n  percept record page.html --out \
                      recorded/order --size 800x600"
    )]
    Record(RecordOptions),

    /// Take up a run that was killed, interrupted, or left with a call of which nobody knows whether it happened.
    #[command(
        after_help = "Nothing that its journal has is done again. The screen is opened anew: what had been typed into a \
                      page that keeps nothing is gone.\n\nExamples:\n  percept resume runs/20261124-190002-4f1c\n  \
                      percept resume runs/20261124-190002-4f1c --not-happened\n  percept resume \
                      runs/20261124-190002-4f1c --approve"
    )]
    Resume(ResumeOptions),

    /// Go through runs again with no model and no screen, and say where one would go another way today.
    #[command(
        after_help = "Examples:\n  percept replay runs/*\n  percept replay runs/20261124-190002-4f1c --from 4"
    )]
    Replay(ReplayOptions),

    /// Work on tasks many times on fresh seeds, and score them.
    #[command(subcommand)]
    Eval(EvalCommand),

    /// Keep finished runs in a store, and find the ones that fit a task.
    #[command(
        subcommand,
        after_help = "A task shows what it finds to the model, and keeps itself, with [memory] store = \"memory.db\".\n\n\
                      Examples:\n  percept memory add memory.db runs/*\n  percept memory search memory.db \"Log in as ada\""
    )]
    Memory(MemoryCommand),

    /// Make the report of a run, from its journal.
    #[command(after_help = "Example:\n  percept report runs/20261124-190002-4f1c")]
    Report(ReportOptions),

    /// Show the models that come along, or look inside one.
    #[command(subcommand)]
    Models(ModelsCommand),
}

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
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub(crate) max_tokens: usize,

    /// Go on after the token that ends an answer; for comparing with other runtimes.
    #[arg(long)]
    pub(crate) ignore_end: bool,

    /// 0 always takes the likeliest token; 1 samples from the model's own distribution.
    #[arg(long, value_name = "T", default_value_t = 0.0)]
    pub(crate) temperature: f32,

    /// Where sampling begins.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,

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

    /// Save the last image with these places drawn on it.
    #[arg(long, value_name = "FILE.png", requires = "boxes")]
    pub(crate) draw: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct DrawOptions {
    /// The model: a folder of Janus's.
    pub(crate) model: ModelAddress,

    /// What the picture shows, in words.
    pub(crate) prompt: String,

    /// The file that the picture is written to. A PNG picture that is there already gives way to it, nothing else does.
    #[arg(short, long, value_name = "FILE.png")]
    pub(crate) out: PathBuf,

    /// By how much the words count more than none: 1 leaves guidance out. As much as the family's reference if it isn't said.
    #[arg(long, value_name = "W")]
    pub(crate) guidance: Option<f32>,

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

#[derive(Debug, Args)]
pub(crate) struct DoctorOptions {
    /// A model: its sessions are opened, and the nodes of each are counted by where they run.
    pub(crate) model: Option<ModelAddress>,

    /// Bring what a device needs, as far as packages have it.
    #[arg(long, value_name = "DEVICE")]
    pub(crate) fetch: Option<Fetchable>,

    /// Ask for this device: it can be had, or the reason is given.
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: Device,
}

/// What `doctor --fetch` can bring.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Fetchable {
    /// ONNX Runtime with CUDA, and the CUDA libraries that it needs.
    Cuda,
    /// The WebGPU plugin, and a software device for machines without a GPU.
    Webgpu,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ToolsCommand {
    /// The names of the built-in tools, and what each does.
    List,
    /// The JSON Schemas of their arguments.
    Schema {
        /// Only these tools.
        names: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum MemoryCommand {
    /// Put finished runs in.
    Add {
        /// The database; it is made if it isn't there.
        store: PathBuf,
        /// Run folders.
        #[arg(required = true, value_name = "RUN")]
        runs: Vec<PathBuf>,
    },
    /// Find the runs that fit a task, and perhaps a screen.
    Search {
        /// The database.
        store: PathBuf,
        /// The task in words.
        task: String,
        /// A picture of the screen that it begins on.
        #[arg(long, value_name = "FILE")]
        screen: Option<PathBuf>,
        /// The most runs.
        #[arg(long, value_name = "N", default_value_t = 5, value_parser = at_least_one)]
        most: usize,
    },
    /// Forget runs; their folders stay.
    Forget {
        /// The database.
        store: PathBuf,
        /// Run folders.
        #[arg(required = true, value_name = "RUN")]
        runs: Vec<PathBuf>,
    },
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

/// Reads 1280x800.
fn size(text: &str) -> Result<ScreenSize, String> {
    let sides = text
        .split_once(['x', '×'])
        .and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    let (width, height) = sides.ok_or("write width and height, as in 1280x800")?;
    Ok(ScreenSize { width, height })
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("write 1 or more".into()),
        Ok(number) => Ok(number),
        Err(_) => Err("write a whole number".into()),
    }
}

#[derive(Debug, Args)]
pub(crate) struct ReportOptions {
    /// The run folder.
    pub(crate) run: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// The models that come with this program, and those of the Hugging Face Hub that were fetched.
    List,
    /// Fetches a model from the Hugging Face Hub: its settings, and its graphs in one precision.
    Pull {
        /// The model: ORGANISATION/NAME, perhaps with @ and a branch, a tag or a commit after it.
        #[arg(value_name = "ORGANISATION/NAME[@REVISION]")]
        model: String,

        /// The precision of its graphs, by the suffix of their names: fp16, q4, …; the best there is if none is named.
        #[arg(long, value_name = "PRECISION")]
        precision: Option<String>,
    },
    /// What a model's folder is: family, layout, sessions, memory, where its nodes run, and everything that is missing.
    Inspect {
        /// The model: bundled:NAME, hub:ORGANISATION/NAME or a folder.
        model: ModelAddress,

        /// The device to open it on.
        #[arg(long, value_name = "DEVICE", default_value = "cpu")]
        device: Device,
    },
    /// Hold a folder to its goldens: what its reference implementation made of conversations (golden.json).
    Verify(VerifyOptions),
    /// Say how far one export of a model is from another: first scores, replies, and where it would click.
    #[command(
        after_help = "Examples:\n  percept models compare llava --precision q4 --images shots --ask \"What is shown?\"\n  \
                      percept models compare tuned merged --images shot.png --click \"the Log in button\""
    )]
    Compare(CompareOptions),
    /// Make one model of two, on their exported graphs.
    #[command(
        after_help = "Examples:\n  percept models merge llava-a llava-b -o both --weight 0.3\n  percept models merge \
                      tuned-a tuned-b -o both --method ties --base original --density 0.2 --precision fp16"
    )]
    Merge(MergeOptions),
}
