//! What a run may do: rules, questions that wait, and secrets.

use std::sync::Arc;

use percept::{
    Agent, AgentBuilder, Event, Outcome, Policy, Rule, RunFolder, Secrets, journal,
    tools::{Input, Screen, builtin},
};
use serde_json::json;

use crate::{
    agent, played,
    stage::{Actor, Line, Manner, Pages, calls, click, finish},
    welcome,
};

fn typing(text: &str) -> Line {
    calls("type_text", json!({ "text": text }))
}

#[tokio::test]
async fn what_the_policy_refuses_is_never_done_and_the_model_is_told() {
    let rule = Rule { tool: Some("type_text".into()), matches: Some("(?i)drop".into()), ..Rule::default() };
    let policy = Policy { refuse: vec![rule], ..Policy::default() };
    let script = [typing("DROP TABLE"), typing("hello")];
    let (actor, pages) = (Actor::new(false, &script), Pages::new(Manner::Turns, &["1", "Welcome, ada"]));
    let agent = agent(&actor, &pages).policy(policy.clone()).done(welcome()).build().unwrap();
    let (entries, result) = played(agent.run("Type.")).await;
    assert_eq!((result.outcome, result.steps), (Outcome::Done, 2), "{}", result.reason);
    assert_eq!(pages.typed(), ["hello"]);
    let why = "the policy refuses `type_text` matching `(?i)drop`";
    assert!(actor.last_told().contains(&format!("tool: Nothing was done: {why}")), "{}", actor.last_told());
    assert!(
        entries.iter().any(|entry| matches!(&entry.event, Event::Refused { reason, .. } if reason == why))
    );

    let (stubborn, pages) = (Actor::new(false, &[typing("drop it")]), Pages::new(Manner::Turns, &["1", "2"]));
    let (_, result) =
        played(crate::agent(&stubborn, &pages).policy(policy).build().unwrap().run("Type.")).await;
    assert_eq!(result.outcome, Outcome::Refused, "{}", result.reason);
    assert!(pages.typed().is_empty());
}

fn asking(actor: &Arc<Actor>, pages: &Arc<Pages>) -> AgentBuilder {
    let ask = Policy { ask: vec!["changes".into()], ..Policy::default() };
    agent(actor, pages).policy(ask).done(welcome())
}

/// Runs until the question, which nobody answers.
async fn waiting(actor: &Arc<Actor>, pages: &Arc<Pages>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let record = RunFolder::create(folder.path()).unwrap();
    let mut run = asking(actor, pages).folder(record).build().unwrap().run("Log in.");
    while let Some(entry) = run.next_event().await {
        if matches!(entry.event, Event::ApprovalWanted { .. }) {
            run.postpone();
        }
    }
    let result = run.outcome().await;
    assert_eq!((result.outcome, result.outcome.exit_code()), (Outcome::Waiting, 6), "{}", result.reason);
    assert!(pages.inputs.lock().unwrap().is_empty());
    folder
}

#[tokio::test]
async fn a_question_that_nobody_answers_waits_on_the_disk() {
    for (grants, outcome, inputs) in [(true, Outcome::Done, 1), (false, Outcome::Refused, 0)] {
        let (actor, pages) =
            (Actor::new(false, &[click(1, 1)]), Pages::new(Manner::Turns, &["1", "Welcome, ada"]));
        let folder = waiting(&actor, &pages).await;
        let recording = journal::read(folder.path()).unwrap();
        let question = recording.question().expect("a question is open");
        assert!(
            matches!(question, Event::ApprovalWanted { step: 1, call, concern: None } if call.function == "click"),
            "{question:?}"
        );
        let mut run = asking(&actor, &pages).resume(folder.path(), None).unwrap();
        let mut asked = 0;
        while let Some(entry) = run.next_event().await {
            if matches!(entry.event, Event::ApprovalWanted { .. }) {
                asked += 1;
                if grants { run.approve() } else { run.deny("too late") }
            }
        }
        let result = run.outcome().await;
        assert_eq!((result.outcome, asked), (outcome, 1), "{}", result.reason);
        assert_eq!(pages.inputs.lock().unwrap().len(), inputs);
        assert!(journal::read(folder.path()).unwrap().question().is_none());
        assert_eq!(percept::replay(folder.path()).await.unwrap().divergence, None);
    }
}

