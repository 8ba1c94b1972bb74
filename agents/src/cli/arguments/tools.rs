//! What can be said about the tools.

use clap::Subcommand;

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
