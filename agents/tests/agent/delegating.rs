//! Other agents at work for a run.

use std::{path::Path, sync::Arc};

use percept::{
    Agent, AgentBuilder, CallResult, Delegate, Event, Limits, Outcome, Policy, Prices, Reflect, RunFolder,
    Secrets, Thinking, journal,
    tools::{Screen, Toolbox, builtin},
};
use serde_json::json;

use crate::{
    played,
    stage::{Actor, Line, Manner, Pages, calls, click, finish},
    welcome,
};

/// A planner that has nothing but another agent, which has the mouse.
fn planner(chief: &Arc<Actor>, actor: &Arc<Actor>, pages: &Arc<Pages>) -> AgentBuilder {
    let screen: Arc<dyn Screen> = pages.clone();
    let hands = builtin::toolbox(&screen).only(&["click", "finish"]).unwrap();
    let (actor, eyes) = (actor.clone(), screen.clone());
    let mut toolbox = Toolbox::new();
    let make = move || {
        let ask = Policy { ask: vec!["finish".into()], ..Policy::default() };
        Agent::builder(actor.clone(), hands.clone()).screen(eyes.clone()).policy(ask)
    };
    toolbox.add(Delegate::new("actor", "Does one thing.", make)).unwrap();
    Agent::builder(chief.clone(), toolbox).screen(screen)
}

fn asks(task: &str) -> Line {
    calls("actor", json!({ "task": task }))
}

fn nested(folder: &Path) -> std::path::PathBuf {
    let mut inside: Vec<_> =
        std::fs::read_dir(folder.join("calls")).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(inside.len(), 1, "{inside:?}");
    inside.remove(0)
}

#[tokio::test]
async fn a_task_is_handed_on_and_its_run_is_kept_within() {
    let folder = tempfile::tempdir().unwrap();
    let (chief, actor) =
        (Actor::new(true, &[asks("Press the button twice.")]), Actor::new(false, &[click(1, 1)]));
    let pages = Pages::new(Manner::Turns, &["1", "2", "Welcome, ada"]);
    // The other agent ends on its steps: nothing tells it that it is done.
    let record = RunFolder::create(folder.path()).unwrap();
    let agent = planner(&chief, &actor, &pages).done(welcome()).folder(record).name("whole").build().unwrap();
    let (entries, result) = played(agent.run("Log in.")).await;
    assert_eq!((result.outcome, result.steps), (Outcome::Done, 1), "{}", result.reason);
    let parts = entries.iter().find_map(|entry| match &entry.event {
        Event::Called { result: CallResult::Observed { nested: Some(nested), .. }, .. } => {
            Some(nested.clone())
        }
        _ => None,
    });
    let inside = nested(folder.path());
    let nested_run = parts.unwrap();
    assert_eq!(nested_run.folder.as_deref(), inside.file_name().unwrap().to_str());
    assert_eq!(result.usage.output_tokens, 20 + nested_run.tokens, "its tokens are the run's");
    let recording = journal::read(&inside).unwrap();
    assert_eq!(recording.beginning.task, "Press the button twice.");
    assert!(recording.beginning.run.starts_with("whole/"), "{}", recording.beginning.run);
    for run in [folder.path(), &inside] {
        assert_eq!(percept::replay(run).await.unwrap().divergence, None);
    }
    let report = percept::report::render(folder.path()).unwrap();
    let link = format!("href=\"calls/{}/report.html\"", inside.file_name().unwrap().to_str().unwrap());
    assert!(report.contains(&link), "the report leads to the other");
    assert!(inside.join("report.html").exists());
}

#[tokio::test]
async fn how_it_ended_is_told_and_it_can_ask_nobody() {
    let (chief, actor) =
        (Actor::new(true, &[asks("Give up."), asks("  "), finish()]), Actor::new(false, &[finish()]));
    let pages = Pages::new(Manner::Sticks, &["1"]);
    let thinking = Thinking { reflect: Reflect::Never, ..Thinking::default() };
    let limits = Limits { refusals: 2, ..Limits::default() };
    let agent = planner(&chief, &actor, &pages).limits(limits).thinking(thinking).build().unwrap();
    let (_, result) = played(agent.run("Log in.")).await;
    // `finish` is no tool of the planner's: with the empty task that makes two refusals in a row.
    assert_eq!(result.outcome, Outcome::Failed, "{}", result.reason);
    let told = chief.last_told();
    assert!(told.contains("tool: refused after 1 step\n"), "{told}");
    let why = "[from the tool actor] `finish` was not approved: another agent works for a run that can't ask for it";
    assert!(told.contains(why), "{told}");
    assert!(told.contains("the task is empty"), "{told}");
}

