//! The browser as a screen: real pages in a real Chromium, a file of tests for each thing it must be good at.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers too")]

mod bad_pages;
mod elements;
mod geometry;
mod hosts;
mod input;
mod lifetime;
mod recording;
mod rest;
mod text;

use std::path::PathBuf;

use percept_tools::{Browser, BrowserOptions, Input, Screen, Screenshot};
use tempfile::TempDir;

/// A page in a folder and a browser of its own.
struct Opened {
    browser: Browser,
    folder: TempDir,
}

/// Writes an HTML page into a new folder.
fn written(html: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.html");
    std::fs::write(&file, format!("<!DOCTYPE html><meta charset=utf-8>{html}")).unwrap();
    (folder, file)
}

/// Opens an HTML page with the usual options.
async fn open(html: &str) -> Opened {
    open_with(html, |_| {}).await
}

/// Opens an HTML page with other options.
async fn open_with(html: &str, change: impl FnOnce(&mut BrowserOptions)) -> Opened {
    let (folder, file) = written(html);
    let mut options = BrowserOptions::new(file.display().to_string());
    change(&mut options);
    Opened { browser: Browser::open(options).await.unwrap(), folder }
}

impl Opened {
    async fn look(&self) -> Screenshot {
        self.browser.look().await.unwrap()
    }

    /// Puts another page in the place of this one.
    async fn show(&self, html: &str) {
        let file = self.folder.path().join("page.html");
        std::fs::write(&file, format!("<!DOCTYPE html><meta charset=utf-8>{html}")).unwrap();
        self.browser.act(&Input::Navigate(format!("file://{}", file.display()))).await.unwrap();
    }

    /// The visible text once the page has come to rest.
    async fn text(&self) -> String {
        self.look().await;
        self.browser.visible_text().await.unwrap()
    }
}
