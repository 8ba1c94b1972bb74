//! What a model is shown of what was: demonstrations before its task, and a summary of what no longer fits.

use percept::{
    AgentError, Demonstration, Event, Outcome, Reflect, RunFolder, Thinking,
    models::{ChatModel, ModelCard, ScriptedModel},
};

use crate::{
    agent, played,
    stage::{Actor, Line, Manner, Pages, click, finish},
    survival::{Ledger, builder},
    welcome,
};

#[tokio::test]
async fn a_finished_run_is_shown_to_another() {
    let root = tempfile::tempdir().unwrap();
    let (earlier, later) = (root.path().join("earlier"), root.path().join("later"));
    let (actor, pages) = (
        Actor::new(true, &[click(1, 1), click(2, 2)]),
        Pages::new(Manner::Turns, &["1", "2", "Welcome, ada"]),
    );
    let record = RunFolder::create(&earlier).unwrap();
    played(agent(&actor, &pages).done(welcome()).folder(record).build().unwrap().run("Log in as ada.")).await;
    let shown = Demonstration::read(&earlier).unwrap();
    assert_eq!((shown.task.as_str(), shown.steps.len()), ("Log in as ada.", 2));

    let (actor, pages) = (Actor::new(true, &[finish()]), Pages::new(Manner::Sticks, &["Home"]));
    let record = RunFolder::create(&later).unwrap();
    let agent = agent(&actor, &pages).demonstrations(vec![shown]).folder(record).build().unwrap();
    let (_, result) = played(agent.run("Log in as bob.")).await;
    assert_eq!(result.outcome, Outcome::Done, "{}", result.reason);
    let told = actor.last_told();
    let expected = "user: Here is how another task was done. The task was: Log in as ada.\n\
                    user: [image 0]\nuser: The screen then.\nassistant: I see it.\n\
                    {\"tool\":\"click\",\"arguments\":{\"point\":[1,1]}}\n\
                    user: [image 20]\nuser: The screen then.\nassistant: I see it.\n\
                    {\"tool\":\"click\",\"arguments\":{\"point\":[2,2]}}\n\
                    user: That was the other task, and it is over. What follows is yours.\nuser: Log in as bob.\n\
                    user: [image 0]\nuser: The screen now";
    assert!(told.contains(expected), "{told}");
    // The run keeps what it was shown: it replays without the other.
    std::fs::remove_dir_all(&earlier).unwrap();
    assert_eq!(percept::replay(&later).await.unwrap().divergence, None);
    assert!(percept::report::render(&later).unwrap().contains("Log in as ada."));
}

#[tokio::test]
async fn what_teaches_nothing_good_isnt_shown() {
    let folder = tempfile::tempdir().unwrap();
    let (actor, pages) = (Actor::new(false, &[finish()]), Pages::new(Manner::Sticks, &["Home"]));
    let record = RunFolder::create(folder.path()).unwrap();
    played(agent(&actor, &pages).done(welcome()).folder(record).build().unwrap().run("Log in.")).await;
    let error = Demonstration::read(folder.path()).unwrap_err();
    assert!(error.to_string().contains("the run ended as failed"), "{error}");
    let nowhere = Demonstration::read(&folder.path().join("nowhere")).unwrap_err();
    assert!(matches!(nowhere, AgentError::Journal(_)), "{nowhere}");
}

#[tokio::test]
async fn what_no_longer_fits_is_summed_up_and_the_run_replays() {
    let folder = tempfile::tempdir().unwrap();
    let record = RunFolder::create(folder.path()).unwrap();
    // Two clicks fit; then the conversation is too long until its images are gone and its older half is summed up.
    let lines = [
        click(1, 1),
        click(2, 2),
        Line::TooLong,
        Line::TooLong,
        Line::TooLong,
        Line::Says("Two buttons were pressed."),
        click(3, 3),
    ];
    let (actor, pages) =
        (Actor::new(true, &lines), Pages::new(Manner::Turns, &["1", "2", "3", "Welcome, ada"]));
    let thinking = Thinking { reflect: Reflect::Never, ..Thinking::default() };
    let agent = agent(&actor, &pages).done(welcome()).thinking(thinking).folder(record).build().unwrap();
    let (entries, result) = played(agent.run("Log in.")).await;
    assert_eq!((result.outcome, result.steps), (Outcome::Done, 3), "{}", result.reason);
    let summed_up = entries.iter().find_map(|entry| match &entry.event {
        Event::Folded { step, records, summary, .. } => Some((*step, *records, summary.clone())),
        _ => None,
    });
    assert_eq!(summed_up, Some((3, 3, "Two buttons were pressed.".to_owned())));
    let told = actor.last_told();
    assert!(told.contains("user: Log in.\nassistant: So far: Two buttons were pressed.\n"), "{told}");
    assert!(result.notes.iter().any(|note| note.contains("summed up")), "{:?}", result.notes);
    assert_eq!(percept::replay(folder.path()).await.unwrap().divergence, None);
    assert!(percept::report::render(folder.path()).unwrap().contains("in place of 3 older records"));
}

#[tokio::test]
async fn a_model_that_says_nothing_or_nothing_short_enough_loses_the_oldest_part() {
    let thinking = Thinking { reflect: Reflect::Never, ..Thinking::default() };
    let long = [click(1, 1), click(2, 2), Line::TooLong, Line::TooLong, Line::TooLong];
    let silent: Vec<_> = long.iter().cloned().chain([click(3, 3)]).collect();
    // The summary is too long as well, and so is what is left without it once.
    let wordy: Vec<_> = long.iter().cloned().chain([Line::TooLong, click(3, 3)]).collect();
    for (thinks, lines) in [(false, silent), (true, wordy)] {
        let (actor, pages) =
            (Actor::new(thinks, &lines), Pages::new(Manner::Turns, &["1", "2", "3", "Welcome, ada"]));
        let agent = agent(&actor, &pages).done(welcome()).thinking(thinking).build().unwrap();
        let (_, result) = played(agent.run("Log in.")).await;
        assert_eq!(result.outcome, Outcome::Done, "{}", result.reason);
        assert!(result.notes.iter().any(|note| note.contains("left out")), "{:?}", result.notes);
        assert!(actor.last_told().contains("was left out to save room"), "{}", actor.last_told());
    }
}

#[tokio::test]
async fn more_images_than_a_model_takes_are_refused_before_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let record = RunFolder::create(folder.path()).unwrap();
    let result = builder(&Ledger::default()).folder(record).build().unwrap().run("Pay in.").outcome().await;
    assert_eq!(result.outcome, Outcome::Done, "{}", result.reason);
    let shown = Demonstration::read(folder.path()).unwrap();
    assert!(shown.steps.iter().all(|step| step.image.is_some()));
    let scripted = ScriptedModel::new(Vec::new());
    let card = ModelCard { max_images: Some(3), ..scripted.card().clone() };
    let narrow = std::sync::Arc::new(scripted.with_card(card));
    let pages = Pages::new(Manner::Sticks, &["Home"]);
    let screen: std::sync::Arc<dyn percept::tools::Screen> = pages.clone();
    let agent = percept::Agent::builder(narrow, percept::tools::builtin::toolbox(&screen)).screen(screen);
    let error = agent.demonstrations(vec![shown]).build().err().unwrap().to_string();
    assert!(error.contains("the demonstrations show 7 images, and scripted takes 3 in all"), "{error}");
}
