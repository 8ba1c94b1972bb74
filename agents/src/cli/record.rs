//! `percept record`: a person's own clicks and typing in a browser window, kept as a demonstration.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use percept::{
    AgentError, JournalError, Notebook, RunFolder,
    models::Call,
    new_run_name, report,
    tools::{BrowserOptions, Deed, Recorded, Recorder, Screen, ScreenError},
};
use serde_json::json;
use url::Url;

use super::{
    arguments::RecordOptions,
    failure::Failure,
    narration::{plain, written},
    output::{Ink, Output},
    progress::Bars,
    watch,
};

/// Where recordings go if nothing else is said.
const RECORDED: &str = "recorded";

/// Opens a window, and records what is done in it until it is closed or somebody interrupts.
pub(crate) async fn record(options: RecordOptions, output: &Output) -> Result<u8, Failure> {
    let folder = options.out.clone().unwrap_or_else(|| Path::new(RECORDED).join(new_run_name()));
    RunFolder::check_free(&folder).map_err(Failure::bad_input)?;
    let task = options.task.clone().unwrap_or_else(|| format!("What a person did on {}", options.page));
    let opening = Recorder::open(browser(&options), Bars::new(&output.bars));
    let mut recorder = Box::pin(watch::unless_interrupted(async { opening.await.map_err(unopened) })).await?;
    let screen: Arc<dyn Screen> = recorder.browser();
    output.say(&output.ink(Ink::Strong, &task));
    if options.task.is_none() {
        output.say(
            &output.ink(Ink::Warn, "     note: these words stand for the task; say better ones with --task"),
        );
    }
    output.say(&output.ink(Ink::Soft, "  recording; close the window or press Ctrl-C when you are done"));
    let notebook = Notebook::new(&folder, &task, &screen).map_err(Failure::bad_input)?;
    let kept = followed(&mut recorder, notebook, output).await;
    if let Err(error) = recorder.close().await {
        output.say(&output.ink(Ink::Warn, &format!("the browser didn't close cleanly: {error}")));
    }
    conclude(&kept?, &folder, &task, output)
}

/// What was kept.
struct Kept {
    actions: usize,
    reason: String,
    lost: Vec<String>,
}

/// The window, with no network but what was named.
fn browser(options: &RecordOptions) -> BrowserOptions {
    let mut hosts = options.hosts.clone();
    // Whoever names an address means its host.
    if let Ok(url) = Url::parse(&options.page)
        && let (Some(host), "http" | "https") = (url.host_str(), url.scheme())
    {
        hosts.push(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")));
    }
    BrowserOptions { size: options.size, hosts, visible: true, ..BrowserOptions::new(&options.page) }
}

/// What is missing is somebody's to bring.
fn unopened(error: ScreenError) -> Failure {
    match error {
        ScreenError::Missing { what, remedy } => Failure::bad_input(anyhow::anyhow!(what)).help(remedy),
        other => AgentError::from(other).into(),
    }
}

/// Writes down what the recorder tells, to the end.
async fn followed(recorder: &mut Recorder, mut notebook: Notebook, output: &Output) -> Result<Kept, Failure> {
    let mut lost = Vec::new();
    let mut interruption = std::pin::pin!(watch::interruption());
    let mut is_stopped = false;
    loop {
        let next = tokio::select! {
            () = &mut interruption, if !is_stopped => {
                is_stopped = true;
                recorder.stop();
                watch::next_one_ends_it();
                continue;
            }
            next = recorder.next() => next,
        };
        match next {
            Some(Recorded::Deed(deed)) => {
                notebook.keep(&deed).await.map_err(broken)?;
                told(&deed, notebook.steps(), output);
            }
            Some(Recorded::Lost(what)) => {
                output.say(&output.ink(Ink::Warn, &format!("     not recorded: {}", plain(&what))));
                lost.push(what);
            }
            Some(Recorded::Over { reason, after }) => {
                let actions = notebook.steps();
                notebook.close(&reason, after.as_deref()).await.map_err(broken)?;
                return Ok(Kept { actions, reason, lost });
            }
            Some(_) => {}
            None => return Err(Failure::broken(anyhow::anyhow!("the recorder ended without a word"))),
        }
    }
}

fn broken(error: JournalError) -> Failure {
    Failure::broken(error)
}

/// One deed as a line, with what the page's screen noted before it.
fn told(deed: &Deed, step: usize, output: &Output) {
    for note in &deed.before.notes {
        output.say(&output.ink(Ink::Warn, &format!("     note: {}", plain(note))));
    }
    let call = Call { function: deed.tool.to_owned(), arguments: deed.arguments.clone() };
    output.say(&format!("{step:>3}  {}", written(&call)));
}

fn conclude(kept: &Kept, folder: &Path, task: &str, output: &Output) -> Result<u8, Failure> {
    let Kept { actions, reason, lost } = kept;
    if *actions == 0 {
        let problem = anyhow::anyhow!("nothing was recorded: {reason} before anything was done");
        return Err(
            Failure::bad_input(problem).help("click or type something in the window before it is closed")
        );
    }
    let report: Option<PathBuf> = match report::write(folder) {
        Ok(path) => Some(path),
        Err(error) => {
            output.say(&output.ink(Ink::Warn, &format!("the report can't be written: {error}")));
            None
        }
    };
    if output.json {
        output.document(&json!({
            "folder": folder, "task": task, "actions": actions, "lost": lost, "reason": reason, "report": report,
        }))?;
        return Ok(0);
    }
    let count = if *actions == 1 { "1 action".to_owned() } else { format!("{actions} actions") };
    output.print(&format!("{count} recorded in {} ({reason})", folder.display()))?;
    if let Some(report) = report {
        output.print(&format!("report: {}", report.display()))?;
    }
    Ok(0)
}
