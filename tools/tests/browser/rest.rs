//! When a page has come to rest.

use std::time::Duration;

use percept_tools::{Input, MouseButton, Screen, ScreenPoint};

use crate::{open, open_with};

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_looked_at_once_it_has_changed_for_the_last_time() {
    // Each page ends white after a while; a look that came too early would show red.
    let cases = [
        // A transition that begins by itself.
        "<style>body { background: white; animation: a .4s } @keyframes a { from { background: red } 99% { background: #ff0100 } }</style>",
        // A frame that loads another one, which whitens the page.
        "<body style='background:red'><iframe style='display:none' src='data:text/html,<iframe src=\"data:text/html,<p>x\">' onload=\"document.body.style.background='white'\"></iframe>",
        // Changes in every frame, and then no more.
        "<body><script>let n = 0; const step = () => { document.body.style.background = n++ < 20 ? `rgb(255, ${n}, 0)` : 'white'; if (n < 30) requestAnimationFrame(step) }; step()</script>",
    ];
    let opened = open("").await;
    for html in cases {
        opened.show(html).await;
        let shot = opened.look().await;
        assert_eq!(shot.notes, Vec::<String>::new(), "{html}");
        assert_eq!(shot.pixels.get_pixel(100, 100).0, [255; 3], "{html}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_that_leads_to_another_page_is_followed_there() {
    let opened = open("<a href='next.html' style='position:fixed;inset:0'>first</a>").await;
    std::fs::write(opened.folder.path().join("next.html"), "second").unwrap();
    opened.look().await;
    let at = ScreenPoint { x: 9.0, y: 9.0 };
    opened.browser.act(&Input::Click { at, button: MouseButton::Left, count: 1 }).await.unwrap();
    let shot = opened.look().await;
    assert!(shot.location.is_some_and(|l| l.ends_with("/next.html")));
    assert_eq!(opened.browser.visible_text().await.unwrap(), "second");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_with_the_focus_looks_the_same_at_any_moment() {
    let opened = open("<input autofocus>").await;
    let first = opened.look().await;
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(170)).await;
        assert_eq!(opened.look().await.pixels, first.pixels);
    }
    // The caret is among the pixels, not hidden: without the focus there are others.
    opened
        .browser
        .act(&Input::Click { at: ScreenPoint { x: 300.0, y: 200.0 }, button: MouseButton::Left, count: 1 })
        .await
        .unwrap();
    assert_ne!(opened.look().await.pixels, first.pixels);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_seed_reaches_a_local_page() {
    let html =
        "<body><script>document.body.append(new URLSearchParams(location.search).get('seed'))</script>";
    let opened = open_with(html, |options| options.seed = Some(41)).await;
    assert_eq!(opened.text().await, "41");
}
