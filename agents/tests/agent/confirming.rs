//! What a model's vendor wants a person to confirm: asked, answered, told to the vendor, and kept through kills.

use std::{
    fs,
    sync::{Arc, Mutex},
};

use percept::{
    Agent, AgentBuilder, Event, Outcome, Policy, Reflect, Run, RunFolder, RunResult, Thinking, journal,
    models::{Call, Content, Conversation, ScriptedCall, ScriptedModel, ScriptedReply},
    replay, report,
    tools::{Screen, builtin},
};
use serde_json::{Value, json};

use crate::{
    stage::{Manner, Pages},
    survival::{Ledger, cut, paid, scripted},
    welcome,
};

const WHY: &str = "It moves <money>";

fn reply(function: &str, arguments: Value, concern: Option<&str>) -> ScriptedReply {
    let call = Call { function: function.into(), arguments };
    ScriptedReply::Call(ScriptedCall { thought: "Now.".into(), call, concern: concern.map(str::to_owned) })
}

/// A model that clicks, the first time with a concern of its vendor's.
fn clicking() -> Arc<ScriptedModel> {
    let click = |concern| reply("click", json!({ "point": [1, 1] }), concern);
    Arc::new(ScriptedModel::new(vec![click(Some(WHY)), click(None), click(None)]))
}

fn agent(model: &Arc<ScriptedModel>, pages: &Arc<Pages>, policy: &Policy) -> AgentBuilder {
    let screen: Arc<dyn Screen> = pages.clone();
    let toolbox = builtin::toolbox(&screen).only(&["click", "finish"]).unwrap();
    let thinking = Thinking { reflect: Reflect::Never, ..Thinking::default() };
    Agent::builder(model.clone(), toolbox)
        .screen(screen)
        .done(welcome())
        .thinking(thinking)
        .policy(policy.clone())
}

fn asking() -> Policy {
    Policy { confirm: true, ..Policy::default() }
}

/// Pages of which the last is the one that is looked for.
fn pages() -> Arc<Pages> {
    Pages::new(Manner::Turns, &["1", "2", "Welcome, ada"])
}

#[derive(Debug, Clone, Copy)]
enum Word {
    Yes,
    No,
    Later,
}

/// The questions about calls, each with the vendor's reason, all answered with this word; and what was refused.
async fn answered(mut run: Run, word: Word) -> (Vec<Option<String>>, Vec<String>, RunResult) {
    let (mut asked, mut refused) = (Vec::new(), Vec::new());
    while let Some(entry) = run.next_event().await {
        match entry.event {
            Event::ApprovalWanted { concern, .. } => {
                asked.push(concern);
                match word {
                    Word::Yes => run.approve(),
                    Word::No => run.deny("not with my money"),
                    Word::Later => run.postpone(),
                }
            }
            Event::Refused { reason, .. } => refused.push(reason),
            _ => {}
        }
    }
    (asked, refused, run.outcome().await)
}

