//! The report: made from a journal alone, with everything foreign escaped.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "what fails in a test's own helpers fails the test"
)]

use std::fs;

use image::{Rgb, RgbImage};
use percept::{
    Actor, Beginning, CallResult, Check, Entry, Event, Evidence, JOURNAL_VERSION, Limits, Outcome, PlanItem,
    Policy, Prompts, RecordedBody, RecordedPart, RunResult, Style, Target, Thinking, Verdict, journal,
    models::{Call, ModelCard, StopReason, Usage},
    report,
    tools::{Effect, Frame, Nested, PixelPoint, PixelSize, Source},
};
use serde_json::json;

/// What a hostile page, tool or model could write.
const HOSTILE: &str =
    "</style></script><script>alert(1)</script><img src=x onerror=alert(2)>\"' onload='alert(3)";

/// A run of which everything was written by somebody else.
fn beginning() -> Beginning {
    let hostile = || HOSTILE.to_owned();
    Beginning {
        run: hostile(),
        actor: Actor::Model,
        task: hostile(),
        model: ModelCard {
            name: hostile(),
            family: hostile(),
            device: hostile(),
            context: 1,
            max_images: None,
            screen: None,
            thinks: true,
            tells_probabilities: true,
            notes: vec![hostile()],
        },
        notes: vec![hostile()],
        tools: Vec::new(),
        screen: true,
        style: Style::React,
        thinking: Thinking::default(),
        limits: Limits::default(),
        prices: None,
        policy: Policy::default(),
        prompts: Prompts::default(),
        demonstrations: Vec::new(),
        secrets: Vec::new(),
        seed: 7,
        evidence: Evidence { text_visible: vec![hostile()], ..Evidence::default() },
        percept: hostile(),
    }
}

fn events() -> Vec<Event> {
    let hostile = || HOSTILE.to_owned();
    let call = Call { function: "click".into(), arguments: json!({ "point": [3, 4], "note": HOSTILE }) };
    let usage = Usage { fresh_tokens: 321, output_tokens: 12, ..Usage::default() };
    let expected = Check { what: hostile(), holds: true, found: None };
    let check = Check { what: hostile(), holds: false, found: Some(hostile()) };
    let look = |step| Event::Looked {
        step,
        shot: Some("shots/0001.png".into()),
        hash: "00".into(),
        frame: Frame { size: PixelSize { width: 8, height: 8 }, scale: 1.0 },
        location: Some(hostile()),
        notes: vec![hostile()],
        milliseconds: 12.0,
    };
    let result = RunResult {
        run: hostile(),
        folder: None,
        outcome: Outcome::Done,
        verified: Some(true),
        reason: hostile(),
        answer: Some(hostile()),
        certainty: Some(0.75),
        cost: Some(0.0312),
        steps: 1,
        usage: percept::TokenUsage::default(),
        milliseconds: percept::Milliseconds::default(),
        peak_memory_bytes: None,
        device: hostile(),
        notes: vec![hostile()],
    };
    vec![
        Event::Began(Box::new(beginning())),
        look(1),
        Event::Planned {
            step: 1,
            because: Some(hostile()),
            items: vec![PlanItem { what: hostile(), expect: hostile() }],
            problem: None,
            usage: Usage::default(),
        },
        Event::Asked {
            step: 1,
            vote: 1,
            temperature: 0.7,
            seed: 1,
            exploring: Some(hostile()),
            prompt: hostile(),
        },
        Event::Decided {
            step: 1,
            vote: 1,
            thought: hostile(),
            text: hostile(),
            call: Some(call.clone()),
            malformed: None,
            concern: None,
            stop: StopReason::End,
            likelihood: Some(0.5),
            usage,
            memory_bytes: Some(1 << 20),
        },
        Event::Calling {
            step: 1,
            call,
            targets: vec![Target {
                argument: "point".into(),
                area: percept::Area::Point(PixelPoint { x: 3, y: 4 }),
            }],
            effect: Effect::Changes { idempotent: false },
            key: hostile(),
        },
        Event::Called {
            step: 1,
            key: hostile(),
            result: CallResult::Observed {
                parts: vec![
                    RecordedPart { source: Source::Screen(hostile()), body: RecordedBody::Text(hostile()) },
                    RecordedPart {
                        source: Source::Tool(hostile()),
                        body: RecordedBody::Json(json!(HOSTILE)),
                    },
                    RecordedPart {
                        source: Source::File(hostile()),
                        body: RecordedBody::Image { shot: Some("../../secret.png".into()), hash: hostile() },
                    },
                ],
                finish: false,
                answer: Some(hostile()),
                nested: Some(Nested { folder: Some(hostile()), tokens: 3, read: 5, cached: 7, cost: 0.0 }),
            },
            milliseconds: 5.0,
        },
        look(2),
        Event::Checked { step: 1, verdict: Verdict { holds: false, checks: vec![check] } },
        Event::Expected { step: 1, what: hostile(), check: Some(expected) },
        Event::Asked { step: 1, vote: 1, temperature: 0.0, seed: 2, exploring: None, prompt: hostile() },
        Event::Reflected { step: 1, because: hostile(), lesson: hostile(), usage },
        Event::Ended(Box::new(result)),
    ]
}

