//! A person's deeds kept as a run folder, which can be shown, found and read like a model's: the same journal, the same
//! screenshots, and a beginning that says who acted.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use percept_models::{Call, Function, ImageContent, ModelCard, StopReason, Usage};
use percept_tools::{Deed, Effect, OfferedTool, PixelSize, Screen, Screenshot, Toolbox, builtin};
use serde_json::{Value, json};

use crate::{
    Actor, Beginning, CallResult, Entry, Event, Evidence, JOURNAL_VERSION, JournalError, Limits,
    Milliseconds, Outcome, Policy, Prompts, RunFolder, RunResult, Style, Thinking, TokenUsage, album::Album,
    journal::Journal, offer,
};

/// A recording being written. Nothing is on the disk before the first deed, and a deed is when [`Notebook::keep`] comes
/// back: whoever kills the recorder loses what is under way at most.
///
/// ```no_run
/// use percept::{Notebook, tools::{Recorded, Recorder}};
///
/// # async fn example(mut recorder: Recorder) -> Result<(), Box<dyn std::error::Error>> {
/// let screen: std::sync::Arc<dyn percept::tools::Screen> = recorder.browser();
/// let mut notebook = Notebook::new("recorded/login", "Log in as ada.", &screen)?;
/// let mut end = String::new();
/// while let Some(recorded) = recorder.next().await {
///     match recorded {
///         Recorded::Deed(deed) => notebook.keep(&deed).await?,
///         Recorded::Over { reason, .. } => end = reason,
///         _ => {}
///     }
/// }
/// notebook.close(&end, None).await?;
/// let demonstration = percept::Demonstration::read("recorded/login".as_ref())?;
/// # Ok(())
/// # }
/// ```
pub struct Notebook {
    folder: PathBuf,
    beginning: Beginning,
    steps: usize,
    /// What is written so far; `None` before the first deed.
    pages: Option<Pages>,
}

impl Notebook {
    /// A recording of this task on this screen, in a folder that holds no run yet.
    ///
    /// # Errors
    ///
    /// [`JournalError::Occupied`] if a run lies there.
    pub fn new(
        folder: impl Into<PathBuf>,
        task: impl Into<String>,
        screen: &Arc<dyn Screen>,
    ) -> Result<Self, JournalError> {
        let folder = folder.into();
        RunFolder::check_free(&folder)?;
        let run =
            folder.file_name().map_or_else(crate::new_run_name, |name| name.to_string_lossy().into_owned());
        let beginning = Beginning {
            run,
            task: task.into(),
            actor: Actor::Person,
            model: nobody(),
            notes: Vec::new(),
            tools: tools(screen),
            screen: true,
            style: Style::Direct,
            thinking: Thinking::default(),
            limits: Limits::default(),
            prices: None,
            policy: Policy::default(),
            prompts: Prompts::default(),
            demonstrations: Vec::new(),
            secrets: Vec::new(),
            seed: 0,
            evidence: Evidence::default(),
            percept: env!("CARGO_PKG_VERSION").into(),
        };
        Ok(Self { folder, beginning, steps: 0, pages: None })
    }

    /// How many deeds it holds.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// Writes a deed down, and waits until the disk has it.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if it can't be written.
    pub async fn keep(&mut self, deed: &Deed) -> Result<(), JournalError> {
        if self.pages.is_none() {
            let mut pages = Pages::open(&self.folder)?;
            pages.write(Event::Began(Box::new(self.beginning.clone()))).await?;
            self.pages = Some(pages);
        }
        let Some(pages) = &mut self.pages else { return Ok(()) };
        let step = self.steps + 1;
        pages.look(step, &deed.before).await?;
        let call = Call { function: deed.tool.to_owned(), arguments: deed.arguments.clone() };
        let size = deed.before.frame.size;
        let targets = offer::targets(&call, &offered(&self.beginning.tools, size)).unwrap_or_default();
        let key = format!("{}/{}/{}", self.beginning.run, pages.next, deed.tool);
        pages
            .write(Event::Decided {
                step,
                vote: 1,
                thought: String::new(),
                text: written(&call),
                call: Some(call.clone()),
                malformed: None,
                concern: None,
                stop: StopReason::End,
                likelihood: None,
                usage: Usage::default(),
                memory_bytes: None,
            })
            .await?;
        let effect = Effect::Changes { idempotent: false };
        pages.write(Event::Calling { step, call, targets, effect, key: key.clone() }).await?;
        let result = CallResult::Observed { parts: Vec::new(), finish: false, answer: None, nested: None };
        pages.write(Event::Called { step, key, result, milliseconds: 0.0 }).await?;
        pages.journal.settle().await?;
        self.steps = step;
        Ok(())
    }