#[tokio::test]
async fn it_stays_within_what_is_left_of_the_run() {
    let (chief, actor) = (Actor::new(true, &[asks("Click for ever.")]), Actor::new(false, &[click(1, 1)]));
    let pages = Pages::new(Manner::Turns, &["1", "2", "3", "4", "5", "6"]);
    let limits = Limits { tokens: 70, ..Limits::default() };
    let agent = planner(&chief, &actor, &pages).done(welcome()).limits(limits).build().unwrap();
    let (_, result) = played(agent.run("Log in.")).await;
    assert_eq!(result.outcome, Outcome::Limit, "{}", result.reason);
    assert_eq!(result.usage.output_tokens, 70, "the two together");
    assert_eq!(pages.inputs.lock().unwrap().len(), 3, "20 tokens a click, the last one cut short");
}

#[tokio::test]
async fn what_it_costs_must_be_known_where_cost_is_limited() {
    let prices = Prices { fresh: 1e6, cached: 1e6, output: 1e6 };
    let limits = Limits { cost: Some(400.0), refusals: 1, ..Limits::default() };
    let (chief, actor) = (Actor::new(true, &[asks("Click.")]), Actor::new(false, &[click(1, 1)]));
    let pages = Pages::new(Manner::Turns, &["1", "2", "3", "4"]);
    let run = planner(&chief, &actor, &pages).limits(limits).prices(prices).build().unwrap().run("Log in.");
    let result = run.outcome().await;
    let why = "it can't begin: a limit on cost needs the prices of the model's tokens";
    assert!(result.reason.contains(why), "{}", result.reason);
    assert!(pages.inputs.lock().unwrap().is_empty());

    let screen: Arc<dyn Screen> = pages.clone();
    let hands = builtin::toolbox(&screen).only(&["click"]).unwrap();
    let (hired, eyes) = (actor.clone(), screen.clone());
    let mut toolbox = Toolbox::new();
    let make = move || Agent::builder(hired.clone(), hands.clone()).screen(eyes.clone()).prices(prices);
    toolbox.add(Delegate::new("actor", "Does one thing.", make)).unwrap();
    let agent = Agent::builder(chief.clone(), toolbox).screen(screen).limits(limits).prices(prices);
    let result = agent.build().unwrap().run("Log in.").outcome().await;
    assert_eq!(result.outcome, Outcome::Limit, "{}", result.reason);
    // 130 for the planner's word, and 270 for three clicks, the last one's reply cut short.
    assert_eq!((result.cost, pages.inputs.lock().unwrap().len()), (Some(510.0), 3), "{}", result.reason);
    assert_eq!(result.usage.fresh_tokens, 400, "its reading is the run's");
}

#[tokio::test]
async fn a_run_within_that_cannot_be_gone_on_with_is_no_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let (chief, actor) = (Actor::new(true, &[asks("Press it.")]), Actor::new(false, &[click(1, 1)]));
    let dying = Pages::new(Manner::Breaks, &["1"]);
    let begun = planner(&chief, &actor, &dying).done(welcome());
    let begun = begun.folder(RunFolder::create(folder.path()).unwrap()).build().unwrap();
    assert_eq!(begun.run("Log in.").outcome().await.outcome, Outcome::Unknown);
    // Another kind of model now: the run within isn't its.
    let other = Actor::new(true, &[click(1, 1)]);
    let pages = Pages::new(Manner::Turns, &["1", "Welcome, ada"]);
    let run = planner(&chief, &other, &pages).resume(folder.path(), Some(false)).unwrap();
    let result = run.outcome().await;
    assert_eq!(result.outcome, Outcome::Unknown, "{}", result.reason);
    assert!(result.reason.contains("it can't be gone on with"), "{}", result.reason);
    assert!(pages.inputs.lock().unwrap().is_empty(), "nothing was done a second time");
}

#[tokio::test]
async fn it_is_taken_up_with_the_run_that_it_works_for() {
    let folder = tempfile::tempdir().unwrap();
    let pages = Pages::new(Manner::Turns, &["1", "2", "3", "Welcome, ada"]);
    let (chief, muse) =
        (Actor::new(true, &[asks("Press on.")]), Actor::new(false, &[click(1, 1), click(1, 1), Line::Muses]));
    let record = RunFolder::create(folder.path()).unwrap();
    let mut run =
        planner(&chief, &muse, &pages).done(welcome()).folder(record).build().unwrap().run("Log in.");
    let cancel = run.cancellation();
    tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_millis(600)).await;
        cancel.cancel();
    });
    while run.next_event().await.is_some() {}
    assert_eq!(run.outcome().await.outcome, Outcome::Cancelled);
    assert_eq!(pages.inputs.lock().unwrap().len(), 2);
    let inside = nested(folder.path());
    assert_eq!(
        journal::read(&inside).unwrap().result().map(|result| result.outcome),
        Some(Outcome::Cancelled)
    );

    let finishing = Actor::new(false, &[click(1, 1)]);
    let run = planner(&chief, &finishing, &pages).resume(folder.path(), None).unwrap();
    let result = run.outcome().await;
    assert_eq!((result.outcome, result.steps), (Outcome::Done, 1), "{}", result.reason);
    assert_eq!(nested(folder.path()), inside, "it is the same run");
    let clicks = journal::read(&inside).unwrap();
    let called = clicks.entries.iter().filter(|entry| matches!(entry.event, Event::Calling { .. })).count();
    assert_eq!(called, pages.inputs.lock().unwrap().len(), "no click was made twice");
}

