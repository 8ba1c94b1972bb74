//! `percept demo`: the bundled model on the bundled page.

use percept::{AgentError, Assembly, demo};

use super::{
    arguments::RunOptions,
    failure::Failure,
    output::Output,
    progress::Bars,
    run::{conclude, default_folder, overridden, work},
};

/// Runs the demo.
pub(crate) async fn demo(options: RunOptions, output: &Output) -> Result<u8, Failure> {
    let folder = options.out.clone().unwrap_or_else(default_folder);
    let task = demo::prepare(&folder, options.seed.unwrap_or(0)).map_err(AgentError::from)?;
    let task = overridden(task, options.device.as_ref(), options.model.as_ref());
    let assembly = Assembly::new(Bars::new(&output.bars));
    let result = work(&assembly, &task, &folder, output).await?;
    conclude(&result, output)?;
    Ok(result.outcome.exit_code())
}
