//! A page in a real browser as a screen: Chromium, spoken to over the Chrome DevTools Protocol.

mod options;

use async_trait::async_trait;

pub use options::{BrowserOptions, Settling};

use crate::{Input, Screen, ScreenError, Screenshot};

/// One page in a browser of its own.
///
/// The browser starts with an empty profile and ends with this value, whatever becomes of this process.
#[derive(Debug)]
pub struct Browser {
    options: BrowserOptions,
}

impl Browser {
    /// Starts a browser and opens a page in it.
    ///
    /// # Errors
    ///
    /// [`ScreenError::Missing`] if there is no browser and none can be fetched, [`ScreenError::Refused`] if
    /// the page can't be opened.
    pub async fn open(options: BrowserOptions) -> Result<Self, ScreenError> {
        Ok(Self { options })
    }
}

#[async_trait]
impl Screen for Browser {
    async fn look(&self) -> Result<Screenshot, ScreenError> {
        Err(ScreenError::Gone { reason: format!("{} was never opened", self.options.page) })
    }

    async fn act(&self, _: &Input) -> Result<(), ScreenError> {
        Err(ScreenError::Gone { reason: format!("{} was never opened", self.options.page) })
    }
}
