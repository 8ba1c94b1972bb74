//! What can be said about models and their folders.

use clap::Subcommand;
use percept::{
    models::{HubAddress, ModelAddress},
    runtime::Device,
};

use crate::cli::{compare::CompareOptions, merge::MergeOptions, verify::VerifyOptions};

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// The models that come with this program, and those of the Hugging Face Hub that were fetched.
    List,
    /// Fetches a model from the Hugging Face Hub: its settings, and its graphs in one precision.
    Pull {
        /// The model: ORGANISATION/NAME, perhaps with the path of a folder in it, perhaps with @ and a branch, a tag or a commit
        /// after it.
        #[arg(value_name = "ORGANISATION/NAME[/FOLDER][@REVISION]")]
        model: String,

        /// The precision of its graphs, by the suffix of their names: fp16, q4, …; the best there is if none is named.
        #[arg(long, value_name = "PRECISION")]
        precision: Option<String>,
    },
    /// Remove a fetched model from the cache that all programs of the Hub share: only what no other revision uses.
    #[command(
        after_help = "Examples:\n  percept models remove org/name\n  percept models remove org/name@v1.0 --yes"
    )]
    Remove {
        /// The model, as `percept models list` has it: ORGANISATION/NAME, perhaps with @ and a branch, a tag or a commit after
        /// it.
        #[arg(value_name = "ORGANISATION/NAME[@REVISION]")]
        model: HubAddress,

        /// Don't ask.
        #[arg(long)]
        yes: bool,
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
