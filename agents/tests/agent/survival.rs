//! Lives of a run: killed at every line of its journal and taken up again, replayed, and changed behind its back.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use percept::{
    Agent, AgentError, CallResult, Entry, Event, JournalError, Limits, Outcome, Policy, Reflect, RunFolder,
    RunResult, Thinking, journal,
    models::{ScriptedModel, ScriptedReply},
    replay,
    tools::{
        Frame, Input, JsonSchema, Observation, PixelSize, Screen, ScreenError, Screenshot, Source, Tool,
        ToolCard, ToolContext, ToolError, Toolbox, async_trait,
        image::{Rgb, RgbImage},
    },
};
use serde_json::json;

pub(crate) const DEPOSITS: usize = 6;

/// The world: what was paid in, by idempotency key. It outlives the runs.
pub(crate) type Ledger = Arc<Mutex<Vec<String>>>;

/// A tool whose calls must not happen twice.
struct Deposit(Ledger);

#[derive(serde::Deserialize, JsonSchema)]
struct DepositArgs {
    /// How much.
    amount: u32,
}

#[async_trait]
impl Tool for Deposit {
    type Args = DepositArgs;

    fn card(&self) -> ToolCard {
        ToolCard::changes("deposit", "Pays money in.", false)
    }

    async fn call(&self, args: DepositArgs, cx: &ToolContext) -> Result<Observation, ToolError> {
        if args.amount == 0 {
            return Err(ToolError::refused("nothing to pay in"));
        }
        let mut ledger = self.0.lock().unwrap();
        ledger.push(cx.idempotency_key.clone());
        let receipt = Arc::new(RgbImage::from_pixel(8, 8, Rgb([ledger.len() as u8; 3])));
        Ok(Observation::note("paid in")
            .with(Source::Tool("deposit".into()), percept::tools::PartBody::Image(receipt)))
    }
}

/// A tool that ends the run.
struct Close;

#[derive(serde::Deserialize, JsonSchema)]
struct CloseArgs {}

#[async_trait]
impl Tool for Close {
    type Args = CloseArgs;

    fn card(&self) -> ToolCard {
        ToolCard::reads("close", "Ends the work.")
    }

    async fn call(&self, _: CloseArgs, _: &ToolContext) -> Result<Observation, ToolError> {
        Ok(Observation::default().then(percept::tools::Then::Finish { answer: Some("closed".into()) }))
    }
}

/// A screen that shows how much was paid in.
struct Balance(Ledger);

#[async_trait]
impl Screen for Balance {
    async fn look(&self) -> Result<Screenshot, ScreenError> {
        let shade = self.0.lock().unwrap().len() as u8 * 20;
        let size = PixelSize { width: 24, height: 16 };
        Ok(Screenshot {
            pixels: Arc::new(RgbImage::from_pixel(size.width, size.height, Rgb([0, shade, 0]))),
            frame: Frame { size, scale: 1.0 },
            location: None,
            notes: Vec::new(),
        })
    }

    async fn act(&self, input: &Input) -> Result<(), ScreenError> {
        Err(ScreenError::Unsupported { what: input.verb().into() })
    }
}

/// Six deposits, one of them refused by the tool before, a lesson from that, then the end.
fn replies() -> Vec<ScriptedReply> {
    let deposit =
        |amount: usize| ScriptedReply::thought_and_call("One more.", "deposit", json!({ "amount": amount }));
    let mut replies = vec![deposit(0), ScriptedReply::text("Pay in more than nothing.")];
    replies.extend((1..=DEPOSITS).map(deposit));
    replies.push(ScriptedReply::call("close", json!({})));
    replies
}

pub(crate) fn builder(ledger: &Ledger) -> percept::AgentBuilder {
    scripted(&Arc::new(ScriptedModel::new(replies())), ledger)
}

