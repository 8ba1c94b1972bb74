//! A person recorded in a real browser, and what becomes of the recording: shown to a model, found in a store, read as a
//! report. The person is `Screen::act`, whose events a page can't tell from a person's.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

use std::{path::Path, sync::Arc};

use percept::{
    Actor, Agent, Demonstration, JournalError, Notebook, Outcome, Silent, Store, journal,
    models::{
        Call, ChatModel, Content, Conversation, Function, Generate, Generation, ModelCard, ModelError, Role,
        ScriptedModel, ScriptedReply,
    },
    report,
    tools::{
        Browser, BrowserOptions, Input, Key, MouseButton, Recorded, Recorder, Screen, ScreenPoint,
        async_trait, builtin,
    },
};

const PAGE: &str = "<!DOCTYPE html><meta charset=utf-8><style>*{margin:0}input,button{position:fixed;left:10px;width:200px;height:30px}</style>\
    <form action=welcome.html><input name=user style='top:10px'><input type=password name=word style='top:60px'>\
    <button style='top:110px'>Sign in</button></form>";

/// Logs in as a person would, and writes it down; cut off before the end, if that is wanted.
async fn recorded(folder: &Path, is_cut_off: bool) {
    let pages = tempfile::tempdir().unwrap();
    std::fs::write(pages.path().join("page.html"), PAGE).unwrap();
    std::fs::write(pages.path().join("welcome.html"), "<h1>Welcome, ada").unwrap();
    let options = BrowserOptions::new(pages.path().join("page.html").display().to_string());
    let mut recorder = Recorder::open(options, Arc::new(Silent)).await.unwrap();
    let screen: Arc<dyn Screen> = recorder.browser();
    let mut notebook = Notebook::new(folder, "Log in as ada.", &screen).unwrap();
    let click = |y| Input::Click { at: ScreenPoint { x: 50.0, y }, button: MouseButton::Left, count: 1 };
    let person = [
        click(25.0),
        Input::Text("ada".into()),
        click(75.0),
        Input::Text("lovelace".into()),
        Input::Press(Key("Enter".into())),
    ];
    for input in person {
        recorder.rested().await.unwrap();
        screen.act(&input).await.unwrap();
    }
    recorder.rested().await.unwrap();
    recorder.stop();
    while let Some(recorded) = recorder.next().await {
        match recorded {
            Recorded::Deed(deed) => notebook.keep(&deed).await.unwrap(),
            Recorded::Over { reason, after } if !is_cut_off => {
                drop(notebook.close(&reason, after.as_deref()).await.unwrap());
                break;
            }
            Recorded::Over { .. } => break,
            other => panic!("{other:?}"),
        }
    }
    recorder.close().await.unwrap();
}

/// A conversation as text, images as their size.
fn told(conversation: &Conversation) -> String {
    let mut told = String::new();
    for message in conversation.messages() {
        let who = match message.role {
            Role::Assistant => "assistant",
            Role::System => continue,
            _ => "user",
        };
        for content in &message.content {
            match content {
                Content::Text(_) | Content::Said { .. } => {
                    told.extend([who, ": ", &content.plain().unwrap(), "\n"]);
                }
                Content::Image(image) => {
                    let (width, height) = image.pixels().dimensions();
                    told.extend([who, &format!(": [{width}x{height}]\n")]);
                }
                _ => {}
            }
        }
    }
    told
}

/// A model that writes calls in its own way.
struct Terse(ScriptedModel);

#[async_trait]
impl ChatModel for Terse {
    fn card(&self) -> &ModelCard {
        self.0.card()
    }

    fn written(&self, call: &Call, offered: &[Function]) -> Option<Result<String, String>> {
        let function = offered.iter().find(|function| function.name == call.function)?;
        let argument = call.arguments.as_object()?.values().next()?;
        let width = function.schema.pointer("/properties/point/x-percept/width");
        let width = width.map_or_else(|| "nothing".to_owned(), ToString::to_string);
        Some(Ok(format!("{} {argument} of {width}", call.function)))
    }

