//! Several decisions for one step.

use percept::{Choose, Event, Outcome, Reflect, RunFolder, Thinking};
use serde_json::json;

use crate::{
    agent, played,
    stage::{Actor, Line, Manner, Pages, click},
    welcome,
};

fn thinking(votes: usize, choose: Choose) -> Thinking {
    Thinking { votes, choose, reflect: Reflect::Never, ..Thinking::default() }
}

#[tokio::test]
async fn the_majority_by_meaning_is_carried_out() {
    // Two of the three points lie in the right button; the stammer is no vote.
    let lines = [click(10, 10), click(100, 5), click(150, 200), Line::Stammers("hm")];
    let cases = [
        (vec![lines[0].clone(), lines[1].clone(), lines[2].clone()], vec![0, 1, 1], 1, (100.5, 5.5)),
        (vec![lines[3].clone(), lines[0].clone(), lines[3].clone()], vec![0, 1, 2], 1, (10.5, 10.5)),
    ];
    for (script, alike, chosen, at) in cases {
        let folder = tempfile::tempdir().unwrap();
        let record = RunFolder::create(folder.path()).unwrap();
        let (actor, pages) =
            (Actor::new(false, &script), Pages::new(Manner::Turns, &["Sign in", "Welcome, ada"]));
        let agent =
            agent(&actor, &pages).done(welcome()).thinking(thinking(3, Choose::Majority)).folder(record);
        let (entries, result) = played(agent.build().unwrap().run("Log in.")).await;
        assert_eq!((result.outcome, result.steps), (Outcome::Done, 1), "{}", result.reason);
        let voted = entries.iter().find_map(|entry| match &entry.event {
            Event::Voted { alike, chosen, .. } => Some((alike.clone(), *chosen)),
            _ => None,
        });
        assert_eq!(voted, Some((alike, chosen)));
        let inputs = pages.inputs.lock().unwrap().clone();
        let [percept::tools::Input::Click { at: clicked, .. }] = inputs[..] else { panic!("{inputs:?}") };
        assert_eq!((clicked.x, clicked.y), at);
        assert_eq!(actor.temperatures(), [0.0, 0.7, 0.7], "the first vote is the greedy one");
        let seeds: std::collections::HashSet<_> =
            actor.asked.lock().unwrap().iter().map(|(_, options)| options.sampling.seed).collect();
        assert_eq!(seeds.len(), 3, "each vote has a seed of its own");
        assert_eq!(result.usage.fresh_tokens, 300, "every vote is counted");
        assert_eq!(percept::replay(folder.path()).await.unwrap().divergence, None);
        let report = percept::report::render(folder.path()).unwrap();
        assert!(report.contains("3 votes, "), "the report tells them");
    }
}

#[tokio::test]
async fn a_judge_chooses_among_what_differs_and_is_not_asked_otherwise() {
    let verdict = |text: &str| Line::Writes(text.into());
    let best = |best: usize| verdict(&json!({ "best": best }).to_string());
    let cases = [
        (vec![click(10, 10), click(100, 5), best(2)], Some(Some(1)), 100.5),
        (vec![click(10, 10), click(100, 5), verdict("the second")], Some(None), 10.5),
        (vec![click(10, 10), click(20, 5)], None, 10.5),
    ];
    for (script, judged, x) in cases {
        let folder = tempfile::tempdir().unwrap();
        let record = RunFolder::create(folder.path()).unwrap();
        let (actor, pages) =
            (Actor::new(true, &script), Pages::new(Manner::Turns, &["Sign in", "Welcome, ada"]));
        let agent = agent(&actor, &pages).done(welcome()).thinking(thinking(2, Choose::Judge)).folder(record);
        let (entries, result) = played(agent.build().unwrap().run("Log in.")).await;
        assert_eq!(result.outcome, Outcome::Done, "{}", result.reason);
        let found = entries.iter().find_map(|entry| match &entry.event {
            Event::Judged { best, .. } => Some(*best),
            _ => None,
        });
        assert_eq!(found, judged);
        let inputs = pages.inputs.lock().unwrap().clone();
        let [percept::tools::Input::Click { at, .. }] = inputs[..] else { panic!("{inputs:?}") };
        assert_eq!(at.x.to_bits(), f64::to_bits(x), "{at:?}");
        let is_noted = result.notes.iter().any(|note| note.contains("the judge's word couldn't be read"));
        assert_eq!(is_noted, judged == Some(None), "{:?}", result.notes);
        assert_eq!(percept::replay(folder.path()).await.unwrap().divergence, None);
    }
}

#[tokio::test]
async fn what_cant_be_voted_on_is_refused_before_the_run() {
    let (silent, pages) = (Actor::new(false, &[click(1, 1)]), Pages::new(Manner::Sticks, &["Sign in"]));
    let cases = [
        (thinking(2, Choose::Judge), "actor acts at once and can't judge proposals"),
        (thinking(0, Choose::Majority), "0 votes can't be held: ask for 1 to 15"),
        (thinking(16, Choose::Majority), "16 votes can't be held"),
    ];
    for (thinking, problem) in cases {
        let error = agent(&silent, &pages).thinking(thinking).build().err().unwrap().to_string();
        assert!(error.contains(problem), "{error}");
    }
    assert!(
        agent(&silent, &pages).thinking(thinking(1, Choose::Judge)).build().is_ok(),
        "one vote needs no judge"
    );
}