/// An agent with the tools `deposit` and `close`, and this model.
pub(crate) fn scripted(model: &Arc<ScriptedModel>, ledger: &Ledger) -> percept::AgentBuilder {
    let mut toolbox = Toolbox::new();
    toolbox.add(Deposit(Arc::clone(ledger))).unwrap().add(Close).unwrap();
    Agent::builder(model.clone(), toolbox)
        .screen(Arc::new(Balance(Arc::clone(ledger))))
        .thinking(Thinking { reflect: Reflect::OnFailure, ..Thinking::default() })
}

/// A whole run in this folder, which must end well.
async fn whole(folder: &Path) -> RunResult {
    let ledger = Ledger::default();
    let agent = builder(&ledger).name("run").folder(RunFolder::create(folder).unwrap()).build().unwrap();
    let result = agent.run("Pay in.").outcome().await;
    assert_eq!(
        (result.outcome, ledger.lock().unwrap().len()),
        (Outcome::Done, DEPOSITS),
        "{}",
        result.reason
    );
    result
}

/// The folder as a kill after these bytes of the journal would have left it.
pub(crate) fn cut(folder: &Path, journal: &[u8]) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    fs::create_dir(copy.path().join("shots")).unwrap();
    for shot in fs::read_dir(folder.join("shots")).unwrap().flatten() {
        fs::copy(shot.path(), copy.path().join("shots").join(shot.file_name())).unwrap();
    }
    fs::write(copy.path().join("journal.jsonl"), journal).unwrap();
    copy
}

/// The keys of what these lines say was paid in, and of the call that may have been.
pub(crate) fn paid(journal: &[u8]) -> (Vec<String>, Option<String>) {
    let (mut done, mut begun) = (Vec::new(), None);
    for line in journal.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n")) {
        match serde_json::from_slice::<Entry>(line).unwrap().event {
            Event::Calling { key, call, .. } if call.function == "deposit" => begun = Some(key),
            Event::Called { key, result: CallResult::Observed { .. }, .. }
                if begun.as_ref() == Some(&key) =>
            {
                done.push(key);
                begun = None;
            }
            Event::Called { .. } => begun = None,
            _ => {}
        }
    }
    (done, begun)
}

async fn resumed(folder: &Path, ledger: &Ledger, happened: Option<bool>) -> Result<RunResult, AgentError> {
    Ok(builder(ledger).resume(folder, happened)?.outcome().await)
}

#[tokio::test]
async fn a_run_that_is_killed_at_any_line_pays_everything_in_once() {
    let folder = tempfile::tempdir().unwrap();
    let result = whole(folder.path()).await;
    let journal = fs::read(folder.path().join("journal.jsonl")).unwrap();
    let ends: Vec<_> =
        journal.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect();
    let (mut lives, mut doubts) = (0, 0);
    // After each line, and in the middle of the one that follows.
    for end in ends[..ends.len() - 1].iter().flat_map(|end| [*end, end + 30]) {
        let (done, begun) = paid(&journal[..end]);
        for happened in [true, false] {
            let copy = cut(folder.path(), &journal[..end]);
            let mut before = done.clone();
            before.extend(begun.clone().filter(|_| happened));
            let ledger: Ledger = Arc::new(Mutex::new(before.clone()));
            let mut end_of_life = resumed(copy.path(), &ledger, None).await.unwrap();
            if begun.is_some() {
                assert_eq!(end_of_life.outcome, Outcome::Unknown, "{}", end_of_life.reason);
                assert!(end_of_life.reason.contains("--happened"), "{}", end_of_life.reason);
                assert_eq!(*ledger.lock().unwrap(), before, "nothing is done while it is in doubt");
                end_of_life = resumed(copy.path(), &ledger, Some(happened)).await.unwrap();
                doubts += 1;
            }
            let keys = ledger.lock().unwrap().clone();
            let mut distinct = keys.clone();
            distinct.sort();
            distinct.dedup();
            assert_eq!((keys.len(), distinct.len()), (DEPOSITS, DEPOSITS), "cut at {end}: {keys:?}");
            assert_eq!(end_of_life.outcome, Outcome::Done, "cut at {end}: {}", end_of_life.reason);
            assert_eq!((end_of_life.steps, &end_of_life.answer), (result.steps, &result.answer));
            assert_eq!(end_of_life.usage, result.usage, "tokens of all lives are counted once");
            let again = replay(copy.path()).await.unwrap();
            assert_eq!(again.divergence, None, "cut at {end}");
            assert!(again.is_finished);
            lives += 1;
            if begun.is_none() {
                break;
            }
        }
    }
    assert!(lives > 60 && doubts >= 2 * DEPOSITS, "{lives} lives, {doubts} in doubt");
}

