//! Runs that go round in circles.

use percept::{Event, Limits, Outcome, Reflect, RunFolder, Thinking};

use crate::{
    agent, played,
    stage::{Actor, Line, Manner, Pages, click},
    welcome,
};

#[tokio::test]
async fn a_circle_is_reflected_on_and_then_ends_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let record = RunFolder::create(folder.path()).unwrap();
    let lines = [click(1, 1), Line::Says("It isn't this one.")];
    let mut script: Vec<_> = lines.iter().cycle().take(20).cloned().collect();
    script.push(click(1, 1));
    let (actor, pages) = (Actor::new(true, &script), Pages::new(Manner::Sticks, &["Sign in"]));
    let agent = agent(&actor, &pages).done(welcome()).folder(record).build().unwrap();
    let (entries, result) = played(agent.run("Log in.")).await;
    let reason = "stuck, going round in circles: the same action was carried out 4 times on the same screen, and came to \
                  the same";
    assert_eq!((result.outcome, result.reason.as_str()), (Outcome::Failed, reason));
    let circles: Vec<_> = entries
        .iter()
        .filter_map(|entry| match &entry.event {
            Event::Circled { step, actions, rounds } => Some((*step, *actions, *rounds)),
            _ => None,
        })
        .collect();
    assert_eq!(circles, [(2, 1, 2), (3, 1, 3), (4, 1, 4)]);
    let because = entries.iter().find_map(|entry| match &entry.event {
        Event::Reflected { step: 2, because, .. } => Some(because.clone()),
        _ => None,
    });
    let told = "it went round in circles: the same action was carried out twice on the same screen, and came to the same";
    assert_eq!(because.as_deref(), Some(told));
    assert!(actor.last_told().contains("You are going round in circles"), "the model is told");
    assert_eq!(percept::replay(folder.path()).await.unwrap().divergence, None);
    let report = percept::report::render(folder.path()).unwrap();
    assert!(report.contains("going round in circles: the last action, 4 times over"));
}

#[tokio::test]
async fn a_circle_of_several_actions_is_one_too_and_other_actions_are_none() {
    let (a, b, c) = (click(1, 1), click(100, 1), click(1, 100));
    let limits = Limits { rounds: 3, steps: 9, stalls: 20, ..Limits::default() };
    let thinking = Thinking { reflect: Reflect::Never, ..Thinking::default() };
    let cases = [
        (
            vec![a.clone(), b.clone(), c.clone()],
            Outcome::Failed,
            "the same 3 actions were carried out 3 times",
            9,
        ),
        (vec![a.clone(), b.clone()], Outcome::Failed, "the same 2 actions were carried out 3 times", 6),
        (vec![a.clone(), b.clone(), a.clone(), c.clone(), b, a, c], Outcome::Limit, "9 steps were taken", 9),
    ];
    for (script, outcome, reason, steps) in cases {
        let script: Vec<_> = script.iter().cycle().take(30).cloned().collect();
        let (actor, pages) = (Actor::new(false, &script), Pages::new(Manner::Sticks, &["Sign in"]));
        let agent = agent(&actor, &pages).done(welcome()).limits(limits).thinking(thinking).build().unwrap();
        let (_, result) = played(agent.run("Log in.")).await;
        assert_eq!((result.outcome, result.steps), (outcome, steps), "{}", result.reason);
        assert!(result.reason.contains(reason), "{}", result.reason);
    }
}
