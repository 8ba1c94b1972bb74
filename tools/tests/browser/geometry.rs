//! `HiDPI`: a pixel chosen on the screenshot is the CSS pixel that the page hears of.

use std::{sync::Arc, time::Duration};

use image::Rgb;
use percept_tools::{Browser, Frame, PixelPoint, PixelSize, Screen, ScreenSize, ToolContext, builtin};
use serde_json::json;

use crate::{Opened, open_with};

/// CSS pixels to click, as shares of a viewport's width and height; corners and odd places among them.
const PLACES: [(f64, f64); 6] =
    [(0.0, 0.0), (0.999, 0.999), (0.13, 0.71), (0.5, 0.5), (0.77, 0.19), (0.31, 0.03)];

fn colour(n: usize) -> Rgb<u8> {
    Rgb([20 + 30 * n as u8, 250 - 30 * n as u8, 77])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_on_a_screenshot_pixel_hits_its_css_pixel_at_every_scale() {
    for scale in [1.0, 1.25, 1.5, 2.0, 3.0] {
        for (width, height) in [(332, 214), (333, 215), (161, 207)] {
            check(scale, width, height).await;
        }
    }
}

async fn check(scale: f64, width: u32, height: u32) {
    let css: Vec<(u32, u32)> =
        PLACES.iter().map(|(x, y)| ((x * f64::from(width)) as u32, (y * f64::from(height)) as u32)).collect();
    let mut html = String::from(
        "<style>body { margin: 0; overflow: hidden } i { position: fixed; width: 1px; height: 1px }</style>\
         <script>addEventListener('click', (e) => { location.hash = `${e.clientX},${e.clientY}` })</script>",
    );
    for (n, (x, y)) in css.iter().enumerate() {
        let Rgb([r, g, b]) = colour(n);
        html.extend([format!("<i style='left:{x}px;top:{y}px;background:rgb({r},{g},{b})'></i>")]);
    }
    let opened = open_with(&html, |options| {
        options.scale = scale;
        options.size = ScreenSize { width, height };
    })
    .await;
    let shot = opened.look().await;
    let pixels = |side: u32| (f64::from(side) * scale).round() as u32;
    let expected = Frame { size: PixelSize { width: pixels(width), height: pixels(height) }, scale };
    assert_eq!(shot.frame, expected);
    assert_eq!(shot.pixels.dimensions(), (expected.size.width, expected.size.height));

    let Opened { browser, folder: _folder } = opened;
    let browser = Arc::new(browser);
    let screen: Arc<dyn Screen> = browser.clone();
    let tools = builtin::toolbox(&screen);
    let cx = ToolContext { frame: Some(shot.frame), ..Default::default() };
    let mut last = String::new();
    for (n, (x, y)) in css.iter().enumerate() {
        let painted = shot.pixels.enumerate_pixels().find(|(_, _, pixel)| **pixel == colour(n));
        let (px, py, _) = painted.unwrap_or_else(|| panic!("no pixel shows {x},{y} at {scale}"));
        assert!(shot.frame.contains(PixelPoint { x: px, y: py }));
        tools.call("click", json!({ "point": [px, py] }), &cx).await.unwrap();
        let heard = next_hash(&browser, &mut last).await;
        assert_eq!(heard, format!("{x},{y}"), "pixel {px},{py} of {width}×{height} at {scale}");
    }
    browser.close().await.unwrap();
}

/// What the page has put after the `#` of its address, once that is something new.
async fn next_hash(browser: &Browser, last: &mut String) -> String {
    for _ in 0..500 {
        let location = browser.location().unwrap();
        let hash = location.rsplit_once('#').map(|(_, hash)| hash.to_owned()).unwrap_or_default();
        if hash != *last {
            last.clone_from(&hash);
            return hash;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the page heard of no click after {last}");
}