#[tokio::test]
async fn a_screenshot_that_was_still_on_its_way_to_the_disk_is_taken_again() {
    let folder = tempfile::tempdir().unwrap();
    whole(folder.path()).await;
    let journal = fs::read(folder.path().join("journal.jsonl")).unwrap();
    let recording = journal::read(folder.path()).unwrap();
    let shot = |entry: &Entry| match &entry.event {
        Event::Looked { shot, .. } => shot.clone(),
        _ => None,
    };
    let (index, file) =
        recording.entries.iter().enumerate().skip(12).find_map(|(i, e)| Some((i, shot(e)?))).unwrap();
    let end = journal.split_inclusive(|&byte| byte == b'\n').take(index + 1).map(<[u8]>::len).sum::<usize>();
    let (done, _) = paid(&journal[..end]);
    for half in [true, false] {
        let copy = cut(folder.path(), &journal[..end]);
        let path = copy.path().join(&file);
        if half {
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        } else {
            fs::remove_file(&path).unwrap();
        }
        let ledger: Ledger = Arc::new(Mutex::new(done.clone()));
        let result = resumed(copy.path(), &ledger, None).await.unwrap();
        assert_eq!(
            (result.outcome, ledger.lock().unwrap().len()),
            (Outcome::Done, DEPOSITS),
            "{}",
            result.reason
        );
        assert_eq!(replay(copy.path()).await.unwrap().divergence, None);
    }
    // One that an effect came after was stored: it was taken away.
    let copy = cut(folder.path(), &journal[..journal.len() - 20]);
    fs::remove_file(copy.path().join(&file)).unwrap();
    let error = resumed(copy.path(), &Ledger::default(), None).await.unwrap_err();
    assert!(matches!(error, AgentError::Journal(JournalError::Image { .. })), "{error}");
}

