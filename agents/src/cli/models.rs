//! `percept models`: the models that are there, fetching one, and what is done with their folders.

use anyhow::anyhow;
use percept::models::{
    FileSource, Hub, HubAddress, HubSettings, ModelError, Precision, PulledFile, bundled_names,
};
use serde_json::json;

use super::{
    arguments::ModelsCommand, compare::compare, failure::Failure, inspect::inspect, merge::merge,
    output::Output, progress::Bars, verify::verify, watch::unless_interrupted,
};

/// The exit code where a person said no.
const NOT_REMOVED: u8 = 4;

/// Lists, fetches, removes, looks inside, holds to goldens, compares or merges.
pub(crate) async fn models(command: ModelsCommand, output: &Output) -> Result<u8, Failure> {
    match command {
        // It tidies up what it has made.
        ModelsCommand::Merge(options) => merge(options, output).await,
        ModelsCommand::List => list(output).map(|()| 0),
        ModelsCommand::Pull { model, precision } => {
            unless_interrupted(pull(&model, precision, output)).await.map(|()| 0)
        }
        ModelsCommand::Remove { model, yes } => unless_interrupted(remove(&model, yes, output)).await,
        ModelsCommand::Inspect { model, device } => {
            unless_interrupted(Box::pin(inspect(&model, device, output))).await
        }
        ModelsCommand::Verify(options) => unless_interrupted(Box::pin(verify(options, output))).await,
        ModelsCommand::Compare(options) => unless_interrupted(Box::pin(compare(options, output))).await,
    }
}

fn list(output: &Output) -> Result<(), Failure> {
    let mut names: Vec<_> = bundled_names().into_iter().map(|name| format!("bundled:{name}")).collect();
    let hub = HubSettings::of_environment().and_then(Hub::new);
    match hub {
        Ok(hub) => names.extend(hub.models().iter().map(ToString::to_string)),
        // What comes along is there nevertheless.
        Err(error) => output.notes([&error.to_string()]),
    }
    if output.json {
        return output.document(&json!({ "models": names }));
    }
    names.iter().try_for_each(|name| output.print(name))?;
    output.say("Any folder in the layout of transformers.js or onnxruntime-genai is a model too: percept models inspect FOLDER");
    Ok(())
}

/// Fetches a model, as it is on the Hub now.
async fn pull(model: &str, precision: Option<String>, output: &Output) -> Result<(), Failure> {
    let (named, in_address) = match model.rsplit_once('#') {
        Some((named, precision)) => (named, Some(precision.to_owned())),
        None => (model, None),
    };
    let address: HubAddress = named.parse()?;
    if let (Some(one), Some(other)) = (&precision, &in_address) {
        let error = anyhow!("two precisions are asked for, {other} and {one}");
        return Err(Failure::bad_input(error).help("name it once"));
    }
    let precision = precision.or(in_address).map(|name| Precision::named(&name)).transpose()?;
    let hub = Hub::new(HubSettings::of_environment().map_err(ModelError::from)?).map_err(ModelError::from)?;
    let pulled = hub.pull(&address, precision.as_ref(), &*Bars::new(&output.bars)).await?;
    if output.json {
        return output.document(&pulled);
    }
    for PulledFile { path, bytes, source } in &pulled.files {
        let source = match source {
            FileSource::Fetched => "fetched",
            FileSource::Cached => "was there",
        };
        output.print(&format!("{source:<9} {bytes:>13}  {path}"))?;
    }
    output.print(&format!("{} is in {}", pulled.model, pulled.folder.display()))
}

/// Removes a model, once a person has said that it may go.
async fn remove(address: &HubAddress, yes: bool, output: &Output) -> Result<u8, Failure> {
    let hub = Hub::new(HubSettings::of_environment().map_err(ModelError::from)?).map_err(ModelError::from)?;
    let removal = hub.removal(address)?;
    let what = if removal.is_name_alone() {
        format!("{address}, a name alone: others have what it leads to")
    } else {
        format!("{address}: {} files, {} bytes", removal.files, removal.bytes)
    };
    let document = |removed: bool| {
        let mut document = json!(removal);
        document["removed"] = json!(removed);
        output.document(&document)
    };
    let stays: Vec<String> = removal.stays.iter().map(ToString::to_string).collect();
    if !yes {
        if !Output::has_person() {
            let error = anyhow!("nobody is asked here whether {what} may go");
            return Err(Failure::bad_input(error).help("--yes removes it without asking"));
        }
        if !output.agreed(&format!("Remove {what}? [y/N] ")).await {
            output.say("nothing was removed");
            if output.json {
                document(false)?;
            }
            return Ok(NOT_REMOVED);
        }
    }
    removal.carry_out().map_err(ModelError::from)?;
    if output.json {
        document(true)?;
        return Ok(0);
    }
    output.print(&format!("removed {what}"))?;
    if !stays.is_empty() {
        output.print(&format!("still there: {}", stays.join(", ")))?;
    }
    Ok(0)
}