/// The texts of the calls that the model is told were confirmed, by the newest request.
fn confirmed(model: &ScriptedModel) -> Vec<String> {
    let asked = model.asked();
    let contents =
        asked.last().into_iter().flat_map(Conversation::messages).flat_map(|message| &message.content);
    contents
        .filter_map(|content| match content {
            Content::Said { text, confirmed: true, .. } => Some(text.clone()),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn a_vendors_concern_is_a_question_to_a_person_where_one_is_asked() {
    let why = || Some(WHY.to_owned());
    let both = Policy { ask: vec!["click".into()], ..asking() };
    let cases: [(Policy, Word, Vec<Option<String>>, Outcome, usize, usize); 4] = [
        (asking(), Word::Yes, vec![why()], Outcome::Done, 2, 1),
        (asking(), Word::No, vec![why()], Outcome::Refused, 0, 0),
        // One question for both; the other click is the policy's alone.
        (both, Word::Yes, vec![why(), None], Outcome::Done, 2, 1),
        // Nobody is asked: the model is told, and clicks without.
        (Policy::default(), Word::Yes, vec![], Outcome::Done, 2, 0),
    ];
    for (policy, word, expected, outcome, inputs, told) in cases {
        let (folder, model, pages) = (tempfile::tempdir().unwrap(), clicking(), pages());
        let record = RunFolder::create(folder.path()).unwrap();
        let run = agent(&model, &pages, &policy).folder(record).build().unwrap().run("Pay.");
        let (asked, refused, result) = answered(run, word).await;
        assert_eq!((asked, result.outcome), (expected.clone(), outcome), "{}", result.reason);
        assert_eq!(pages.inputs.lock().unwrap().len(), inputs);
        assert_eq!(confirmed(&model).len(), told, "{policy:?}");
        let is_refused = expected.is_empty();
        assert_eq!(refused.len(), usize::from(is_refused), "{refused:?}");
        assert!(refused.iter().all(|reason| reason.contains("wants a person to confirm this first")));
        assert_eq!(replay(folder.path()).await.unwrap().divergence, None);
        let page = report::render(folder.path()).unwrap();
        assert_eq!(page.contains("confirm this: It moves &lt;money&gt;"), !is_refused);
        // A journal of before had no such key, and one without a concern has none still.
        let lines = fs::read_to_string(folder.path().join("journal.jsonl")).unwrap();
        let keys = lines.matches("\"concern\"").count();
        assert_eq!(keys, if is_refused { 0 } else { 2 }, "{lines}");
    }
}

#[tokio::test]
async fn a_concern_that_nobody_answers_waits_on_the_disk_and_holds_only_for_the_screen_it_was_about() {
    for turned in [false, true] {
        let (folder, model, pages) = (tempfile::tempdir().unwrap(), clicking(), pages());
        let record = RunFolder::create(folder.path()).unwrap();
        let run = agent(&model, &pages, &asking()).folder(record).build().unwrap().run("Pay.");
        let (_, _, result) = answered(run, Word::Later).await;
        assert_eq!(result.outcome, Outcome::Waiting, "{}", result.reason);
        let recording = journal::read(folder.path()).unwrap();
        let question = recording.question().expect("a question is open");
        assert!(matches!(question, Event::ApprovalWanted { concern: Some(why), .. } if why == WHY));
        if turned {
            pages.turn();
        }
        let model = clicking();
        // The policy is the one that the run began with.
        let run = agent(&model, &pages, &Policy::default()).resume(folder.path(), None).unwrap();
        let (asked, refused, result) = answered(run, Word::Yes).await;
        assert_eq!((asked.len(), result.outcome), (1, Outcome::Done), "{}", result.reason);
        // What wasn't done is not told as confirmed.
        assert_eq!((refused.len(), confirmed(&model).len()), if turned { (1, 0) } else { (0, 1) });
        assert_eq!(replay(folder.path()).await.unwrap().divergence, None);
    }
}

#[tokio::test]
async fn a_run_that_is_killed_at_any_line_tells_the_vendor_what_was_confirmed_and_nothing_else() {
    let deposit = |amount: usize, concern| reply("deposit", json!({ "amount": amount }), concern);
    let model = || {
        let last = reply("close", json!({}), None);
        let replies = vec![deposit(1, None), deposit(2, Some(WHY)), deposit(3, None), last];
        Arc::new(ScriptedModel::new(replies))
    };
    let builder = |model: &Arc<ScriptedModel>, ledger: &Ledger| scripted(model, ledger).policy(asking());
    let folder = tempfile::tempdir().unwrap();
    let record = RunFolder::create(folder.path()).unwrap();
    let run = builder(&model(), &Ledger::default()).folder(record).build().unwrap().run("Pay in.");
    assert_eq!(answered(run, Word::Yes).await.2.outcome, Outcome::Done);
    let journal = fs::read(folder.path().join("journal.jsonl")).unwrap();
    let ends: Vec<_> =
        journal.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect();
    let mut told = 0;
    for end in &ends[..ends.len() - 1] {
        let (mut before, begun) = paid(&journal[..*end]);
        let happened = begun.is_some().then_some(true);
        before.extend(begun);
        let ledger: Ledger = Arc::new(Mutex::new(before));
        let (copy, model) = (cut(folder.path(), &journal[..*end]), model());
        let run = builder(&model, &ledger).resume(copy.path(), happened).unwrap();
        let (asked, _, result) = answered(run, Word::Yes).await;
        assert_eq!(result.outcome, Outcome::Done, "cut at {end}: {}", result.reason);
        assert!(asked.len() <= 1 && asked.iter().all(|why| why.as_deref() == Some(WHY)), "{asked:?}");
        assert_eq!(ledger.lock().unwrap().len(), 3, "cut at {end}");
        // A life that only had the end to write asked for nothing more.
        if !model.asked().is_empty() {
            let confirmed = confirmed(&model);
            assert!(matches!(&confirmed[..], [text] if text.contains("\"amount\":2")), "{confirmed:?}");
            told += 1;
        }
        assert_eq!(replay(copy.path()).await.unwrap().divergence, None, "cut at {end}");
    }
    assert!(told > 10, "{told}");
}