    async fn generate(
        &self,
        conversation: &Conversation,
        options: &Generate,
    ) -> Result<Generation, ModelError> {
        self.0.generate(conversation, options).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_shown_to_a_model_found_in_a_store_and_read_as_a_report() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("login");
    recorded(&folder, false).await;

    // What is on the disk is a run of a person's, and no word of the password.
    let recording = journal::read(&folder).unwrap();
    assert_eq!(recording.beginning.actor, Actor::Person);
    let result = recording.result().unwrap();
    assert_eq!((result.outcome, result.steps), (Outcome::Done, 5));
    let journal = std::fs::read_to_string(folder.join("journal.jsonl")).unwrap();
    assert!(!journal.contains("lovelace"), "{journal}");

    let demonstration = Demonstration::read(&folder).unwrap();
    let first = demonstration.steps[0].image.clone().unwrap();
    let model = Arc::new(ScriptedModel::new(vec![ScriptedReply::call("finish", serde_json::json!({}))]));
    let pages = root.path().join("other.html");
    std::fs::write(&pages, "<p>Another page").unwrap();
    let browser = Browser::open(BrowserOptions::new(pages.display().to_string())).await.unwrap();
    let screen: Arc<dyn Screen> = Arc::new(browser);
    let agent = Agent::builder(model.clone(), builtin::toolbox(&screen)).screen(screen.clone());
    let shown = vec![demonstration.clone()];
    let result = agent.demonstrations(shown).build().unwrap().run("Log in as bob.").outcome().await;
    assert!(result.notes.iter().any(|note| note.contains("in the words of a person")), "{:?}", result.notes);
    assert_eq!(result.outcome, Outcome::Done, "{}", result.reason);
    let told = told(&model.asked()[0]);
    let step = |call: &str| format!("user: [332x214]\nuser: The screen then.\nassistant: {call}\n");
    let expected = [
        "user: Here is how another task was done. The task was: Log in as ada.\n",
        &step(r#"{"tool":"click","point":[50,25]}"#),
        &step(r#"{"tool":"type_text","text":"ada"}"#),
        &step(r#"{"tool":"click","point":[50,75]}"#),
        &step(r#"{"tool":"type_text","text":"{{password}}"}"#),
        &step(r#"{"tool":"press_key","key":"Enter"}"#),
        "user: That was the other task, and it is over. What follows is yours.\nuser: Log in as bob.\n",
    ]
    .concat();
    assert!(told.contains(&expected), "{told}");

    // A model that can say how it writes a call is shown it so.
    let model =
        Arc::new(Terse(ScriptedModel::new(vec![ScriptedReply::call("finish", serde_json::json!({}))])));
    let agent = Agent::builder(model.clone(), builtin::toolbox(&screen)).screen(screen.clone());
    let result =
        agent.demonstrations(vec![demonstration]).build().unwrap().run("Log in as bob.").outcome().await;
    screen.close().await.unwrap();
    assert!(result.notes.is_empty(), "{:?}", result.notes);
    let told = self::told(&model.0.asked()[0]);
    for expected in ["assistant: click [50,25] of 332\n", "assistant: type_text \"ada\" of nothing\n"] {
        assert!(told.contains(expected), "{told}");
    }

    let store = Store::open(&root.path().join("memory.db")).unwrap();
    store.add(&folder).unwrap();
    let found = store.search("log in", Some(first.pixels()), 1).unwrap();
    assert_eq!((found[0].task.as_str(), found[0].steps), ("Log in as ada.", 5));
    assert!(found[0].score > 0.99, "{found:?}");

    let page = report::render(&folder).unwrap();
    for shown in
        ["<dt>acted by</dt><dd>a person</dd>", "by a person", "{{password}}", "the recording was stopped"]
    {
        assert!(page.contains(shown), "no {shown}");
    }
    for hidden in ["tokens", "<dt>model</dt>", "<dt>seed</dt>", "unverified</span>", "lovelace"] {
        assert!(!page.contains(hidden), "{hidden}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_was_cut_off_is_good_up_to_there_and_no_run_to_take_up() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("login");
    recorded(&folder, true).await;
    assert_eq!(Demonstration::read(&folder).unwrap().steps.len(), 5);
    let store = Store::open(&root.path().join("memory.db")).unwrap();
    store.add(&folder).unwrap();
    assert_eq!(store.search("log in", None, 1).unwrap()[0].steps, 5);
    assert!(report::render(&folder).unwrap().contains("recorded until it was cut off"));

    // The last line may be torn, and the deed before it is whole.
    let journal = folder.join("journal.jsonl");
    let bytes = std::fs::read(&journal).unwrap();
    std::fs::write(&journal, &bytes[..bytes.len() - 20]).unwrap();
    assert_eq!(Demonstration::read(&folder).unwrap().steps.len(), 4);

    let by_hand = |error: JournalError| assert!(error.to_string().contains("a person acted here"), "{error}");
    by_hand(percept::replay(&folder).await.unwrap_err());
    by_hand(journal::branch(&folder, 2, &root.path().join("branch")).unwrap_err());
    assert!(!root.path().join("branch").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_isnt_done_leaves_nothing_and_a_folder_that_holds_a_run_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let page = root.path().join("page.html");
    std::fs::write(&page, "<p>Nothing to do").unwrap();
    let mut recorder =
        Recorder::open(BrowserOptions::new(page.display().to_string()), Arc::new(Silent)).await.unwrap();
    let screen: Arc<dyn Screen> = recorder.browser();
    let folder = root.path().join("nothing");
    let notebook = Notebook::new(&folder, "Nothing.", &screen).unwrap();
    recorder.stop();
    let Some(Recorded::Over { reason, after }) = recorder.next().await else { panic!("it isn't over") };
    assert_eq!(notebook.close(&reason, after.as_deref()).await.unwrap(), None);
    assert!(!folder.exists());

    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("journal.jsonl"), "").unwrap();
    let occupied = Notebook::new(&folder, "Nothing.", &screen).err().unwrap();
    assert!(matches!(occupied, JournalError::Occupied { .. }), "{occupied}");
    recorder.close().await.unwrap();
}
