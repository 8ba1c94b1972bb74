//! MiniWoB++ (Shi et al. 2017, Liu et al. 2018): small tasks on pages that nobody here wrote, scored by the pages
//! themselves. The pages come from the Python package `miniwob`; none of them is bundled.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use percept_models::{
    Call, ChatModel, Completion, Conversation, Generate, Generation, GenerationEvent, ModelCard, ModelError,
    StopReason, Usage,
};
use percept_tools::{
    Browser, BrowserOptions, Frame, Input, PixelSize, Progress, Screen, ScreenError, ScreenSize, Screenshot,
    builtin,
};

use super::{Episode, finished};
use crate::{Agent, AgentError, Evidence, JournalError, Limits, Outcome, RunFolder, Thinking};

/// What the harness's screen says when the page has given its reward; no page of MiniWoB++ says it.
const OVER: &str = "percept: the episode is over";
/// The usual viewport: the task area, and counters beside it.
const VIEWPORT: ScreenSize = ScreenSize { width: 332, height: 214 };
/// The task area of every page, which is all that is looked at. A model that works on another size sees its part.
const AREA: PixelSize = PixelSize { width: 160, height: 210 };
/// How long a page may take to be ready.
const READY: Duration = Duration::from_secs(10);
/// How long the page waits for an action, in milliseconds. The run's own limits come first.
const PATIENCE: u32 = 3_600_000;

const ORACLE: &str = include_str!("oracle.js");

/// Who works on the pages.
#[derive(Clone)]
pub enum Worker {
    /// A model that sees them.
    Model(Arc<dyn ChatModel>),
    /// Rules that read their DOM, for some two dozen tasks: what proves the harness.
    Oracle,
}

/// How a page is worked on.
#[derive(Clone)]
pub struct Bench {
    /// The folder that holds `miniwob/*.html` and what they load beside it: `miniwob/html` in the Python package.
    pub pages: PathBuf,
    /// Who works on them.
    pub worker: Worker,
    /// The tools on offer.
    pub tools: Vec<String>,
    /// How it thinks.
    pub thinking: Thinking,
    /// What an episode may take.
    pub limits: Limits,
}

impl Bench {
    /// The file of a task.
    ///
    /// # Errors
    ///
    /// [`JournalError::File`] if there is no such page.
    pub fn page(&self, task: &str) -> Result<PathBuf, JournalError> {
        let path = self.pages.join("miniwob").join(format!("{task}.html"));
        std::fs::metadata(&path).map_err(JournalError::file(&path))?;
        Ok(path)
    }

    /// One episode. Its success is a raw reward of 1: the whole task, without the page's discount for time.
    ///
    /// # Errors
    ///
    /// [`AgentError`] if it couldn't begin.
    pub async fn episode(
        &self,
        task: &str,
        seed: u64,
        folder: &Path,
        progress: Arc<dyn Progress>,
    ) -> Result<Episode, AgentError> {
        let mut options = BrowserOptions::new(self.page(task)?.display().to_string());
        options.folder = Some(self.pages.clone());
        options.size = VIEWPORT;
        let area = match &self.worker {
            Worker::Model(model) => model.card().screen.map_or(AREA, |[width, height]| PixelSize {
                width: width.min(VIEWPORT.width),
                height: height.min(VIEWPORT.height),
            }),
            Worker::Oracle => AREA,
        };
        let browser = Arc::new(Browser::open_telling(options, progress).await?);
        let task_in_words = begin(&browser, seed).await?;
        let model: Arc<dyn ChatModel> = match &self.worker {
            Worker::Model(model) => Arc::clone(model),
            Worker::Oracle => Arc::new(Oracle::new(Arc::clone(&browser), task_in_words.clone())),
        };
        let screen: Arc<dyn Screen> = Arc::new(Scored { browser: Arc::clone(&browser), area });
        let agent = Agent::builder(model, builtin::toolbox(&screen).only(&self.tools)?)
            .screen(screen)
            .thinking(self.thinking)
            .limits(self.limits)
            .done(Evidence { text_visible: vec![OVER.into()], ..Evidence::default() })
            .seed(seed)
            .name(format!("{task}-{seed}"))
            .folder(RunFolder::create(folder)?)
            .build()?;
        let result = agent.run(task_in_words).outcome().await;
        // A page that is gone gave no reward.
        let reward =
            if result.outcome == Outcome::Done { reward(&browser).await.unwrap_or(0.0) } else { 0.0 };
        finished(Some(browser.as_ref()), folder).await;
        Ok(Episode { task: task.to_owned(), seed, success: reward >= 1.0, reward: Some(reward), result })
    }
}

