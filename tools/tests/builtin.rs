//! The built-in tools, on a screen that remembers what was done to it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers too")]

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use image::{Rgb, RgbImage};
use percept_tools::{
    CancellationToken, Frame, Input, Key, MouseButton, Observation, PartBody, PixelSize, Screen, ScreenError,
    Screenshot, Source, Then, ToolContext, ToolError, async_trait, builtin,
};
use serde_json::{Value, json};

/// 1280×800 screenshot pixels, 1.25 to a screen point; every column has its own red.
const FRAME: Frame = Frame { size: PixelSize { width: 1280, height: 800 }, scale: 1.25 };

/// Remembers inputs; each of its moods fails in one way.
#[derive(Default)]
struct Remembering {
    inputs: Mutex<Vec<Input>>,
    fails: Option<fn() -> ScreenError>,
    takes: Duration,
}

#[async_trait]
impl Screen for Remembering {
    async fn look(&self) -> Result<Screenshot, ScreenError> {
        let pixels = RgbImage::from_fn(1280, 800, |x, _| Rgb([(x % 256) as u8, 0, 0]));
        Ok(Screenshot {
            pixels: Arc::new(pixels),
            frame: FRAME,
            location: Some("here".into()),
            notes: vec![],
        })
    }

    async fn act(&self, input: &Input) -> Result<(), ScreenError> {
        tokio::time::sleep(self.takes).await;
        if let Some(fail) = self.fails {
            return Err(fail());
        }
        self.inputs.lock().unwrap().push(input.clone());
        Ok(())
    }
}

fn context() -> ToolContext {
    ToolContext { frame: Some(FRAME), ..Default::default() }
}

async fn call(
    screen: Arc<Remembering>,
    name: &str,
    arguments: Value,
    cx: &ToolContext,
) -> Result<Observation, ToolError> {
    let screen: Arc<dyn Screen> = screen;
    builtin::toolbox(&screen).call(name, arguments, cx).await
}

fn note(observation: &Observation) -> &str {
    match &observation.parts[0].body {
        PartBody::Text(text) => text,
        other => panic!("{other:?} is no note"),
    }
}

#[test]
fn names_are_distinct_and_in_order() {
    let screen: Arc<dyn Screen> = Arc::new(Remembering::default());
    let names: Vec<String> = builtin::toolbox(&screen).offered().into_iter().map(|t| t.card.name).collect();
    let expected = [
        "answer",
        "click",
        "double_click",
        "drag",
        "finish",
        "navigate",
        "press_key",
        "right_click",
        "scroll",
        "type_text",
        "wait",
        "zoom",
    ];
    assert_eq!(names, expected);
    let mut again = percept_tools::Toolbox::new();
    again.add(builtin::Click::new(screen.clone())).unwrap();
    again.add(builtin::DoubleClick::new(screen.clone())).unwrap();
    again.add(builtin::RightClick::new(screen.clone())).unwrap();
    again.add(builtin::Drag::new(screen.clone())).unwrap();
    again.add(builtin::Scroll::new(screen.clone())).unwrap();
    again.add(builtin::TypeText::new(screen.clone())).unwrap();
    again.add(builtin::PressKey::new(screen.clone())).unwrap();
    again.add(builtin::Navigate::new(screen.clone())).unwrap();
    again.add(builtin::Zoom::new(screen)).unwrap();
    again.add(builtin::Wait).unwrap();
    again.add(builtin::Answer).unwrap();
    again.add(builtin::Finish).unwrap();
    assert_eq!(again.offered().len(), expected.len());
}

#[test]
fn what_models_read_of_them_changes_only_on_purpose() {
    let screen: Arc<dyn Screen> = Arc::new(Remembering::default());
    insta::assert_json_snapshot!("offered", builtin::toolbox(&screen).offered());
}

#[tokio::test]
async fn a_call_becomes_an_input_in_screen_points_and_a_short_note() {
    let cases = [
        (
            "click",
            json!({ "point": [12, 34] }),
            json!({ "click": { "at": { "x": 10.0, "y": 27.6 }, "button": "left", "count": 1 } }),
            "clicked at (12, 34)",
        ),
        (
            "double_click",
            json!({ "point": [12, 34] }),
            json!({ "click": { "at": { "x": 10.0, "y": 27.6 }, "button": "left", "count": 2 } }),
            "double-clicked at (12, 34)",
        ),
        (
            "right_click",
            json!({ "point": [1279, 799] }),
            json!({ "click": { "at": { "x": 1023.6, "y": 639.6 }, "button": "right", "count": 1 } }),
            "right-clicked at (1279, 799)",
        ),
        (
            "drag",
            json!({ "from": [12, 34], "to": [2, 2] }),
            json!({ "drag": { "from": { "x": 10.0, "y": 27.6 }, "to": { "x": 2.0, "y": 2.0 } } }),
            "dragged from (12, 34) to (2, 2)",
        ),
        (
            "scroll",
            json!({ "point": [12, 34], "direction": "down" }),
            json!({ "scroll": { "at": { "x": 10.0, "y": 27.6 }, "right": 0.0, "down": 480.0 } }),
            "scrolled down by 600 pixels",
        ),
        (
            "scroll",
            json!({ "point": [12, 34], "direction": "left", "amount": 100 }),
            json!({ "scroll": { "at": { "x": 10.0, "y": 27.6 }, "right": -80.0, "down": -0.0 } }),
            "scrolled left by 100 pixels",
        ),
        ("type_text", json!({ "text": "ada" }), json!({ "text": "ada" }), "typed 3 characters"),
        ("press_key", json!({ "key": "Enter" }), json!({ "press": "Enter" }), "pressed Enter"),
        (
            "navigate",
            json!({ "url": "https://example.org/" }),
            json!({ "navigate": "https://example.org/" }),
            "opened https://example.org/",
        ),
    ];
    for (name, arguments, expected, said) in cases {
        let screen = Arc::new(Remembering::default());
        let observation = call(screen.clone(), name, arguments, &context()).await.unwrap();
        assert_eq!(note(&observation), said);
        assert_eq!(observation.parts[0].source, Source::Runtime);
        let expected: Input = serde_json::from_value(expected).unwrap();
        assert_eq!(*screen.inputs.lock().unwrap(), [expected]);
    }
}

