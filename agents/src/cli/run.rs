//! `percept run`: works on tasks from files, one after the other.

use std::{
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    sync::Arc,
};

use percept::{
    Approval, Assembly, Event, Outcome, Run, RunResult, Store, Task, models::ModelAddress, new_run_name,
    report, runtime::Device, tools::Screen,
};
use serde_json::json;

use super::{
    arguments::RunTasks,
    failure::Failure,
    live::LiveLine,
    narration::{Narration, in_a_line, plain, written},
    output::{Ink, Output},
    progress::Bars,
    watch,
};

/// Where runs go if nothing else is said.
const RUNS: &str = "runs";

/// Runs the tasks. Every file is read before anything is done, so that a mistake in the last one costs nothing.
pub(crate) async fn run(arguments: RunTasks, output: &Output) -> Result<u8, Failure> {
    let tasks = arguments.tasks.iter().map(|path| Task::read(path)).collect::<Result<Vec<_>, _>>()?;
    let is_one = tasks.len() == 1;
    let assembly = Assembly::new(Bars::new(&output.bars));
    let mut results = Vec::new();
    for (task, path) in tasks.into_iter().zip(&arguments.tasks) {
        let options = &arguments.options;
        let mut task = overridden(task, options.device.as_ref(), options.model.as_ref());
        task.seed = options.seed.unwrap_or(task.seed);
        task.policy.confirm |= Output::has_person();
        let folder = match &arguments.options.out {
            Some(out) if is_one => out.clone(),
            Some(out) => out.join(path.file_stem().unwrap_or(path.as_os_str())),
            None => default_folder(),
        };
        let result = match work(&assembly, &task, &folder, output).await {
            Ok(result) => result,
            // What the tasks before it came to isn't lost.
            Err(failure) if !results.is_empty() => {
                return cut_short(&results, &arguments.tasks, &failure, output);
            }
            Err(failure) => return Err(failure),
        };
        let is_over = result.outcome == Outcome::Cancelled;
        results.push(result);
        if is_over {
            break;
        }
    }
    if let ([result], true) = (results.as_slice(), is_one) {
        conclude(result, output)?;
    } else if output.json {
        output.document(&json!({ "runs": results }))?;
    } else {
        list(&results, &arguments.tasks, output)?;
    }
    Ok(worst(&results))
}

/// Several results, a line each.
fn list(results: &[RunResult], paths: &[PathBuf], output: &Output) -> Result<(), Failure> {
    results
        .iter()
        .zip(paths)
        .try_for_each(|(result, path)| output.print(&format!("{}: {}", path.display(), in_a_line(result))))
}

/// The worst exit code; they rise with what there is to worry about.
fn worst(results: &[RunResult]) -> u8 {
    results.iter().map(|result| result.outcome.exit_code()).max().unwrap_or_default()
}

/// The results so far, when the next task can't be run.
fn cut_short(
    results: &[RunResult],
    paths: &[PathBuf],
    failure: &Failure,
    output: &Output,
) -> Result<u8, Failure> {
    let message = failure.message();
    if output.json {
        output.document(&json!({ "runs": results, "error": message }))?;
    } else {
        list(results, paths, output)?;
    }
    let unfinished = paths.get(results.len()).map(|path| path.display().to_string()).unwrap_or_default();
    output.say(&output.ink(Ink::Bad, &format!("error: {unfinished}: {message}")));
    Ok(worst(results).max(failure.code))
}

/// The task with what the command line says instead.
pub(crate) fn overridden(mut task: Task, device: Option<&Device>, model: Option<&ModelAddress>) -> Task {
    if let Some(device) = device {
        task.device = device.clone();
    }
    if let Some(model) = model {
        task.model = absolute(model.clone());
    }
    task
}

/// Paths on the command line are relative to where it is typed; the run folder's are read from elsewhere.
fn absolute(model: ModelAddress) -> ModelAddress {
    let from_here = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
    match model {
        ModelAddress::Folder { path, precision } => ModelAddress::Folder { path: from_here(path), precision },
        ModelAddress::Scripted(path) => ModelAddress::Scripted(from_here(path)),
        other => other,
    }
}

