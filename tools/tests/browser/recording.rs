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

#[tokio::test(flavor = "multi_thread")]
async fn each_deed_has_the_screen_as_it_was_before() {
    // Every press shows the next shade; the page is away as soon as the last button goes down.
    let html = "<body style='margin:0'><script>let shade = 0; document.body.style.background = 'rgb(0,0,0)';\
        addEventListener('pointerdown', () => { shade += 40; document.body.style.background = `rgb(${shade},0,0)`;\
        if (shade === 120) location.href = 'other.html' })</script>";
    let scene = record(html).await;
    std::fs::write(scene.folder.path().join("other.html"), "<body style='margin:0;background:rgb(200,0,0)'>")
        .unwrap();
    for x in [10.0, 40.0, 80.0, 120.0] {
        scene.act(click(x, 10.0)).await;
    }
    let told = scene.told().await;
    let shades: Vec<_> = told.deeds.iter().map(|deed| deed.before.pixels.get_pixel(300, 200).0[0]).collect();
    assert_eq!(shades, [0, 40, 80, 200]);
    assert!(told.deeds[3].before.location.as_deref().unwrap().ends_with("other.html"));
    assert_eq!(told.calls(), [clicked(10, 10), clicked(40, 10), clicked(80, 10), clicked(120, 10)]);
    assert!(told.deeds.iter().all(|deed| deed.before.notes.is_empty()));
    assert_eq!(told.after.unwrap().pixels.get_pixel(300, 200).0, [200, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_screenshot_is_from_after_its_deed_however_fast_the_person_is() {
    // A press can be told from a screenshot of what came of it: the bar is as long as there were presses.
    let html = "<body style='margin:0;background:black'><div style='position:fixed;left:0;top:0;height:10px;width:0;background:red'></div>\
        <script>const bar = document.querySelector('div'); let presses = 0;\
        addEventListener('pointerdown', () => { bar.style.width = `${++presses * 10}px` })</script>";
    let scene = record(html).await;
    for nth in 0..12_u8 {
        // So far apart that none is a double click.
        scene.at_once(click(20.0 + 20.0 * f64::from(nth), 100.0)).await;
        tokio::time::sleep(std::time::Duration::from_millis(u64::from(nth) * 23 % 90)).await;
    }
    let told = scene.told().await;
    assert_eq!(told.deeds.len(), 12, "{:?}", told.lost);
    for (nth, deed) in told.deeds.iter().enumerate() {
        let presses =
            (0..30).take_while(|bar| deed.before.pixels.get_pixel(bar * 10 + 5, 5).0[0] > 128).count();
        assert!(presses <= nth, "deed {nth} is shown with what came of {presses} presses");
        let says_so = deed.before.notes.iter().any(|note| note.starts_with("the person went on"));
        assert!(says_so || presses == nth, "deed {nth}, {presses}: {:?}", deed.before.notes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_into_a_masked_field_is_neither_told_nor_shown() {
    let masked = [
        "<input type=password value=''>",
        "<input style='-webkit-text-security:disc'>",
        // Shown by a page that has taken the mask off before anything was typed.
        "<input autocomplete='section-login current-password'>",
        // Unmasked once something is in it, by the page.
        "<input type=password oninput='if (value.length > 3) type = \"text\"'>",
        // Shown elsewhere as well.
        "<input type=password oninput='out.textContent = `so ${value}`'><p id=out style='position:fixed;top:60px;font:30px serif'>",
    ];
    for html in masked {
        let scene = record(&format!("{PLACED}<style>input{{font:25px serif;top:10px}}</style>{html}")).await;
        scene.act(click(50.0, 25.0)).await;
        let empty = scene.recorder.browser().look().await.unwrap();
        scene.act(text("hunter2")).await;
        scene.act(press("Backspace")).await;
        scene.act(text("3")).await;
        scene.act(press("Enter")).await;
        let told = scene.told().await;
        assert_eq!(told.calls(), [clicked(50, 25), typed("{{password}}"), pressed("Enter")], "{html}");
        let dark =
            |shot: &Screenshot| shot.pixels.pixels().filter(|Rgb([r, g, b])| r.max(g).max(b) < &90).count();
        let last = &told.deeds[2].before;
        // Every letter is dark; what is painted over is of one grey, and the page itself has a frame around the field.
        assert!(dark(last) <= dark(&empty), "{html}: {} dark pixels, {} before", dark(last), dark(&empty));
        assert_eq!(last.pixels.get_pixel(60, 25).0, [128, 128, 128], "{html}");
        assert!(!format!("{:?}", told.deeds).contains("hunter"), "{html}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_the_page_puts_into_its_address_isnt_told() {
    let html =
        format!("{PLACED}<form action=page.html><input type=password name=word style='top:10px'></form>");
    let scene = record(&html).await;
    scene.act(click(50.0, 25.0)).await;
    scene.act(text("hunter2")).await;
    scene.act(press("Enter")).await;
    scene.act(click(50.0, 150.0)).await;
    assert!(scene.browser.location().unwrap().contains("hunter2"));
    let told = scene.told().await;
    assert_eq!(told.deeds.len(), 4);
    assert!(!format!("{:?} {:?}", told.deeds, told.after).contains("hunter2"));
    assert!(told.deeds[3].before.location.as_deref().unwrap().ends_with("page.html"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_where_nobody_can_look_counts_as_secret() {
    let html = "<div id=host style='position:fixed;left:10px;top:10px'></div><script>\
        host.attachShadow({ mode: 'closed' }).innerHTML = '<input type=password style=\"width:200px;height:30px\">'</script>";
    check(html, vec![click(50.0, 25.0), text("hunter2")], vec![clicked(50, 25), typed("{{password}}")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pastes_scrolls_and_drags_are_what_tools_do() {
    let fields = format!(
        "{PLACED}<input style='top:10px' value='one line'><textarea style='top:60px'></textarea><input type=password style='top:110px'>"
    );
    check(
        &fields,
        vec![
            click(150.0, 25.0),
            press("Control+a"),
            press("Control+c"),
            click(50.0, 75.0),
            press("Control+v"),
            text("!"),
            click(50.0, 125.0),
            press("Control+v"),
        ],
        vec![
            clicked(150, 25),
            pressed("Control+a"),
            pressed("Control+c"),
            clicked(50, 75),
            typed("one line!"),
            clicked(50, 125),
            typed("{{password}}"),
        ],
    )
    .await;

    let long = "<body style='height:3000px'>";
    let at = ScreenPoint { x: 100.0, y: 100.0 };
    let scroll = |down| Input::Scroll { at, right: 0.0, down };
    let scrolled = |direction: &str, amount: u32| {
        ("scroll", json!({ "point": [100, 100], "direction": direction, "amount": amount }))
    };
    let scene = record(long).await;
    scene.act(scroll(120.0)).await;
    scene.at_once(scroll(80.0)).await;
    scene.at_once(scroll(-50.0)).await;
    assert_eq!(scene.told().await.calls(), [scrolled("down", 200), scrolled("up", 50)]);

    let slider = "<input type=range min=0 max=100 value=0 style='position:fixed;left:0;top:0;width:200px;margin:0;height:20px'>";
    let items = "<div draggable=true style='position:fixed;left:0;top:0;width:50px;height:20px'>apple</div>\
        <div style='position:fixed;left:100px;top:0;width:200px;height:20px' ondragover='event.preventDefault()' ondrop='event.preventDefault()'></div>";
    for html in [slider, items] {
        let (from, to) = (ScreenPoint { x: 8.0, y: 10.0 }, ScreenPoint { x: 192.0, y: 10.0 });
        let dragged = ("drag", json!({ "from": [8, 10], "to": [192, 10] }));
        check(html, vec![Input::Drag { from, to }], vec![dragged]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_in_a_frame_is_one_on_the_screen() {
    let inner =
        "<body style=margin:0><input style=\"position:fixed;left:20px;top:40px;width:100px;height:20px\">";
    let frame = |page: &str| {
        format!(
            "<iframe style='left:30px;top:20px;width:250px;height:150px;border:5px solid' {page}></iframe>"
        )
    };
    let nested = format!(
        "{PLACED}<iframe style='left:0px;top:0px;width:200px;height:120px;border:0' src='inner.html'></iframe>"
    );
    for page in [
        "srcdoc='INNER'",
        "src='inner.html'",
        "src='nested.html'",
        "src='data:text/html,INNER'",
        "sandbox src='inner.html'",
    ] {
        let scene = record("").await;
        std::fs::write(scene.folder.path().join("inner.html"), inner).unwrap();
        std::fs::write(scene.folder.path().join("nested.html"), &nested).unwrap();
        let html = format!("<!DOCTYPE html>{PLACED}{}", frame(&page.replace("INNER", inner)));
        std::fs::write(scene.folder.path().join("frames.html"), html).unwrap();
        let address = format!("file://{}/frames.html", scene.folder.path().display());
        scene.at_once(Input::Navigate(address)).await;
        scene.act(click(80.0, 75.0)).await;
        scene.act(text("in a frame")).await;
        let told = scene.told().await;
        assert_eq!(told.calls(), [clicked(80, 75), typed("in a frame")], "{page}: {:?}", told.lost);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn points_are_pixels_of_the_screenshot_whatever_its_scale() {
    for (scale, expected) in [(1.25, [62, 31]), (2.0, [100, 50])] {
        let scene = record_with(&format!("{PLACED}<button style='top:10px'>Go"), |o| o.scale = scale).await;
        scene.act(click(50.0, 25.0)).await;
        let told = scene.told().await;
        assert_eq!(told.calls(), [("click", json!({ "point": expected }))], "{scale}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_can_neither_hide_what_is_done_nor_forge_it() {
    let deaf = format!(
        "{PLACED}<script>for (const kind of ['pointerdown', 'pointerup', 'mousedown', 'click', 'keydown', 'beforeinput', 'input'])\
         addEventListener(kind, (event) => event.stopImmediatePropagation(), true)</script><input style='top:10px'>"
    );
    check(
        &deaf,
        vec![click(50.0, 25.0), text("x"), press("Enter")],
        vec![clicked(50, 25), typed("x"), pressed("Enter")],
    )
    .await;

    let forger = format!(
        "{PLACED}<button style='top:10px'>Go</button><script>\
         const button = document.querySelector('button');\
         button.dispatchEvent(new PointerEvent('pointerdown', {{ bubbles: true, clientX: 5, clientY: 5 }}));\
         button.click();\
         globalThis.perceptTold?.(JSON.stringify({{ at: Date.now(), kind: 'key', key: 'F5' }}));\
         document.title = typeof perceptTold + typeof perceptRecording;</script>"
    );
    let scene = record(&forger).await;
    scene.act(click(50.0, 25.0)).await;
    assert_eq!(scene.browser.evaluate("document.title").await.unwrap(), json!("undefinedundefined"));
    assert_eq!(scene.told().await.calls(), [clicked(50, 25)]);

    // A document that is written anew loses its listeners.
    let written = "<script>addEventListener('load', () => { document.open(); document.write('<p>anew'); document.close() })</script>";
    check(written, vec![click(50.0, 25.0)], vec![clicked(50, 25)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_new_window_sees_is_recorded_too_and_its_end_isnt_the_recordings() {
    let html = "<button style='position:fixed;inset:0;width:100%' onclick='window.open(\"other.html\")'>first</button>";
    let scene = record(html).await;
    let other = "<body style='background:lime'><button style='position:fixed;inset:0;width:20%' onclick='window.close()'>second</button>";
    std::fs::write(scene.folder.path().join("other.html"), other).unwrap();
    scene.act(click(50.0, 50.0)).await;
    scene.recorder.rested().await.unwrap();
    // The window may be gone before the click's last answer comes.
    let _ = scene.browser.act(&click(40.0, 60.0)).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    scene.act(press("Tab")).await;
    let told = scene.told().await;
    assert_eq!(told.calls(), [clicked(50, 50), clicked(40, 60), pressed("Tab")], "{:?}", told.lost);
    assert_eq!(told.deeds[1].before.notes, ["a new window was opened and is shown now"]);
    assert_eq!(told.deeds[1].before.pixels.get_pixel(320, 200).0, [0, 255, 0]);
    assert_eq!(told.deeds[2].before.notes, ["the window was closed, and the one before it is shown now"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recording_ends_with_the_window_and_what_no_tool_does_is_said() {
    let scene = record(&format!("{PLACED}<input style='top:10px'>")).await;
    let middle =
        Input::Click { at: ScreenPoint { x: 50.0, y: 100.0 }, button: MouseButton::Middle, count: 1 };
    scene.act(middle).await;
    scene.act(press("Control++")).await;
    scene.act(click(50.0, 25.0)).await;
    scene.act(text("half a wo")).await;
    scene.recorder.rested().await.unwrap();
    // Only a window that a script opened may close itself; a person's cross does what this does.
    let _ = scene.browser.evaluate("window.open('', '_self').close()").await;
    let told = scene.told().await;
    assert_eq!(told.reason, "the window was closed");
    assert_eq!(told.calls(), [clicked(50, 25), typed("half a wo")]);
    assert_eq!(
        told.lost,
        ["`click` in a way that no tool has", "a key that makes the browser enlarge the page"]
    );
}
