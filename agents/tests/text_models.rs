//! Models that read text alone, at work in agents: with tools that need no eyes, and beside agents that see.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

use std::{fs, path::Path, sync::Arc};

use percept::{Assembled, Assembly, Outcome, Silent, Task};

/// A task file with this beginning and the tiny text model's folder in the place of `TEXT`, assembled.
async fn assembled(folder: &Path, text: &str) -> Result<Assembled, String> {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/data/llama-tiny");
    image::RgbImage::new(40, 30).save(folder.join("shot.png")).unwrap();
    let path = folder.join("task.toml");
    fs::write(&path, text.replace("TEXT", &format!("{:?}", model.display().to_string()))).unwrap();
    let task = Task::read(&path).unwrap();
    let assembly = Assembly::new(Arc::new(Silent));
    assembly.assemble(&task, &folder.join("run")).await.map_err(|error| error.to_string())
}

const SCREEN: &str = "[screen]\nimage = \"shot.png\"\n";

#[tokio::test]
async fn one_works_through_a_task_without_a_screen() {
    let folder = tempfile::tempdir().unwrap();
    let text =
        "task = \"Say that it is done.\"\nmodel = TEXT\ndevice = \"cpu\"\n[tools]\nallow = [\"finish\"]\n";
    let made = assembled(folder.path(), text).await.unwrap();
    let result = made.agent.run(made.task.task.clone()).outcome().await;
    assert_eq!(result.outcome, Outcome::Done, "{}", result.reason);
    assert!(result.usage.fresh_tokens > 20, "{:?}", result.usage);
}

#[tokio::test]
async fn a_context_that_a_task_makes_small_is_the_one_that_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let text =
        "task = \"Say it.\"\nmodel = TEXT\ndevice = \"cpu\"\ncontext = 16\n[tools]\nallow = [\"finish\"]\n";
    let made = assembled(folder.path(), text).await.unwrap();
    let result = made.agent.run(made.task.task.clone()).outcome().await;
    assert_eq!(result.outcome, Outcome::Failed, "{}", result.reason);
    assert!(result.reason.contains("16"), "{}", result.reason);
    let kept = Task::read(&folder.path().join("run/run.toml")).unwrap();
    assert_eq!(kept.context.map(std::num::NonZeroUsize::get), Some(16));
}

#[tokio::test]
async fn one_is_refused_what_needs_eyes_and_told_so() {
    let base = "task = \"Press it.\"\nmodel = TEXT\ndevice = \"cpu\"\n";
    let glance = "task = \"Press it.\"\nmodel = \"bundled:glance\"\ndevice = \"cpu\"\n";
    let thinker = "[agents.thinker]\ndescription = \"Thinks.\"\nmodel = TEXT\n";
    let seer = "[agents.actor]\ndescription = \"Acts.\"\nmodel = \"bundled:glance\"\n";
    let cases = [
        (format!("{base}{SCREEN}"), "reads text alone, and the run has a screen"),
        (
            format!("{glance}{SCREEN}{thinker}tools = [\"finish\", \"click\"]\n"),
            "alone, and `click` works on a screen",
        ),
        (format!("{base}{SCREEN}{thinker}"), "reads text alone, and the run has a screen"),
        (
            format!("{base}{SCREEN}{seer}[done]\ngrounds = {{ seen_at = true }}\n"),
            "can't be checked: its model reads text alone",
        ),
    ];
    for (text, expected) in cases {
        let folder = tempfile::tempdir().unwrap();
        let error = assembled(folder.path(), &text).await.map(|_| ()).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn one_plans_for_agents_that_see_and_the_run_says_who_does() {
    let text = format!(
        "task = \"Press it.\"\nmodel = TEXT\ndevice = \"cpu\"\n{SCREEN}[limits]\nsteps = 1\n\
         [agents.actor]\ndescription = \"Does one thing.\"\nmodel = \"bundled:glance\"\n"
    );
    let folder = tempfile::tempdir().unwrap();
    let made = assembled(folder.path(), &text).await.unwrap();
    let result = made.agent.run(made.task.task.clone()).outcome().await;
    assert_ne!(result.outcome, Outcome::Failed, "{}", result.reason);
    let said = result.notes.iter().any(|note| note.contains("only the agents that it calls see the screen"));
    assert!(said, "{:?}", result.notes);
    let journal = fs::read_to_string(folder.path().join("run/journal.jsonl")).unwrap();
    let began = journal.lines().next().unwrap();
    for tool in ["actor", "answer", "finish", "wait"] {
        assert!(began.contains(&format!("\"name\":\"{tool}\"")), "{tool}: {began}");
    }
    assert!(!began.contains("\"name\":\"click\""), "{began}");
    assert!(began.contains("\"screen\":false"), "{began}");
}
