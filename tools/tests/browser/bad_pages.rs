//! Pages that misbehave: each ends in a clear error or a note, in bounded time.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use percept_tools::{Dialogs, Input, MouseButton, Screen, ScreenError, ScreenPoint};

use crate::{lifetime::processes, open, open_with};

/// A click in the middle of the button that fills the page.
const CLICK: Input =
    Input::Click { at: ScreenPoint { x: 50.0, y: 50.0 }, button: MouseButton::Left, count: 1 };

fn button(script: &str) -> String {
    format!("<button style='position:fixed;inset:0;width:100%' onclick='{script}'>go</button>")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_never_settles_is_shown_with_a_note() {
    let opened =
        open_with("<p id=p>0</p><script>setInterval(() => p.textContent++, 5)</script>", |options| {
            options.settling.limit = Duration::from_millis(700);
        })
        .await;
    let begun = Instant::now();
    let shot = opened.look().await;
    assert_eq!(shot.notes, ["the page kept changing for 0.7 s: this is one moment of it"]);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_hangs_is_an_error_in_bounded_time() {
    let opened = open_with(&button("setTimeout(() => { for (;;); }, 30)"), |options| {
        options.settling.limit = Duration::from_millis(500);
    })
    .await;
    opened.look().await;
    opened.browser.act(&CLICK).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let error = opened.browser.look().await.unwrap_err();
    assert!(matches!(error, ScreenError::Unsettled { .. }), "{error}");
    opened.browser.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn dialogs_are_answered_and_told() {
    let cases = [
        ("alert(\"hello\")", Dialogs::Dismiss, "the page showed the message \"hello\"", "undefined"),
        (
            "confirm(\"sure?\")",
            Dialogs::Dismiss,
            "the page asked \"sure?\", and Cancel was answered",
            "false",
        ),
        ("confirm(\"sure?\")", Dialogs::Accept, "the page asked \"sure?\", and OK was answered", "true"),
        (
            "prompt(\"name?\", \"ada\")",
            Dialogs::Dismiss,
            "the page asked \"name?\", and Cancel was answered",
            "null",
        ),
        (
            "prompt(\"name?\", \"ada\")",
            Dialogs::Accept,
            "the page asked \"name?\", and OK was answered",
            "ada",
        ),
    ];
    for (script, dialogs, note, result) in cases {
        let html = button(&format!("this.textContent = String({script})"));
        let opened = open_with(&html, |options| options.dialogs = dialogs).await;
        opened.browser.act(&CLICK).await.unwrap();
        let shot = opened.look().await;
        assert_eq!(shot.notes, [note], "{script}");
        assert_eq!(opened.text().await, result, "{script}");
        assert_eq!(opened.look().await.notes, Vec::<String>::new(), "a note is told once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_asks_whether_it_may_be_left_is_left() {
    let html = "<body>first<script>onbeforeunload = (e) => { e.preventDefault(); return '' }</script>";
    let opened = open(html).await;
    opened.look().await;
    opened.browser.act(&CLICK).await.unwrap();
    opened.browser.act(&Input::Navigate("data:text/html,second".into())).await.unwrap();
    let shot = opened.look().await;
    assert_eq!(shot.notes, ["the page asked whether to leave it, and was left"]);
    assert_eq!(opened.text().await, "second");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_closes_itself_is_gone() {
    let opened = open(&button("window.close()")).await;
    opened.look().await;
    // The click's own answer may be the last that comes, or may not.
    let _ = opened.browser.act(&CLICK).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    for error in [
        opened.browser.look().await.unwrap_err(),
        opened.browser.act(&CLICK).await.unwrap_err(),
        opened.browser.visible_text().await.unwrap_err(),
    ] {
        assert_eq!(error.to_string(), "the screen is gone: the page closed itself");
    }
    opened.browser.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_of_the_page_or_the_browser_is_told_at_once() {
    for (which, reason) in [("--type=renderer", "the page crashed"), ("--user-data-dir", "the browser ended")]
    {
        let opened = open("<p>hello").await;
        opened.look().await;
        let group = opened.group();
        let victims: Vec<u32> = processes(group)
            .into_iter()
            .filter(|process| process.command.contains(which))
            .map(|p| p.id)
            .collect();
        assert!(!victims.is_empty(), "no process of {group} has {which}");
        for id in victims {
            assert!(Command::new("kill").args(["-KILL", &id.to_string()]).status().unwrap().success());
        }
        let begun = Instant::now();
        let error = loop {
            match opened.browser.look().await {
                Ok(_) if begun.elapsed() < Duration::from_secs(5) => {}
                Ok(_) => panic!("the screen is still there"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.to_string(), format!("the screen is gone: {reason}"));
        opened.browser.close().await.unwrap();
    }
}
