//! What the screen showed before each deed: screenshots taken whenever the page has come to rest, the newest few of them
//! and the one that a deed under way began on.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc::UnboundedSender;

use super::{milliseconds, told::Origins};
use crate::{
    ScreenError, ScreenRegion, Screenshot,
    screen::browser::{Page, Settling, elements, front::ANSWER, rest},
};

/// When a page counts as at rest. One that never is is seen once a second.
const SETTLING: Settling = Settling { quiet: Duration::from_millis(50), limit: Duration::from_secs(1) };
/// How long nobody looks after a look: a person types meanwhile.
const PAUSE: Duration = Duration::from_millis(100);
/// How soon is looked again where nothing is known to have happened: no event tells of a clock.
const AGAIN: Duration = Duration::from_millis(700);
/// How many looks in a row may fail.
const FAILURES: usize = 5;
/// How many screenshots are kept. They come later than what the page tells, so the newest is not always the one.
const KEPT: usize = 3;

/// A screenshot, with what is nobody's business painted over.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) screenshot: Screenshot,
    /// When it was there, in milliseconds since 1970: what happened later isn't in it.
    pub(super) taken: f64,
    /// When it began to be drawn: what happened before is in it.
    pub(super) drawn: f64,
    /// Where the frames were.
    pub(super) frames: Origins,
}