#[tokio::test]
async fn a_secret_is_no_more_known_to_it_than_to_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let mut secrets = Secrets::default();
    secrets.add("password", "lovelace", &[]).unwrap();
    let typing = calls("type_text", json!({ "text": "{{password}}" }));
    let (chief, actor) = (Actor::new(true, &[asks("Type {{password}}.")]), Actor::new(false, &[typing]));
    let pages = Pages::new(Manner::Turns, &["1", "Welcome, ada"]);
    let screen: Arc<dyn Screen> = pages.clone();
    let hands = builtin::toolbox(&secrets.veil(screen.clone())).only(&["type_text"]).unwrap();
    let (eyes, inner, hired) = (screen.clone(), secrets.clone(), actor.clone());
    let mut toolbox = Toolbox::new();
    let make = move || {
        Agent::builder(hired.clone(), hands.clone())
            .screen(eyes.clone())
            .secrets(inner.clone())
            .done(welcome())
    };
    toolbox.add(Delegate::new("actor", "Does one thing.", make)).unwrap();
    let record = RunFolder::create(folder.path()).unwrap();
    let agent =
        Agent::builder(chief.clone(), toolbox).screen(screen).secrets(secrets).done(welcome()).folder(record);
    let result = agent.build().unwrap().run("Log in with lovelace.").outcome().await;
    assert_eq!(result.outcome, Outcome::Done, "{}", result.reason);
    assert_eq!(pages.typed(), ["lovelace"], "the screen gets it");
    assert!(!chief.last_told().contains("lovelace") && !actor.last_told().contains("lovelace"));
    assert!(actor.last_told().contains("Type {{password}}."), "{}", actor.last_told());
    let inside = nested(folder.path());
    for file in ["journal.jsonl", "report.html"] {
        let text = std::fs::read_to_string(inside.join(file)).unwrap();
        assert!(!text.contains("lovelace"), "{file} of the run within has the secret");
    }
    let own = std::fs::read_to_string(folder.path().join("journal.jsonl")).unwrap();
    assert!(!own.contains("lovelace"), "a task that has the value is hidden too");
}

#[tokio::test]
async fn what_is_in_doubt_within_is_answered_from_the_run_that_it_works_for() {
    for happened in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let (chief, actor) = (Actor::new(true, &[asks("Press it.")]), Actor::new(false, &[click(1, 1)]));
        let dying = Pages::new(Manner::Breaks, &["1"]);
        let begun = planner(&chief, &actor, &dying).done(welcome());
        let begun = begun.folder(RunFolder::create(folder.path()).unwrap()).build().unwrap();
        let result = begun.run("Log in.").outcome().await;
        assert_eq!(result.outcome, Outcome::Unknown, "{}", result.reason);
        let recording = journal::read(folder.path()).unwrap();
        let doubt = journal::doubt(folder.path(), &recording).unwrap().unwrap();
        assert_eq!(
            (doubt.agents, doubt.step, doubt.call.function),
            (vec!["actor".into()], 1, "click".into())
        );

        // Without a word nobody guesses, however often it is tried.
        let still = Pages::new(Manner::Turns, &["1", "Welcome, ada"]);
        for _ in 0..2 {
            let run = planner(&chief, &actor, &still).resume(folder.path(), None).unwrap();
            let result = run.outcome().await;
            assert_eq!(result.outcome, Outcome::Unknown, "{}", result.reason);
            assert!(result.reason.contains("--happened or --not-happened"), "{}", result.reason);
            assert!(still.inputs.lock().unwrap().is_empty());
        }

        let pages = Pages::new(Manner::Turns, &["1", "Welcome, ada"]);
        if happened {
            pages.turn();
        }
        let run = planner(&chief, &actor, &pages).resume(folder.path(), Some(happened)).unwrap();
        let result = run.outcome().await;
        assert_eq!(result.outcome, Outcome::Done, "{}", result.reason);
        let inside = journal::read(&nested(folder.path())).unwrap();
        let first = inside.entries.iter().find_map(|entry| match &entry.event {
            Event::Called { result: CallResult::Observed { parts, .. }, .. } => Some(format!("{parts:?}")),
            _ => None,
        });
        assert_eq!(first.unwrap().contains("it happened before the run was taken up again"), happened);
        let called =
            inside.entries.iter().filter(|entry| matches!(entry.event, Event::Calling { .. })).count();
        let clicks = pages.inputs.lock().unwrap().len();
        assert_eq!(
            clicks + usize::from(happened),
            called,
            "what happened isn't done again, and what didn't is"
        );
        for run in [folder.path(), &nested(folder.path())] {
            assert_eq!(percept::replay(run).await.unwrap().divergence, None);
        }
    }
}
