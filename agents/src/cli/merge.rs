//! `percept models merge`: one model made of two.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use percept::models::{Merge, MergeMethod, MergedGraph, ModelError};

use super::{
    failure::Failure,
    output::{Ink, Output},
};

/// What can be said about it.
#[derive(Debug, Args)]
pub(crate) struct MergeOptions {
    /// The first model: a folder, or one .onnx file.
    #[arg(value_name = "A")]
    a: PathBuf,

    /// The second, of the same architecture.
    #[arg(value_name = "B")]
    b: PathBuf,

    /// The folder that is made.
    #[arg(short, long, value_name = "FOLDER")]
    out: PathBuf,

    /// How.
    #[arg(long, value_name = "METHOD", default_value = "linear")]
    method: Method,

    /// The second's share, from 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    weight: f64,

    /// The model that both come from; for ties and dare.
    #[arg(long, value_name = "BASE")]
    base: Option<PathBuf>,

    /// How much is kept of what each adds to the base, above 0 and not above 1; for ties and dare.
    #[arg(long, value_name = "SHARE", default_value_t = 0.2)]
    density: f64,

    /// Where the drawing begins; for dare.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// Merge only the files of this precision: fp32, fp16.
    #[arg(long, value_name = "PRECISION")]
    precision: Option<String>,
}

/// The ways to do it.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Method {
    /// The mean.
    Linear,
    /// Along the arc between them.
    Slerp,
    /// What each adds to the base, trimmed, and averaged where their signs agree.
    Ties,
    /// What each adds to the base, most of it dropped at random and the rest made larger.
    Dare,
}

/// Merges, and says what of each graph.
pub(crate) async fn merge(options: MergeOptions, output: &Output) -> Result<u8, Failure> {
    let MergeOptions { a, b, out, method, weight, base, density, seed, precision } = options;
    let method = match method {
        Method::Linear => MergeMethod::Linear,
        Method::Slerp => MergeMethod::Slerp,
        Method::Ties => MergeMethod::Ties { density },
        Method::Dare => MergeMethod::Dare { density, seed },
    };
    let (merge, to) = (Merge { a, b, base, method, weight, precision }, out.clone());
    // It reads and writes files as large as models.
    let merging = tokio::task::spawn_blocking(move || merge.write(&to)).await.map_err(Failure::broken)?;
    let merged = merging.map_err(|error| match error {
        ModelError::Request(problem) => Failure::bad_input(anyhow::anyhow!(problem)),
        error => error.into(),
    })?;
    for note in &merged.notes {
        output.say(&output.ink(Ink::Warn, &format!("note: {note}")));
    }
    if output.json {
        output.document(&merged)?;
        return Ok(0);
    }
    for (name, MergedGraph { merged, equal }) in &merged.graphs {
        output.print(&format!("{name}: {merged} weights merged, {equal} the same in both"))?;
    }
    output.print(&format!("made: {}", out.display()))?;
    Ok(0)
}