#[tokio::test]
async fn a_run_that_is_over_or_at_work_or_another_isnt_taken_up() {
    let folder = tempfile::tempdir().unwrap();
    whole(folder.path()).await;
    let ledger = Ledger::default();
    let error = resumed(folder.path(), &ledger, None).await.unwrap_err().to_string();
    assert!(error.contains("the run is over (done)"), "{error}");
    let journal = fs::read(folder.path().join("journal.jsonl")).unwrap();
    let unfinished = &journal[..journal.len() - 10];

    let copy = cut(folder.path(), unfinished);
    let error = resumed(copy.path(), &ledger, Some(true)).await.unwrap_err().to_string();
    assert!(error.contains("no call of it is in doubt"), "{error}");

    let file = fs::File::open(copy.path().join("journal.jsonl")).unwrap();
    file.lock().unwrap();
    let error = resumed(copy.path(), &ledger, None).await.unwrap_err().to_string();
    assert!(error.contains("another process is at work on this run"), "{error}");
    drop(file);

    let mut toolbox = Toolbox::new();
    toolbox.add(Close).unwrap();
    let other = Agent::builder(Arc::new(ScriptedModel::new(replies())), toolbox)
        .screen(Arc::new(Balance(Arc::clone(&ledger))));
    let error = other.resume(copy.path(), None).err().unwrap().to_string();
    assert!(error.contains("deposit"), "{error}");
    let blind = {
        let mut toolbox = Toolbox::new();
        toolbox.add(Deposit(Arc::clone(&ledger))).unwrap().add(Close).unwrap();
        Agent::builder(Arc::new(ScriptedModel::new(replies())), toolbox)
    };
    let error = blind.resume(copy.path(), None).err().unwrap().to_string();
    assert!(error.contains("it began with a screen, and there is no screen now"), "{error}");
    assert!(ledger.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_question_waits_for_an_answer_through_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::default();
    let policy = Policy { ask: vec!["deposit".into()], ..Policy::default() };
    let agent = builder(&ledger).policy(policy).folder(RunFolder::create(folder.path()).unwrap());
    let mut run = agent.build().unwrap().run("Pay in.");
    while let Some(entry) = run.next_event().await {
        if matches!(entry.event, Event::ApprovalWanted { .. }) {
            break;
        }
    }
    // Nobody answers, and the process goes.
    run.cancel();
    assert_eq!(run.outcome().await.outcome, Outcome::Cancelled);
    let (mut run, mut asked) = (builder(&ledger).resume(folder.path(), None).unwrap(), 0);
    while let Some(entry) = run.next_event().await {
        if matches!(entry.event, Event::ApprovalGiven { granted: true, .. }) {
            asked += 1;
        }
        // The question itself was put in the earlier life; each later one is put again.
        run.approve();
    }
    let result = run.outcome().await;
    assert_eq!(result.outcome, Outcome::Done, "{}", result.reason);
    assert_eq!((ledger.lock().unwrap().len(), asked), (DEPOSITS, DEPOSITS + 1));
    assert_eq!(replay(folder.path()).await.unwrap().divergence, None);
}

/// A tool that takes its time, and can be told apart from one that never began.
struct Slow(Ledger);

#[async_trait]
impl Tool for Slow {
    type Args = CloseArgs;

    fn card(&self) -> ToolCard {
        ToolCard::changes("slow", "Takes its time.", false)
    }

    async fn call(&self, _: CloseArgs, cx: &ToolContext) -> Result<Observation, ToolError> {
        self.0.lock().unwrap().push(cx.idempotency_key.clone());
        cx.cancel.cancelled().await;
        Err(ToolError::Stopped { tool: "slow".into() })
    }
}

#[tokio::test]
async fn a_call_that_was_stopped_is_in_doubt_until_somebody_says() {
    for (with_end, happened) in [(true, true), (true, false), (false, true), (false, false)] {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::default();
        let replies = vec![ScriptedReply::call("slow", json!({})), ScriptedReply::call("close", json!({}))];
        let builder = || {
            let mut toolbox = Toolbox::new();
            toolbox.add(Slow(Arc::clone(&ledger))).unwrap().add(Close).unwrap();
            Agent::builder(Arc::new(ScriptedModel::new(replies.clone())), toolbox)
        };
        let mut run =
            builder().folder(RunFolder::create(folder.path()).unwrap()).build().unwrap().run("Go slow.");
        while let Some(entry) = run.next_event().await {
            if matches!(entry.event, Event::Calling { .. }) {
                run.cancel();
            }
        }
        assert_eq!(run.outcome().await.outcome, Outcome::Cancelled);
        if !with_end {
            // Killed after the call was stopped and before the end was written.
            let path = folder.path().join("journal.jsonl");
            let journal = fs::read_to_string(&path).unwrap();
            let end = journal.trim_end().rfind('\n').unwrap() + 1;
            fs::write(&path, &journal[..end]).unwrap();
        }
        assert!(journal::doubt(folder.path(), &journal::read(folder.path()).unwrap()).unwrap().is_some());
        let asked = builder().resume(folder.path(), None).unwrap().outcome().await;
        assert_eq!((asked.outcome, ledger.lock().unwrap().len()), (Outcome::Unknown, 1), "{}", asked.reason);
        let run = builder().resume(folder.path(), Some(happened)).unwrap();
        // If it hadn't happened it is called again, and takes its time again.
        let cancel = run.cancellation();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(400)).await;
            cancel.cancel();
        });
        let result = run.outcome().await;
        let expected = if happened { (Outcome::Done, 1) } else { (Outcome::Cancelled, 2) };
        assert_eq!((result.outcome, ledger.lock().unwrap().len()), expected, "{}", result.reason);
        let keys = ledger.lock().unwrap().clone();
        assert!(keys.iter().all(|key| *key == keys[0]), "the same call has the same key: {keys:?}");
    }
}