/// Starts the page's episode and gives its instruction.
async fn begin(browser: &Browser, seed: u64) -> Result<String, ScreenError> {
    browser
        .evaluate(&format!(
            "core.EPISODE_MAX_TIME = {PATIENCE}; Math.seedrandom({seed}); core.startEpisodeReal(); null"
        ))
        .await?;
    // Pages that animate their start say when they are ready.
    let begun = Instant::now();
    while browser.evaluate("WOB_TASK_READY").await? != serde_json::json!(true) {
        if begun.elapsed() > READY {
            return Err(ScreenError::Unsettled { seconds: READY.as_secs_f64() });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let told = browser.evaluate("core.getUtterance()").await?;
    // Some pages give the instruction beside its parts.
    let words = told.as_str().or_else(|| told.get("utterance").and_then(serde_json::Value::as_str));
    words.map(str::to_owned).ok_or_else(|| ScreenError::Broken("the page gives no instruction".into()))
}

async fn reward(browser: &Browser) -> Result<f64, ScreenError> {
    Ok(browser.evaluate("WOB_RAW_REWARD_GLOBAL").await?.as_f64().unwrap_or(0.0))
}

/// A page of which only the task area is seen, and that says when it has given its reward.
struct Scored {
    browser: Arc<Browser>,
    area: PixelSize,
}

#[async_trait]
impl Screen for Scored {
    async fn look(&self) -> Result<Screenshot, ScreenError> {
        let seen = self.browser.look().await?;
        let PixelSize { width, height } = self.area;
        let pixels = image::imageops::crop_imm(seen.pixels.as_ref(), 0, 0, width, height).to_image();
        // The corner is the same, and so are all points.
        let size = PixelSize { width: pixels.width(), height: pixels.height() };
        Ok(Screenshot { pixels: Arc::new(pixels), frame: Frame { size, ..seen.frame }, ..seen })
    }

    async fn act(&self, input: &Input) -> Result<(), ScreenError> {
        self.browser.act(input).await
    }

    async fn visible_text(&self) -> Result<String, ScreenError> {
        let over = self.browser.evaluate("WOB_DONE_GLOBAL").await? == serde_json::json!(true);
        Ok(if over { OVER.into() } else { String::new() })
    }
}

/// A "model" that knows the answers.
struct Oracle {
    card: ModelCard,
    browser: Arc<Browser>,
    task: String,
}

impl Oracle {
    fn new(browser: Arc<Browser>, task: String) -> Self {
        let card = ModelCard {
            name: "oracle".into(),
            family: "oracle".into(),
            device: "none".into(),
            context: usize::MAX,
            max_images: None,
            screen: None,
            thinks: false,
            tells_probabilities: false,
            notes: vec!["an oracle read the page's DOM: this says nothing of a model".into()],
        };
        Self { card, browser, task }
    }
}

#[async_trait]
impl ChatModel for Oracle {
    fn card(&self) -> &ModelCard {
        &self.card
    }

    async fn generate(&self, _: &Conversation, _: &Generate) -> Result<Generation, ModelError> {
        let failed = |error: ScreenError| ModelError::Engine(error.into());
        let asked = format!("{ORACLE}({})", serde_json::Value::String(self.task.clone()));
        let answer = self.browser.evaluate(&asked).await.map_err(failed)?;
        let text = answer.to_string();
        let call: Result<Call, String> = serde_json::from_value(answer).map_err(|error| error.to_string());
        let completion = Completion {
            thought: String::new(),
            text,
            call: Some(call),
            unconfirmed: None,
            stop: StopReason::End,
            usage: Usage::default(),
            tokens: Vec::new(),
            log_probabilities: Vec::new(),
        };
        let done = GenerationEvent::Done(Box::new(completion));
        Ok(Generation::new(futures::stream::iter([Ok(done)])))
    }
}
