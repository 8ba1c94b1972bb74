//! A browser's process, which ends with ours whatever becomes of us.
//!
//! Two small shells see to it, without signals handled or code run in a dying process. The *guardian* reads
//! from a pipe whose other end only we hold: when we end, be it by a crash or by `SIGKILL`, the pipe closes,
//! and the guardian kills the browser's process group and removes its profile. The browser itself is
//! started by the *starter*, in a process group of its own, and only once the guardian knows that group.

use std::{collections::VecDeque, io, path::PathBuf, process::Stdio, time::Duration};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStderr, ChildStdin, Command},
    time::timeout,
};

use crate::ScreenError;

/// Waits for a group and a profile, answers, waits for the end of its input, and cleans up. The browser's
/// processes may still write while they die, so the profile is removed until it stays away.
const GUARDIAN: &str = r#"
trap : HUP INT TERM
IFS= read -r group && IFS= read -r profile || exit 0
echo ready
while IFS= read -r _; do :; done
kill -s KILL -- "-$group" 2>/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do
  rm -rf -- "$profile" 2>/dev/null
  sleep 0.05
  [ -e "$profile" ] || exit 0
done
exit 1
"#;

/// Becomes the browser once it is told to, and nothing if it never is.
const STARTER: &str = r#"IFS= read -r _ || exit 0; exec "$@" </dev/null"#;

/// How long a browser may take to start; a cold disk takes seconds to read 200 MB.
const START: Duration = Duration::from_secs(30);
/// How long its end may take.
const STOP: Duration = Duration::from_secs(5);
/// How many of its last lines are kept to explain a failure.
const KEPT_LINES: usize = 8;

/// A running browser.
#[derive(Debug)]
pub(super) struct Process {
    browser: Child,
    guardian: Child,
    /// Closing it ends the browser.
    lifeline: Option<ChildStdin>,
    /// Where the browser is spoken to: `ws://127.0.0.1:…`.
    pub(super) address: String,
}

impl Process {
    /// Starts a browser, and waits until it can be spoken to.
    ///
    /// # Errors
    ///
    /// What is known of why it doesn't start; the last that it said, if it said anything.
    pub(super) async fn start(launch: Launch) -> Result<Self, String> {
        let (mut process, stderr) = spawn(&launch).await.map_err(|e| e.to_string())?;
        // From here on the guardian removes it.
        let _ = launch.profile.keep();
        match timeout(START, listening(stderr)).await {
            Ok(Ok(address)) => process.address = address,
            Ok(Err(last)) if last.is_empty() => return Err("it ends and says nothing".into()),
            Ok(Err(last)) => return Err(last),
            Err(_) => return Err(format!("it is silent for {} s", START.as_secs())),
        }
        Ok(process)
    }

    /// Ends the browser, and waits until it is gone.
    ///
    /// # Errors
    ///
    /// [`ScreenError::Broken`] if it is still there.
    pub(super) async fn stop(mut self) -> Result<(), ScreenError> {
        drop(self.lifeline.take());
        let broken = |what: &str| ScreenError::Broken(format!("the browser was ended, but {what}").into());
        match timeout(STOP, self.guardian.wait()).await {
            Ok(Ok(status)) if status.success() => {}
            _ => return Err(broken("its profile could not be removed")),
        }
        match timeout(STOP, self.browser.wait()).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(broken("it still runs")),
        }
    }

    /// The browser's process group; it is named after its first process.
    pub(super) fn group(&self) -> Option<u32> {
        self.browser.id()
    }
}

/// What to start.
#[derive(Debug)]
pub(super) struct Launch {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    /// Added to the environment.
    pub(super) environment: Vec<(&'static str, PathBuf)>,
    /// The browser's profile, removed when it ends.
    pub(super) profile: TempDir,
}

async fn spawn(launch: &Launch) -> io::Result<(Process, Lines<BufReader<ChildStderr>>)> {
    let mut guardian = shell(GUARDIAN);
    guardian.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut guardian = guardian.spawn()?;
    let mut lifeline = taken(guardian.stdin.take())?;
    let mut guardian_says = BufReader::new(taken(guardian.stdout.take())?).lines();

    let mut starter = shell(STARTER);
    starter.arg(&launch.program).args(&launch.arguments);
    for (name, value) in &launch.environment {
        starter.env(name, value);
    }
    starter.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut browser = starter.spawn()?;
    let mut go = taken(browser.stdin.take())?;
    let stderr = BufReader::new(taken(browser.stderr.take())?).lines();

    let group = browser.id().ok_or_else(|| io::Error::other("it ended at once"))?;
    lifeline.write_all(format!("{group}\n{}\n", launch.profile.path().display()).as_bytes()).await?;
    if guardian_says.next_line().await?.as_deref() != Some("ready") {
        return Err(io::Error::other("nothing would end it with this process"));
    }
    go.write_all(b"go\n").await?;
    Ok((Process { browser, guardian, lifeline: Some(lifeline), address: String::new() }, stderr))
}

/// A shell with a process group of its own, so that a Ctrl-C meant for us doesn't reach it.
fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script, "percept-browser"]);
    #[cfg(unix)]
    command.process_group(0);
    command
}

fn taken<T>(pipe: Option<T>) -> io::Result<T> {
    pipe.ok_or_else(|| io::Error::other("a pipe is missing"))
}

/// The address that the browser writes when it listens, or its last words. Afterwards its output is read on
/// and dropped: a browser whose pipe is full stops.
async fn listening(mut lines: Lines<BufReader<ChildStderr>>) -> Result<String, String> {
    let mut last = VecDeque::new();
    while let Ok(Some(line)) = lines.next_line().await {
        tracing::trace!(line, "the browser says");
        if let Some(address) = line.strip_prefix("DevTools listening on ") {
            let address = address.trim().to_owned();
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok(address);
        }
        if last.len() == KEPT_LINES {
            last.pop_front();
        }
        last.push_back(line);
    }
    Err(Vec::from(last).join(" / "))
}
