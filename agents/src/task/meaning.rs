//! What a task file means: each key checked, each gap filled, each thing that this version can't do refused.

use std::{
    collections::BTreeMap,
    fs,
    num::NonZeroUsize,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use percept_models::{ModelAddress, ModelError, bundled_names};
use percept_runtime::Device;
use percept_tools::{Screen, StillImage, builtin};
use toml::Spanned;
use url::Url;

use super::{
    AgentChoice, DEFAULT_MODEL, DoneChoice, MemoryChoice, PolicyChoice, ScreenChoice, SecretChoice,
    SecretSource, Task, TaskError, ThinkingChoice, ToolChoice,
    mistake::SourceFile,
    nearest,
    written::{
        WrittenAgent, WrittenAnswer, WrittenDone, WrittenLimits, WrittenMemory, WrittenPolicy, WrittenScreen,
        WrittenSecret, WrittenTask, WrittenThinking, WrittenUrl,
    },
};
use crate::{AnswerCheck, ElementCheck, FileCheck, Limits, Prices, Rule, UrlCheck, thinking::MOST_VOTES};

/// The largest viewport side in CSS pixels.
const LARGEST_SIDE: u32 = 8192;

pub(super) fn meaning(written: WrittenTask, source: &SourceFile<'_>) -> Result<Task, TaskError> {
    later(&written, source)?;
    if written.task.get_ref().trim().is_empty() {
        return Err(source.mistake(
            written.task.span(),
            "the task is empty",
            "say what is to be done, in words",
        ));
    }
    let screen = screen(&written.screen, source)?;
    let allow = tools(written.tools.allow.as_ref(), source)?;
    let WrittenPolicy { ask, allow: exempt, refuse, grounded, confirm, hosts } = written.policy;
    let mut known = allow.clone().unwrap_or_else(built_in);
    known.extend(written.agents.keys().cloned());
    // A rule may be about a tool that only another agent has.
    let others = written.agents.values().filter_map(|agent| agent.get_ref().tools.as_ref());
    known.extend(others.flat_map(|tools| tools.get_ref().iter().map(|tool| tool.get_ref().clone())));
    let rules = |written| rules(written, &known, source);
    let policy = PolicyChoice {
        ask: rules(ask)?,
        allow: rules(exempt)?,
        refuse: rules(refuse)?,
        grounded,
        confirm,
        hosts,
    };
    reachable(&written.screen, &screen, &policy.hosts, source)?;
    Ok(Task {
        model: model(written.model.as_ref(), source)?,
        device: device(written.device.as_ref(), source)?,
        context: context(written.context.as_ref(), source)?,
        seed: written.seed.unwrap_or(0),
        thinking: thinking(&written.thinking, source)?,
        prices: prices(written.prices.as_ref(), source)?,
        limits: limits(&written.limits, written.prices.is_some(), source)?,
        tools: ToolChoice { allow },
        policy,
        secrets: secrets(written.secrets, source)?,
        memory: written.memory.map(|memory| {
            let WrittenMemory { store, show, keep } = memory.into_inner();
            let store = source.path.parent().unwrap_or(Path::new("")).join(store);
            MemoryChoice {
                store: std::path::absolute(&store).unwrap_or(store),
                show: show.unwrap_or(1),
                keep: keep.unwrap_or(true),
            }
        }),
        agents: agents(written.agents, written.limits.cost.is_some(), source)?,
        done: done(written.done, &screen, source)?,
        task: written.task.into_inner(),
        screen,
    })
}

/// Keys that are designed but not built yet: refused, never ignored.
fn later(written: &WrittenTask, source: &SourceFile<'_>) -> Result<(), TaskError> {
    let refuse = |span: Range<usize>, what: &str| {
        let problem = format!("{what} isn't in this version of Percept");
        Err(source.mistake(span, problem, "leave it out"))
    };
    if let Some(plugins) = &written.tools.plugins {
        return refuse(plugins.span(), "`plugins`");
    }
    if let Some(desktop) = &written.screen.desktop {
        return refuse(desktop.span(), "a desktop as a screen");
    }
    Ok(())
}

fn thinking(written: &WrittenThinking, source: &SourceFile<'_>) -> Result<ThinkingChoice, TaskError> {
    let votes = written.votes.as_ref().map_or(1, |votes| *votes.get_ref());
    if let Some(written) = written.votes.as_ref().filter(|_| !(1..=MOST_VOTES).contains(&votes)) {
        let problem = format!("{votes} votes can't be held");
        return Err(source.mistake(
            written.span(),
            problem,
            format!("write a number from 1 to {MOST_VOTES}"),
        ));
    }
    Ok(ThinkingChoice {
        style: written.style,
        plan: written.plan.unwrap_or_default(),
        reflect: written.reflect.unwrap_or_default(),
        votes,
        choose: written.choose.unwrap_or_default(),
        think: written.think.filter(|tokens| *tokens > 0),
        demonstrations: written
            .demonstrations
            .iter()
            .map(|folder| existing(folder.get_ref(), folder.span(), source).map(PathBuf::from))
            .collect::<Result<_, _>>()?,
        prompts: match &written.prompts {
            Some(folder) => Some(existing(folder.get_ref(), folder.span(), source)?.into()),
            None => None,
        },
    })
}

/// A folder or a script lies beside the task file, and has to be there.
fn model(written: Option<&Spanned<String>>, source: &SourceFile<'_>) -> Result<ModelAddress, TaskError> {
    let name = written.map_or(DEFAULT_MODEL, |written| written.get_ref());
    let span = written.map_or(0..0, Spanned::span);
    let remedy = "name bundled:glance, a model folder, hub:ORGANISATION/NAME, openai:URL#NAME, gemini:NAME, anthropic:NAME, or scripted:FILE";
    let address: ModelAddress = name.parse().map_err(|error: ModelError| {
        let problem = error.to_string();
        let problem = problem.split_once("; ").map_or(problem.as_str(), |(problem, _)| problem);
        source.mistake(span.clone(), problem, remedy)
    })?;
    Ok(match address {
        ModelAddress::Folder { path, precision } => {
            ModelAddress::Folder { path: existing(&path.to_string_lossy(), span, source)?.into(), precision }
        }
        ModelAddress::Scripted(path) => {
            ModelAddress::Scripted(existing(&path.to_string_lossy(), span, source)?.into())
        }
        ModelAddress::Bundled { name, .. } if !bundled_names().contains(&name.as_str()) => {
            let problem = format!("no model named `{name}` comes with this program");
            let remedy = format!("there is {}", bundled_names().join(", "));
            return Err(source.mistake(span, problem, remedy));
        }
        other => other,
    })
}

fn device(written: Option<&Spanned<String>>, source: &SourceFile<'_>) -> Result<Device, TaskError> {
    let Some(written) = written else { return Ok(Device::Auto) };
    written.get_ref().parse().map_err(|_| {
        let problem = format!("no device is named `{}`", written.get_ref());
        source.mistake(written.span(), problem, format!("there are: {}", Device::known()))
    })
}

fn context(
    written: Option<&Spanned<usize>>,
    source: &SourceFile<'_>,
) -> Result<Option<NonZeroUsize>, TaskError> {
    let Some(written) = written else { return Ok(None) };
    let mistake =
        || source.mistake(written.span(), "a context of no tokens holds nothing", "write 1 or more");
    NonZeroUsize::new(*written.get_ref()).map(Some).ok_or_else(mistake)
}

fn screen(written: &WrittenScreen, source: &SourceFile<'_>) -> Result<ScreenChoice, TaskError> {
    if let (Some(_), Some(image)) = (&written.browser, &written.image) {
        let problem = "a screen is either a browser or an image, not both";
        return Err(source.mistake(image.span(), problem, "leave one of them out"));
    }
    if let Some(size) = &written.size {
        let [width, height] = *size.get_ref();
        if !(1..=LARGEST_SIDE).contains(&width) || !(1..=LARGEST_SIDE).contains(&height) {
            let problem = format!("a screen of {width}×{height} can't be shown");
            let remedy = format!("write two numbers from 1 to {LARGEST_SIDE}: [width, height]");
            return Err(source.mistake(size.span(), problem, remedy));
        }
    }
    let scale = written.scale.as_ref().map_or(1.0, |scale| *scale.get_ref());
    if let Some(written) = written.scale.as_ref().filter(|_| !(0.25..=4.0).contains(&scale)) {
        let problem = format!("a scale of {scale} can't be shown");
        return Err(source.mistake(written.span(), problem, "write a number from 0.25 to 4"));
    }
    if let Some(browser) = &written.browser {
        let page = browser.get_ref();
        let browser = if is_address(page) { page.clone() } else { existing(page, browser.span(), source)? };
        return Ok(ScreenChoice::Browser {
            browser,
            size: written.size.as_ref().map(|s| *s.get_ref()),
            scale,
        });
    }
    if let Some(misplaced) =
        written.size.as_ref().map(Spanned::span).or(written.scale.as_ref().map(Spanned::span))
    {
        let problem = "a size or scale needs a browser";
        return Err(source.mistake(misplaced, problem, "add browser = \"page.html\", or leave it out"));
    }
    match &written.image {
        Some(image) => {
            Ok(ScreenChoice::Image { image: existing(image.get_ref(), image.span(), source)?.into() })
        }
        None => Ok(ScreenChoice::Nothing {}),
    }
}

fn is_address(page: &str) -> bool {
    page.contains("://") || page.starts_with("data:") || page.starts_with("about:")
}

/// A path beside the task file.
fn existing(path: &str, span: Range<usize>, source: &SourceFile<'_>) -> Result<String, TaskError> {
    let folder = source.path.parent().unwrap_or(Path::new(""));
    let joined = folder.join(path);
    match fs::canonicalize(&joined) {
        Ok(found) => Ok(found.display().to_string()),
        Err(error) => {
            let problem = format!("{}: {error}", joined.display());
            Err(source.mistake(span, problem, "paths are relative to the task file; check this one"))
        }
    }
}

/// A page on the network needs its host's permission in the same file, where a reader sees it.
fn reachable(
    written: &WrittenScreen,
    screen: &ScreenChoice,
    hosts: &[String],
    source: &SourceFile<'_>,
) -> Result<(), TaskError> {
    let (ScreenChoice::Browser { browser, .. }, Some(written)) = (screen, &written.browser) else {
        return Ok(());
    };
    if !is_address(browser) {
        return Ok(());
    }
    let url = Url::parse(browser)
        .map_err(|e| source.mistake(written.span(), format!("{browser} is no address: {e}"), "check it"))?;
    match url.host_str() {
        Some(host) if hosts.is_empty() => {
            let problem = format!("the page is on {host}, and this task may reach no host");
            let remedy = format!("allow it: [policy] hosts = [\"{host}\"]");
            Err(source.mistake(written.span(), problem, remedy))
        }
        _ => Ok(()),
    }
}

fn tools(
    written: Option<&Spanned<Vec<Spanned<String>>>>,
    source: &SourceFile<'_>,
) -> Result<Option<Vec<String>>, TaskError> {
    let Some(written) = written else { return Ok(None) };
    if written.get_ref().is_empty() {
        let problem = "no tool is allowed, so nothing could be done";
        return Err(source.mistake(written.span(), problem, "name at least one tool, or leave `allow` out"));
    }
    let known = built_in();
    for name in written.get_ref() {
        known_tool(name.get_ref(), name.span(), &known, &[], source)?;
    }
    Ok(Some(written.get_ref().iter().map(|name| name.get_ref().clone()).collect()))
}

fn rules(
    written: Vec<Spanned<Rule>>,
    known: &[String],
    source: &SourceFile<'_>,
) -> Result<Vec<Rule>, TaskError> {
    written
        .into_iter()
        .map(|rule| {
            let span = rule.span();
            let rule = rule.into_inner();
            if let Some(tool) = &rule.tool {
                known_tool(tool, span.clone(), known, &["changes", "reads"], source)?;
            }
            rule.checked(known)
                .map_err(|problem| source.mistake(span, problem, "see “Rights” in the README"))?;
            Ok(rule)
        })
        .collect()
}

fn agents(
    written: BTreeMap<String, Spanned<WrittenAgent>>,
    is_cost_limited: bool,
    source: &SourceFile<'_>,
) -> Result<BTreeMap<String, AgentChoice>, TaskError> {
    let one = |(name, written): (String, Spanned<WrittenAgent>)| {
        let span = written.span();
        let WrittenAgent { description, model: of, tools: allow, thinking: way, limits: most, prices: cost } =
            written.into_inner();
        if is_cost_limited && cost.is_none() {
            let problem = format!("the run's cost is limited, and what `{name}` costs isn't known");
            let remedy =
                "add prices = { fresh = …, cached = …, output = … } to it; 0 for a model of one's own";
            return Err(source.mistake(span, problem, remedy));
        }
        let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !is_name || built_in().contains(&name) {
            let problem = format!("an agent can't be named `{name}`");
            let remedy = "take lower case letters, digits and `_`, and no built-in tool's name";
            return Err(source.mistake(span, problem, remedy));
        }
        let choice = AgentChoice {
            description,
            model: model(of.as_ref(), source)?,
            tools: tools(allow.as_ref(), source)?,
            thinking: thinking(&way, source)?,
            prices: prices(cost.as_ref(), source)?,
            limits: limits(&most, cost.is_some(), source)?,
        };
        Ok((name, choice))
    };
    written.into_iter().map(one).collect()
}

fn secrets(
    written: BTreeMap<String, Spanned<WrittenSecret>>,
    source: &SourceFile<'_>,
) -> Result<BTreeMap<String, SecretChoice>, TaskError> {
    let one = |(name, written): (String, Spanned<WrittenSecret>)| {
        let span = written.span();
        let WrittenSecret { env, file, hosts } = written.into_inner();
        let held_by = match (env, file) {
            (Some(env), None) => SecretSource::Env(env),
            (None, Some(file)) => SecretSource::File(existing(&file, span, source)?.into()),
            _ => {
                let problem = format!("`{name}` must say what holds its value, and in one way");
                return Err(source.mistake(span, problem, "write { env = \"NAME\" } or { file = \"path\" }"));
            }
        };
        Ok((name, SecretChoice { source: held_by, hosts }))
    };
    written.into_iter().map(one).collect()
}

fn known_tool(
    name: &str,
    span: Range<usize>,
    known: &[String],
    also: &[&'static str],
    source: &SourceFile<'_>,
) -> Result<(), TaskError> {
    let names = || also.iter().copied().chain(known.iter().map(String::as_str));
    if names().any(|one| one == name) {
        return Ok(());
    }
    let remedy = match nearest(name, names()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("there are: {}", names().collect::<Vec<_>>().join(", ")),
    };
    Err(source.mistake(span, format!("no tool is named `{name}`"), remedy))
}

/// The names of the built-in tools. They are the same for every screen, so any will do to ask them.
fn built_in() -> Vec<String> {
    let any: Arc<dyn Screen> = Arc::new(StillImage::new(image::RgbImage::new(1, 1)));
    builtin::toolbox(&any).offered().into_iter().map(|tool| tool.card.name).collect()
}

fn prices(written: Option<&Spanned<Prices>>, source: &SourceFile<'_>) -> Result<Option<Prices>, TaskError> {
    let Some(written) = written else { return Ok(None) };
    let remedy = "write what a million tokens cost, 0 or more";
    let checked = written.get_ref().checked();
    checked.map(Some).map_err(|error| {
        let problem = error.to_string();
        let problem = problem.split_once(": ").map_or(problem.as_str(), |(problem, _)| problem);
        source.mistake(written.span(), problem, remedy)
    })
}

fn limits(written: &WrittenLimits, has_prices: bool, source: &SourceFile<'_>) -> Result<Limits, TaskError> {
    let given = Limits::default();
    if let Some(cost) = &written.cost {
        if !has_prices {
            let problem = "a limit on cost needs the prices of the model's tokens";
            let remedy = "add prices = { fresh = …, cached = …, output = … }, what a million of each cost";
            return Err(source.mistake(cost.span(), problem, remedy));
        }
        if cost.get_ref().is_nan() || *cost.get_ref() <= 0.0 {
            let problem = "a run that may cost nothing would end before it begins";
            return Err(source.mistake(cost.span(), problem, "write more than 0, or leave it out"));
        }
    }
    Ok(Limits {
        steps: limit(written.steps.as_ref(), given.steps, source)?,
        tokens: limit(written.tokens.as_ref(), given.tokens, source)?,
        seconds: limit(written.seconds.as_ref(), given.seconds, source)?,
        refusals: limit(written.refusals.as_ref(), given.refusals, source)?,
        stalls: limit(written.stalls.as_ref(), given.stalls, source)?,
        rounds: limit(written.rounds.as_ref(), given.rounds, source)?,
        read_tokens: limit(written.read_tokens.as_ref(), given.read_tokens, source)?,
        cached_tokens: limit(written.cached_tokens.as_ref(), given.cached_tokens, source)?,
        memory_mib: limit(written.memory_mib.as_ref(), given.memory_mib, source)?,
        cost: written.cost.as_ref().map(|cost| *cost.get_ref()),
        at_limit: written.at_limit.unwrap_or_default(),
    })
}

fn limit<N: Copy + Default + PartialEq>(
    written: Option<&Spanned<N>>,
    given: N,
    source: &SourceFile<'_>,
) -> Result<N, TaskError> {
    match written {
        Some(zero) if *zero.get_ref() == N::default() => {
            let problem = "a limit of zero would end the run before it begins";
            Err(source.mistake(zero.span(), problem, "write 1 or more, or leave it out"))
        }
        Some(written) => Ok(*written.get_ref()),
        None => Ok(given),
    }
}

fn done(
    written: WrittenDone,
    screen: &ScreenChoice,
    source: &SourceFile<'_>,
) -> Result<DoneChoice, TaskError> {
    let has_page = matches!(screen, ScreenChoice::Browser { .. });
    let needs_page = |span: Range<usize>, key: &str| {
        let problem = format!("`{key}` can't be checked: only a page has it");
        source.mistake(span, problem, "add a browser to [screen], or check the answer instead")
    };
    if let Some(url) = written.url.as_ref().filter(|_| !has_page) {
        return Err(needs_page(url.span(), "url"));
    }
    let mut text_visible = Vec::new();
    if let Some(text) = written.text_visible {
        let span = text.span();
        text_visible = text.into_inner().into_vec();
        if !text_visible.is_empty() && !has_page {
            return Err(needs_page(span, "text_visible"));
        }
        if text_visible.iter().any(|text| text.trim().is_empty()) {
            return Err(source.mistake(
                span,
                "an empty text is always visible",
                "name a text that proves something",
            ));
        }
    }
    let mut answer = None;
    if let Some(written) = written.answer {
        let span = written.span();
        let check = match written.into_inner() {
            WrittenAnswer::Equals(answer) => AnswerCheck::Equals(answer),
            WrittenAnswer::Check(check) => check,
        };
        check
            .checked()
            .map_err(|error| source.mistake(span, error.to_string(), "see https://json-schema.org"))?;
        answer = Some(check);
    }
    let mut grounds = None;
    if let Some(written) = written.grounds {
        let (span, asked) = (written.span(), written.into_inner());
        if asked.visible && !has_page {
            return Err(needs_page(span, "visible"));
        }
        if asked.seen_at && matches!(screen, ScreenChoice::Nothing {}) {
            let problem = "`seen_at` can't be checked: there is no screen";
            return Err(source.mistake(
                span,
                problem,
                "add a browser or an image to [screen], or leave it out",
            ));
        }
        let remedy = "write { certainty = 0.6, visible = true, seen_at = true }, or some of it";
        asked.checked().map_err(|error| source.mistake(span, error.to_string(), remedy))?;
        grounds = Some(asked);
    }
    let url = written.url.map(|url| match url.into_inner() {
        WrittenUrl::Prefix(prefix) => UrlCheck::Prefix(prefix),
        WrittenUrl::Check(check) => check,
    });
    if let Some(judge) = written.judge.as_ref().filter(|_| !has_page) {
        return Err(needs_page(judge.span(), "judge"));
    }
    let mut elements = Vec::new();
    if let Some(written) = written.element {
        let span = written.span();
        if !has_page {
            return Err(needs_page(span, "element"));
        }
        elements = written.into_inner().into_vec();
        let unnamed = elements.iter().try_for_each(ElementCheck::checked);
        unnamed.map_err(|error| source.mistake(span, error.to_string(), "say its role or its name"))?;
    }
    let mut files = Vec::new();
    if let Some(written) = written.file {
        let span = written.span();
        for file in written.into_inner().into_vec() {
            let remedy = "see https://json-schema.org";
            file.checked().map_err(|error| source.mistake(span.clone(), error.to_string(), remedy))?;
            // It may be the run that makes the file.
            let path = source.path.parent().unwrap_or(Path::new("")).join(&file.path);
            files.push(FileCheck { path: std::path::absolute(&path).unwrap_or(path), ..file });
        }
    }
    let judge = written.judge.map(Spanned::into_inner);
    Ok(DoneChoice { text_visible, url, answer, grounds, judge, elements, files })
}
