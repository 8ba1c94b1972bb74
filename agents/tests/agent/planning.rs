//! Plans: followed, failed and made anew.

use std::sync::Arc;

use percept::{
    Agent, Choose, Event, Evidence, Outcome, Reflect, RunFolder, Thinking,
    models::{ModelAddress, RemoteModel, RemoteOptions},
    tools::{Screen, builtin},
};
use serde_json::json;

use crate::{
    agent, played,
    stage::{Actor, Line, Manner, Pages, click, finish},
    welcome,
};

#[tokio::test]
async fn a_plan_is_thought_over_where_the_run_grants_it() {
    let line = || Line::Writes(json!({ "steps": [{ "what": "Go.", "expect": "Welcome, ada" }] }).to_string());
    for (think, expected) in [(0, (false, 160)), (700, (true, 700))] {
        let actor = Actor::new(true, &[line(), click(1, 1)]);
        let pages = Pages::new(Manner::Turns, &["One", "Welcome, ada"]);
        let thinking = Thinking { plan: true, think, reflect: Reflect::Never, ..Thinking::default() };
        let agent = agent(&actor, &pages).thinking(thinking).done(welcome()).build().unwrap();
        let (_, result) = played(agent.run("Log in.")).await;
        assert_eq!(result.outcome, Outcome::Done, "{}", result.reason);
        let asked = actor.asked.lock().unwrap();
        let [(_, plan), (_, decision)] = asked.as_slice() else { panic!("{} replies", asked.len()) };
        assert_eq!((plan.think, plan.max_thought_tokens), expected);
        assert!(plan.max_tokens > think, "there is room behind the thought");
        assert!(!decision.think, "a call has a thought of its own");
    }
}

/// Claude thinks before words alone, at a temperature of 1, and in 1024 tokens or more.
#[test]
fn a_thought_that_cannot_be_had_is_refused_before_the_run() {
    let ModelAddress::Remote(address) = "anthropic:http://127.0.0.1:9#claude".parse().unwrap() else {
        panic!("not remote")
    };
    let options = RemoteOptions { environment: |_| None, ..RemoteOptions::default() };
    let model = Arc::new(RemoteModel::open(&address, options).unwrap());
    let judged = Evidence { judge: Some("Is it done?".into()), ..Evidence::default() };
    let base = Thinking { think: 2000, temperature: 1.0, reflect: Reflect::Never, ..Thinking::default() };
    let learns = Thinking { reflect: Reflect::OnFailure, ..base };
    let cases = [
        (Thinking { plan: true, ..base }, Evidence::default(), Err("before a plan")),
        (Thinking { temperature: 0.0, ..learns }, Evidence::default(), Err("before a lesson")),
        (Thinking { think: 100, ..learns }, Evidence::default(), Err("at least 1024 tokens")),
        (
            Thinking { votes: 3, choose: Choose::Judge, ..base },
            Evidence::default(),
            Err("before a judgement"),
        ),
        (base, judged, Err("before a verdict")),
        // Nothing of the kind is asked, or it is asked without a thought, or it can be had.
        (base, Evidence::default(), Ok(())),
        (Thinking { plan: true, think: 0, ..base }, Evidence::default(), Ok(())),
        (learns, Evidence::default(), Ok(())),
    ];
    for (thinking, evidence, expected) in cases {
        let screen: Arc<dyn Screen> = Pages::new(Manner::Turns, &["One"]);
        let toolbox = builtin::toolbox(&screen).only(&["click", "finish"]).unwrap();
        let builder = Agent::builder(model.clone(), toolbox).screen(screen).thinking(thinking).done(evidence);
        let found = builder.build().map(drop).map_err(|error| error.to_string());
        match (&found, expected) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(part)) => {
                for part in [part, "`think` in `[thinking]`", "Leave `think` out"] {
                    assert!(error.contains(part), "{error}");
                }
            }
            _ => panic!("{thinking:?}: {found:?}"),
        }
    }
}

