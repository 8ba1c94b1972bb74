//! `percept resume`: takes up a run that was killed, interrupted, or left with a call in doubt.

use percept::{Approval, Assembly, RUN_FILE, Task, journal};

use super::{
    arguments::ResumeOptions,
    failure::Failure,
    narration::written,
    output::{Ink, Output},
    progress::Bars,
    run::{conclude, followed_to_the_end, remembered},
    watch,
};

/// Goes on where the run's journal ends.
pub(crate) async fn resume(options: ResumeOptions, output: &Output) -> Result<u8, Failure> {
    let folder = &options.run;
    let not_a_run = "name a run folder: it holds journal.jsonl and run.toml";
    let recording = journal::read(folder).map_err(|error| Failure::bad_input(error).help(not_a_run))?;
    recording.check_by_model(folder).map_err(Failure::bad_input)?;
    let mut task = Task::read(&folder.join(RUN_FILE))?;
    if let Some(device) = options.device {
        task.device = device;
    }
    let happened = match (options.happened, options.not_happened) {
        (false, false) => None,
        (happened, _) => Some(happened),
    };
    if let (Some(doubt), None) = (journal::doubt(folder, &recording).map_err(Failure::bad_input)?, happened) {
        let agents: Vec<_> = doubt.agents.iter().map(|agent| format!(" of the agent `{agent}`")).collect();
        let whose = agents.concat();
        let question = format!(
            "step {}{whose} was cut off while it did this: {}\n     Nobody knows whether it happened. Find out, then \
             resume with --happened or --not-happened.",
            doubt.step,
            written(&doubt.call)
        );
        output.say(&output.ink(Ink::Warn, &question));
    }
    let word = match (options.approve, options.deny) {
        (true, _) => Some(Approval::Granted),
        (false, reason) => reason.map(Approval::Denied),
    };
    if word.is_some() && recording.question().is_none() {
        let problem = anyhow::anyhow!("nothing in this run waits for a person's word");
        return Err(Failure::bad_input(problem).help("leave out --approve and --deny"));
    }
    let assembly = Assembly::new(Bars::new(&output.bars));
    let resuming = assembly.resume(&task, folder, happened);
    let resumed = watch::unless_interrupted(async { Ok(resuming.await?) }).await?;
    let result = followed_to_the_end(resumed.run, resumed.screen, folder, word, output).await;
    remembered(&task, &result, folder, output);
    conclude(&result, output)?;
    Ok(result.outcome.exit_code())
}
