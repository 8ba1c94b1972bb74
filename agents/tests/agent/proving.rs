//! Evidence of every kind.

use percept::{ElementCheck, Event, Evidence, FileCheck, Outcome, RunFolder};
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
