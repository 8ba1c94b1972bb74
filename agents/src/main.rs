//! The command line: what a person types, and nothing that an app would need.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
