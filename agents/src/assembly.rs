//! Assembly: from a task to everything that works on it: the model loaded, the screen opened, the agent built.

mod hands;

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use self::hands::{allowed, is_sighted};
use percept_models::{ChatModel, LoadOptions, ModelAddress, ModelCard, ModelError};
use percept_runtime::Device;
use percept_tools::{
    Browser, BrowserOptions, Input, Progress, Screen, ScreenError, ScreenSize, StillImage, Toolbox,
};

use crate::{
    Agent, AgentError, Delegate, Demonstration, JournalError, Policy, Run, RunFolder, Secrets, Store, Style,
    Task,
    agent::Cut,
    new_run_name,
    task::{MemoryChoice, ScreenChoice},
};

/// The viewport for a model that has no opinion.
const DEFAULT_SIZE: [u32; 2] = [1280, 800];

/// Puts agents together, and keeps the models that it loaded, so that several tasks share one.
pub struct Assembly {
    progress: Arc<dyn Progress>,
    models: Mutex<HashMap<String, Arc<dyn ChatModel>>>,
}

/// An agent with its screen and its folder, ready to run.
pub struct Assembled {
    /// The agent.
    pub agent: Agent,
    /// The screen, which whoever runs the agent closes afterwards; dropping it closes a browser too.
    pub screen: Option<Arc<dyn Screen>>,
    /// The task with its last questions answered: what `run.toml` says.
    pub task: Task,
}

/// A run that was taken up.
pub struct Resumed {
    /// The run, on its way.
    pub run: Run,
    /// The screen, which whoever follows the run closes afterwards; dropping it closes a browser too.
    pub screen: Option<Arc<dyn Screen>>,
}

/// A task's screen, and who sees it.
struct Screens<'a> {
    /// The screen without secrets, for tools.
    veiled: Option<&'a Arc<dyn Screen>>,
    plain: Option<&'a Arc<dyn Screen>>,
    /// Whether the task's own model does; of the agents those do that can.
    is_shown: bool,
}

impl Assembly {
    /// Tells this progress when something has to be fetched.
    pub fn new(progress: Arc<dyn Progress>) -> Self {
        Self { progress, models: Mutex::default() }
    }

    /// Loads the model and opens the screen, at the same time where the screen's size is known beforehand,
    /// then makes the run folder and writes down the task as it is meant.
    ///
    /// # Errors
    ///
    /// [`AgentError`], whichever of these fails first.
    pub async fn assemble(&self, task: &Task, folder: &Path) -> Result<Assembled, AgentError> {
        let name = folder.file_name().map_or_else(new_run_name, |name| name.to_string_lossy().into_owned());
        RunFolder::check_free(folder)?;
        let (model, screen) = self.opened(task).await?;
        let task = settled(task, model.as_ref());
        let toml = task.to_toml().map_err(|error| JournalError::File {
            path: folder.to_owned(),
            source: std::io::Error::other(error),
        })?;
        let kept = RunFolder::create(folder)?;
        kept.write_task(&toml)?;
        let secrets = task.unlocked()?;
        let veiled = screen.as_ref().map(|screen| secrets.veil(Arc::clone(screen)));
        let mut shown = task.thinking.shown()?;
        let mut notes = Vec::new();
        if let Some(memory) = &task.memory {
            recollect(memory, &task.task, veiled.as_deref(), model.card(), &mut shown, &mut notes).await?;
        }
        let is_shown = self.is_shown(&task, model.card()).await?;
        let own = screen.as_ref().filter(|_| is_shown);
        if screen.is_some() && own.is_none() {
            notes.push(format!(
                "{} reads text alone: only the agents that it calls see the screen",
                model.card().name
            ));
            let why = "its model reads text alone: leave it to an agent that sees, or take a model that does";
            task.evidence().checked_blind(why)?;
        }
        let screens = Screens { veiled: veiled.as_ref(), plain: screen.as_ref(), is_shown };
        let toolbox = self.toolbox(&task, model.as_ref(), &screens, &secrets).await?;
        // What is about another agent's tools is that one's to keep.
        let rules = task.rules().within(&toolbox);
        let mut builder = Agent::builder(model, toolbox)
            .thinking(task.thinking.thinking())
            .limits(task.limits)
            .policy(rules)
            .secrets(secrets)
            .prompts(task.thinking.prompts()?)
            .demonstrations(shown)
            .done(task.evidence())
            .seed(task.seed)
            .name(name)
            .folder(kept);
        if let Some(prices) = task.prices {
            builder = builder.prices(prices);
        }
        if let Some(screen) = own {
            builder = builder.screen(Arc::clone(screen));
        }
        for note in notes {
            builder = builder.note(note);
        }
        Ok(Assembled { agent: builder.build()?, screen, task })
    }

    /// Takes up the run in this folder, of which `task` is what `run.toml` says; see
    /// [`AgentBuilder::resume`](crate::AgentBuilder::resume). A browser is opened where the run saw it last.
    ///
    /// # Errors
    ///
    /// [`AgentError`]: what is in the way of it.
    pub async fn resume(
        &self,
        task: &Task,
        folder: &Path,
        happened: Option<bool>,
    ) -> Result<Resumed, AgentError> {
        // Nothing is opened for a run that is over, or that another process is at work on.
        let cut = Cut::open(folder)?;
        let place = cut.recording.location().map(str::to_owned);
        self.take_up(task, cut, place, happened).await
    }