#[tokio::test]
async fn a_branch_after_an_approved_step_has_done_it_and_the_report_tells_it_once() {
    let root = tempfile::tempdir().unwrap();
    let (first, second) = (root.path().join("first"), root.path().join("second"));
    let (actor, pages) = (
        Actor::new(false, &[click(1, 1), click(2, 2)]),
        Pages::new(Manner::Turns, &["1", "2", "Welcome, ada"]),
    );
    let record = RunFolder::create(&first).unwrap();
    let mut run = asking(&actor, &pages).folder(record).build().unwrap().run("Log in.");
    while let Some(entry) = run.next_event().await {
        if matches!(entry.event, Event::ApprovalWanted { .. }) {
            run.approve();
        }
    }
    assert_eq!(run.outcome().await.steps, 2);
    assert_eq!(percept::replay(&first).await.unwrap().divergence, None);
    let report = percept::report::render(&first).unwrap();
    for step in 1..=3 {
        assert_eq!(report.matches(&format!("id=\"step-{step}\"")).count(), 1, "step {step}");
    }
    journal::branch(&first, 2, &second).unwrap();
    let kept = journal::read(&second).unwrap().entries;
    assert!(matches!(kept.last().unwrap().event, Event::Called { step: 1, .. }), "{:?}", kept.last());
}

#[tokio::test]
async fn what_was_approved_for_one_screen_is_not_done_to_another() {
    let (actor, pages) =
        (Actor::new(false, &[click(1, 1)]), Pages::new(Manner::Turns, &["1", "2", "Welcome, ada"]));
    let folder = waiting(&actor, &pages).await;
    // While nobody answered, the page went on.
    pages.turn();
    let mut run = asking(&actor, &pages).resume(folder.path(), None).unwrap();
    let mut refused = Vec::new();
    while let Some(entry) = run.next_event().await {
        match entry.event {
            Event::ApprovalWanted { .. } => run.approve(),
            Event::Refused { step, reason } => refused.push((step, reason)),
            _ => {}
        }
    }
    let result = run.outcome().await;
    assert_eq!((result.outcome, result.steps), (Outcome::Done, 2), "{}", result.reason);
    let why = "the screen isn't as it was when this was decided";
    assert_eq!(refused, [(1, why.to_owned())]);
    assert_eq!(pages.inputs.lock().unwrap().len(), 1, "only the second click was made");
    assert_eq!(percept::replay(folder.path()).await.unwrap().divergence, None);
}

const VALUE: &str = "love lace&1";

fn secretive(actor: &Arc<Actor>, pages: &Arc<Pages>, hosts: &[&str]) -> AgentBuilder {
    let mut secrets = Secrets::default();
    secrets.add("password", VALUE, hosts).unwrap();
    let screen: Arc<dyn Screen> = pages.clone();
    let veiled = secrets.veil(screen.clone());
    let toolbox = builtin::toolbox(&veiled).only(&["click", "type_text", "zoom", "finish"]).unwrap();
    Agent::builder(actor.clone(), toolbox).screen(screen).secrets(secrets)
}

#[tokio::test]
async fn a_secret_reaches_the_screen_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let record = RunFolder::create(folder.path()).unwrap();
    let zoom = calls("zoom", json!({ "region": [0, 0, 40, 40] }));
    let script = [typing("{{password}}"), zoom, finish()];
    let (actor, pages) = (Actor::new(false, &script), Pages::new(Manner::Sticks, &["Sign in"]));
    let agent = secretive(&actor, &pages, &[]).folder(record).build().unwrap();
    let (entries, result) = played(agent.run("Type the password.")).await;
    assert_eq!(result.outcome, Outcome::Done, "{}", result.reason);
    assert_eq!(*pages.inputs.lock().unwrap(), [Input::Text(VALUE.into())]);
    let first = actor.asked.lock().unwrap()[0].0.clone();
    assert!(first.contains("These stand for secrets that you don't see: {{password}}."), "{first}");
    assert!(!actor.last_told().contains("lace"), "{}", actor.last_told());
    let written: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path()).collect();
    for path in written.iter().filter(|path| path.is_file()) {
        let text = std::fs::read_to_string(path).unwrap();
        assert!(!text.contains("lace"), "{} has the secret", path.display());
        assert!(text.contains("{{password}}"), "{} has the placeholder", path.display());
    }
    // Where it is shown, every picture is painted over: the look after the typing, and the zoom.
    let mut painted = 0;
    for shot in std::fs::read_dir(folder.path().join("shots")).unwrap() {
        let image = image::open(shot.unwrap().path()).unwrap().to_rgb8();
        painted += usize::from(image.get_pixel(0, 0).0 == [128, 128, 128]);
    }
    assert_eq!(painted, 2, "{entries:?}");
    assert_eq!(percept::replay(folder.path()).await.unwrap().divergence, None);
}

