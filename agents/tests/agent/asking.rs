//! Limits that ask a person before they end a run, and the cost that is one of them.

use percept::{AtLimit, Event, Limit, Limits, Outcome, Prices, RunFolder, journal};

use crate::{
    agent, played,
    stage::{Actor, Line, Manner, Pages, click, finish},
    welcome,
};

/// What a person says to the questions of a run, in their order; the last one for ever.
#[derive(Debug, Clone, Copy)]
enum Word {
    Yes,
    No,
    Later,
}

async fn answered(mut run: percept::Run, words: &[Word]) -> (Vec<Limit>, percept::RunResult) {
    let (mut asked, mut words) = (Vec::new(), words.iter());
    while let Some(entry) = run.next_event().await {
        let Event::LimitReached { limit, .. } = entry.event else { continue };
        asked.push(limit);
        match words.next().unwrap_or(&Word::Later) {
            Word::Yes => run.approve(),
            Word::No => run.deny("enough"),
            Word::Later => run.postpone(),
        }
    }
    (asked, run.outcome().await)
}

fn asking(limits: Limits) -> Limits {
    Limits { at_limit: AtLimit::Ask, ..limits }
}

/// A million tokens cost a million: one token costs one.
const PRICES: Prices = Prices { fresh: 1e6, cached: 1e6, output: 1e6 };

#[tokio::test]
async fn a_limit_that_is_reached_is_raised_by_as_much_again_or_ends_the_run() {
    // A decision reads 100 tokens and 10 cached ones, and writes 20: it costs 130.
    let cases: [(Limits, &[Word], &[Limit], Outcome, usize, &str); 9] = [
        (
            Limits { steps: 2, ..Limits::default() },
            &[Word::Yes],
            &[Limit::Steps],
            Outcome::Done,
            3,
            "the screen shows",
        ),
        (
            Limits { steps: 1, ..Limits::default() },
            &[Word::Yes, Word::No],
            &[Limit::Steps, Limit::Steps],
            Outcome::Limit,
            2,
            "2 steps were taken, and no more was granted: enough",
        ),
        (
            Limits { steps: 2, ..Limits::default() },
            &[Word::Later],
            &[Limit::Steps],
            Outcome::Waiting,
            2,
            "2 steps",
        ),
        (Limits { tokens: 40, ..Limits::default() }, &[Word::Yes], &[Limit::Tokens], Outcome::Done, 3, ""),
        (Limits { tokens: 30, ..Limits::default() }, &[Word::Yes], &[Limit::Tokens], Outcome::Done, 3, ""),
        (
            Limits { read_tokens: 200, ..Limits::default() },
            &[Word::No],
            &[Limit::ReadTokens],
            Outcome::Limit,
            2,
            "200 tokens were read, and no more was granted: enough",
        ),
        (
            Limits { cached_tokens: 20, ..Limits::default() },
            &[Word::No],
            &[Limit::CachedTokens],
            Outcome::Limit,
            2,
            "20 tokens were taken from the cache",
        ),
        (
            Limits { cost: Some(260.0), ..Limits::default() },
            &[Word::Yes],
            &[Limit::Cost],
            Outcome::Done,
            3,
            "",
        ),
        (
            Limits { cost: Some(200.0), ..Limits::default() },
            &[Word::No],
            &[Limit::Cost],
            Outcome::Limit,
            2,
            "260 of 200 were spent, and no more was granted",
        ),
    ];
    for (limits, words, questions, outcome, steps, reason) in cases {
        let folder = tempfile::tempdir().unwrap();
        let lines = [click(1, 1), click(2, 2), click(3, 3), finish()];
        let (actor, pages) =
            (Actor::new(false, &lines), Pages::new(Manner::Turns, &["1", "2", "3", "Welcome, ada"]));
        let agent = agent(&actor, &pages)
            .done(welcome())
            .limits(asking(limits))
            .prices(PRICES)
            .folder(RunFolder::create(folder.path()).unwrap());
        let (asked, result) = answered(agent.build().unwrap().run("Log in."), words).await;
        assert_eq!(
            (asked.as_slice(), result.outcome, result.steps),
            (questions, outcome, steps),
            "{result:?}"
        );
        assert!(result.reason.contains(reason), "{}", result.reason);
        let usage = result.usage;
        let cost = (usage.fresh_tokens + usage.cached_tokens + usage.output_tokens) as f64;
        assert_eq!(result.cost, Some(cost), "what its tokens cost is in the result");
        assert_eq!(percept::replay(folder.path()).await.unwrap().divergence, None);
        let report = percept::report::render(folder.path()).unwrap();
        let told = match words[0] {
            Word::Yes => "; a person granted as much again",
            Word::No => "; no more was granted",
            Word::Later => "; a person is asked for more",
        };
        assert!(report.contains(told), "{told}");
    }
}