    /// Writes the end down, with what the last deed led to; `None` if there was no deed, and so nothing is written.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if it can't be written.
    pub async fn close(
        self,
        reason: &str,
        after: Option<&Screenshot>,
    ) -> Result<Option<RunResult>, JournalError> {
        let Some(mut pages) = self.pages else { return Ok(None) };
        if let Some(after) = after {
            pages.look(self.steps + 1, after).await?;
        }
        let total = pages.at();
        let result = RunResult {
            run: self.beginning.run,
            folder: Some(self.folder),
            outcome: Outcome::Done,
            verified: None,
            reason: reason.to_owned(),
            answer: None,
            certainty: None,
            steps: self.steps,
            usage: TokenUsage::default(),
            cost: None,
            milliseconds: Milliseconds { total, ..Milliseconds::default() },
            peak_memory_bytes: None,
            device: self.beginning.model.device,
            notes: Vec::new(),
        };
        pages.write(Event::Ended(Box::new(result.clone()))).await?;
        Ok(Some(result))
    }
}

/// The card that stands where a model's would.
fn nobody() -> ModelCard {
    ModelCard {
        name: "a person".into(),
        family: "person".into(),
        device: "a browser".into(),
        context: 0,
        max_images: None,
        screen: None,
        thinks: false,
        tells_probabilities: false,
        notes: Vec::new(),
    }
}

/// The tools whose calls a person's deeds are written as; their schemas say which arguments are places.
fn tools(screen: &Arc<dyn Screen>) -> Vec<OfferedTool> {
    let all = builtin::toolbox(screen).offered();
    all.into_iter().filter(|tool| builtin::NAMES_OF_INPUTS.contains(&&*tool.card.name)).collect()
}

/// The tools as functions, their places bounded by a screenshot of this size.
fn offered(tools: &[OfferedTool], size: PixelSize) -> Vec<Function> {
    offer::functions(&Toolbox::described(tools.to_vec()), Some(size))
}

/// A call as one flat object, places in pixels.
fn written(call: &Call) -> String {
    let mut text = json!({ "tool": call.function });
    if let (Some(text), Value::Object(arguments)) = (text.as_object_mut(), &call.arguments) {
        text.extend(arguments.clone());
    }
    text.to_string()
}

/// The files of a recording.
struct Pages {
    album: Album,
    journal: Journal,
    next: u64,
    begun: Instant,
}

impl Pages {
    fn open(folder: &Path) -> Result<Self, JournalError> {
        let folder = RunFolder::create(folder)?;
        let journal = folder.journal()?;
        Ok(Self { album: Album::new(Some(folder)), journal, next: 0, begun: Instant::now() })
    }

    /// Milliseconds since the first deed was there.
    fn at(&self) -> f64 {
        let elapsed: Duration = self.begun.elapsed();
        (elapsed.as_secs_f64() * 1_000_000.0).round() / 1000.0
    }

    async fn look(&mut self, step: usize, seen: &Screenshot) -> Result<(), JournalError> {
        let image = ImageContent::new(Arc::clone(&seen.pixels));
        let hash = image.hash().to_string();
        let shot = self.album.bring(&image);
        // Nobody takes it from the album again.
        drop(self.album.take(&hash, shot.as_deref()));
        self.write(Event::Looked {
            step,
            shot,
            hash,
            frame: seen.frame,
            location: seen.location.clone(),
            notes: seen.notes.clone(),
            milliseconds: 0.0,
        })
        .await
    }

    async fn write(&mut self, event: Event) -> Result<(), JournalError> {
        // No deed is in the journal before its screenshot is on the disk.
        if matches!(event, Event::Calling { .. } | Event::Ended(_)) {
            self.album.settle().await?;
        }
        let entry = Entry { v: JOURNAL_VERSION, seq: self.next, at: self.at(), event };
        self.journal.append(&entry).await?;
        self.next += 1;
        Ok(())
    }
}
