//! Secrets on a real page: what shows one is painted over, and what tells its text has the placeholder.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers too")]

use std::{fs, sync::Arc};

use percept::{
    Secrets,
    tools::{Browser, BrowserOptions, Input, MouseButton, Screen, ScreenPoint, ScreenSize},
};

const PAGE: &str = "<!doctype html><meta charset=utf-8><style>body{margin:0}body>*{position:absolute;margin:0;left:20px}</style>
<input id=field aria-label=Word style='top:20px;width:120px;height:24px;border:0;padding:0;background:#fff'>
<p id=echo style='top:80px;font:16px/20px monospace'></p>
<p style='top:140px;width:100px;height:20px;background:#ff0000'></p>
<script>field.oninput = () => { echo.textContent = 'You typed ' + field.value.toUpperCase(); };</script>";

#[tokio::test(flavor = "multi_thread")]
async fn what_a_page_shows_of_a_secret_is_painted_over() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.html");
    fs::write(&file, PAGE).unwrap();
    let mut options = BrowserOptions::new(file.display().to_string());
    options.size = ScreenSize { width: 320, height: 200 };
    let bare: Arc<dyn Screen> = Arc::new(Browser::open(options).await.unwrap());
    let mut secrets = Secrets::default();
    secrets.add("password", "lovelace", &[]).unwrap();
    let veiled = secrets.veil(Arc::clone(&bare));

    let at = ScreenPoint { x: 30.0, y: 30.0 };
    veiled.act(&Input::Click { at, button: MouseButton::Left, count: 1 }).await.unwrap();
    veiled.act(&Input::Text("lovelace".into())).await.unwrap();
    let (seen, shown) = (veiled.look().await.unwrap().pixels, bare.look().await.unwrap().pixels);
    let grey = image::Rgb([128; 3]);
    for (x, y) in [(21, 21), (139, 43), (40, 90), (160, 90)] {
        assert_eq!(*seen.get_pixel(x, y), grey, "({x}, {y}) may show it");
        assert_ne!(*shown.get_pixel(x, y), grey, "({x}, {y}) is no grey by itself");
    }
    assert_eq!(seen.get_pixel(50, 150).0, [255, 0, 0], "the rest of the page is as it is");

    let text = veiled.visible_text().await.unwrap();
    assert!(text.contains("{{password}}") && !text.to_lowercase().contains("lovelace"), "{text}");
    let field = veiled.element_at(at).await.unwrap().unwrap();
    assert_eq!(field.value.as_deref(), Some("{{password}}"));
    bare.close().await.unwrap();
}
