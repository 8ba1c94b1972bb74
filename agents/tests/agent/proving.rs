//! Evidence of every kind.

use percept::{ElementCheck, Event, Evidence, FileCheck, Grounds, Outcome, Reflect, RunFolder, Thinking};
use serde_json::json;

use crate::{
    agent, played,
    stage::{Actor, Line, Manner, Pages, calls, click, finish},
};

#[tokio::test]
async fn elements_and_files_are_evidence() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("order.txt");
    let element = |name: &str| ElementCheck { name: Some(name.into()), ..ElementCheck::default() };
    let order = FileCheck { path: file.clone(), contains: Some("17".into()), ..FileCheck::default() };
    let cases = [
        ("Right", true, Outcome::Done, Some(true)),
        ("Middle", true, Outcome::Failed, Some(false)),
        ("Right", false, Outcome::Failed, Some(false)),
    ];
    for (name, is_there, outcome, verified) in cases {
        let _ = std::fs::remove_file(&file);
        if is_there {
            std::fs::write(&file, "Order 17").unwrap();
        }
        let evidence =
            Evidence { elements: vec![element(name)], files: vec![order.clone()], ..Evidence::default() };
        let (actor, pages) = (Actor::new(false, &[finish()]), Pages::new(Manner::Sticks, &["Thanks"]));
        let (_, result) = played(agent(&actor, &pages).done(evidence).build().unwrap().run("Order.")).await;
        assert_eq!((result.outcome, result.verified), (outcome, verified), "{}", result.reason);
        let told = actor.last_told();
        assert!(
            !told.contains("Middle") && !told.contains("17"),
            "the model isn't told what would pass: {told}"
        );
    }
}

#[tokio::test]
async fn a_judge_is_believed_only_with_quotes_that_the_screen_shows() {
    let verdict =
        |holds: bool, quotes: &[&str]| Line::Writes(json!({ "holds": holds, "quotes": quotes }).to_string());
    let cases = [
        (verdict(true, &["Thank you"]), Outcome::Done, ""),
        (
            verdict(true, &["Order 17"]),
            Outcome::Failed,
            "the judge quotes “Order 17”, which the screen doesn't show",
        ),
        (verdict(true, &[]), Outcome::Failed, "the judge says yes and quotes nothing"),
        (verdict(false, &["Thank you"]), Outcome::Failed, "the judge says no"),
        (Line::Writes("yes".into()), Outcome::Failed, "the judge's word couldn't be read"),
    ];
    for (word, outcome, reason) in cases {
        let folder = tempfile::tempdir().unwrap();
        let record = RunFolder::create(folder.path()).unwrap();
        let lesson = Line::Says("I see.");
        let script = [click(1, 1), finish(), word.clone(), lesson, finish(), word];
        let (actor, pages) =
            (Actor::new(true, &script), Pages::new(Manner::Turns, &["Order?", "Thank you, ada"]));
        let evidence = Evidence { judge: Some("Is the order confirmed?".into()), ..Evidence::default() };
        let agent = agent(&actor, &pages).done(evidence).folder(record).build().unwrap();
        let (entries, result) = played(agent.run("Order.")).await;
        assert_eq!(result.outcome, outcome, "{}", result.reason);
        assert!(result.reason.contains(reason), "{}", result.reason);
        let examined = entries.iter().filter(|entry| matches!(entry.event, Event::Examined { .. })).count();
        assert_eq!(examined, if outcome == Outcome::Done { 1 } else { 2 });
        assert_eq!(percept::replay(folder.path()).await.unwrap().divergence, None);
        let report = percept::report::render(folder.path()).unwrap();
        assert!(report.contains("judged: Is the order confirmed?"));
    }
}

#[tokio::test]
async fn evidence_that_can_never_be_had_is_refused_before_the_run() {
    let (silent, pages) = (Actor::new(false, &[finish()]), Pages::new(Manner::Sticks, &["Thanks"]));
    let judged = Evidence { judge: Some("Is it so?".into()), ..Evidence::default() };
    let nameless = Evidence { elements: vec![ElementCheck::default()], ..Evidence::default() };
    let cases = [
        (judged, "actor acts at once and can't judge the evidence"),
        (nameless, "neither a role nor a name"),
    ];
    for (evidence, problem) in cases {
        let error = agent(&silent, &pages).done(evidence).build().err().unwrap().to_string();
        assert!(error.contains(problem), "{error}");
    }
    let element = Evidence {
        elements: vec![ElementCheck { name: Some("Right".into()), ..ElementCheck::default() }],
        ..Evidence::default()
    };
    let toolbox = {
        let mut toolbox = percept::tools::Toolbox::new();
        toolbox.add(crate::Read).unwrap();
        toolbox
    };
    let blind = percept::Agent::builder(Actor::new(false, &[calls("read", json!({}))]), toolbox);
    let error = blind.done(element).build().err().unwrap().to_string();
    assert!(error.contains("the run has no screen"), "{error}");
}

