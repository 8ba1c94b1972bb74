//! A page in a real browser as a screen: Chromium, spoken to over the Chrome `DevTools` Protocol.
//!
//! The browser has an empty profile of its own, reaches only what it was allowed to, and ends with its
//! [`Browser`], even if this process is killed.

mod address;
mod elements;
mod events;
mod executable;
mod front;
mod happenings;
mod hosts;
mod keyboard;
mod launch;
mod mouse;
mod options;
mod package;
mod process;
mod recording;
mod rest;
mod setup;
mod text;
mod wire;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use chromiumoxide::cdp::browser_protocol::page::{NavigateParams, ResetNavigationHistoryParams};
use percept_fetch::{Progress, Silent};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use url::Url;

pub use hosts::HostPattern;
pub use options::{BrowserOptions, Dialogs, Settling};
pub use recording::{Deed, Recorded, Recorder};

use self::{
    address::Address,
    events::Witness,
    front::{ANSWER, Front},
    happenings::Record,
    hosts::Reach,
    process::Process,
    setup::Setup,
    wire::{Wire, WireError},
};
use crate::{Element, Input, Screen, ScreenError, ScreenPoint, ScreenRegion, Screenshot};

/// How long a page's server may take to answer at all.
const FIRST_ANSWER: Duration = Duration::from_secs(30);

/// A page in a browser of its own.
///
/// If the page opens a window, that is what the screen shows from then on, until it closes; every such thing
/// that a screenshot can't show is in its notes.
///
/// ```no_run
/// use percept_tools::{Browser, BrowserOptions, Screen};
///
/// # async fn run() -> Result<(), percept_tools::ScreenError> {
/// let page = Browser::open(BrowserOptions::new("page.html")).await?;
/// let screenshot = page.look().await?;
/// assert_eq!(screenshot.pixels.dimensions(), (332, 214));
/// page.close().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Browser {
    page: Arc<Page>,
    /// Taken when the browser is closed; dropping it ends the browser.
    process: Mutex<Option<Process>>,
}

/// What an action needs, so that it can go on when nobody waits for it any more.
#[derive(Debug)]
struct Page {
    front: Front,
    setup: Arc<Setup>,
    options: BrowserOptions,
    /// Lets one call at a time act or look, in the order in which they were made.
    turns: Arc<Semaphore>,
}

impl Browser {
    /// Starts a browser and opens a page in it.
    ///
    /// # Errors
    ///
    /// [`ScreenError::Missing`] if there is no browser and none can be fetched or it doesn't start,
    /// [`ScreenError::Refused`] if the page can't be opened or an option makes no sense.
    pub async fn open(options: BrowserOptions) -> Result<Self, ScreenError> {
        Self::open_telling(options, Arc::new(Silent)).await
    }

    /// [`Browser::open`], telling how far a browser is fetched, if one has to be.
    ///
    /// # Errors
    ///
    /// Those of [`Browser::open`].
    pub async fn open_telling(
        options: BrowserOptions,
        progress: Arc<dyn Progress>,
    ) -> Result<Self, ScreenError> {
        Self::open_before(options, progress, None).await
    }

    /// [`Browser::open_telling`], with somebody who is told what a person does.
    async fn open_before(
        options: BrowserOptions,
        progress: Arc<dyn Progress>,
        person: Option<mpsc::UnboundedSender<Option<recording::Told>>>,
    ) -> Result<Self, ScreenError> {
        launch::check(&options)?;
        let address = Address::read(&options)?;
        let reach = Reach::new(&options.hosts, address.folder)?;
        reach.check(&address.url).map_err(|why| refused(&address.url, &why))?;

        let (process, notes) = launch::start(&options, &reach, progress).await?;
        let setup = Arc::new(Setup::new(&options, reach, person.is_some()));
        let record = Record::new();
        for note in notes {
            record.lock().note(note);
        }
        let mut witness = Witness { setup: setup.clone(), record: record.clone(), person };
        let wire = Wire::connect(&process.address, move |event| witness.hear(event))
            .await
            .map_err(|e| ScreenError::Broken(e.into()))?;
        let front = Front { wire, record };
        for request in Setup::browser() {
            front.wire.send(request, ANSWER).await.map_err(|e| front.sorted(e))?;
        }
        let page = Arc::new(Page { front, setup, options, turns: Arc::new(Semaphore::new(1)) });
        page.first_window().await?;
        page.navigate(&address.url).await?;
        // The empty page that the browser starts with is nothing to go back to.
        page.front.tell(&ResetNavigationHistoryParams::default()).await?;
        Ok(Self { page, process: Mutex::new(Some(process)) })
    }

    /// The address that is shown now.
    ///
    /// # Errors
    ///
    /// [`ScreenError::Gone`] if none is.
    pub fn location(&self) -> Result<String, ScreenError> {
        Ok(self.page.front.window()?.url)
    }

    /// Runs JavaScript in the page's own world, and gives what it comes to, or what its promise does. For whoever
    /// drives a page of his own: an evaluation that asks the page for its score. No tool does it.
    ///
    /// # Errors
    ///
    /// [`ScreenError::Refused`] if the script throws, [`ScreenError::Unsettled`] if it takes too long or the page
    /// goes on to another one meanwhile, [`ScreenError::Gone`] if there is none.
    pub async fn evaluate(&self, script: &str) -> Result<serde_json::Value, ScreenError> {
        let _turn = self.page.turn().await?;
        self.page.front.evaluate_in_page(script, ANSWER).await
    }

