//! A person at work in a browser, recorded: what was done, in the words of the built-in tools, and what the screen
//! showed before each of it.
//!
//! A script in every document tells of what the person does ([`CAPTURE`]), [`Gestures`] make actions of it, and the
//! [`Outlook`] has the screenshots that were there before them. What is typed into a masked field never leaves its
//! document, and the screenshots have it painted over.

mod gestures;
mod outlook;
mod told;

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use percept_fetch::Progress;
use serde_json::Value;
use tokio::sync::{
    mpsc::{self, UnboundedReceiver, UnboundedSender},
    watch,
};
use tokio_util::sync::CancellationToken;

pub(super) use self::told::Told;
use self::{
    gestures::{Gesture, Gestures, Heard},
    outlook::{Outlook, Seen},
    told::{Origins, What},
};
use super::{Browser, BrowserOptions, Page, keyboard};
use crate::{Input, ScreenError, Screenshot, builtin};

/// Tells what a person does; see the comments in it.
pub(super) const CAPTURE: &str = include_str!("recording/capture.js");
/// What the script calls, in a world that only our own scripts are in.
pub(super) const BINDING: &str = "perceptTold";

/// How often is asked what is over because time has passed.
const TICK: Duration = Duration::from_millis(100);

/// Something that a person did, as the call that does it again.
#[derive(Debug, Clone)]
pub struct Deed {
    /// The name of the built-in tool that does it.
    pub tool: &'static str,
    /// What the tool is called with; points are pixels of `before`.
    pub arguments: Value,
    /// The same as an input.
    pub input: Input,
    /// The newest screenshot that is older than the deed. A note in it says so if it is older than the deed before, too:
    /// then the person didn't wait for the page.
    pub before: Screenshot,
}

/// What a [`Recorder`] tells.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Recorded {
    /// The person did something.
    Deed(Box<Deed>),
    /// The person did something that isn't recorded, in words: "a click with another button than the main one".
    Lost(String),
    /// The recording is over; nothing comes after this.
    Over {
        /// Why: the window was closed, or the recorder stopped.
        reason: String,
        /// What came of the last deed, if that was seen.
        after: Option<Box<Screenshot>>,
    },
}

/// A browser whose person is recorded.
///
/// Text is recorded as it stood when something else was done, without the slips on the way, and a paste like any text.
/// For what is typed into a password field, and into any that is masked, stands `{{password}}`.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use percept_tools::{BrowserOptions, Recorded, Recorder};
///
/// # async fn example(progress: Arc<dyn percept_tools::Progress>) -> Result<(), percept_tools::ScreenError> {
/// let options = BrowserOptions { visible: true, ..BrowserOptions::new("page.html") };
/// let mut recorder = Recorder::open(options, progress).await?;
/// while let Some(recorded) = recorder.next().await {
///     if let Recorded::Deed(deed) = recorded {
///         println!("{} {}", deed.tool, deed.arguments);
///     }
/// }
/// recorder.close().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Recorder {
    browser: Arc<Browser>,
    recorded: UnboundedReceiver<Recorded>,
    /// When the newest screenshot was there.
    seen: watch::Receiver<f64>,
    stop: CancellationToken,
}

impl Recorder {
    /// Starts a browser, opens a page in it, and records from when the page first came to rest.
    ///
    /// # Errors
    ///
    /// Those of [`Browser::open`].
    pub async fn open(options: BrowserOptions, progress: Arc<dyn Progress>) -> Result<Self, ScreenError> {
        let (person, told) = mpsc::unbounded_channel();
        let browser = Arc::new(Browser::open_before(options, progress, Some(person)).await?);
        let (sight, seen) = mpsc::unbounded_channel();
        let first = outlook::look(&browser.page).await?;
        let watching = tokio::spawn(outlook::watch(browser.page.clone(), sight));
        let (given, recorded) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let (newest, newly_seen) = watch::channel(first.drawn);
        let desk = Desk::new(browser.page.clone(), first, given, newest);
        let stopped = stop.clone();
        tokio::spawn(async move {
            desk.work(told, seen, stopped).await;
            watching.abort();
        });
        Ok(Self { browser, recorded, seen: newly_seen, stop })
    }

    /// The browser. What is done to it as to any screen is recorded as well: the page can't tell it from a person.
    pub fn browser(&self) -> Arc<Browser> {
        Arc::clone(&self.browser)
    }

    /// What happened next; `None` once the recording is over.
    pub async fn next(&mut self) -> Option<Recorded> {
        self.recorded.recv().await
    }

