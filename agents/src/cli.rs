//! The commands, read, and handed each to its file.

mod arguments;
mod ask;
mod classify;
mod command_line;
mod compare;
mod demo;
mod doctor;
mod draw;
mod embed;
mod eval;
mod failure;
mod gallery;
mod inspect;
mod live;
mod memory;
mod merge;
mod models;
mod narration;
mod nearest;
mod output;
mod picture_file;
mod progress;
mod record;
mod replay;
mod report;
mod resume;
mod run;
mod slip;
mod tools;
mod verify;
mod watch;

use std::{process::ExitCode, time::Duration};

use tracing_subscriber::EnvFilter;

use arguments::{Command, EvalCommand};
use failure::Failure;
use output::Output;

/// Reads the command line, does what it says, and gives back the exit code.
pub(crate) fn main() -> ExitCode {
    let arguments = match command_line::read() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let output = Output::new(arguments.json);
    let filter = EnvFilter::try_from_env("PERCEPT_LOG").unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output.fail(&Failure::broken(error)),
    };
    let result = runtime.block_on(perform(arguments.command, &output));
    // A download or a session that is still being loaded must not hold up somebody who pressed Ctrl-C.
    runtime.shutdown_timeout(Duration::from_millis(200));
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failure) => output.fail(&failure),
    }
}

async fn perform(command: Command, output: &Output) -> Result<u8, Failure> {
    match command {
        Command::Demo(options) => demo::demo(options, output).await,
        Command::Run(options) => run::run(options, output).await,
        Command::Ask(options) => watch::unless_interrupted(ask::ask(options, output)).await,
        Command::Draw(options) => Box::pin(watch::unless_interrupted(draw::draw(options, output))).await,
        Command::Classify(options) => {
            Box::pin(watch::unless_interrupted(classify::classify(options, output))).await
        }
        Command::Nearest(options) => {
            Box::pin(watch::unless_interrupted(nearest::nearest(options, output))).await
        }
        Command::Embed(options) => Box::pin(watch::unless_interrupted(embed::embed(options, output))).await,
        Command::Doctor(options) => watch::unless_interrupted(doctor::doctor(options, output)).await,
        Command::Tools(command) => tools::tools(&command, output),
        Command::Record(options) => Box::pin(record::record(options, output)).await,
        Command::Resume(options) => Box::pin(resume::resume(options, output)).await,
        Command::Replay(options) => {
            Box::pin(watch::unless_interrupted(replay::replay(options, output))).await
        }
        Command::Eval(EvalCommand::Tasks(options)) => eval::tasks(options, output).await,
        Command::Eval(EvalCommand::Miniwob(options)) => Box::pin(eval::miniwob(options, output)).await,
        Command::Memory(command) => memory::memory(command, output),
        Command::Report(options) => report::report(&options, output),
        Command::Models(command) => Box::pin(models::models(command, output)).await,
    }
}