    /// The process group that the browser and all its processes are in; `None` once it was closed.
    pub fn process_group(&self) -> Option<u32> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(Process::group)
    }
}

#[async_trait]
impl Screen for Browser {
    async fn look(&self) -> Result<Screenshot, ScreenError> {
        let _turn = self.page.turn().await?;
        rest::look(&self.page.front, self.page.options.settling, self.page.options.scale).await
    }

    /// Does one thing to the page. It is done to its end even if the caller stops waiting: a drag that is cut
    /// short would leave the button down.
    async fn act(&self, input: &Input) -> Result<(), ScreenError> {
        let turn = self.page.turn().await?;
        let (page, input) = (self.page.clone(), input.clone());
        let action = tokio::spawn(async move {
            let done = page.act(&input).await;
            drop(turn);
            done
        });
        action.await.map_err(|e| ScreenError::Broken(e.into()))?
    }

    async fn visible_text(&self) -> Result<String, ScreenError> {
        let _turn = self.page.turn().await?;
        text::visible(&self.page.front).await
    }

    async fn element_at(&self, at: ScreenPoint) -> Result<Option<Element>, ScreenError> {
        let _turn = self.page.turn().await?;
        elements::at(&self.page.front, at).await
    }

    async fn elements(&self) -> Result<Vec<Element>, ScreenError> {
        let _turn = self.page.turn().await?;
        elements::all(&self.page.front).await
    }

    async fn places_of(&self, texts: &[String]) -> Result<Vec<ScreenRegion>, ScreenError> {
        let _turn = self.page.turn().await?;
        elements::places_of(&self.page.front, texts).await
    }

    async fn close(&self) -> Result<(), ScreenError> {
        self.page.front.record.lock().end("it was closed");
        self.page.front.record.changed();
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner).take();
        match process {
            Some(process) => process.stop().await,
            None => Ok(()),
        }
    }
}

impl Page {
    async fn turn(&self) -> Result<OwnedSemaphorePermit, ScreenError> {
        let turn = self.turns.clone().acquire_owned().await;
        turn.map_err(|e| ScreenError::Broken(e.into()))
    }

    async fn act(&self, input: &Input) -> Result<(), ScreenError> {
        self.front.window()?;
        let done = match input {
            Input::Click { at, button, count } => {
                self.on_screen(*at)?;
                mouse::click(&self.front, *at, *button, *count).await
            }
            Input::Drag { from, to } => {
                self.on_screen(*from)?;
                self.on_screen(*to)?;
                mouse::drag(&self.front, *from, *to).await
            }
            Input::Scroll { at, right, down } => {
                self.on_screen(*at)?;
                mouse::scroll(&self.front, *at, *right, *down).await
            }
            Input::Text(text) => keyboard::text(&self.front, text).await,
            Input::Press(key) => keyboard::press(&self.front, key).await,
            Input::Navigate(written) => {
                let url = address::absolute(written)?;
                self.setup.reach.check(&url).map_err(|why| refused(&url, &why))?;
                self.navigate(&url).await
            }
        };
        self.front.record.lock().stir();
        done
    }

    /// Waits for the window that the browser starts with.
    async fn first_window(&self) -> Result<(), ScreenError> {
        let mut changes = self.front.record.listen();
        let deadline = Instant::now() + ANSWER;
        loop {
            match self.front.window() {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() >= deadline || self.front.record.lock().gone().is_some() => {
                    return Err(error);
                }
                Err(_) => {}
            }
            // Either way round, the window is looked up again.
            let _ =
                tokio::time::timeout(deadline.saturating_duration_since(Instant::now()), changes.changed())
                    .await;
        }
    }

    async fn navigate(&self, url: &Url) -> Result<(), ScreenError> {
        let window = self.front.window()?;
        let command = NavigateParams::new(url.as_str());
        let answer = match self.front.wire.execute(Some(&window.session), &command, FIRST_ANSWER).await {
            Ok(answer) => answer,
            Err(error @ WireError::Failed { .. }) if self.front.record.lock().gone().is_none() => {
                return Err(refused(url, &error.to_string()));
            }
            Err(error) => return Err(self.front.sorted(error)),
        };
        if let Some(error) = answer.error_text {
            return Err(refused(url, &error));
        }
        // What is typed into a page that is still loading is lost. If it loads on, the next look says so.
        let Settling { quiet, limit } = self.options.settling;
        rest::quiet(&self.front, quiet, Instant::now() + limit).await?;
        Ok(())
    }

    fn on_screen(&self, at: ScreenPoint) -> Result<(), ScreenError> {
        let size = self.options.size;
        let inside =
            (0.0..f64::from(size.width)).contains(&at.x) && (0.0..f64::from(size.height)).contains(&at.y);
        if inside {
            return Ok(());
        }
        Err(ScreenError::Refused {
            reason: format!("({}, {}) lies outside the page's {}×{}", at.x, at.y, size.width, size.height),
        })
    }
}

fn refused(url: &Url, why: &str) -> ScreenError {
    ScreenError::Refused { reason: format!("{url} can't be opened: {why}") }
}