/// One run, from loading to its report.
pub(crate) async fn work(
    assembly: &Assembly,
    task: &Task,
    folder: &Path,
    output: &Output,
) -> Result<RunResult, Failure> {
    let assembled = watch::unless_interrupted(async { Ok(assembly.assemble(task, folder).await?) }).await?;
    let run = assembled.agent.run(assembled.task.task.clone());
    let result = followed_to_the_end(run, assembled.screen, folder, None, output).await;
    remembered(&assembled.task, &result, folder, output);
    Ok(result)
}

/// Puts a run that ended well into the task's store. Its result stands, whether or not that works.
pub(crate) fn remembered(task: &Task, result: &RunResult, folder: &Path, output: &Output) {
    let Some(memory) = task.memory.as_ref().filter(|memory| memory.keep) else { return };
    if result.outcome != Outcome::Done || result.verified == Some(false) {
        return;
    }
    if let Err(error) = Store::open(&memory.store).and_then(|store| store.add(folder)) {
        output.say(&output.ink(Ink::Warn, &format!("the run can't be kept in the store: {error}")));
    }
}

/// Follows a run, closes its screen, and makes its report. `word` is the answer to its first question.
pub(crate) async fn followed_to_the_end(
    run: Run,
    screen: Option<Arc<dyn Screen>>,
    folder: &Path,
    word: Option<Approval>,
    output: &Output,
) -> RunResult {
    let result = followed(run, word, output).await;
    if let Some(screen) = screen
        && let Err(error) = screen.close().await
    {
        output.say(&output.ink(Ink::Warn, &format!("the screen didn't close cleanly: {error}")));
    }
    // The run is over and its result stands, whether or not it can be told as a page.
    if let Err(error) = report::write(folder) {
        output.say(&output.ink(Ink::Warn, &format!("the report can't be written: {error}")));
    }
    result
}

/// The result of a single run.
pub(crate) fn conclude(result: &RunResult, output: &Output) -> Result<(), Failure> {
    if output.json {
        return output.document(result);
    }
    output.print(&in_a_line(result))?;
    if let Some(answer) = &result.answer {
        output.print(&format!("answer: {}", plain(answer)))?;
    }
    if let Some(folder) = &result.folder {
        output.print(&format!("report: {}", folder.join(report::REPORT_FILE).display()))?;
    }
    Ok(())
}

/// Follows a run to its end, asking a person where the policy does, and stopping it when somebody interrupts.
async fn followed(mut run: Run, mut word: Option<Approval>, output: &Output) -> RunResult {
    let (mut narration, mut live) = (Narration::new(output), LiveLine::new(&output.bars));
    let cancel = run.cancellation();
    let stopped = cancel.clone();
    let watcher = tokio::spawn(async move {
        watch::interruption().await;
        cancel.cancel();
        watch::next_one_ends_it();
    });
    while let Some(entry) = run.next_event().await {
        live.tell(&entry);
        narration.tell(&entry);
        let question = match &entry.event {
            Event::ApprovalWanted { call, concern: None, .. } => format!("may it {}?", written(call)),
            Event::ApprovalWanted { call, concern: Some(why), .. } => {
                format!("the model's vendor wants this confirmed ({}): may it {}?", plain(why), written(call))
            }
            Event::LimitReached { reason, .. } => format!("{reason}: as much again?"),
            _ => continue,
        };
        // An interruption ends the question too; the run is cancelled then, and says so itself.
        let answer = async {
            match word.take() {
                Some(word) => word,
                None => asked(&question, output).await,
            }
        };
        tokio::select! {
            () = stopped.cancelled() => {}
            word = answer => match word {
                Approval::Granted => run.approve(),
                Approval::Denied(reason) => run.deny(reason),
                Approval::Later => run.postpone(),
            },
        }
    }
    drop(live);
    watcher.abort();
    let result = run.outcome().await;
    // On a terminal the result itself says it, a line further down.
    if output.json || !io::stdout().is_terminal() {
        narration.ended(&result);
    }
    result
}

/// Asks whoever sits at the terminal. Where nobody does, the run waits on the disk.
async fn asked(question: &str, output: &Output) -> Approval {
    if !Output::has_person() {
        return Approval::Later;
    }
    if output.agreed(&format!("     {question} [y/N] ")).await {
        Approval::Granted
    } else {
        Approval::Denied("a person said no".into())
    }
}

/// The default folder of a run.
pub(crate) fn default_folder() -> PathBuf {
    Path::new(RUNS).join(new_run_name())
}
