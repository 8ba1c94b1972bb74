//! `percept eval`: tasks on many seeds, scored, and two settings side by side.

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    sync::Arc,
};

use percept::{
    AgentError, Assembly, Limits, Reflect, Task, TaskError, Thinking,
    evaluation::{
        Episode, Evaluation, Extent, episode, evaluate,
        miniwob::{Bench, Worker},
    },
    models::LoadOptions,
    new_run_name,
    report::write_evaluation,
    tools::Progress,
};
use serde_json::json;

use super::{
    arguments::{EvalMiniwob, EvalTasks},
    failure::Failure,
    narration::plain,
    output::{Ink, Output},
    progress::Bars,
    run::overridden,
    watch,
};

/// What helps when a page isn't found.
const WHERE_PAGES_ARE: &str = "the pages are in the Python package `miniwob`: pip download miniwob --no-deps, unzip it, \
                               and name its folder miniwob/html";

/// The document beside the report.
const DOCUMENT: &str = "evaluation.json";

/// Evaluates tasks from files.
pub(crate) async fn tasks(arguments: EvalTasks, output: &Output) -> Result<u8, Failure> {
    let files = files(&arguments.tasks)?;
    let out = arguments.extent.out.clone().unwrap_or_else(|| Path::new("evals").join(new_run_name()));
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
            Ok((name, overridden(task, arguments.device.as_ref(), arguments.model.as_ref())))
        };
        prepared.push((setting, files.iter().map(read).collect::<Result<Vec<_>, _>>()?));
    }
    let assembly = Assembly::new(Bars::new(&output.bars));
    let mut evaluations = Vec::new();
    for (number, (setting, tasks)) in prepared.into_iter().enumerate() {
        output.say(&output.ink(Ink::Strong, &setting));
        let extent = Extent {
            episodes: arguments.extent.episodes,
            seed: arguments.extent.seed,
            at_once: arguments.extent.at_once,
            folder: out.join(if number == 0 { "episodes" } else { "against" }),
        };
        let assembly = &assembly;
        let work = |task, seed, folder: PathBuf| async move { episode(assembly, task, seed, &folder).await };
        let done = RefCell::default();
        let working = evaluate(&tasks, &extent, work, |episode| tell(episode, &done, output));
        let ended = watch::unless_interrupted(async { Ok(working.await?) }).await;
        let names: Vec<_> = tasks.iter().map(|(name, _)| name.clone()).collect();
        evaluations.push(Evaluation::of(setting, &names, done.take()));
        kept_if_cut_short(ended, &evaluations, &out, output)?;
    }
    conclude(&evaluations, &out, output)
}

/// Evaluates a model, or the oracle, on pages of MiniWoB++.
pub(crate) async fn miniwob(arguments: EvalMiniwob, output: &Output) -> Result<u8, Failure> {
    let out = arguments.extent.out.clone().unwrap_or_else(|| Path::new("evals").join(new_run_name()));
    let progress: Arc<dyn Progress> = Bars::new(&output.bars);
    let pages = std::fs::canonicalize(&arguments.pages).map_err(|error| {
        let problem = anyhow::anyhow!("{}: {error}", arguments.pages.display());
        Failure::bad_input(problem).help(WHERE_PAGES_ARE)
    })?;
    let worker = if arguments.oracle {
        Worker::Oracle
    } else {
        let options = LoadOptions { device: arguments.device.clone(), ..LoadOptions::default() };
        let opening = arguments.model.open(options, Arc::clone(&progress));
        Worker::Model(
            watch::unless_interrupted(async { Ok(opening.await.map_err(AgentError::from)?) }).await?,
        )
    };
    let thinking = |reflect| Thinking { style: arguments.style, reflect, ..Thinking::default() };
    let limits = Limits { steps: arguments.steps, ..Limits::default() };
    let tools = arguments.tools.clone();
    let mut bench = Bench { pages, worker, tools, thinking: thinking(arguments.reflect), limits };
    for task in &arguments.tasks {
        bench.page(task).map_err(|error| Failure::bad_input(error).help(WHERE_PAGES_ARE))?;
    }
    let mut settings =
        vec![(format!("{}, reflect {}", worker_name(&bench), word(arguments.reflect)), arguments.reflect)];
    if let Some(against) = arguments.against {
        settings.push((format!("{}, reflect {}", worker_name(&bench), word(against)), against));
    }
    let mut evaluations = Vec::new();
    for (number, (setting, reflect)) in settings.into_iter().enumerate() {
        output.say(&output.ink(Ink::Strong, &setting));
        bench.thinking = thinking(reflect);
        let extent = Extent {
            episodes: arguments.extent.episodes,
            seed: arguments.extent.seed,
            at_once: arguments.extent.at_once,
            folder: out.join(if number == 0 { "episodes" } else { "against" }),
        };
        let (bench, progress) = (&bench, &progress);
        let work = |task: &String, seed, folder: PathBuf| {
            let task = task.clone();
            async move { bench.episode(&task, seed, &folder, Arc::clone(progress)).await }
        };
        let done = RefCell::default();
        let working = evaluate(&arguments.tasks, &extent, work, |episode| tell(episode, &done, output));
        let ended = watch::unless_interrupted(async { Ok(working.await?) }).await;
        evaluations.push(Evaluation::of(setting, &arguments.tasks, done.take()));
        kept_if_cut_short(ended, &evaluations, &out, output)?;
    }
    conclude(&evaluations, &out, output)
}

