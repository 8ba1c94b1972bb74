//! What a person does in a browser becomes calls of tools, each with the screen as it was before. The person of these
//! tests is `Screen::act`, whose events a page can't tell from a person's.

use std::sync::Arc;

use percept_tools::{
    Browser, BrowserOptions, Deed, Input, Key, MouseButton, Recorded, Recorder, Screen, ScreenPoint,
    Screenshot, image::Rgb,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::written;

/// Progress that nobody wants to know of.
struct Quiet;

impl percept_tools::Progress for Quiet {
    fn start(&self, _: &str, _: Option<u64>) {}
    fn advance(&self, _: u64) {}
    fn finish(&self) {}
}

struct Scene {
    recorder: Recorder,
    browser: Arc<Browser>,
    folder: TempDir,
}

/// Everything that was recorded.
struct Told {
    deeds: Vec<Deed>,
    lost: Vec<String>,
    reason: String,
    after: Option<Box<Screenshot>>,
}

async fn record(html: &str) -> Scene {
    record_with(html, |_| {}).await
}

async fn record_with(html: &str, change: impl FnOnce(&mut BrowserOptions)) -> Scene {
    let (folder, file) = written(html);
    let mut options = BrowserOptions::new(file.display().to_string());
    change(&mut options);
    let recorder = Recorder::open(options, Arc::new(Quiet)).await.unwrap();
    Scene { browser: recorder.browser(), recorder, folder }
}

impl Scene {
    /// Does one thing, once the page was seen.
    async fn act(&self, input: Input) {
        self.recorder.rested().await.unwrap();
        self.at_once(input).await;
    }

    /// Does one thing without waiting for anything.
    async fn at_once(&self, input: Input) {
        self.browser.act(&input).await.unwrap();
    }

    /// What was recorded in the end.
    async fn told(mut self) -> Told {
        if self.recorder.rested().await.is_ok() {
            self.recorder.stop();
        }
        let told = all(&mut self.recorder).await;
        self.recorder.close().await.unwrap();
        told
    }
}

async fn all(recorder: &mut Recorder) -> Told {
    let mut told = Told { deeds: Vec::new(), lost: Vec::new(), reason: String::new(), after: None };
    while let Some(recorded) = recorder.next().await {
        match recorded {
            Recorded::Deed(deed) => told.deeds.push(*deed),
            Recorded::Lost(what) => told.lost.push(what),
            Recorded::Over { reason, after } => (told.reason, told.after) = (reason, after),
            other => panic!("{other:?}"),
        }
    }
    told
}

impl Told {
    fn calls(&self) -> Vec<(&str, Value)> {
        self.deeds.iter().map(|deed| (deed.tool, deed.arguments.clone())).collect()
    }
}

fn click(x: f64, y: f64) -> Input {
    Input::Click { at: ScreenPoint { x, y }, button: MouseButton::Left, count: 1 }
}

fn text(text: &str) -> Input {
    Input::Text(text.into())
}

fn press(key: &str) -> Input {
    Input::Press(Key(key.into()))
}

fn clicked(x: u32, y: u32) -> (&'static str, Value) {
    ("click", json!({ "point": [x, y] }))
}

fn typed(text: &str) -> (&'static str, Value) {
    ("type_text", json!({ "text": text }))
}

fn pressed(key: &str) -> (&'static str, Value) {
    ("press_key", json!({ "key": key }))
}

/// Does these things one after the other; what is recorded must be these calls.
async fn check(html: &str, inputs: Vec<Input>, expected: Vec<(&str, Value)>) {
    let scene = record(html).await;
    for input in inputs {
        scene.act(input).await;
    }
    let told = scene.told().await;
    assert_eq!(told.calls(), expected, "{html}\n{:?}", told.lost);
    assert_eq!(told.reason, "the recording was stopped");
}

/// A field or a button at a place of its own.
const PLACED: &str = "<style>*{margin:0}input,button,textarea,iframe,select,div{position:fixed;left:10px;width:200px;height:30px}</style>";

#[tokio::test(flavor = "multi_thread")]
async fn clicks_keys_and_text_become_the_calls_that_do_them_again() {
    let form = format!(
        "{PLACED}<input style='top:10px'><input type=checkbox style='top:50px'><button style='top:100px'>Go</button>"
    );
    let double = Input::Click { at: ScreenPoint { x: 60.0, y: 25.0 }, button: MouseButton::Left, count: 2 };
    let right = Input::Click { at: ScreenPoint { x: 60.0, y: 115.0 }, button: MouseButton::Right, count: 1 };
    check(
        &form,
        vec![
            click(50.0, 25.0),
            text("ada Lovelace é"),
            press("Tab"),
            press("Space"),
            click(110.0, 65.0),
            double,
            press("Control+a"),
            right,
            press("Shift+Tab"),
        ],
        vec![
            clicked(50, 25),
            typed("ada Lovelace é"),
            pressed("Tab"),
            pressed("Space"),
            clicked(110, 65),
            ("double_click", json!({ "point": [60, 25] })),
            pressed("Control+a"),
            ("right_click", json!({ "point": [60, 115] })),
            pressed("Shift+Tab"),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn text_is_recorded_as_it_stood_in_the_end() {
    let area = "<textarea autofocus style='width:300px;height:100px'>";
    let line = "<input autofocus value=old>";
    let rich = "<div contenteditable autofocus style='width:300px;height:100px'></div><script>document.querySelector('div').focus()</script>";
    let chat = "<textarea autofocus onkeydown='if (event.key === \"Enter\") { event.preventDefault(); value = \"\" }'></textarea>";
    let hotkeys = "<p>w a s d";
    let cases = [
        (area, vec![text("two\nlines")], vec![typed("two\nlines")]),
        (area, vec![text("tow"), press("Backspace"), press("Backspace"), text("wo")], vec![typed("two")]),
        (area, vec![text("one two"), press("Control+Backspace"), text("three")], vec![typed("one three")]),
        (area, vec![text("x"), press("Backspace")], vec![]),
        (
            area,
            vec![text("x"), press("ArrowLeft"), text("y")],
            vec![typed("x"), pressed("ArrowLeft"), typed("y")],
        ),
        (
            line,
            vec![press("End"), press("Backspace"), text("k")],
            vec![pressed("End"), pressed("Backspace"), typed("k")],
        ),
        (
            line,
            vec![press("Control+a"), text("new"), press("Enter")],
            vec![pressed("Control+a"), typed("new"), pressed("Enter")],
        ),
        (rich, vec![text("one\ntwo")], vec![typed("one\ntwo")]),
        (
            chat,
            vec![text("hello"), press("Enter"), text("you")],
            vec![typed("hello"), pressed("Enter"), typed("you")],
        ),
        (hotkeys, vec![press("w"), press("a")], vec![pressed("w"), pressed("a")]),
    ];
    for (html, inputs, expected) in cases {
        check(html, inputs, expected).await;
    }
}