#[tokio::test]
async fn a_question_for_more_waits_on_the_disk() {
    for (word, outcome, steps) in [(Word::Yes, Outcome::Done, 2), (Word::No, Outcome::Limit, 1)] {
        let folder = tempfile::tempdir().unwrap();
        let (actor, pages) =
            (Actor::new(false, &[click(1, 1)]), Pages::new(Manner::Turns, &["1", "2", "Welcome, ada"]));
        let limits = asking(Limits { steps: 1, ..Limits::default() });
        let begun = agent(&actor, &pages).done(welcome()).limits(limits);
        let begun = begun.folder(RunFolder::create(folder.path()).unwrap()).build().unwrap();
        let (_, result) = answered(begun.run("Log in."), &[Word::Later]).await;
        assert_eq!((result.outcome, result.outcome.exit_code()), (Outcome::Waiting, 6), "{}", result.reason);
        assert!(result.reason.contains("resume with --approve or --deny"), "{}", result.reason);
        let recording = journal::read(folder.path()).unwrap();
        let question = recording.question().expect("a question is open");
        assert!(matches!(question, Event::LimitReached { limit: Limit::Steps, step: 1, .. }), "{question:?}");
        let run = agent(&actor, &pages).resume(folder.path(), None).unwrap();
        let (asked, result) = answered(run, &[word]).await;
        assert_eq!((asked.len(), result.outcome, result.steps), (1, outcome, steps), "{}", result.reason);
        assert_eq!(percept::replay(folder.path()).await.unwrap().divergence, None);
    }
}

#[tokio::test]
async fn time_that_is_up_is_asked_about_between_two_steps_and_replays() {
    let folder = tempfile::tempdir().unwrap();
    let (actor, pages) = (
        Actor::new(false, &[crate::stage::calls("wait", serde_json::json!({ "seconds": 1 })), click(1, 1)]),
        Pages::new(Manner::Turns, &["1", "Welcome, ada"]),
    );
    let limits = asking(Limits { seconds: 1, ..Limits::default() });
    let agent = agent(&actor, &pages).done(welcome()).limits(limits);
    let agent = agent.folder(RunFolder::create(folder.path()).unwrap()).build().unwrap();
    let (asked, result) = answered(agent.run("Log in."), &[Word::Yes]).await;
    assert_eq!((asked, result.outcome), (vec![Limit::Seconds], Outcome::Done), "{}", result.reason);
    assert_eq!(percept::replay(folder.path()).await.unwrap().divergence, None);
}

#[tokio::test]
async fn a_step_that_never_ends_is_stopped_although_the_limit_asks() {
    let (actor, pages) = (Actor::new(false, &[Line::Muses]), Pages::new(Manner::Turns, &["1"]));
    let limits = asking(Limits { seconds: 1, ..Limits::default() });
    let run = agent(&actor, &pages).limits(limits).build().unwrap().run("Log in.");
    let (_, result) = played(run).await;
    assert_eq!((result.outcome, result.reason.as_str()), (Outcome::Limit, "1 seconds have passed"));
}

