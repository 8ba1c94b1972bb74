//! What a task file means: each key checked, each gap filled, each thing that this version can't do refused.

use std::{fs, ops::Range, path::Path, sync::Arc};

use percept_models::{ModelAddress, ModelError, bundled_names};
use percept_runtime::Device;
use percept_tools::{Screen, StillImage, builtin};
use toml::Spanned;
use url::Url;

use super::{
    DEFAULT_MODEL, DoneChoice, PolicyChoice, ScreenChoice, Task, TaskError, ThinkingChoice, ToolChoice,
    mistake::SourceFile,
    nearest,
    written::{OneOrMany, WrittenAnswer, WrittenDone, WrittenLimits, WrittenScreen, WrittenTask, WrittenUrl},
};
use crate::{AnswerCheck, Ask, Limits, UrlCheck};

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
    let ask = ask(&written.policy.ask, allow.as_deref(), source)?;
    reachable(&written.screen, &screen, &written.policy.hosts, source)?;
    Ok(Task {
        model: model(written.model.as_ref(), source)?,
        device: device(written.device.as_ref(), source)?,
        seed: written.seed.unwrap_or(0),
        thinking: ThinkingChoice {
            style: written.thinking.style,
            plan: written.thinking.plan.unwrap_or_default(),
            reflect: written.thinking.reflect.unwrap_or_default(),
        },
        limits: limits(&written.limits, source)?,
        tools: ToolChoice { allow },
        policy: PolicyChoice { ask, hosts: written.policy.hosts },
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
    let thinking = &written.thinking;
    if let Some(votes) = thinking.votes.as_ref().filter(|votes| *votes.get_ref() != 1) {
        return refuse(votes.span(), "voting (`votes` other than 1)");
    }
    if let Some(plugins) = &written.tools.plugins {
        return refuse(plugins.span(), "`plugins`");
    }
    if let Some(desktop) = &written.screen.desktop {
        return refuse(desktop.span(), "a desktop as a screen");
    }
    Ok(())
}

/// A folder or a script lies beside the task file, and has to be there.
fn model(written: Option<&Spanned<String>>, source: &SourceFile<'_>) -> Result<ModelAddress, TaskError> {
    let name = written.map_or(DEFAULT_MODEL, |written| written.get_ref());
    let span = written.map_or(0..0, Spanned::span);
    let remedy = "name bundled:glance, a model folder, or scripted:FILE";
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
        known_tool(name, &known, &[], source)?;
    }
    Ok(Some(written.get_ref().iter().map(|name| name.get_ref().clone()).collect()))
}

fn ask(
    written: &[Spanned<String>],
    allow: Option<&[String]>,
    source: &SourceFile<'_>,
) -> Result<Vec<Ask>, TaskError> {
    let known = allow.map_or_else(built_in, <[String]>::to_vec);
    written
        .iter()
        .map(|word| {
            known_tool(word, &known, &["changes"], source)?;
            Ok(Ask::from(word.get_ref().clone()))
        })
        .collect()
}

fn known_tool(
    word: &Spanned<String>,
    known: &[String],
    also: &[&'static str],
    source: &SourceFile<'_>,
) -> Result<(), TaskError> {
    let name = word.get_ref().as_str();
    let names = || also.iter().copied().chain(known.iter().map(String::as_str));
    if names().any(|one| one == name) {
        return Ok(());
    }
    let remedy = match nearest(name, names()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("there are: {}", names().collect::<Vec<_>>().join(", ")),
    };
    Err(source.mistake(word.span(), format!("no tool is named `{name}`"), remedy))
}

/// The names of the built-in tools. They are the same for every screen, so any will do to ask them.
fn built_in() -> Vec<String> {
    let any: Arc<dyn Screen> = Arc::new(StillImage::new(image::RgbImage::new(1, 1)));
    builtin::toolbox(&any).offered().into_iter().map(|tool| tool.card.name).collect()
}

fn limits(written: &WrittenLimits, source: &SourceFile<'_>) -> Result<Limits, TaskError> {
    let given = Limits::default();
    Ok(Limits {
        steps: limit(written.steps.as_ref(), given.steps, source)?,
        tokens: limit(written.tokens.as_ref(), given.tokens, source)?,
        seconds: limit(written.seconds.as_ref(), given.seconds, source)?,
        refusals: limit(written.refusals.as_ref(), given.refusals, source)?,
        stalls: limit(written.stalls.as_ref(), given.stalls, source)?,
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
        text_visible = match text.into_inner() {
            OneOrMany::One(text) => vec![text],
            OneOrMany::Many(texts) => texts,
        };
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
    let url = written.url.map(|url| match url.into_inner() {
        WrittenUrl::Prefix(prefix) => UrlCheck::Prefix(prefix),
        WrittenUrl::Check(check) => check,
    });
    Ok(DoneChoice { text_visible, url, answer })
}