    /// Goes on live from a step of a run, in a folder of its own; see [`branch`](crate::journal::branch).
    ///
    /// # Errors
    ///
    /// [`AgentError`]: what is in the way of it.
    pub async fn branch(
        &self,
        task: &Task,
        run: &Path,
        step: usize,
        folder: &Path,
    ) -> Result<Resumed, AgentError> {
        let place = crate::journal::branch(run, step, folder)?;
        self.take_up(task, Cut::open(folder)?, place, None).await
    }

    async fn take_up(
        &self,
        task: &Task,
        cut: Cut,
        place: Option<String>,
        happened: Option<bool>,
    ) -> Result<Resumed, AgentError> {
        let secrets = task.unlocked()?;
        let unhidden = secrets.clone();
        let (model, screen) = self.opened(task).await?;
        let veiled = screen.as_ref().map(|screen| secrets.veil(Arc::clone(screen)));
        let is_shown = self.is_shown(task, model.card()).await?;
        let own = screen.as_ref().filter(|_| is_shown);
        let screens = Screens { veiled: veiled.as_ref(), plain: screen.as_ref(), is_shown };
        let toolbox = self.toolbox(task, model.as_ref(), &screens, &secrets).await?;
        let mut builder = Agent::builder(model, toolbox).secrets(secrets);
        if let Some(screen) = own {
            builder = builder.screen(Arc::clone(screen));
        }
        if let Some(screen) = &screen
            && let Some(lost) =
                back_to(screen.as_ref(), place.map(|place| unhidden.revealed_text(&place)).as_deref()).await?
        {
            builder = builder.note(unhidden.hidden(&lost));
        }
        Ok(Resumed { run: builder.take_up(cut, happened)?, screen })
    }

    /// The model and the screen, opened at the same time where the screen's size is known beforehand.
    async fn opened(&self, task: &Task) -> Result<(Arc<dyn ChatModel>, Option<Arc<dyn Screen>>), AgentError> {
        let size = match &task.screen {
            ScreenChoice::Browser { size, .. } => *size,
            _ => Some(DEFAULT_SIZE),
        };
        if let Some(size) = size {
            let model = self.own_model(task);
            return tokio::try_join!(Box::pin(model), Box::pin(self.screen(task, size)));
        }
        let model = Box::pin(self.own_model(task)).await?;
        let size = model.card().screen.unwrap_or(DEFAULT_SIZE);
        let screen = Box::pin(self.screen(task, size)).await?;
        Ok((model, screen))
    }

