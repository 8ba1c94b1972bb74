//! What the capture script tells of a person, as it comes over the wire.

use std::collections::HashMap;

use serde::Deserialize;

use crate::{MouseButton, ScreenPoint};

/// One thing that happened on a page, and when.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(in crate::screen::browser) struct Told {
    /// Milliseconds since 1970, taken before anything on the page could come of it.
    pub(super) at: f64,
    #[serde(flatten)]
    pub(super) what: What,
}

impl Told {
    /// Reads the script's words.
    pub(in crate::screen::browser) fn read(payload: &str) -> Option<Self> {
        let read = serde_json::from_str(payload);
        read.inspect_err(|error| tracing::debug!(%error, "what the page's script told makes no sense")).ok()
    }

    /// Whether something begins with it, and doesn't only go on: a button may come up after another window did.
    pub(in crate::screen::browser) fn begins(&self) -> bool {
        !matches!(self.what, What::Up { .. } | What::Erase { .. } | What::Choice { .. } | What::Lost { .. })
    }
}

/// Where on the page, in CSS pixels of a frame as the page is zoomed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Place {
    x: f64,
    y: f64,
    /// Device pixels to one of these.
    ratio: f64,
    /// The numbers of the frames that lead from the top to the one that it is in; none for the top itself.
    frame: Vec<usize>,
}

/// Where the frames were that were seen last, by the numbers that lead to them.
pub(super) type Origins = HashMap<Vec<usize>, ScreenPoint>;

impl Place {
    /// The place on the screen, with so many screenshot pixels to a screen point; `None` in a frame that wasn't seen.
    pub(super) fn on_screen(&self, origins: &Origins, scale: f64) -> Option<ScreenPoint> {
        let zoom = self.ratio / scale;
        let origin = match &self.frame[..] {
            [] => ScreenPoint { x: 0.0, y: 0.0 },
            frame => *origins.get(frame)?,
        };
        Some(ScreenPoint { x: (origin.x + self.x) * zoom, y: (origin.y + self.y) * zoom })
    }

    #[cfg(test)]
    pub(super) fn at(x: f64, y: f64) -> Self {
        Self { x, y, ratio: 1.0, frame: Vec::new() }
    }
}

/// What a person did, or what became of it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum What {
    /// A button went down.
    Down {
        #[serde(flatten)]
        place: Place,
        button: MouseButton,
    },
    /// It came up, or what was dragged was dropped.
    Up {
        #[serde(flatten)]
        place: Place,
    },
    /// A key or a chord was pressed. If it writes or erases, that is told next.
    Key { key: String },
    /// Text went into a field, or a line was broken there.
    Text {
        text: String,
        /// The key that was told last is what wrote it.
        keyed: bool,
    },
    /// Something went into a field whose content is nobody's business.
    Secret { keyed: bool },
    /// The key that was told last took away so much of what stood before the caret, in units of UTF-16.
    Erase { units: usize },
    /// The wheel turned, by CSS pixels.
    Wheel {
        #[serde(flatten)]
        place: Place,
        right: f64,
        down: f64,
    },
    /// An option of a list that folds down was chosen.
    Choice { label: String },
    /// Something that no tool does.
    Lost { what: String },
    /// The window came to the front.
    Front,
}
