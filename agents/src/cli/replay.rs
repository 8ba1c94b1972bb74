//! `percept replay`: goes through recorded runs again, with no model and no screen, and compares; or goes on live from
//! a step of one.

use std::path::{Path, PathBuf};

use percept::{Assembly, JournalError, RUN_FILE, Replayed, Task, journal};
use serde_json::json;

use super::{
    arguments::ReplayOptions,
    failure::{BROKEN, Failure},
    narration::in_a_line,
    output::{Ink, Output},
    progress::Bars,
    run::{conclude, default_folder, followed_to_the_end},
    watch,
};

/// Replays each run; 1 if one of them would go another way today, or was changed.
pub(crate) async fn replay(options: ReplayOptions, output: &Output) -> Result<u8, Failure> {
    if let Some(step) = options.from {
        let [run] = &options.runs[..] else {
            return Err(Failure::bad_input(anyhow::anyhow!("--from goes on from one run"))
                .help("name one run folder"));
        };
        return branch(run, step, options.out.unwrap_or_else(default_folder), output).await;
    }
    let mut replays = Vec::new();
    for folder in &options.runs {
        let replayed = percept::replay(folder).await;
        if let Err(error @ JournalError::File { .. }) = replayed {
            return Err(Failure::bad_input(error).help("name a run folder: it holds journal.jsonl"));
        }
        replays.push((folder.as_path(), replayed));
    }
    if output.json {
        let documents: Vec<_> = replays.iter().map(|(folder, replayed)| document(folder, replayed)).collect();
        output.document(&json!({ "replays": documents }))?;
    } else {
        for (folder, replayed) in &replays {
            let (ink, told) = told(replayed);
            output.print(&format!("{}: {}", folder.display(), output.ink(ink, &told)))?;
        }
    }
    let is_same = |replayed: &Result<Replayed, JournalError>| {
        replayed.as_ref().is_ok_and(|replayed| replayed.divergence.is_none())
    };
    Ok(if replays.iter().all(|(_, replayed)| is_same(replayed)) { 0 } else { BROKEN })
}

/// Goes on live from a step.
async fn branch(run: &Path, step: usize, folder: PathBuf, output: &Output) -> Result<u8, Failure> {
    let recording = journal::read(run).map_err(Failure::bad_input)?;
    recording.check_by_model(run).map_err(Failure::bad_input)?;
    let task = Task::read(&run.join(RUN_FILE))?;
    let assembly = Assembly::new(Bars::new(&output.bars));
    let begun = async { Ok(assembly.branch(&task, run, step, &folder).await?) };
    let resumed = watch::unless_interrupted(begun).await?;
    let result = followed_to_the_end(resumed.run, resumed.screen, &folder, None, output).await;
    conclude(&result, output)?;
    Ok(result.outcome.exit_code())
}

fn document(folder: &Path, replayed: &Result<Replayed, JournalError>) -> serde_json::Value {
    match replayed {
        Ok(replayed) => json!({
            "folder": folder,
            "identical": replayed.divergence.is_none(),
            "finished": replayed.is_finished,
            "events": replayed.events,
            "steps": replayed.result.steps,
            "milliseconds": replayed.result.milliseconds.total,
            "divergence": replayed.divergence.as_ref().map(ToString::to_string),
        }),
        Err(error) => json!({ "folder": folder, "identical": false, "divergence": error.to_string() }),
    }
}

fn told(replayed: &Result<Replayed, JournalError>) -> (Ink, String) {
    let replayed = match replayed {
        Ok(replayed) => replayed,
        Err(error) => return (Ink::Bad, error.to_string()),
    };
    if let Some(divergence) = &replayed.divergence {
        return (Ink::Bad, format!("goes another way at {divergence}"));
    }
    let events = replayed.events;
    if replayed.is_finished {
        (Ink::Good, format!("identical, {events} events; {}", in_a_line(&replayed.result)))
    } else {
        let steps = replayed.result.steps;
        (
            Ink::Warn,
            format!("identical as far as it goes, {events} events: the run was cut off in step {steps}"),
        )
    }
}
