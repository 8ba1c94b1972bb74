//! How long the browser takes to open a page, to be looked at and to be clicked.
//!
//! `cargo bench -p percept-tools --bench browser`

#![allow(clippy::unwrap_used, reason = "a bench that fails has nothing to measure")]

use divan::Bencher;
use percept_tools::{Browser, BrowserOptions, Input, MouseButton, Screen, ScreenPoint, ScreenSize};
use tokio::runtime::Runtime;

const PAGE: &str =
    "data:text/html,<h1>Hello</h1><p>A page with a <button>button</button> and a field <input>";

fn main() {
    divan::main();
}

fn options(size: (u32, u32)) -> BrowserOptions {
    BrowserOptions { size: ScreenSize { width: size.0, height: size.1 }, ..BrowserOptions::new(PAGE) }
}

#[divan::bench(sample_count = 20)]
fn open_and_close(bencher: Bencher) {
    let runtime = Runtime::new().unwrap();
    bencher.bench_local(|| {
        runtime.block_on(async {
            let browser = Browser::open(options((332, 214))).await.unwrap();
            browser.close().await.unwrap();
        });
    });
}

#[divan::bench(args = [(160, 208), (332, 214), (1280, 800)], sample_count = 50)]
fn look(bencher: Bencher, size: (u32, u32)) {
    let runtime = Runtime::new().unwrap();
    let browser = runtime.block_on(Browser::open(options(size))).unwrap();
    bencher.bench_local(|| runtime.block_on(browser.look()).unwrap());
    runtime.block_on(browser.close()).unwrap();
}

#[divan::bench(sample_count = 50)]
fn click(bencher: Bencher) {
    let runtime = Runtime::new().unwrap();
    let browser = runtime.block_on(Browser::open(options((332, 214)))).unwrap();
    let at = ScreenPoint { x: 5.0, y: 5.0 };
    let click = Input::Click { at, button: MouseButton::Left, count: 1 };
    bencher.bench_local(|| runtime.block_on(browser.act(&click)).unwrap());
    runtime.block_on(browser.close()).unwrap();
}