    /// Whether a task's own model works with the screen: one that reads text alone doesn't, if an agent that it calls sees.
    /// Where none does it keeps the screen, and is refused with it.
    async fn is_shown(&self, task: &Task, card: &ModelCard) -> Result<bool, AgentError> {
        if is_sighted(card) {
            return Ok(true);
        }
        for choice in task.agents.values() {
            if is_sighted(Box::pin(self.model(&choice.model, &task.device, None)).await?.card()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The tools that the task allows the model, and the agents that it names, which get the same screen if they can
    /// see it.
    async fn toolbox(
        &self,
        task: &Task,
        model: &dyn ChatModel,
        Screens { veiled, plain, is_shown }: &Screens<'_>,
        secrets: &Secrets,
    ) -> Result<Toolbox, AgentError> {
        let own = veiled.filter(|_| *is_shown);
        let mut toolbox = allowed(task, model, task.tools.allow.as_deref(), own)?;
        for (name, choice) in &task.agents {
            let model = Box::pin(self.model(&choice.model, &task.device, None)).await?;
            let has_eyes = is_sighted(model.card());
            let hands = allowed(task, model.as_ref(), choice.tools.as_deref(), veiled.filter(|_| has_eyes))?;
            let screen = plain.filter(|_| has_eyes);
            let (screen, secrets, rules, seed) = (screen.cloned(), secrets.clone(), task.rules(), task.seed);
            let (thinking, limits, prices) = (choice.thinking.thinking(), choice.limits, choice.prices);
            let (prompts, shown) = (choice.thinking.prompts()?, choice.thinking.shown()?);
            let assembled = move || {
                let mut builder = Agent::builder(Arc::clone(&model), hands.clone())
                    .thinking(thinking)
                    .limits(limits)
                    // It can ask nobody, so what a vendor wants confirmed is refused in words.
                    .policy(Policy { confirm: false, ..rules.within(&hands) })
                    .secrets(secrets.clone())
                    .prompts(prompts.clone())
                    .demonstrations(shown.clone())
                    .seed(seed);
                if let Some(prices) = prices {
                    builder = builder.prices(prices);
                }
                match &screen {
                    Some(screen) => builder.screen(Arc::clone(screen)),
                    None => builder,
                }
            };
            // What can't be put together is refused before the run, and not when it is called.
            assembled().build()?;
            toolbox.add(Delegate::new(name, &choice.description, assembled))?;
        }
        Ok(toolbox)
    }

    async fn own_model(&self, task: &Task) -> Result<Arc<dyn ChatModel>, AgentError> {
        self.model(&task.model, &task.device, task.context).await
    }

    async fn model(
        &self,
        address: &ModelAddress,
        device: &Device,
        context: Option<NonZeroUsize>,
    ) -> Result<Arc<dyn ChatModel>, AgentError> {
        let key = format!("{address} on {device} with {context:?}");
        // A script is read from its beginning by every run.
        let is_shared = !matches!(address, ModelAddress::Scripted(_));
        let loaded = || self.models.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(model) = loaded().get(&key).filter(|_| is_shared) {
            return Ok(Arc::clone(model));
        }
        let options = LoadOptions { device: device.clone(), context, ..LoadOptions::default() };
        let model = address.open(options, Arc::clone(&self.progress)).await?;
        loaded().insert(key, Arc::clone(&model));
        Ok(model)
    }

    async fn screen(
        &self,
        task: &Task,
        [width, height]: [u32; 2],
    ) -> Result<Option<Arc<dyn Screen>>, AgentError> {
        Ok(match &task.screen {
            ScreenChoice::Browser { browser, scale, .. } => {
                let mut options = BrowserOptions::new(browser.clone());
                options.size = ScreenSize { width, height };
                options.scale = *scale;
                options.hosts.clone_from(&task.policy.hosts);
                options.seed = Some(task.seed);
                let browser: Result<Browser, ScreenError> =
                    Browser::open_telling(options, Arc::clone(&self.progress)).await;
                Some(Arc::new(browser?))
            }
            ScreenChoice::Image { image } => Some(Arc::new(StillImage::open(image)?)),
            ScreenChoice::Nothing {} => None,
        })
    }
}

/// Adds the earlier runs that fit the task and its screen best, as many as the model has room for.
async fn recollect(
    memory: &MemoryChoice,
    task: &str,
    screen: Option<&dyn Screen>,
    card: &ModelCard,
    shown: &mut Vec<Demonstration>,
    notes: &mut Vec<String>,
) -> Result<(), AgentError> {
    let store = Store::open(&memory.store)?;
    let seen = match screen {
        Some(screen) => Some(screen.look().await?.pixels),
        None => None,
    };
    // One place stays for the run's own screen.
    let taken: usize = shown.iter().map(Demonstration::images).sum();
    let mut room = card.max_images.map_or(usize::MAX, |most| most.saturating_sub(1 + taken));
    for found in store.search(task, seen.as_deref(), memory.show)? {
        match Demonstration::read(&found.folder) {
            Ok(earlier) if earlier.images() <= room => {
                room -= earlier.images();
                shown.push(earlier);
            }
            Ok(_) => notes.push(format!(
                "an earlier run of “{}” was found, and has more screens than the model takes",
                found.task
            )),
            // Somebody took the folder away, or part of it.
            Err(error) => notes.push(format!("an earlier run of “{}” can't be shown: {error}", found.task)),
        }
    }
    Ok(())
}

/// Brings a new screen to where the run saw its last one. Where that can't be, says so: the model sees the screen as
/// it is, and goes on from there.
async fn back_to(screen: &dyn Screen, place: Option<&str>) -> Result<Option<String>, ScreenError> {
    let Some(place) = place else { return Ok(None) };
    if screen.look().await?.location.as_deref() == Some(place) {
        return Ok(None);
    }
    match screen.act(&Input::Navigate(place.to_owned())).await {
        Ok(()) => Ok(None),
        Err(error @ (ScreenError::Refused { .. } | ScreenError::Unsupported { .. })) => {
            Ok(Some(format!("the screen couldn't be brought back to where it was: {error}")))
        }
        Err(error) => Err(error),
    }
}

/// Answers what only the loaded model could.
fn settled(task: &Task, model: &dyn ChatModel) -> Task {
    let mut task = task.clone();
    let card = model.card();
    if let ScreenChoice::Browser { size, .. } = &mut task.screen {
        size.get_or_insert(card.screen.unwrap_or(DEFAULT_SIZE));
    }
    let better = if card.thinks { Style::React } else { Style::Direct };
    task.thinking.style.get_or_insert(better);
    task
}

/// Whether an error is about what was asked for, and not about what this machine did with it: a person can
/// mend it by asking differently.
pub fn is_bad_input(error: &AgentError) -> bool {
    match error {
        AgentError::Model(ModelError::Engine(cause)) => {
            cause.downcast_ref::<percept_runtime::DeviceError>().is_some()
        }
        AgentError::Model(
            ModelError::Interrupted | ModelError::Cancelled | ModelError::ScriptOver { .. },
        ) => false,
        AgentError::Model(ModelError::Remote(error)) => error.is_bad_input(),
        AgentError::Model(ModelError::Hub(error)) => error.is_bad_input(),
        AgentError::Screen(error) => {
            matches!(error, ScreenError::Refused { .. } | ScreenError::Unsupported { .. })
        }
        AgentError::Journal(error) => !matches!(error, JournalError::File { .. }),
        _ => true,
    }
}
