//! A browser ends with its screen, whatever becomes of the process that opened it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use percept_tools::Screen;

use crate::{Opened, open};

/// Set for the process that the test of this file starts and kills.
const VICTIM: &str = "PERCEPT_TEST_VICTIM";

/// A process, as `/proc` tells.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) id: u32,
    pub(crate) command: String,
    parent: u32,
    group: u32,
    state: char,
}

/// Every process of a group that isn't dead already.
pub(crate) fn processes(group: u32) -> Vec<Process> {
    all().into_iter().filter(|process| process.group == group && process.state != 'Z').collect()
}

fn all() -> Vec<Process> {
    fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| read(&entry.path())).collect()
}

fn read(folder: &Path) -> Option<Process> {
    let id = folder.file_name()?.to_str()?.parse().ok()?;
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    // The name in brackets may hold anything, brackets included.
    let mut fields = stat[stat.rfind(')')? + 2..].split(' ');
    let state = fields.next()?.chars().next()?;
    let (parent, group) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let command = String::from_utf8_lossy(&fs::read(folder.join("cmdline")).ok()?).replace('\0', " ");
    Some(Process { id, command, parent, group, state })
}

/// The browsers that a process started: their groups and profiles.
fn browsers(parent: u32) -> Vec<(u32, PathBuf)> {
    all()
        .into_iter()
        .filter(|process| process.parent == parent)
        .filter_map(|process| {
            let at = process.command.find("--user-data-dir=")?;
            let profile = process.command[at + "--user-data-dir=".len()..].split(' ').next()?;
            // The starter has the browser's arguments among its own before it becomes the browser.
            Some((process.group, PathBuf::from(profile)))
        })
        .collect()
}

impl Opened {
    /// The process group of this page's browser: the one whose profile no other test's browser has.
    pub(crate) fn group(&self) -> u32 {
        self.browser.process_group().unwrap()
    }
}

fn wait_until(what: &str, limit: Duration, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < limit, "{what}, after {limit:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn profile_of(group: u32) -> PathBuf {
    let found = browsers(std::process::id()).into_iter().find(|(of, _)| *of == group);
    found.unwrap().1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_browser_is_gone_with_its_profile() {
    let opened = open("<p>hello").await;
    let (group, profile) = (opened.group(), profile_of(opened.group()));
    assert!(processes(group).len() > 1 && profile.is_dir());
    opened.browser.close().await.unwrap();
    assert!(processes(group).is_empty() && !profile.exists());
    assert_eq!(opened.browser.look().await.unwrap_err().to_string(), "the screen is gone: it was closed");
    opened.browser.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_browser_is_gone_with_its_profile() {
    let opened = open("<p>hello").await;
    let (group, profile) = (opened.group(), profile_of(opened.group()));
    drop(opened);
    wait_until("it still runs", Duration::from_secs(5), || processes(group).is_empty() && !profile.exists());
}

#[test]
fn a_browser_ends_with_a_process_that_is_killed() {
    if std::env::var_os(VICTIM).is_some() {
        return be_the_victim();
    }
    let this = std::env::current_exe().unwrap();
    let mut victim = Command::new(this)
        .args(["--exact", "lifetime::a_browser_ends_with_a_process_that_is_killed", "--nocapture"])
        .env(VICTIM, "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut found = Vec::new();
    wait_until("no browser was started", Duration::from_secs(30), || {
        found = browsers(victim.id());
        found.iter().any(|(group, _)| processes(*group).iter().any(|p| p.command.contains("--type=renderer")))
    });
    victim.kill().unwrap();
    victim.wait().unwrap();
    for (group, profile) in found {
        wait_until("it still runs", Duration::from_secs(5), || {
            processes(group).is_empty() && !profile.exists()
        });
    }
}

/// Opens a browser and waits to be killed.
fn be_the_victim() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let opened = open("<p>hello").await;
        opened.look().await;
        tokio::time::sleep(Duration::from_mins(1)).await;
    });
}
