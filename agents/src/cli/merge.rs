//! `percept models merge`: one model made of two.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use percept::models::{Merge, MergeMethod, MergedGraph, ModelError, Precision};
use tokio_util::sync::CancellationToken;

use super::{
    failure::Failure,
    output::{Ink, Output},
    watch,
};

/// What is kept of what each adds to the base, where nothing else is said.
const DENSITY: f64 = 0.2;

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
    /// By default 0.2.
    #[arg(long, value_name = "SHARE")]
    density: Option<f64>,

    /// Where the drawing begins; for dare.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Merge each session in this precision alone, where it has it: fp32, fp16.
    #[arg(long, value_name = "PRECISION", value_parser = precision)]
    precision: Option<Precision>,
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

/// Reads a precision's name.
pub(super) fn precision(name: &str) -> Result<Precision, String> {
    Precision::named(name).map_err(|error| error.to_string())
}

/// Merges, and says what of each graph.
pub(crate) async fn merge(options: MergeOptions, output: &Output) -> Result<u8, Failure> {
    let MergeOptions { a, b, out, method, weight, base, density, seed, precision } = options;
    let is_about_base = matches!(method, Method::Ties | Method::Dare);
    if (density.is_some() && !is_about_base) || (seed.is_some() && !matches!(method, Method::Dare)) {
        let problem =
            anyhow::anyhow!("--density is for ties and dare, --seed for dare: this method has no use for it");
        return Err(Failure::bad_input(problem));
    }
    let density = density.unwrap_or(DENSITY);
    let method = match method {
        Method::Linear => MergeMethod::Linear,
        Method::Slerp => MergeMethod::Slerp,
        Method::Ties => MergeMethod::Ties { density },
        Method::Dare => MergeMethod::Dare { density, seed: seed.unwrap_or(0) },
    };
    let cancel = CancellationToken::new();
    let watcher = cancel.clone();
    let watching = tokio::spawn(async move {
        watch::interruption().await;
        watcher.cancel();
        watch::next_one_ends_it();
    });
    let (merge, to) = (Merge { a, b, base, method, weight, precision, cancel }, out.clone());
    // It reads and writes files as large as models.
    let merging = tokio::task::spawn_blocking(move || merge.write(&to)).await.map_err(Failure::broken)?;
    watching.abort();
    let merged = merging.map_err(|error| match error {
        ModelError::Request(problem) => Failure::bad_input(anyhow::anyhow!(problem)),
        ModelError::Interrupted => Failure::interrupted(),
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
