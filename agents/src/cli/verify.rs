//! `percept models verify`: a folder's model held to what its reference implementation made of the same conversations.

use clap::Args;
use percept::{
    models::{Golden, LoadOptions, ModelAddress, Precision, Verdict, verify as held},
    runtime::Device,
};
use serde_json::json;

use super::{
    compare::in_precision,
    failure::{BROKEN, Failure},
    merge::precision,
    output::{Ink, Output},
    progress::Bars,
};

/// The exit code of a folder that has no goldens.
const NOTHING_TO_VERIFY: u8 = 2;

/// What can be said about it.
#[derive(Debug, Args)]
pub(crate) struct VerifyOptions {
    /// The model's folder.
    model: ModelAddress,

    /// Hold its sessions in this precision, where it has it, in place of the one that the address names.
    #[arg(long, value_name = "PRECISION", value_parser = precision)]
    precision: Option<Precision>,

    /// The device to run it on.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: Device,

    /// How far a score may be off, as a share of the largest one.
    #[arg(long, value_name = "SHARE", default_value_t = 1e-4)]
    tolerance: f32,
}

/// Runs every golden, and tells of each.
pub(crate) async fn verify(options: VerifyOptions, output: &Output) -> Result<u8, Failure> {
    let VerifyOptions { model, precision, device, tolerance } = options;
    if let ModelAddress::Hub { address, .. } = &model {
        let problem =
            anyhow::anyhow!("{address} is fetched without goldens: a pull takes what a model runs by");
        return Err(Failure::bad_input(problem).help(
            "download the repository's files into a folder, golden.json among them, and name the folder",
        ));
    }
    let model = in_precision(model, precision);
    let bars = Bars::new(&output.bars);
    let (folder, precision) = model.folder(&*bars).await?;
    let none = |problem: &str| {
        let failure = Failure::bad_input(anyhow::anyhow!("{}: {problem}", folder.display()));
        Failure { code: NOTHING_TO_VERIFY, ..failure }
            .help("models/export/README.md tells the form of golden.json, and makes some")
    };
    if model.is_dual_encoder(&*bars).await? {
        return Err(none("goldens of a model that doesn't converse aren't run by this command"));
    }
    if Golden::of_folder(&folder)?.is_empty() {
        return Err(none("it has no goldens (golden.json)"));
    }
    let load = LoadOptions { device, precision, name: Some(model.to_string()), ..LoadOptions::default() };
    let verdicts = held(&folder, load, bars).await?;
    let failed = verdicts.iter().filter(|verdict| !verdict.holds(tolerance)).count();
    if output.json {
        // One that is no number counts as the greatest.
        let relative = verdicts.iter().map(share).max_by(f32::total_cmp).unwrap_or(0.0);
        output.document(&json!({
            "model": model.to_string(),
            "tolerance": tolerance,
            "cases": verdicts,
            "failed": failed,
            "greatest_relative_difference": relative,
        }))?;
    } else {
        for verdict in &verdicts {
            told(verdict, tolerance, output)?;
        }
        let count = verdicts.len();
        output.print(&match failed {
            0 => format!("all {count} cases hold"),
            failed => format!("{failed} of {count} cases don't hold"),
        })?;
    }
    Ok(if failed == 0 { 0 } else { BROKEN })
}

/// The greatest difference of a score as a share of the largest.
fn share(verdict: &Verdict) -> f32 {
    verdict.logits_difference / verdict.largest_logit.max(f32::MIN_POSITIVE)
}

fn told(verdict: &Verdict, tolerance: f32, output: &Output) -> Result<(), Failure> {
    let word = |name: &str, equal: Option<bool>| {
        let told = match equal {
            None => return None,
            Some(true) => "equal",
            Some(false) => "DIFFER",
        };
        Some(format!("{name} {told}"))
    };
    let pixels = verdict.pixels_differing.map(|[differing, of]| match differing {
        0 => "pixels equal".to_owned(),
        differing => format!("pixels DIFFER in {differing} of {of}"),
    });
    let parts = [
        pixels,
        word("prompt", verdict.prompt_equal),
        word("ids", verdict.ids_equal),
        word("positions", verdict.positions_equal),
        Some(format!("scores {:.1e} of the largest off ({})", share(verdict), verdict.against)),
        Some(format!("{} of {} tokens equal", verdict.tokens_equal, verdict.tokens)),
    ];
    let (mark, ink) = if verdict.holds(tolerance) { ("holds", Ink::Good) } else { ("FAILS", Ink::Bad) };
    let mark = if output.colour { output.ink(ink, mark) } else { mark.to_owned() };
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    output.print(&format!("{mark} {}: {}", verdict.name, parts.join(", ")))
}
