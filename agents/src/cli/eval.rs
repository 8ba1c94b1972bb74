//! `percept eval`: tasks on many seeds, scored, and two settings side by side.

use std::path::{Path, PathBuf};

use percept::{
    Assembly, Episode, Evaluation, Extent, Task, TaskError, evaluate, new_run_name, report::write_evaluation,
};
use serde_json::json;

use super::{
    arguments::EvalTasks,
    failure::Failure,
    narration::plain,
    output::{Ink, Output},
    progress::Bars,
    run::overridden,
    watch,
};

/// The document beside the report.
const DOCUMENT: &str = "evaluation.json";

/// Evaluates tasks from files.
pub(crate) async fn tasks(arguments: EvalTasks, output: &Output) -> Result<u8, Failure> {
    let files = files(&arguments.tasks)?;
    let out = arguments.options.out.clone().unwrap_or_else(|| Path::new("evals").join(new_run_name()));
    let mut settings = vec![("as written".to_owned(), None)];
    if let Some(against) = &arguments.against {
        settings.push((against.clone(), Some(against.as_str())));
    }
    // Every file is read under every setting before anything is done.
    let mut prepared = Vec::new();
    for (setting, instead) in settings {
        let read = |path: &PathBuf| -> Result<(String, Task), TaskError> {
            let task = match instead {
                Some(instead) => Task::read_with(path, instead)?,
                None => Task::read(path)?,
            };
            let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
            Ok((name, overridden(task, &arguments.options)))
        };
        prepared.push((setting, files.iter().map(read).collect::<Result<Vec<_>, _>>()?));
    }
    let assembly = Assembly::new(Bars::new(&output.bars));
    let mut evaluations = Vec::new();
    for (number, (setting, tasks)) in prepared.into_iter().enumerate() {
        output.say(&output.ink(Ink::Strong, &setting));
        let extent = Extent {
            episodes: arguments.episodes,
            seed: arguments.options.seed.unwrap_or(0),
            at_once: arguments.at_once,
            folder: out.join(if number == 0 { "episodes" } else { "against" }),
        };
        let working = evaluate(&assembly, &tasks, &extent, |episode| tell(episode, output));
        let episodes = watch::unless_interrupted(async { Ok(working.await?) }).await?;
        let names: Vec<_> = tasks.iter().map(|(name, _)| name.clone()).collect();
        evaluations.push(Evaluation::of(setting, &names, episodes));
    }
    conclude(&evaluations, &out, output)
}

/// The task files themselves, and those in folders.
fn files(named: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in named {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = std::fs::read_dir(path).map_err(Failure::bad_input)?;
        let mut found: Vec<_> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
            .collect();
        if found.is_empty() {
            let problem = anyhow::anyhow!("{}: there is no task file (*.toml) in it", path.display());
            return Err(Failure::bad_input(problem));
        }
        found.sort();
        files.append(&mut found);
    }
    let mut names: Vec<_> = files.iter().filter_map(|path| path.file_stem()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        let problem = anyhow::anyhow!("two task files are named {}", twice[0].display());
        return Err(
            Failure::bad_input(problem).help("give each its own name: scores and run folders go by it")
        );
    }
    Ok(files)
}

fn tell(episode: &Episode, output: &Output) {
    let ink = if episode.success { Ink::Good } else { Ink::Warn };
    let result = &episode.result;
    let told = format!("{}: {}", result.outcome.word(), plain(&result.reason));
    output.say(&format!("  {}, seed {}: {}", episode.task, episode.seed, output.ink(ink, &told)));
}

fn conclude(evaluations: &[Evaluation], out: &Path, output: &Output) -> Result<u8, Failure> {
    let [first, rest @ ..] = evaluations else { return Ok(0) };
    let difference = rest.first().map(|second| first.difference(second));
    let mut document = json!(first);
    if let (Some(fields), Some(second), Some(difference)) =
        (document.as_object_mut(), rest.first(), difference)
    {
        fields.insert("against".into(), json!(second));
        fields.insert("difference".into(), json!(difference));
    }
    let path = out.join(DOCUMENT);
    let text = serde_json::to_string_pretty(&document).map_err(Failure::broken)?;
    std::fs::write(&path, text).map_err(Failure::broken)?;
    let report = write_evaluation(evaluations, out).map_err(Failure::broken)?;
    if output.json {
        output.document(&document)?;
        return Ok(0);
    }
    for evaluation in evaluations {
        output.print(&format!(
            "{}: {:.2} of the tasks on average",
            evaluation.setting, evaluation.mean_success
        ))?;
        for score in &evaluation.tasks {
            let [low, high] = score.interval;
            output.print(&format!(
                "  {:24} {:3} of {:3}  ({low:.2}–{high:.2})  {:5.1} steps, {:5.0} ms and {:4.0} tokens a step",
                score.task,
                score.successes,
                score.episodes,
                score.steps,
                score.milliseconds_a_step,
                score.tokens_a_step
            ))?;
        }
    }
    if let Some(difference) = difference {
        let [low, high] = difference.interval;
        output.print(&format!(
            "as written is {:+.2} better (95%: {low:+.2} to {high:+.2}), {} pairs",
            difference.mean, difference.pairs
        ))?;
    }
    output.print(&format!("report: {}", report.display()))?;
    Ok(0)
}