fn rendered(events: Vec<Event>) -> String {
    // Two folders deep, so that the image that the journal names outside of it is really there.
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("runs/run");
    fs::create_dir_all(&folder).unwrap();
    let entry = |(seq, event)| Entry { v: JOURNAL_VERSION, seq: seq as u64, at: seq as f64, event };
    let entries: Vec<_> = events.into_iter().enumerate().map(entry).collect();
    fs::write(folder.join("journal.jsonl"), journal::written(&entries).unwrap()).unwrap();
    fs::create_dir(folder.join("shots")).unwrap();
    RgbImage::from_pixel(8, 8, Rgb([200, 10, 10])).save(folder.join("shots/0001.png")).unwrap();
    RgbImage::from_pixel(8, 8, Rgb([10, 200, 10])).save(root.path().join("secret.png")).unwrap();
    let path = report::write(&folder).unwrap();
    fs::read_to_string(path).unwrap()
}

#[test]
fn nothing_that_a_page_wrote_is_markup() {
    let html = rendered(events());
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "the text is there, escaped");
    for trace in ["<script>alert", "<img", "\" onload", "' onload", "onerror=alert(2)>"] {
        assert!(!html.contains(trace), "{trace} got through");
    }
    assert_eq!(html.matches("<script>").count(), 1, "only the report's own script");
    assert_eq!(html.matches("</script>").count(), 1);
    assert_eq!(html.matches("</style>").count(), 1);
}

#[test]
fn a_report_needs_nothing_from_elsewhere() {
    let html = rendered(events());
    assert_eq!(
        html.matches("data:image/png;base64,").count(),
        1,
        "each screenshot once, however often it is shown"
    );
    for outside in ["http://", "https://", "src=\"", "@import", "url("] {
        assert!(!html.contains(outside), "{outside}");
    }
    assert!(html.contains("default-src 'none'"));
}

#[test]
fn a_report_shows_the_step_its_action_and_its_cost() {
    let html = rendered(events());
    for part in [
        "id=\"step-1\"",
        "id=\"step-2\"",
        "class=\"ring\"",
        "cx=\"3.5\" cy=\"4.5\"",
        "642 tokens read",
        "24 written",
        "verified on the screen",
        "(temperature 0.7",
    ] {
        assert!(html.contains(part), "{part} is missing");
    }
}

#[test]
fn a_run_that_was_killed_still_has_a_report() {
    let mut killed = events();
    killed.truncate(6);
    let html = rendered(killed);
    assert!(html.contains("not finished"));
    assert!(html.contains("the run ended before the call did: it may have happened"));
}
