//! What a browser is opened with.

use std::{path::PathBuf, time::Duration};

use crate::ScreenSize;

/// What a [`Browser`](super::Browser) is opened with. Start from [`BrowserOptions::new`].
#[derive(Debug, Clone, PartialEq)]
pub struct BrowserOptions {
    /// The page: the path of an HTML file, or an address (`https:`, `http:`, `file:`, `data:`, `about:`).
    pub page: String,
    /// The viewport's size in CSS pixels.
    pub size: ScreenSize,
    /// Device pixels, and so screenshot pixels, to a CSS pixel.
    pub scale: f64,
    /// Hosts that pages may reach: `example.org`, `*.example.org`, `127.0.0.1:8080`. With none, only local
    /// pages can be shown, and nothing leaves the machine.
    pub hosts: Vec<String>,
    /// The folder whose files pages may use; a local page's own by default.
    pub folder: Option<PathBuf>,
    /// Local pages get it as `?seed=N`, so that they can vary and yet be repeated.
    pub seed: Option<u64>,
    /// The browser to start. By default `$PERCEPT_BROWSER`, else one on the `PATH`, else the one that is
    /// fetched once into the user's cache.
    pub executable: Option<PathBuf>,
    /// Whether a window is shown, which needs a display. A fetched browser has none to show.
    pub visible: bool,
    /// How long a page may take to come to rest.
    pub settling: Settling,
    /// What is answered to a page that asks in a dialog of its own.
    pub dialogs: Dialogs,
}

impl BrowserOptions {
    /// A page in a viewport of 332×214 CSS pixels, one device pixel each, with no network.
    pub fn new(page: impl Into<String>) -> Self {
        Self {
            page: page.into(),
            size: ScreenSize { width: 332, height: 214 },
            scale: 1.0,
            hosts: Vec::new(),
            folder: None,
            seed: None,
            executable: None,
            visible: false,
            settling: Settling::default(),
            dialogs: Dialogs::default(),
        }
    }
}

/// When a page counts as having come to rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settling {
    /// How long nothing may have been loading.
    pub quiet: Duration,
    /// After this long a page that still changes is taken as it is, and a note in the screenshot says so.
    pub limit: Duration,
}

impl Default for Settling {
    fn default() -> Self {
        Self { quiet: Duration::from_millis(50), limit: Duration::from_secs(3) }
    }
}

/// What is answered to `confirm` and `prompt`, which no screenshot shows. `alert` has one answer, and a page
/// that asks whether it may be left is left. A note in the next screenshot tells of every dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialogs {
    /// "Cancel": nobody chose what the dialog asks about.
    #[default]
    Dismiss,
    /// "OK", with the text that a prompt suggests.
    Accept,
}
