//! `percept memory`: the store of earlier runs.

use std::path::Path;

use percept::{Store, StoreError, tools::image};
use serde_json::json;

use super::{
    arguments::MemoryCommand,
    failure::Failure,
    narration::plain,
    output::{Ink, Output},
};

/// Adds, finds and forgets runs.
pub(crate) fn memory(command: MemoryCommand, output: &Output) -> Result<u8, Failure> {
    match command {
        MemoryCommand::Add { store, runs } => {
            let store = opened(&store)?;
            for run in &runs {
                match store.add(run) {
                    Err(left_out @ StoreError::NotDone { .. }) => {
                        output.say(&output.ink(Ink::Warn, &format!("left out: {left_out}")));
                    }
                    added => added.map_err(Failure::bad_input)?,
                }
            }
            count(&store, output)
        }
        MemoryCommand::Forget { store, runs } => {
            let store = existing(&store)?;
            for run in &runs {
                store.forget(run).map_err(Failure::bad_input)?;
            }
            count(&store, output)
        }
        MemoryCommand::Search { store, task, screen, most } => {
            let store = existing(&store)?;
            let screen = match &screen {
                Some(path) => Some(picture(path)?),
                None => None,
            };
            let found = store.search(&task, screen.as_ref(), most).map_err(Failure::bad_input)?;
            if output.json {
                output.document(&json!({ "found": found }))?;
            } else {
                for run in &found {
                    let line = format!("{:.2}  {}  {}", run.score, run.folder.display(), plain(&run.task));
                    output.print(&line)?;
                }
            }
            Ok(0)
        }
    }
}

fn opened(path: &Path) -> Result<Store, Failure> {
    Store::open(path).map_err(Failure::bad_input)
}

/// A store that is only read must be there.
fn existing(path: &Path) -> Result<Store, Failure> {
    std::fs::metadata(path)
        .map_err(|error| Failure::bad_input(anyhow::anyhow!("{}: {error}", path.display())))?;
    opened(path)
}

fn picture(path: &Path) -> Result<image::RgbImage, Failure> {
    let opened = image::open(path).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()));
    opened.map(image::DynamicImage::into_rgb8).map_err(Failure::bad_input)
}

fn count(store: &Store, output: &Output) -> Result<u8, Failure> {
    let runs = store.len().map_err(Failure::bad_input)?;
    if output.json {
        output.document(&json!({ "runs": runs }))?;
    } else {
        output.print(&format!("{runs} runs in the store"))?;
    }
    Ok(0)
}