#[tokio::test]
async fn a_reply_is_no_longer_than_the_money_lasts() {
    let (actor, pages) = (Actor::new(false, &[click(1, 1)]), Pages::new(Manner::Turns, &["1", "2"]));
    let limits = Limits { cost: Some(137.0), ..Limits::default() };
    let agent = agent(&actor, &pages).limits(limits).prices(PRICES).build().unwrap();
    let (_, result) = played(agent.run("Log in.")).await;
    assert_eq!((result.outcome, result.reason.as_str()), (Outcome::Limit, "247 of 137 were spent"));
    let most: Vec<_> = actor.asked.lock().unwrap().iter().map(|(_, options)| options.max_tokens).collect();
    assert_eq!(
        most,
        [137, 7],
        "the second prompt costs more than what is left, and its reply is bounded by that"
    );
}

#[tokio::test]
async fn what_is_decided_after_a_question_is_decided_on_the_screen_as_it_is_then() {
    // Nobody answers; meanwhile the page goes on, in a browser of its own.
    let folder = tempfile::tempdir().unwrap();
    let (actor, pages) =
        (Actor::new(false, &[click(1, 1)]), Pages::new(Manner::Turns, &["1", "2", "3", "Welcome, ada"]));
    let limits = asking(Limits { steps: 1, ..Limits::default() });
    let begun = agent(&actor, &pages).done(welcome()).limits(limits);
    let begun = begun.folder(RunFolder::create(folder.path()).unwrap()).build().unwrap();
    let (_, result) = answered(begun.run("Log in."), &[Word::Later]).await;
    assert_eq!(result.outcome, Outcome::Waiting, "{}", result.reason);
    pages.turn();
    let run = agent(&actor, &pages).resume(folder.path(), None).unwrap();
    let (_, result) = answered(run, &[Word::Yes]).await;
    assert_eq!((result.outcome, result.steps), (Outcome::Done, 2), "{}", result.reason);
    assert!(actor.last_told().contains("[image 40]"), "it was shown the third page: {}", actor.last_told());
    assert_eq!(percept::replay(folder.path()).await.unwrap().divergence, None);
}

#[tokio::test]
async fn a_reply_that_the_limit_cut_off_is_no_mistake_of_the_models() {
    let folder = tempfile::tempdir().unwrap();
    let cut = Line::CutOff;
    let (actor, pages) =
        (Actor::new(false, &[cut, click(1, 1)]), Pages::new(Manner::Turns, &["1", "Welcome, ada"]));
    let limits = asking(Limits { tokens: 20, refusals: 1, ..Limits::default() });
    let begun = agent(&actor, &pages).done(welcome()).limits(limits);
    let begun = begun.folder(RunFolder::create(folder.path()).unwrap()).build().unwrap();
    let (asked, result) = answered(begun.run("Log in."), &[Word::Yes]).await;
    assert_eq!(
        (asked, result.outcome, result.steps),
        (vec![Limit::Tokens], Outcome::Done, 1),
        "{}",
        result.reason
    );
    assert_eq!(percept::replay(folder.path()).await.unwrap().divergence, None);
    assert_eq!(percept::report::render(folder.path()).unwrap().matches("class=\"call\"").count(), 1);
}

#[tokio::test]
async fn a_question_is_taken_back_with_the_run() {
    let (actor, pages) = (Actor::new(false, &[click(1, 1)]), Pages::new(Manner::Turns, &["1", "2"]));
    let limits = asking(Limits { steps: 1, ..Limits::default() });
    let run = agent(&actor, &pages).limits(limits).build().unwrap().run("Log in.");
    let cancel = run.cancellation();
    let result = run.answered_by(|_| {
        cancel.cancel();
        // Nobody ever answers this dialog.
        std::future::pending()
    });
    assert_eq!(result.await.outcome, Outcome::Cancelled);
}