#[tokio::test]
async fn a_secret_isnt_typed_on_a_page_of_another_host() {
    let (actor, pages) = (
        Actor::new(false, &[typing("{{password}}"), finish()]),
        Pages::new(Manner::Turns, &["Sign in", "2"]),
    );
    let (_, result) =
        played(secretive(&actor, &pages, &["portal.example"]).build().unwrap().run("Type the password."))
            .await;
    assert_eq!(result.outcome, Outcome::Done, "{}", result.reason);
    assert!(pages.inputs.lock().unwrap().is_empty());
    let told = actor.last_told();
    assert!(told.contains("the secret `password` may be used on portal.example alone"), "{told}");
}

#[tokio::test]
async fn a_run_is_not_taken_up_with_other_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let record = RunFolder::create(folder.path()).unwrap();
    let (actor, pages) = (Actor::new(false, &[click(1, 1)]), Pages::new(Manner::Hangs, &["Sign in"]));
    let mut run = secretive(&actor, &pages, &[]).folder(record).build().unwrap().run("Type.");
    while let Some(entry) = run.next_event().await {
        if matches!(entry.event, Event::Asked { .. }) {
            run.cancel();
        }
    }
    run.outcome().await;
    let error = secretive(&actor, &pages, &["portal.example"]).resume(folder.path(), None).err().unwrap();
    assert!(error.to_string().contains("it began with other secrets"), "{error}");
}

#[tokio::test]
async fn a_call_that_misses_what_was_thought_of_is_turned_down_once() {
    let thinks = |thought: &'static str, x: i64| {
        Line::Calls(thought, json!({ "tool": "click", "arguments": { "point": [x, 5] } }))
    };
    let astray = thinks("I press “Right”.", 10);
    let straight = thinks("I press “Right”.", 100);
    let why = "the thought speaks of “Right”, and at [10, 5] is the button “Left”";
    let cases = [
        (vec![straight.clone()], 1, 100.5, false),
        (vec![astray.clone(), Line::Says("I missed."), straight], 2, 100.5, true),
        (vec![astray.clone(), Line::Says("I mean it."), astray], 2, 10.5, true),
    ];
    for (script, steps, x, is_told) in cases {
        let folder = tempfile::tempdir().unwrap();
        let record = RunFolder::create(folder.path()).unwrap();
        let (actor, pages) =
            (Actor::new(true, &script), Pages::new(Manner::Turns, &["Sign in", "Welcome, ada"]));
        let policy = Policy { grounded: true, ..Policy::default() };
        let agent = agent(&actor, &pages).policy(policy).done(welcome()).folder(record).build().unwrap();
        let (entries, result) = played(agent.run("Press the right button.")).await;
        assert_eq!((result.outcome, result.steps), (Outcome::Done, steps), "{}", result.reason);
        let inputs = pages.inputs.lock().unwrap().clone();
        let [Input::Click { at, .. }] = inputs[..] else { panic!("{inputs:?}") };
        assert_eq!(at.x.to_bits(), f64::to_bits(x));
        let refused = entries
            .iter()
            .any(|entry| matches!(&entry.event, Event::Refused { reason, .. } if reason == why));
        assert_eq!(refused, is_told);
        assert_eq!(percept::replay(folder.path()).await.unwrap().divergence, None);
    }
}
