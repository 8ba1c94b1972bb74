//! Something that can be looked at and acted on: a browser page, a desktop, a still image.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use image::{Rgb, RgbImage};
use serde::{Deserialize, Serialize};

use crate::{Frame, PixelRegion, ScreenError, ScreenPoint, ScreenRegion};

pub(crate) mod browser;
mod element;
pub(crate) mod still;

pub use element::Element;

/// What a screen showed at one moment.
#[derive(Clone)]
pub struct Screenshot {
    /// The pixels.
    pub pixels: Arc<RgbImage>,
    /// Their geometry.
    pub frame: Frame,
    /// The address shown, where the screen has one: a page's URL, an image's path.
    pub location: Option<String>,
    /// Things a reader of this screenshot must know: "the page kept changing", "a dialog was dismissed: …".
    pub notes: Vec<String>,
}

/// What is painted over what nobody may see.
const PAINT: Rgb<u8> = Rgb([128, 128, 128]);

impl Screenshot {
    /// Paints over every pixel that one of these places touches.
    pub fn paint_over(&mut self, places: &[ScreenRegion]) {
        if places.is_empty() {
            return;
        }
        let pixels = Arc::make_mut(&mut self.pixels);
        for place in places {
            let PixelRegion { left, top, right, bottom } = self.frame.to_pixels(*place);
            for y in top..bottom {
                for x in left..right {
                    pixels.put_pixel(x, y, PAINT);
                }
            }
        }
    }
}

impl fmt::Debug for Screenshot {
    /// Everything but the pixels, which would fill a log with numbers; the frame tells their size.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shot = f.debug_struct("Screenshot");
        shot.field("frame", &self.frame).field("location", &self.location).field("notes", &self.notes);
        shot.finish_non_exhaustive()
    }
}

/// Which button of the mouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum MouseButton {
    /// The main one.
    #[default]
    Left,
    /// The wheel.
    Middle,
    /// The one that opens a context menu.
    Right,
}

/// A key or a chord, in the names of the W3C UI Events `KeyboardEvent.key` values: `Enter`, `Tab`, `a`,
/// `Control+a`, `Shift+Tab`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key(pub String);

/// One thing done to a screen. Points are the screen's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Input {
    /// Presses and releases a button `count` times at one place.
    Click {
        /// Where.
        at: ScreenPoint,
        /// Which button.
        button: MouseButton,
        /// 1 for a click, 2 for a double click.
        count: u32,
    },
    /// Presses at `from`, moves to `to`, releases.
    Drag {
        /// Where the button goes down.
        from: ScreenPoint,
        /// Where it comes up.
        to: ScreenPoint,
    },
    /// Turns the wheel over a place; positive `down` shows what is further down.
    Scroll {
        /// Where the pointer is.
        at: ScreenPoint,
        /// Screen points to the right.
        right: f64,
        /// Screen points downwards.
        down: f64,
    },
    /// Types text into whatever has the focus.
    Text(String),
    /// Presses and releases a key or a chord.
    Press(Key),
    /// Opens an address.
    Navigate(String),
}

impl Input {
    /// What is done, as an infinitive: "click", "type text".
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Click { .. } => "click",
            Self::Drag { .. } => "drag",
            Self::Scroll { .. } => "scroll",
            Self::Text(_) => "type text",
            Self::Press(_) => "press a key",
            Self::Navigate(_) => "open an address",
        }
    }
}

/// The eyes and the mechanical hands of an agent.
///
/// Implementations are shared between the loop and the tools, so both methods take `&self`; what they do
/// is done in the order of the calls.
///
/// ```
/// use std::sync::Arc;
///
/// use percept_tools::{
///     Frame, Input, PixelSize, Screen, ScreenError, Screenshot, async_trait, image::RgbImage,
/// };
///
/// /// A wall: it can be looked at, and does nothing.
/// struct Wall;
///
/// #[async_trait]
/// impl Screen for Wall {
///     async fn look(&self) -> Result<Screenshot, ScreenError> {
///         let size = PixelSize { width: 64, height: 48 };
///         Ok(Screenshot {
///             pixels: Arc::new(RgbImage::new(size.width, size.height)),
///             frame: Frame { size, scale: 1.0 },
///             location: None,
///             notes: Vec::new(),
///         })
///     }
///
///     async fn act(&self, input: &Input) -> Result<(), ScreenError> {
///         Err(ScreenError::Unsupported { what: input.verb().into() })
///     }
/// }
/// ```
#[async_trait]
pub trait Screen: Send + Sync {
    /// Waits until the screen has come to rest, and takes a screenshot.
    ///
    /// # Errors
    ///
    /// [`ScreenError::Gone`] if there is nothing left to look at.
    async fn look(&self) -> Result<Screenshot, ScreenError>;

    /// Does one thing to the screen.
    ///
    /// # Errors
    ///
    /// [`ScreenError::Unsupported`] if the screen can't do that, [`ScreenError::Refused`] if it makes no
    /// sense here, [`ScreenError::Gone`] if there is nothing left to act on.
    async fn act(&self, input: &Input) -> Result<(), ScreenError>;

    /// The text that a person could read on the screen now, for checking evidence.
    ///
    /// # Errors
    ///
    /// [`ScreenError::Unsupported`] where the screen has only pixels.
    async fn visible_text(&self) -> Result<String, ScreenError> {
        Err(ScreenError::Unsupported { what: "tell its text".into() })
    }

    /// What a click at a place would reach; `None` where there is nothing at all.
    ///
    /// # Errors
    ///
    /// [`ScreenError::Unsupported`] where the screen has only pixels.
    async fn element_at(&self, _at: ScreenPoint) -> Result<Option<Element>, ScreenError> {
        Err(ScreenError::Unsupported { what: "tell its elements".into() })
    }

    /// Everything in view that can be acted on.
    ///
    /// # Errors
    ///
    /// [`ScreenError::Unsupported`] where the screen has only pixels.
    async fn elements(&self) -> Result<Vec<Element>, ScreenError> {
        Err(ScreenError::Unsupported { what: "tell its elements".into() })
    }

    /// Where one of these texts is shown or held: the field that holds it, or the rectangle around the words.
    ///
    /// # Errors
    ///
    /// [`ScreenError::Unsupported`] where the screen has only pixels.
    async fn places_of(&self, _texts: &[String]) -> Result<Vec<ScreenRegion>, ScreenError> {
        Err(ScreenError::Unsupported { what: "tell where a text is".into() })
    }

    /// Ends the screen and everything it started. Further calls fail with [`ScreenError::Gone`].
    ///
    /// # Errors
    ///
    /// [`ScreenError::Broken`] if something that the screen started is still there.
    async fn close(&self) -> Result<(), ScreenError> {
        Ok(())
    }
}