#[tokio::test]
async fn arguments_off_the_screen_are_refused_before_anything_is_done() {
    let cases = [
        ("click", json!({ "point": [1300, 20] }), "bad arguments: x is 1300, the screen is 1280 wide"),
        ("click", json!({ "point": [20, 800] }), "bad arguments: y is 800, the screen is 800 high"),
        (
            "drag",
            json!({ "from": [0, 0], "to": [1280, 0] }),
            "bad arguments: to's x is 1280, the screen is 1280 wide",
        ),
        ("click", json!({ "point": [-1, 20] }), "bad arguments: invalid value: integer `-1`, expected u32"),
        ("click", json!({ "point": [1] }), "bad arguments: invalid length 1, expected an array of length 2"),
        (
            "zoom",
            json!({ "region": [0, 0, 1281, 10] }),
            "bad arguments: region's right is 1281, the screen is 1280 wide",
        ),
        (
            "zoom",
            json!({ "region": [0, 0, 10, 801] }),
            "bad arguments: region's bottom is 801, the screen is 800 high",
        ),
        (
            "zoom",
            json!({ "region": [10, 0, 10, 10] }),
            "bad arguments: region is empty: give [left, top, right, bottom] with left < right and top < bottom",
        ),
        (
            "scroll",
            json!({ "point": [0, 0], "direction": "up", "amount": 0 }),
            "bad arguments: amount is 0, at least 1 is needed to scroll",
        ),
        ("type_text", json!({ "text": "" }), "bad arguments: text is empty"),
        ("wait", json!({ "seconds": 10.5 }), "bad arguments: seconds is 10.5, it must be from 0 to 10"),
        ("wait", json!({ "seconds": -1 }), "bad arguments: seconds is -1, it must be from 0 to 10"),
    ];
    for (name, arguments, expected) in cases {
        let screen = Arc::new(Remembering::default());
        let error = call(screen.clone(), name, arguments.clone(), &context()).await.unwrap_err();
        assert!(matches!(error, ToolError::BadArguments(_)), "{error:?}");
        assert_eq!(error.to_string(), expected, "{name} {arguments}");
        assert!(screen.inputs.lock().unwrap().is_empty());
    }
    let error =
        call(Arc::default(), "click", json!({ "point": [1, 1] }), &ToolContext::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "refused: there is no screenshot that the points could lie on");
}