fn worker_name(bench: &Bench) -> String {
    match &bench.worker {
        Worker::Model(model) => model.card().name.clone(),
        Worker::Oracle => "oracle".into(),
    }
}

fn word(reflect: Reflect) -> &'static str {
    match reflect {
        Reflect::Never => "never",
        Reflect::OnFailure => "on failure",
        Reflect::EveryStep => "at every step",
    }
}

/// The task files themselves, and those in folders.
fn files(given: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in given {
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

fn tell(episode: Episode, done: &RefCell<Vec<Episode>>, output: &Output) {
    let ink = if episode.success { Ink::Good } else { Ink::Warn };
    let result = &episode.result;
    let told = format!("{}: {}", result.outcome.word(), plain(&result.reason));
    output.say(&format!("  {}, seed {}: {}", episode.task, episode.seed, output.ink(ink, &told)));
    done.borrow_mut().push(episode);
}

/// Passes on what ended an evaluation early, once the episodes before it are kept.
fn kept_if_cut_short(
    ended: Result<(), Failure>,
    evaluations: &[Evaluation],
    out: &Path,
    output: &Output,
) -> Result<(), Failure> {
    let Err(failure) = ended else { return Ok(()) };
    if evaluations.iter().any(|evaluation| !evaluation.episodes.is_empty()) {
        let (_, report) = keep(evaluations, out)?;
        output.say(&format!("what was done before that: {}", report.display()));
    }
    Err(failure)
}

/// Writes document and report.
fn keep(evaluations: &[Evaluation], out: &Path) -> Result<(serde_json::Value, PathBuf), Failure> {
    let mut document = json!(evaluations.first());
    if let (Some(fields), [first, second]) = (document.as_object_mut(), evaluations) {
        fields.insert("against".into(), json!(second));
        fields.insert("difference".into(), json!(first.difference(second)));
    }
    let text = serde_json::to_string_pretty(&document).map_err(Failure::broken)?;
    std::fs::write(out.join(DOCUMENT), text).map_err(Failure::broken)?;
    let report = write_evaluation(evaluations, out).map_err(Failure::broken)?;
    Ok((document, report))
}

fn conclude(evaluations: &[Evaluation], out: &Path, output: &Output) -> Result<u8, Failure> {
    let (document, report) = keep(evaluations, out)?;
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
    if let [first, second] = evaluations {
        let difference = first.difference(second);
        let [low, high] = difference.interval;
        output.print(&format!(
            "{} is {:+.2} better (95%: {low:+.2} to {high:+.2}), {} pairs",
            first.setting, difference.mean, difference.pairs
        ))?;
    }
    output.print(&format!("report: {}", report.display()))?;
    Ok(0)
}
