//! A percept: what the agent saw at one moment.

use std::sync::Arc;

use percept_models::{ContentHash, ImageContent};
use percept_tools::{Frame, Screenshot};

/// A screenshot with the hash of its content. A run is a sequence of these.
#[derive(Debug, Clone)]
pub struct Percept {
    screenshot: Screenshot,
    image: ImageContent,
}

impl Percept {
    /// Takes a screenshot in.
    pub fn new(screenshot: Screenshot) -> Self {
        let image = ImageContent::new(Arc::clone(&screenshot.pixels));
        Self { screenshot, image }
    }

    /// A screenshot whose content is known already.
    pub(crate) fn remembered(screenshot: Screenshot, image: ImageContent) -> Self {
        Self { screenshot, image }
    }

    /// The screenshot as the screen gave it.
    pub fn screenshot(&self) -> &Screenshot {
        &self.screenshot
    }

    /// Its geometry.
    pub fn frame(&self) -> Frame {
        self.screenshot.frame
    }

    /// The pixels as a model is shown them.
    pub fn image(&self) -> &ImageContent {
        &self.image
    }

    /// Equal exactly if size and pixels are.
    pub fn hash(&self) -> ContentHash {
        self.image.hash()
    }
}
