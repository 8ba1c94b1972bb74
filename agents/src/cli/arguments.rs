//! What can be typed, with its help.

mod asking;
mod doctor;
mod evaluation;
mod memory;
mod models;
mod pictures;
mod running;
mod tools;

use clap::{Parser, Subcommand};

pub(crate) use self::{
    asking::{AskOptions, DrawOptions},
    doctor::{DoctorOptions, Fetchable},
    evaluation::{EvalCommand, EvalMiniwob, EvalTasks},
    memory::MemoryCommand,
    models::ModelsCommand,
    pictures::{ClassifyOptions, EmbedOptions, NearestOptions},
    running::{RecordOptions, ReplayOptions, ReportOptions, ResumeOptions, RunOptions, RunTasks},
    tools::ToolsCommand,
};

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

    /// Draw a picture from words: Janus, Chameleon and Emu3.
    #[command(
        after_help = "Examples:\n  percept draw models/janus \"A red circle on a white page.\" -o circle.png\n  percept draw \
                      models/janus \"A house by the sea.\" -o house.png --seed 7 --guidance 7.5 --json\n  percept draw \
                      models/emu3 \"A house by the sea.\" -o house.png --ratio 16:9 --negative blurry"
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

pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("write 1 or more".into()),
        Ok(number) => Ok(number),
        Err(_) => Err("write a whole number".into()),
    }
}