#[tokio::test]
async fn what_the_screen_says_is_sorted_into_told_and_broken() {
    type Failure = fn() -> ScreenError;
    let cases: [(Failure, &str); 4] = [
        (|| ScreenError::Refused { reason: "no".into() }, "refused: no"),
        (|| ScreenError::Unsupported { what: "click".into() }, "refused: this screen can't click"),
        (|| ScreenError::Gone { reason: "it crashed".into() }, "click broke: the screen is gone: it crashed"),
        (|| ScreenError::Broken("cable".into()), "click broke: the screen broke: cable"),
    ];
    for (fails, expected) in cases {
        let screen = Arc::new(Remembering { fails: Some(fails), ..Default::default() });
        let error = call(screen, "click", json!({ "point": [1, 1] }), &context()).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test]
async fn a_call_ends_with_its_deadline_or_its_run() {
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let soon = Instant::now() + Duration::from_millis(30);
    let cases = [
        ("wait", json!({ "seconds": 10 }), ToolContext { deadline: Some(soon), ..context() }),
        ("wait", json!({ "seconds": 10 }), ToolContext { cancel: cancelled.clone(), ..context() }),
        ("click", json!({ "point": [1, 1] }), ToolContext { deadline: Some(soon), ..context() }),
        ("click", json!({ "point": [1, 1] }), ToolContext { cancel: cancelled, ..context() }),
    ];
    for (name, arguments, cx) in cases {
        let screen = Arc::new(Remembering { takes: Duration::from_secs(10), ..Default::default() });
        let begun = Instant::now();
        let error = call(screen, name, arguments, &cx).await.unwrap_err();
        assert_eq!(error.to_string(), format!("{name} was stopped before it finished"));
        assert!(begun.elapsed() < Duration::from_secs(2));
    }
}

#[tokio::test]
async fn zoom_shows_the_pixels_of_its_region_enlarged() {
    let cases = [
        // Half as wide as the screen: twice as large.
        ([0, 0, 640, 400], (1280, 800), "2.0"),
        // As wide as the screen: no larger.
        ([0, 0, 1280, 10], (1280, 10), "1.0"),
        // Tiny: no more than eight times.
        ([100, 100, 110, 110], (80, 80), "8.0"),
    ];
    for (region, size, factor) in cases {
        let observation =
            call(Arc::default(), "zoom", json!({ "region": region }), &context()).await.unwrap();
        assert!(note(&observation).contains(&format!("enlarged {factor} times")), "{}", note(&observation));
        let part = &observation.parts[1];
        assert_eq!(part.source, Source::Screen("here".into()));
        let PartBody::Image(pixels) = &part.body else { panic!("{part:?}") };
        assert_eq!(pixels.dimensions(), size);
        let red = i32::from(pixels.get_pixel(0, 0)[0]);
        assert!((red - region[0]).abs() <= 1, "{red}");
    }
}

#[tokio::test]
async fn finish_ends_the_task_with_or_without_an_answer() {
    for (arguments, answer) in [(json!({}), None), (json!({ "answer": "42" }), Some("42".to_owned()))] {
        let observation = call(Arc::default(), "finish", arguments, &context()).await.unwrap();
        assert_eq!(observation.then, Then::Finish { answer });
    }
}

#[tokio::test]
async fn an_answer_ends_the_task_and_points_only_at_the_screenshot() {
    let cases = [
        (json!({ "text": "42" }), None),
        (json!({ "text": "42", "seen_at": [[0, 0, 10, 10]] }), None),
        (json!({ "text": "  " }), Some("the answer is empty")),
        (json!({ "text": "42", "seen_at": [[0, 0, 10, 10], [5, 5, 5, 9]] }), Some("seen_at is empty")),
        (json!({ "text": "42", "seen_at": [[0, 0, 5000, 10]] }), Some("seen_at's right is 5000")),
        (json!({}), Some("missing field `text`")),
    ];
    for (arguments, problem) in cases {
        let called = call(Arc::default(), "answer", arguments.clone(), &context()).await;
        match (called, problem) {
            (Ok(observation), None) => {
                assert_eq!(observation.then, Then::Finish { answer: Some("42".into()) }, "{arguments}");
            }
            (Err(error), Some(problem)) => assert!(error.to_string().contains(problem), "{error}"),
            (found, _) => panic!("{arguments}: {found:?}"),
        }
    }
}

#[tokio::test]
async fn what_was_done_is_written_as_the_call_that_does_it_again() {
    let place = |x: u32, y: u32| FRAME.to_screen(percept_tools::PixelPoint { x, y });
    let click = |button, count| Input::Click { at: place(640, 401), button, count };
    let scroll = |right, down| Input::Scroll { at: place(3, 799), right, down };
    let cases = [
        (click(MouseButton::Left, 1), "click", json!({ "point": [640, 401] })),
        (click(MouseButton::Left, 2), "double_click", json!({ "point": [640, 401] })),
        (click(MouseButton::Right, 1), "right_click", json!({ "point": [640, 401] })),
        (
            Input::Drag { from: place(0, 0), to: place(1279, 799) },
            "drag",
            json!({ "from": [0, 0], "to": [1279, 799] }),
        ),
        (scroll(0.0, 80.0), "scroll", json!({ "point": [3, 799], "direction": "down", "amount": 100 })),
        (scroll(0.0, -80.0), "scroll", json!({ "point": [3, 799], "direction": "up", "amount": 100 })),
        (scroll(40.0, 0.0), "scroll", json!({ "point": [3, 799], "direction": "right", "amount": 50 })),
        (scroll(-40.0, 0.0), "scroll", json!({ "point": [3, 799], "direction": "left", "amount": 50 })),
        (Input::Text("two\nlines".into()), "type_text", json!({ "text": "two\nlines" })),
        (Input::Press(Key("Control+a".into())), "press_key", json!({ "key": "Control+a" })),
        (Input::Navigate("about:blank".into()), "navigate", json!({ "url": "about:blank" })),
    ];
    for (input, tool, arguments) in cases {
        assert_eq!(builtin::written(&input, FRAME), Some((tool, arguments.clone())));
        assert!(builtin::NAMES_OF_INPUTS.contains(&tool));
        let screen = Arc::new(Remembering::default());
        call(screen.clone(), tool, arguments, &context()).await.unwrap();
        assert_eq!(*screen.inputs.lock().unwrap(), [input]);
    }
    let nothing = [click(MouseButton::Middle, 1), click(MouseButton::Left, 3), scroll(0.0, 0.3)];
    let outside = Input::Click { at: place(640, 800), button: MouseButton::Left, count: 1 };
    for input in nothing.into_iter().chain([outside]) {
        assert_eq!(builtin::written(&input, FRAME), None, "{input:?}");
    }
}
