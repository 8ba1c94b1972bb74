//! When a page has come to rest, and the screenshot of it then.
//!
//! At rest means: nothing loads and nothing has for a moment, its fonts are there, and two pictures taken some
//! frames apart are equal, which also covers what no event tells of, as a canvas, a film or a spinner. A page
//! that is never at rest is taken as it is when the time is up, and a note says so.

use std::{
    ops::Range,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use chromiumoxide::cdp::browser_protocol::page::{CaptureScreenshotFormat, CaptureScreenshotParams};
use image::{ImageFormat, RgbImage};
use serde::Deserialize;

use super::{
    Settling,
    front::{ANSWER, Front},
    happenings::Window,
    wire::WireError,
};
use crate::{Frame, PixelSize, ScreenError, Screenshot};

/// Ends when the page has loaded its fonts and drawn two frames.
const TWO_FRAMES: &str = "(async () => {
    await document.fonts.ready;
    for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
    const still = !document.getAnimations().some((animation) =>
        animation.playState === 'running' && animation.effect.getComputedTiming().endTime < Infinity);
    return { still, address: location.href };
})()";

/// What the page was like after two frames.
#[derive(Debug, Deserialize)]
struct AfterTwoFrames {
    /// No animation that has an end is under way. Endless ones are left to the comparison of pictures.
    still: bool,
    /// The page's address.
    address: String,
}

/// How long a page whose scripts don't end is given in one go, so that a navigation is noticed in between.
const ONE_LOOK: Duration = Duration::from_millis(500);

/// Why a page was taken before it had come to rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unrest {
    Loads,
    Hangs,
    Changes,
}

impl Unrest {
    fn note(self, limit: Duration, window: &Window) -> String {
        let seconds = limit.as_secs_f64();
        match self {
            Self::Loads => {
                let what = window.loads().unwrap_or_else(|| "nothing any more".into());
                format!("the page was still loading after {seconds:.1} s: {what}")
            }
            Self::Hangs => format!("the page did not answer for {seconds:.1} s"),
            Self::Changes => format!("the page kept changing for {seconds:.1} s: this is one moment of it"),
        }
    }
}

/// Waits until the page in front is at rest, and takes its screenshot, with a note of everything that has happened.
///
/// # Errors
///
/// [`ScreenError::Gone`] if there is no page any more, [`ScreenError::Unsettled`] if the page is so busy that
/// not even a picture can be taken.
pub(super) async fn look(front: &Front, settling: Settling, scale: f64) -> Result<Screenshot, ScreenError> {
    let (mut screenshot, _) = glance(front, settling, scale).await?;
    let mut notes = front.record.lock().take_notes();
    notes.append(&mut screenshot.notes);
    Ok(Screenshot { notes, ..screenshot })
}

/// [`look`], but for what has happened; and between which two moments the picture was made: what happened before the first is
/// in it, and what happened after the second isn't.
///
/// # Errors
///
/// Those of [`look`].
pub(super) async fn glance(
    front: &Front,
    settling: Settling,
    scale: f64,
) -> Result<(Screenshot, Range<SystemTime>), ScreenError> {
    let begun = Instant::now();
    let deadline = begun + settling.limit;
    let mut before: Option<String> = None;
    let mut location = None;
    let (picture, taken, unrest) = loop {
        let mut unrest =
            if quiet(front, settling.quiet, deadline).await? { None } else { Some(Unrest::Loads) };
        let drawn = SystemTime::now();
        let after = front.evaluate::<AfterTwoFrames>(TWO_FRAMES, ONE_LOOK).await?;
        let still = after.as_ref().map(|after| after.still);
        location = after.map(|after| after.address).or(location);
        let late = Instant::now() >= deadline;
        if still != Some(true) {
            if !late {
                before = None;
                continue;
            }
            unrest = unrest.or(Some(if still.is_none() { Unrest::Hangs } else { Unrest::Changes }));
        }
        // What happened while the frames were drawn may have begun to load something.
        if !late && front.record.lock().until_quiet(settling.quiet) != Some(Duration::ZERO) {
            before = None;
            continue;
        }
        let picture = capture(front, begun).await?;
        let taken = drawn..SystemTime::now();
        if unrest.is_none() && before.as_ref() == Some(&picture) {
            break (picture, taken, None);
        }
        if late {
            break (picture, taken, unrest.or(Some(Unrest::Changes)));
        }
        before = Some(picture);
    };
    let window = front.window()?;
    let notes = unrest.map(|unrest| unrest.note(settling.limit, &window)).into_iter().collect();
    let pixels = decode(&picture)?;
    let size = PixelSize { width: pixels.width(), height: pixels.height() };
    let screenshot = Screenshot {
        pixels: Arc::new(pixels),
        frame: Frame { size, scale },
        location: location.or(Some(window.url)),
        notes,
    };
    Ok((screenshot, taken))
}

/// Waits until nothing has been loading for `quiet`; `false` if the deadline comes first.
pub(super) async fn quiet(front: &Front, quiet: Duration, deadline: Instant) -> Result<bool, ScreenError> {
    let mut changes = front.record.listen();
    loop {
        front.window()?;
        let until = front.record.lock().until_quiet(quiet);
        let now = Instant::now();
        if until == Some(Duration::ZERO) {
            return Ok(true);
        }
        if now >= deadline {
            return Ok(false);
        }
        let left = deadline - now;
        let pause = until.map_or(left, |until| until.min(left));
        // Either way round: what is true then is looked up again.
        let _ = tokio::time::timeout(pause, changes.changed()).await;
    }
}

/// A picture of the viewport: a PNG file in base64, equal for equal pixels.
async fn capture(front: &Front, begun: Instant) -> Result<String, ScreenError> {
    let command = CaptureScreenshotParams {
        format: Some(CaptureScreenshotFormat::Png),
        optimize_for_speed: Some(true),
        ..Default::default()
    };
    let window = front.window()?;
    match front.wire.execute(Some(&window.session), &command, ANSWER).await {
        Ok(answer) => Ok(answer.data.into()),
        Err(error @ WireError::Silent { .. }) => Err(match front.sorted(error) {
            gone @ ScreenError::Gone { .. } => gone,
            _ => ScreenError::Unsettled { seconds: begun.elapsed().as_secs_f64() },
        }),
        Err(error) => Err(front.sorted(error)),
    }
}

fn decode(picture: &str) -> Result<RgbImage, ScreenError> {
    let file = BASE64_STANDARD.decode(picture).map_err(|e| ScreenError::Broken(e.into()))?;
    let image = image::load_from_memory_with_format(&file, ImageFormat::Png);
    Ok(image.map_err(|e| ScreenError::Broken(e.into()))?.into_rgb8())
}