/// Looks whenever something has happened, until the page is gone or nobody wants to know.
pub(super) async fn watch(page: Arc<Page>, sight: UnboundedSender<Result<Seen, ScreenError>>) {
    let mut changes = page.front.record.listen();
    let mut failures = 0;
    loop {
        match look(&page).await {
            Ok(seen) => {
                failures = 0;
                if sight.send(Ok(seen)).is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::debug!(%error, "the page can't be seen");
                failures += 1;
                if failures >= FAILURES || matches!(error, ScreenError::Gone { .. }) {
                    // Nobody may be waiting for it any more.
                    let _ = sight.send(Err(error));
                    return;
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
        // Whichever it is, it is looked up.
        let _ = tokio::time::timeout(AGAIN, changes.changed()).await;
    }
}

/// One look.
///
/// # Errors
///
/// Those of [`rest::look`], and if the page can't say where it shows what is nobody's business.
pub(super) async fn look(page: &Page) -> Result<Seen, ScreenError> {
    let (front, scale) = (&page.front, page.options.scale);
    // The page may have moved while it came to rest: what is painted over is where a secret was, and where it is.
    let (mut secrets, _) = elements::secrets(front).await?;
    let (mut screenshot, taken) = rest::glance(front, SETTLING, scale).await?;
    let (now, frames) = elements::secrets(front).await?;
    secrets.extend(now);
    if !secrets.is_empty() {
        let ratio = front.evaluate::<f64>("devicePixelRatio", ANSWER).await?;
        let zoom = ratio.ok_or(ScreenError::Unsettled { seconds: ANSWER.as_secs_f64() })? / scale;
        let enlarged = |region: ScreenRegion| ScreenRegion {
            left: region.left * zoom,
            top: region.top * zoom,
            right: region.right * zoom,
            bottom: region.bottom * zoom,
        };
        screenshot.paint_over(&secrets.into_iter().map(enlarged).collect::<Vec<_>>());
    }
    Ok(Seen { screenshot, taken: milliseconds(taken.end), drawn: milliseconds(taken.start), frames })
}

/// What was seen and noted so far.
#[derive(Debug)]
pub(super) struct Outlook {
    /// The oldest first.
    seen: Vec<Seen>,
    /// What happened in the browser, and when it was known.
    notes: Vec<(f64, String)>,
    /// When the deed before ended.
    until: f64,
    /// Whether addresses and words of the page's may hold what is nobody's business.
    discreet: bool,
}

impl Outlook {
    pub(super) fn new(first: Seen) -> Self {
        Self { seen: vec![first], notes: Vec::new(), until: 0.0, discreet: false }
    }

    /// Adds what was just seen. What a deed that began at `oldest` began on stays.
    pub(super) fn add(&mut self, seen: Seen, oldest: Option<f64>) {
        self.seen.push(seen);
        let spare = self.seen.len().saturating_sub(KEPT);
        let needed = oldest.and_then(|since| self.position(since));
        let mut index = 0;
        self.seen.retain(|_| {
            index += 1;
            index > spare || needed == Some(index - 1)
        });
    }

    /// Remembers what happened for the deed that comes next.
    pub(super) fn note(&mut self, notes: Vec<String>, now: f64) {
        self.notes.extend(notes.into_iter().map(|note| (now, note)));
    }

    /// From now on addresses are cut, and what quotes the page is left out: a page may put what was typed into either.
    pub(super) fn be_discreet(&mut self) {
        self.discreet = true;
    }

    /// The screen before a deed, with what has happened since the one before; `None` if it hadn't been seen then.
    pub(super) fn before(&mut self, since: f64, until: f64) -> Option<Screenshot> {
        let seen = &self.seen[self.position(since)?];
        let mut screenshot = seen.screenshot.clone();
        // What one choice makes is done at once.
        let is_stale = seen.drawn < self.until && since > self.until;
        let (now, later): (Vec<_>, _) =
            std::mem::take(&mut self.notes).into_iter().partition(|(at, _)| *at <= since);
        self.notes = later;
        let happened = now.into_iter().map(|(_, note)| note).collect::<Vec<_>>();
        screenshot.notes.splice(..0, happened);
        if is_stale {
            let note = "the person went on before the page came to rest: this may be how it was before the last action";
            screenshot.notes.push(note.into());
        }
        self.until = until;
        Some(self.told(screenshot))
    }

    /// What came of the last deed.
    pub(super) fn after(&mut self) -> Option<Screenshot> {
        let last = self.seen.last().filter(|seen| seen.taken > self.until)?;
        let mut screenshot = last.screenshot.clone();
        screenshot.notes.splice(..0, std::mem::take(&mut self.notes).into_iter().map(|(_, note)| note));
        Some(self.told(screenshot))
    }

    /// Where the frames were when something happened.
    pub(super) fn frames(&self, at: f64) -> Option<&Origins> {
        Some(&self.seen[self.position(at)?].frames)
    }

    fn position(&self, since: f64) -> Option<usize> {
        self.seen.iter().rposition(|seen| seen.taken <= since)
    }

    fn told(&self, mut screenshot: Screenshot) -> Screenshot {
        if self.discreet {
            if let Some(location) = &mut screenshot.location {
                location.truncate(location.find(['?', '#']).unwrap_or(location.len()));
            }
            screenshot.notes.retain(|note| !note.contains(['"', '`', '/']));
        }
        screenshot
    }
}

#[cfg(test)]
mod tests {
    use image::RgbImage;

    use super::*;
    use crate::{Frame, PixelSize};

    fn seen(taken: f64) -> Seen {
        let screenshot = Screenshot {
            pixels: Arc::new(RgbImage::new(1, 1)),
            frame: Frame { size: PixelSize { width: 1, height: 1 }, scale: 1.0 },
            location: Some(format!("https://portal.example/{taken}?pin=0042#top")),
            notes: Vec::new(),
        };
        Seen { screenshot, taken, drawn: taken, frames: Origins::new() }
    }

    fn location(screenshot: Option<Screenshot>) -> Option<String> {
        let location = screenshot?.location?;
        location.strip_prefix("https://portal.example/").map(str::to_owned)
    }

    #[test]
    fn a_deed_gets_the_newest_screenshot_that_is_older() {
        let mut outlook = Outlook::new(seen(10.0));
        for taken in [20.0, 30.0] {
            outlook.add(seen(taken), None);
        }
        for (since, expected) in
            [(9.0, None), (10.0, Some("10")), (19.9, Some("10")), (20.0, Some("20")), (99.0, Some("30"))]
        {
            let found = location(outlook.before(since, since));
            assert_eq!(found, expected.map(|taken| format!("{taken}?pin=0042#top")), "{since}");
        }
    }

    #[test]
    fn what_a_deed_under_way_began_on_is_kept() {
        let mut outlook = Outlook::new(seen(10.0));
        for taken in 2..20 {
            outlook.add(seen(f64::from(taken) * 10.0), Some(15.0));
        }
        assert_eq!(
            outlook.seen.iter().map(|seen| seen.taken).collect::<Vec<_>>(),
            [10.0, 170.0, 180.0, 190.0]
        );
        outlook.add(seen(200.0), None);
        assert_eq!(outlook.seen.len(), KEPT);
    }

    #[test]
    fn notes_go_to_the_deed_after_them_and_a_screenshot_that_is_too_old_says_so() {
        let mut outlook = Outlook::new(seen(10.0));
        outlook.note(vec!["a new window was opened".into()], 12.0);
        outlook.note(vec!["the page showed the message \"Hello\"".into()], 22.0);
        assert_eq!(outlook.before(15.0, 20.0).unwrap().notes, ["a new window was opened"]);
        let notes = outlook.before(25.0, 25.0).unwrap().notes;
        assert_eq!(notes[0], "the page showed the message \"Hello\"");
        assert!(notes[1].starts_with("the person went on"), "{notes:?}");
        // One that began to be drawn before the last deed may show the page before it.
        outlook.add(Seen { drawn: 24.0, ..seen(26.0) }, None);
        assert!(outlook.before(27.0, 27.0).unwrap().notes[0].starts_with("the person went on"));
        outlook.add(seen(30.0), None);
        assert_eq!(location(outlook.after()).as_deref(), Some("30?pin=0042#top"));
    }

    #[test]
    fn once_something_secret_was_typed_neither_addresses_nor_the_pages_words_are_told() {
        let mut outlook = Outlook::new(seen(10.0));
        outlook.be_discreet();
        outlook
            .note(vec!["the page showed the message \"0042\"".into(), "the page kept changing".into()], 12.0);
        let before = outlook.before(15.0, 15.0).unwrap();
        assert_eq!(before.location.as_deref(), Some("https://portal.example/10"));
        assert_eq!(before.notes, ["the page kept changing"]);
    }
}