#[tokio::test]
async fn an_answer_without_its_grounds_is_withheld() {
    let answer = |text: &str| calls("answer", json!({ "text": text }));
    let seen = |text: &str| calls("answer", json!({ "text": text, "seen_at": [[0, 0, 60, 20]] }));
    let certainty = |least| Grounds { certainty: Some(least), ..Grounds::default() };
    let (visible, placed) =
        (Grounds { visible: true, ..Grounds::default() }, Grounds { seen_at: true, ..Grounds::default() });
    #[rustfmt::skip]
    let cases = [
        // Two of three say the same, in other words.
        (certainty(0.6), 3, vec![answer("Two mails"), answer("the 2 mails!"), answer("3")], Some("Two mails"), Some(2.0 / 3.0), ""),
        (certainty(0.7), 3, vec![answer("1"), answer("2"), answer("2"), answer("1"), answer("2"), answer("3")], None, Some(1.0 / 3.0), "certain to at least 0.7 (found: 0.33)"),
        (visible, 1, vec![answer("2 mails")], Some("2 mails"), None, ""),
        (visible, 1, vec![answer("3 mails"), answer("2 mails")], Some("2 mails"), None, ""),
        (visible, 1, vec![answer("3 mails"), answer("4 mails")], None, None, "the screen shows the answer's words"),
        (placed, 1, vec![answer("2"), seen("2")], Some("2"), None, ""),
        (placed, 1, vec![answer("2"), answer("2")], None, None, "the answer says where it is seen"),
    ];
    for (grounds, votes, script, text, certainty, reason) in cases {
        let folder = tempfile::tempdir().unwrap();
        let (actor, pages) = (Actor::new(false, &script), Pages::new(Manner::Sticks, &["Inbox: 2 mails"]));
        let screen: std::sync::Arc<dyn percept::tools::Screen> = pages.clone();
        let toolbox = percept::tools::builtin::toolbox(&screen).only(&["answer", "click"]).unwrap();
        let agent = percept::Agent::builder(actor.clone(), toolbox)
            .screen(screen)
            .thinking(Thinking { votes, reflect: Reflect::Never, ..Thinking::default() })
            .done(Evidence { grounds: Some(grounds), ..Evidence::default() })
            .folder(RunFolder::create(folder.path()).unwrap());
        let (_, result) = played(agent.build().unwrap().run("How many mails are there?")).await;
        let outcome = if text.is_some() { Outcome::Done } else { Outcome::Failed };
        assert_eq!((result.outcome, result.answer.as_deref()), (outcome, text), "{}", result.reason);
        assert!(result.reason.contains(reason), "{}", result.reason);
        let near = result.certainty.zip(certainty).map(|(found, wanted)| (found - wanted).abs() < 1e-9);
        assert!(near.unwrap_or(result.certainty == certainty), "{:?}", result.certainty);
        let asked = actor.asked.lock().unwrap().iter().any(|(_, options)| options.log_probabilities);
        assert!(!asked, "this actor doesn't tell how likely its words are, so it isn't asked");
        assert_eq!(percept::replay(folder.path()).await.unwrap().divergence, None);
    }
}

#[test]
fn grounds_that_no_run_could_give_are_refused_before_it() {
    let (actor, pages) = (Actor::new(false, &[finish()]), Pages::new(Manner::Sticks, &["1"]));
    let screen: std::sync::Arc<dyn percept::tools::Screen> = pages.clone();
    let toolbox = || percept::tools::builtin::toolbox(&screen).only(&["finish"]).unwrap();
    let cases = [
        (Grounds { visible: true, ..Grounds::default() }, "the run has no screen"),
        (Grounds { seen_at: true, ..Grounds::default() }, "the run has no screen"),
        (Grounds { certainty: Some(1.5), ..Grounds::default() }, "lies above 0 and not above 1"),
        (
            Grounds { certainty: Some(0.5), ..Grounds::default() },
            "actor doesn't tell how likely its words are: ask for votes",
        ),
        (Grounds::default(), "they ask for nothing"),
    ];
    for (grounds, problem) in cases {
        let evidence = Evidence { grounds: Some(grounds), ..Evidence::default() };
        let agent = percept::Agent::builder(actor.clone(), toolbox()).done(evidence);
        let error = agent.build().err().unwrap().to_string();
        assert!(error.contains(problem), "{error}");
    }
}

#[tokio::test]
async fn without_votes_an_answer_is_as_certain_as_its_words_are_likely() {
    let answers = [calls("answer", json!({ "text": "2" }))];
    for (probability, outcome) in [(0.9, Outcome::Done), (0.5, Outcome::Failed)] {
        let folder = tempfile::tempdir().unwrap();
        let actor = Actor::telling(false, Some(probability), &answers);
        let pages = Pages::new(Manner::Sticks, &["Inbox"]);
        let screen: std::sync::Arc<dyn percept::tools::Screen> = pages.clone();
        let toolbox = percept::tools::builtin::toolbox(&screen).only(&["answer"]).unwrap();
        let grounds = Some(Grounds { certainty: Some(0.6), ..Grounds::default() });
        let agent = percept::Agent::builder(actor.clone(), toolbox)
            .screen(screen)
            .done(Evidence { grounds, ..Evidence::default() })
            .folder(RunFolder::create(folder.path()).unwrap());
        let (_, result) = played(agent.build().unwrap().run("How many mails are there?")).await;
        assert_eq!(result.outcome, outcome, "{}", result.reason);
        assert!((result.certainty.unwrap() - f64::from(probability)).abs() < 1e-6, "{:?}", result.certainty);
        assert_eq!(result.answer.is_some(), outcome == Outcome::Done);
        assert_eq!(percept::replay(folder.path()).await.unwrap().divergence, None);
    }
}