#[tokio::test]
async fn a_plan_whose_expectation_fails_is_made_anew() {
    let plan = |what: &str, expect: &str| {
        Line::Writes(json!({ "steps": [{ "what": what, "expect": expect }] }).to_string())
    };
    let lines = [
        plan("Press the left button.", "Welcome, ada"),
        click(1, 1),
        click(1, 1),
        click(1, 1),
        click(1, 1),
        Line::Says("The left button leads elsewhere."),
        plan("Press the right button.", "Welcome, ada"),
        click(9, 9),
    ];
    let actor = Actor::new(true, &lines);
    let pages = Pages::new(Manner::Turns, &["One", "Two", "Three", "Four", "Five", "Welcome, ada"]);
    let thinking = Thinking { plan: true, ..Thinking::default() };
    let folder = tempfile::tempdir().unwrap();
    let record = RunFolder::create(folder.path()).unwrap();
    let agent = agent(&actor, &pages).thinking(thinking).done(welcome()).folder(record).build().unwrap();
    let (entries, result) = played(agent.run("Log in.")).await;
    assert_eq!((result.outcome, result.verified), (Outcome::Done, Some(true)), "{}", result.reason);
    let told: Vec<_> = entries
        .iter()
        .filter_map(|entry| match &entry.event {
            Event::Planned { step, because, items, .. } => {
                Some(format!("{step} plan {} again: {}", items[0].what, because.is_some()))
            }
            Event::Expected { step, check, .. } => Some(format!("{step} {}", check.as_ref().unwrap().holds)),
            Event::Reflected { step, because, .. } => Some(format!("{step} lesson: {because}")),
            _ => None,
        })
        .collect();
    let because = "for “Press the left button.” it expected that the screen shows “Welcome, ada”, and after 4 \
                   actions it isn't so";
    let expected = [
        "1 plan Press the left button. again: false".to_owned(),
        "1 false".into(),
        "2 false".into(),
        "3 false".into(),
        "4 false".into(),
        format!("4 lesson: {because}"),
        "5 plan Press the right button. again: true".into(),
    ];
    assert_eq!(told, expected);
    assert!(
        actor.last_told().contains("assistant: Plan:\n1. Press the right button. (then the screen shows")
    );
    let again = percept::replay(folder.path()).await.unwrap();
    assert_eq!(again.divergence, None);
    let report = percept::report::render(folder.path()).unwrap();
    assert!(report.contains("New plan") && report.contains("not yet as planned: "), "the report tells it");
}

#[tokio::test]
async fn a_plan_moves_on_as_its_expectations_come() {
    let plan = json!({ "steps": [
        { "what": "Open the form", "expect": "Password" },
        { "what": "Send it", "expect": "" },
        { "what": "Be welcomed", "expect": "Welcome, ada" },
    ] });
    let actor = Actor::new(true, &[Line::Writes(plan.to_string()), click(1, 1)]);
    let pages = Pages::new(Manner::Turns, &["Sign in", "Password", "Sent", "Welcome, ada"]);
    let thinking = Thinking { plan: true, reflect: Reflect::Never, ..Thinking::default() };
    let agent = agent(&actor, &pages).thinking(thinking).done(welcome()).build().unwrap();
    let (_, result) = played(agent.run("Log in.")).await;
    assert_eq!((result.outcome, result.steps), (Outcome::Done, 3), "{}", result.reason);
    let told = actor.last_told();
    for note in [
        "“Open the form” of the plan is done. Next: Send it.",
        "“Send it” of the plan is done. Next: Be welcomed.",
    ] {
        assert!(told.contains(note), "{told}");
    }
}

#[tokio::test]
async fn what_is_no_plan_is_noted_and_a_model_that_acts_at_once_cant_plan() {
    let actor = Actor::new(true, &[Line::Says("First I look around."), finish()]);
    let pages = Pages::new(Manner::Sticks, &["Sign in"]);
    let thinking = Thinking { plan: true, ..Thinking::default() };
    let (_, result) = played(agent(&actor, &pages).thinking(thinking).build().unwrap().run("Look.")).await;
    assert_eq!(result.outcome, Outcome::Done);
    assert!(result.notes.iter().any(|note| note.contains("plan couldn't be read")), "{:?}", result.notes);
    let silent = Actor::new(false, &[finish()]);
    let error = agent(&silent, &pages).thinking(thinking).build().err().unwrap().to_string();
    assert!(error.contains("actor acts at once and can't make a plan"), "{error}");
}
