//! How a browser is started: its command line, its fonts, its sandbox.

use std::{io, path::Path, sync::Arc};

use percept_fetch::Progress;
use tempfile::TempDir;

use super::{
    BrowserOptions,
    executable::{self, Executable},
    hosts::Reach,
    package,
    process::{Launch, Process},
};
use crate::ScreenError;

/// The most that a screenshot may have on a side, in pixels: what browsers can draw in one piece.
const LARGEST_SIDE: f64 = 16_384.0;

/// How much higher than its page a window is at most, in CSS pixels.
const BARS: u32 = 160;

/// Nothing that asks, phones home, or changes how the same page looks.
const FLAGS: [&str; 18] = [
    "--remote-debugging-port=0",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--disable-breakpad",
    "--disable-quic",
    "--disable-gpu",
    "--disable-smooth-scrolling",
    // Frames from other hosts stay in the page's process, where requests are asked about and text is read.
    "--disable-site-isolation-trials",
    "--disable-features=IsolateOrigins,site-per-process,Translate,MediaRouter",
    "--deny-permission-prompts",
    "--no-proxy-server",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--font-render-hinting=none",
];

/// Checks the options that need no browser to be checked.
///
/// # Errors
///
/// [`ScreenError::Refused`] if the viewport has no pixels or more than a browser draws, [`ScreenError::Missing`] if a
/// window is to be shown and there is no display.
pub(super) fn check(options: &BrowserOptions) -> Result<(), ScreenError> {
    if options.visible && !has_display() {
        return Err(ScreenError::Missing {
            what: "there is no display to show a window on: neither DISPLAY nor WAYLAND_DISPLAY is set"
                .into(),
            remedy: "Run this in a desktop session, over `ssh -X`, or on a virtual display (`xvfb-run`)."
                .into(),
        });
    }
    let (size, scale) = (options.size, options.scale);
    let largest = f64::from(size.width.max(size.height)) * scale;
    let fits =
        scale.is_finite() && scale > 0.0 && size.width > 0 && size.height > 0 && largest <= LARGEST_SIDE;
    if fits {
        return Ok(());
    }
    Err(ScreenError::Refused {
        reason: format!(
            "a viewport of {}×{} at scale {scale} can't be shown: a side needs 1 to {LARGEST_SIDE} pixels",
            size.width, size.height
        ),
    })
}

/// Starts the browser that the options ask for; the notes are for the first screenshot.
///
/// # Errors
///
/// [`ScreenError::Missing`] if there is none or it doesn't start.
pub(super) async fn start(
    options: &BrowserOptions,
    reach: &Reach,
    progress: Arc<dyn Progress>,
) -> Result<(Process, Vec<String>), ScreenError> {
    let found = executable::obtain(options, progress).await?;
    let mut notes = Vec::new();
    let missing = |why: &str| ScreenError::Missing {
        what: format!("the browser {} does not start: {why}", found.program.display()),
        remedy: "Name another one in PERCEPT_BROWSER, or `fetched` for the one that Percept fetches.".into(),
    };
    let sandboxed = !is_root();
    let launch =
        prepare(options, reach, &found, sandboxed, &mut notes).map_err(|e| missing(&e.to_string()))?;
    match Process::start(launch).await {
        Ok(process) => Ok((process, notes)),
        // Some systems allow ordinary users none of the ways in which Chromium makes one.
        Err(why) if sandboxed && why.contains("sandbox") => {
            let mut notes =
                vec!["the browser runs without its sandbox, which this system doesn't allow it".into()];
            let launch =
                prepare(options, reach, &found, false, &mut notes).map_err(|e| missing(&e.to_string()))?;
            Ok((Process::start(launch).await.map_err(|why| missing(&why))?, notes))
        }
        Err(why) => Err(missing(&why)),
    }
}

/// Makes an empty profile, and the command line and environment for it.
fn prepare(
    options: &BrowserOptions,
    reach: &Reach,
    found: &Executable,
    sandboxed: bool,
    notes: &mut Vec<String>,
) -> io::Result<Launch> {
    let profile = profile(found.profiles.as_deref())?;
    let mut arguments: Vec<String> = FLAGS.iter().map(|&flag| flag.to_owned()).collect();
    arguments.push(format!("--user-data-dir={}", profile.path().display()));
    arguments.push(format!("--host-resolver-rules={}", reach.resolver_rules()));
    // A window that is shown has bars of the browser's own above the page.
    let bars = if options.visible { BARS } else { 0 };
    arguments.push(format!(
        "--window-size={},{}",
        options.size.width,
        options.size.height.saturating_add(bars)
    ));
    // From the start: a scale that is set later stretches what was drawn, and its pixels run into one another.
    arguments.push(format!("--force-device-scale-factor={}", options.scale));
    if !options.visible {
        arguments.push("--headless".into());
    }
    if !sandboxed {
        arguments.extend(["--no-sandbox".into(), "--no-zygote".into()]);
    }
    arguments.push("about:blank".into());
    let mut environment = found.environment.clone();
    if found.fetched {
        let file = profile.path().join("fonts.conf");
        notes.extend(package::fonts(&found.program, &file)?);
        environment.push(("FONTCONFIG_FILE", file));
    }
    Ok(Launch { program: found.program.clone(), arguments, environment, profile })
}

/// Whether windows can be shown, as far as that can be known without a window.
fn has_display() -> bool {
    let names = |variable: &str| std::env::var_os(variable).is_some_and(|display| !display.is_empty());
    cfg!(any(windows, target_os = "macos")) || names("DISPLAY") || names("WAYLAND_DISPLAY")
}

fn profile(place: Option<&Path>) -> io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("percept-browser-");
    match place {
        Some(place) => {
            std::fs::create_dir_all(place)?;
            builder.tempdir_in(place)
        }
        None => builder.tempdir(),
    }
}

/// Whether this process is root's, as which Chromium refuses to use its sandbox.
fn is_root() -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Path::new("/proc/self").metadata().is_ok_and(|me| me.uid() == 0)
    }
    #[cfg(not(unix))]
    false
}
