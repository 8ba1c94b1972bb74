//! What can be said about the store of runs.

use std::path::PathBuf;

use clap::Subcommand;

use super::at_least_one;

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
