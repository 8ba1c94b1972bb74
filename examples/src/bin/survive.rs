//! A run that is killed again and again: every deposit is made once.
//!
//! The program starts itself as a child that works on a run of 20 deposits, kills it (`SIGKILL`) at a random moment,
//! and takes the run up again, until it is done; then it counts what lies in the till.
//!
//! ```text
//! cargo run --release -p percept-examples --bin survive -- --kills 200
//! ```
#![allow(clippy::print_stdout)]

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use percept::models::{ScriptedModel, ScriptedReply};
use percept::tools::{JsonSchema, Observation, Tool, ToolCard, ToolContext, ToolError, Toolbox, async_trait};
use percept::{Agent, AnswerCheck, Evidence, Limits, Outcome, RunFolder, journal};
use serde_json::json;

const DEPOSITS: usize = 20;

/// Puts a coin into a till that remembers the key of each.
struct Deposit(PathBuf);

#[derive(serde::Deserialize, JsonSchema)]
#[schemars(crate = "percept::tools::schemars")]
struct Coin {
    /// Its value.
    cents: u32,
}

#[async_trait]
impl Tool for Deposit {
    type Args = Coin;

    fn card(&self) -> ToolCard {
        ToolCard::changes("deposit", "Puts a coin into the till.", false)
    }

    async fn call(&self, coin: Coin, cx: &ToolContext) -> Result<Observation, ToolError> {
        let pay = || -> std::io::Result<()> {
            let mut till = OpenOptions::new().create(true).append(true).open(&self.0)?;
            // In one write: killed between two, half a line would count as a coin.
            till.write_all(format!("{} {}\n", cx.idempotency_key, coin.cents).as_bytes())
        };
        // Slow enough that some kills fall between the deed and its record.
        tokio::time::sleep(Duration::from_micros(500)).await;
        pay().map_err(|error| ToolError::broken("deposit", error))?;
        tokio::time::sleep(Duration::from_micros(500)).await;
        Ok(Observation::note("it is in the till"))
    }
}

/// One life of the run: begins it, or takes it up. Its exit code is the outcome's.
async fn live(folder: &Path, till: PathBuf, happened: Option<bool>) -> anyhow::Result<u8> {
    // No coin like another: the same deed again and again would be taken for a circle.
    let mut replies: Vec<_> =
        (1..=DEPOSITS).map(|cents| ScriptedReply::call("deposit", json!({ "cents": cents }))).collect();
    replies.push(ScriptedReply::call("finish", json!({ "answer": "all in" })));
    let nothing: Arc<dyn percept::tools::Screen> =
        Arc::new(percept::tools::StillImage::new(percept::tools::image::RgbImage::new(1, 1)));
    let mut toolbox: Toolbox = percept::tools::builtin::toolbox(&nothing).only(&["finish"])?;
    toolbox.add(Deposit(till))?;
    let agent = Agent::builder(Arc::new(ScriptedModel::new(replies)), toolbox)
        .limits(Limits { steps: DEPOSITS + 1, ..Limits::default() })
        .done(Evidence { answer: Some(AnswerCheck::Equals("all in".into())), ..Evidence::default() });
    let run = match journal::read(folder) {
        // Killed after the end was written and before this program could say so.
        Ok(recording) if recording.result().is_some_and(|result| result.outcome == Outcome::Done) => {
            return Ok(0);
        }
        Ok(_) => agent.resume(folder, happened)?,
        // Killed before it had begun: whatever is there holds no run.
        Err(_) => {
            let _ = fs::remove_dir_all(folder);
            agent.name("till").folder(RunFolder::create(folder)?).build()?.run("Fill the till.")
        }
    };
    Ok(run.outcome().await.outcome.exit_code())
}

/// Kills lives until as many were killed as were asked for, each run carried to its end.
fn torment(kills: usize) -> anyhow::Result<()> {
    let place = std::env::temp_dir().join(format!("percept-survive-{}", std::process::id()));
    let (mut killed, mut asked, mut runs, mut repeated, mut lost) = (0, 0, 0, 0, 0);
    // A small generator is random enough to choose moments (xorshift, Marsaglia 2003).
    let mut random = 0x2545_f491_4f6c_dd1d_u64 ^ u64::from(std::process::id());
    while killed < kills {
        let (folder, till) = (place.join(runs.to_string()), place.join(format!("{runs}.till")));
        fs::create_dir_all(&place)?;
        let (mut word, mut done) = (None, false);
        while !done {
            let mut child = Command::new(std::env::current_exe()?)
                .arg("--live")
                .args([&folder, &till])
                .args(word.take())
                .spawn()?;
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let moment = Instant::now() + Duration::from_micros(random % 60_000);
            let status = loop {
                match child.try_wait()? {
                    Some(status) => break status,
                    None if killed < kills && Instant::now() >= moment => {
                        child.kill()?;
                        killed += 1;
                        break child.wait()?;
                    }
                    None => std::thread::sleep(Duration::from_micros(200)),
                }
            };
            match status.code() {
                Some(0) => done = true,
                // In doubt: somebody who can look into the till answers.
                Some(code) if code == i32::from(Outcome::Unknown.exit_code()) => {
                    asked += 1;
                    let journal = fs::read_to_string(folder.join(journal::JOURNAL_FILE))?;
                    let begun = journal.matches("\"kind\":\"calling\"").count();
                    let paid = fs::read_to_string(&till).unwrap_or_default().lines().count();
                    word = Some(if paid == begun { "--happened" } else { "--not-happened" });
                }
                None => {}
                Some(code) => anyhow::bail!("a life ended with {code}: see {}", folder.display()),
            }
        }
        let till = fs::read_to_string(&till).context("the till is gone")?;
        let mut keys: Vec<_> = till.lines().collect();
        let all = keys.len();
        keys.sort_unstable();
        keys.dedup();
        repeated += all - keys.len();
        lost += DEPOSITS.saturating_sub(keys.len());
        runs += 1;
    }
    fs::remove_dir_all(&place)?;
    println!(
        "{killed} kills in {runs} runs of {DEPOSITS} deposits: {repeated} repeated, {lost} lost, {asked} asked about"
    );
    ensure!(repeated == 0 && lost == 0, "a deposit was made twice, or never");
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<std::process::ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--live", folder, till, word @ ..] => {
            let happened = word.first().map(|word| *word == "--happened");
            Ok(live(Path::new(folder), PathBuf::from(till), happened).await?.into())
        }
        [] => torment(40).map(|()| std::process::ExitCode::SUCCESS),
        ["--kills", kills] => torment(kills.parse()?).map(|()| std::process::ExitCode::SUCCESS),
        _ => anyhow::bail!("usage: survive [--kills N]"),
    }
}
