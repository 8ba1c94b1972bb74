//! Evaluation: tasks worked on many times, each time on a fresh seed, and scored; two settings side by side on the
//! same seeds.

use std::{
    collections::BTreeMap,
    future::Future,
    path::{Path, PathBuf},
};

use futures::{StreamExt, stream};
use percept_tools::Screen;
use serde::{Deserialize, Serialize};

use crate::{AgentError, Assembly, Outcome, RunResult, Task, report};

pub mod miniwob;
mod statistics;

pub use statistics::{Difference, Interval};
use statistics::{mean, wilson};

/// How much is evaluated.
#[derive(Debug, Clone)]
pub struct Extent {
    /// Episodes of each task.
    pub episodes: usize,
    /// The first episode's seed; each later one's is one more.
    pub seed: u64,
    /// How many episodes are on their way at once.
    pub at_once: usize,
    /// Where the run folders go.
    pub folder: PathBuf,
}

/// One run of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// The task's name.
    pub task: String,
    /// The run's seed.
    pub seed: u64,
    /// Whether it ended done, on evidence where the task names some.
    pub success: bool,
    /// The score that the page itself gave, where it gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reward: Option<f64>,
    /// Its result.
    pub result: RunResult,
}

/// How one task went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The task's name.
    pub task: String,
    /// How often it was tried.
    pub episodes: usize,
    /// How often it was done.
    pub successes: usize,
    /// The share.
    pub success: f64,
    /// Wilson's 95% interval of the share.
    pub interval: Interval,
    /// Steps an episode.
    pub steps: f64,
    /// Milliseconds a step, everything included.
    pub milliseconds_a_step: f64,
    /// Tokens a step, read anew and written.
    pub tokens_a_step: f64,
    /// The mean of the scores that the pages gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reward: Option<f64>,
    /// How often it ended in each way.
    pub outcomes: BTreeMap<String, usize>,
}

/// How all tasks went under one setting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// What sets it apart: "as written", or what was set instead.
    pub setting: String,
    /// The mean of the tasks' shares.
    pub mean_success: f64,
    /// A row a task, in the order in which they were named.
    pub tasks: Vec<Score>,
    /// Every run.
    pub episodes: Vec<Episode>,
}

impl Evaluation {
    /// Sums episodes up. They come in any order; tasks keep the order of their names here.
    pub fn of(setting: impl Into<String>, names: &[String], mut episodes: Vec<Episode>) -> Self {
        episodes.sort_by_key(|episode| (names.iter().position(|name| *name == episode.task), episode.seed));
        let tasks: Vec<_> = names
            .iter()
            .map(|name| score(name, episodes.iter().filter(|episode| episode.task == *name)))
            .collect();
        let mean_success = mean(tasks.iter().map(|score| score.success));
        Self { setting: setting.into(), mean_success, tasks, episodes }
    }

    /// How much better this one did than the other on the episodes that both have.
    pub fn difference(&self, other: &Self) -> Difference {
        let key = |episode: &Episode| (episode.task.clone(), episode.seed);
        let theirs: BTreeMap<_, _> =
            other.episodes.iter().map(|episode| (key(episode), episode.success)).collect();
        let pairs = self.episodes.iter().filter_map(|ours| Some((ours.success, *theirs.get(&key(ours))?)));
        Difference::of(pairs)
    }
}

fn score<'e>(name: &str, episodes: impl Iterator<Item = &'e Episode>) -> Score {
    let episodes: Vec<_> = episodes.collect();
    let (count, successes) = (episodes.len(), episodes.iter().filter(|episode| episode.success).count());
    let sum = |value: fn(&RunResult) -> f64| episodes.iter().map(|e| value(&e.result)).sum::<f64>();
    let steps = sum(|result| result.steps as f64);
    let tokens = sum(|result| (result.usage.fresh_tokens + result.usage.output_tokens) as f64);
    let rewards: Vec<f64> = episodes.iter().filter_map(|episode| episode.reward).collect();
    let mut outcomes = BTreeMap::new();
    for episode in &episodes {
        *outcomes.entry(episode.result.outcome.word().to_owned()).or_default() += 1;
    }
    Score {
        task: name.to_owned(),
        episodes: count,
        successes,
        success: successes as f64 / count.max(1) as f64,
        interval: wilson(successes, count),
        steps: steps / count.max(1) as f64,
        milliseconds_a_step: sum(|result| result.milliseconds.total) / steps.max(1.0),
        tokens_a_step: tokens / steps.max(1.0),
        reward: (!rewards.is_empty()).then(|| mean(rewards.iter().copied())),
        outcomes,
    }
}

/// Works on every task, `extent.episodes` times each, and hands over each episode as it ends. Whatever ends a run is
/// an episode; what keeps one from beginning ends the evaluation. `work` is given a task, a seed and a folder for
/// the run.
///
/// # Errors
///
/// [`AgentError`] of the first episode that couldn't begin.
pub async fn evaluate<'t, T, W>(
    tasks: &'t [T],
    extent: &Extent,
    work: impl Fn(&'t T, u64, PathBuf) -> W,
    mut told: impl FnMut(Episode),
) -> Result<(), AgentError>
where
    T: Named,
    W: Future<Output = Result<Episode, AgentError>>,
{
    let episodes = tasks.iter().flat_map(|task| {
        (0..extent.episodes as u64).map(move |number| (task, extent.seed.wrapping_add(number)))
    });
    let mut running = stream::iter(episodes)
        .map(|(task, seed)| work(task, seed, extent.folder.join(format!("{}-{seed}", task.name()))))
        .buffer_unordered(extent.at_once.max(1));
    while let Some(episode) = running.next().await {
        told(episode?);
    }
    Ok(())
}

/// Something to work on that has a name.
pub trait Named {
    /// The name, which run folders go by.
    fn name(&self) -> &str;
}

impl Named for String {
    fn name(&self) -> &str {
        self
    }
}

impl Named for (String, Task) {
    fn name(&self) -> &str {
        &self.0
    }
}

/// One episode of a task from a file.
///
/// # Errors
///
/// [`AgentError`] if it couldn't begin.
pub async fn episode(
    assembly: &Assembly,
    (name, task): &(String, Task),
    seed: u64,
    folder: &Path,
) -> Result<Episode, AgentError> {
    let assembled = assembly.assemble(&Task { seed, ..task.clone() }, folder).await?;
    let mut run = assembled.agent.run(assembled.task.task);
    while let Some(entry) = run.next_event().await {
        if entry.event.asks_a_person() {
            run.deny("nobody is there to approve it in an evaluation");
        }
    }
    let result = run.outcome().await;
    finished(assembled.screen.as_deref(), folder).await;
    let success = result.outcome == Outcome::Done && result.verified != Some(false);
    Ok(Episode { task: name.clone(), seed, success, reward: None, result })
}

/// Closes the screen and makes the report. An episode that is over stands, whether or not that works.
async fn finished(screen: Option<&dyn Screen>, folder: &Path) {
    if let Some(screen) = screen
        && let Err(error) = screen.close().await
    {
        tracing::warn!(%error, "the screen of an episode didn't close cleanly");
    }
    if let Err(error) = report::write(folder) {
        tracing::warn!(%error, "the report of an episode can't be written");
    }
}
