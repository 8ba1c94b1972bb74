//! The text that a person could read in the viewport.

use std::time::Duration;

use super::front::Front;
use crate::ScreenError;

/// Walks the document and gives its visible lines; see the comments in it.
const READ: &str = include_str!("text/visible.js");

/// How long a page may take to be read.
const LIMIT: Duration = Duration::from_secs(3);
/// How often a page that goes on to another one meanwhile is read again.
const ATTEMPTS: usize = 3;

/// The text in the viewport of the window in front, a line for each line of the page.
///
/// # Errors
///
/// [`ScreenError::Gone`] if there is no page any more, [`ScreenError::Unsettled`] if it can't be read.
pub(super) async fn visible(front: &Front) -> Result<String, ScreenError> {
    for _ in 0..ATTEMPTS {
        if let Some(text) = front.evaluate::<String>(READ, LIMIT).await? {
            return Ok(text);
        }
    }
    Err(ScreenError::Unsettled { seconds: LIMIT.as_secs_f64() })
}