#[tokio::test]
async fn waiting_at_a_question_costs_no_time() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::default();
    let agent = builder(&ledger)
        .policy(Policy { ask: vec!["deposit".into()], ..Policy::default() })
        .limits(Limits { seconds: 2, ..Limits::default() })
        .folder(RunFolder::create(folder.path()).unwrap());
    let mut run = agent.build().unwrap().run("Pay in.");
    while let Some(entry) = run.next_event().await {
        if matches!(entry.event, Event::ApprovalWanted { .. }) {
            break;
        }
    }
    tokio::time::sleep(Duration::from_millis(2300)).await;
    run.cancel();
    run.outcome().await;
    let mut run = builder(&ledger).resume(folder.path(), None).unwrap();
    while run.next_event().await.is_some() {
        run.approve();
    }
    let result = run.outcome().await;
    assert_eq!(result.outcome, Outcome::Done, "{}", result.reason);
}

#[tokio::test]
async fn every_changed_byte_of_a_run_is_found() {
    let folder = tempfile::tempdir().unwrap();
    whole(folder.path()).await;
    let again = replay(folder.path()).await.unwrap();
    assert_eq!((again.divergence, again.is_finished), (None, true));
    assert_eq!(again.events, journal::read(folder.path()).unwrap().entries.len());
    let journal = fs::read(folder.path().join("journal.jsonl")).unwrap();
    for at in (0..journal.len() - 1).step_by(53) {
        let mut changed = journal.clone();
        changed[at] = if changed[at] == b'7' { b'8' } else { b'7' };
        let copy = cut(folder.path(), &changed);
        let Err(error) = replay(copy.path()).await else { panic!("byte {at} goes unnoticed") };
        let line = journal[..at].split(|&byte| byte == b'\n').count();
        assert!(error.to_string().contains(&format!("journal.jsonl:{line}:")), "byte {at}: {error}");
    }
    let copy = cut(folder.path(), &journal);
    let shot = copy.path().join("shots/0002.png");
    RgbImage::from_pixel(24, 16, Rgb([9, 9, 9])).save(&shot).unwrap();
    let replayed = replay(copy.path()).await;
    let told =
        replayed.map_or_else(|e| e.to_string(), |r| r.divergence.map_or(r.result.reason, |d| d.to_string()));
    assert!(told.contains("0002.png"), "{told}");
}

/// Changes the event that it is about.
type Change = fn(&mut Event) -> bool;

#[tokio::test]
async fn a_run_that_was_changed_and_sealed_anew_goes_another_way_at_a_named_step() {
    let folder = tempfile::tempdir().unwrap();
    whole(folder.path()).await;
    let recording = journal::read(folder.path()).unwrap();
    let cases: [(&str, Change, &str); 4] = [
        (
            "a thought",
            |event| match event {
                Event::Decided { step: 3, thought, .. } => {
                    thought.push('!');
                    true
                }
                _ => false,
            },
            "step 4",
        ),
        (
            "a call",
            |event| match event {
                Event::Calling { step: 3, call, .. } => {
                    call.arguments = json!({ "amount": 99 });
                    true
                }
                _ => false,
            },
            "step 3",
        ),
        (
            "a limit",
            |event| match event {
                Event::Began(beginning) => {
                    beginning.limits = Limits { steps: 2, ..beginning.limits };
                    true
                }
                _ => false,
            },
            "the journal has `asked` where the run now ends: 2 steps were taken",
        ),
        (
            "the end",
            |event| match event {
                Event::Ended(result) => {
                    result.answer = Some("open".into());
                    true
                }
                _ => false,
            },
            "`ended` has answer \"open\" in the journal, and \"closed\" now",
        ),
    ];
    for (what, change, place) in cases {
        let mut entries = recording.entries.clone();
        assert!(entries.iter_mut().any(|entry| change(&mut entry.event)), "{what}");
        let copy = cut(folder.path(), journal::written(&entries).unwrap().as_bytes());
        let divergence =
            replay(copy.path()).await.unwrap().divergence.unwrap_or_else(|| panic!("{what}")).to_string();
        assert!(divergence.contains(place), "{what}: {divergence}");
    }
}