    /// Waits until the screen was seen as it is from now on: what is done next has a screenshot of what came before it.
    /// A person takes his time anyway; a program that acts in his place has to.
    ///
    /// # Errors
    ///
    /// [`ScreenError::Gone`] if the recording is over.
    pub async fn rested(&self) -> Result<(), ScreenError> {
        let asked = now();
        let seen = self.seen.clone().wait_for(|drawn| *drawn > asked).await.map(drop);
        seen.map_err(|_| ScreenError::Gone { reason: "the recording is over".into() })
    }

    /// Ends the recording: what is under way is told, and then that it is over.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Ends the browser.
    ///
    /// # Errors
    ///
    /// [`ScreenError::Broken`] if it is still there.
    pub async fn close(self) -> Result<(), ScreenError> {
        use crate::Screen;
        self.browser.close().await
    }
}

/// Where what is told and what is seen come together.
struct Desk {
    page: Arc<Page>,
    gestures: Gestures,
    outlook: Outlook,
    given: UnboundedSender<Recorded>,
    newest: watch::Sender<f64>,
}

impl Desk {
    fn new(
        page: Arc<Page>,
        first: Seen,
        given: UnboundedSender<Recorded>,
        newest: watch::Sender<f64>,
    ) -> Self {
        let gestures = Gestures::new(page.options.scale);
        Self { page, gestures, outlook: Outlook::new(first), given, newest }
    }

    async fn work(
        mut self,
        mut told: UnboundedReceiver<Option<Told>>,
        mut seen: UnboundedReceiver<Result<Seen, ScreenError>>,
        stop: CancellationToken,
    ) {
        let mut ticks = tokio::time::interval(TICK);
        let reason = loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break "the recording was stopped".to_owned(),
                event = told.recv() => match event {
                    Some(event) => self.hear(event),
                    None => break self.gone("the browser ended"),
                },
                sight = seen.recv() => match sight {
                    Some(Ok(sight)) => {
                        let drawn = sight.drawn;
                        self.outlook.add(sight, self.gestures.oldest());
                        self.newest.send_replace(drawn);
                    }
                    Some(Err(ScreenError::Gone { reason })) => break self.gone(&reason),
                    Some(Err(error)) => break error.to_string(),
                    None => break "nothing could be seen any more".to_owned(),
                },
                _ = ticks.tick() => {
                    let over = self.gestures.idle(now());
                    self.pass_on(over);
                }
            }
        };
        while let Ok(event) = told.try_recv() {
            self.hear(event);
        }
        while let Ok(Ok(sight)) = seen.try_recv() {
            self.outlook.add(sight, self.gestures.oldest());
        }
        let left = self.gestures.end();
        self.pass_on(left);
        let after = self.outlook.after().map(Box::new);
        self.give(Recorded::Over { reason, after });
    }

    fn gone(&self, reason: &str) -> String {
        let is_closed = self.page.front.record.lock().windows.is_empty();
        if is_closed { "the window was closed".to_owned() } else { reason.to_owned() }
    }

    fn hear(&mut self, told: Option<Told>) {
        self.note();
        let Some(told) = told else {
            return self.give(Recorded::Lost("something that the page told in no known words".into()));
        };
        let at = told.at;
        if matches!(told.what, What::Secret { .. }) {
            self.outlook.be_discreet();
        }
        let nowhere = Origins::new();
        let over = self.gestures.hear(told, self.outlook.frames(at).unwrap_or(&nowhere));
        self.pass_on(over);
    }

    /// Takes over what has happened in the browser.
    fn note(&mut self) {
        let notes = self.page.front.record.lock().take_notes();
        self.outlook.note(notes, now());
    }

    fn pass_on(&mut self, over: Vec<Heard>) {
        self.note();
        for heard in over {
            let recorded = match heard {
                Heard::Gesture(gesture) => self.deed(gesture),
                Heard::Lost(what) => Recorded::Lost(what),
            };
            self.give(recorded);
        }
    }

    fn deed(&mut self, gesture: Gesture) -> Recorded {
        let Gesture { since, until, input } = gesture;
        if let Input::Press(key) = &input
            && !keyboard::knows(key)
        {
            return Recorded::Lost(format!("the key `{}`, which no tool presses", key.0));
        }
        let Some(before) = self.outlook.before(since, until) else {
            return Recorded::Lost(format!("`{}`, which came before the page was at rest", input.verb()));
        };
        match builtin::written(&input, before.frame) {
            Some((tool, arguments)) => Recorded::Deed(Box::new(Deed { tool, arguments, input, before })),
            None => Recorded::Lost(format!("`{}` in a way that no tool has", input.verb())),
        }
    }

    fn give(&self, recorded: Recorded) {
        // Nobody may be listening any more.
        let _ = self.given.send(recorded);
    }
}

/// Milliseconds since 1970, as a page's clock has them.
fn milliseconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1000.0
}

fn now() -> f64 {
    milliseconds(SystemTime::now())
}
