//! `percept models`: the models that are there, fetching one, and a look inside one.

use std::sync::Arc;

use anyhow::anyhow;
use percept::models::{
    EncoderInspection, FileSource, Hub, HubAddress, HubSettings, InspectedSession, Inspection, LoadOptions,
    ModelAddress, ModelError, Precision, PulledFile, bundled_names,
};
use serde::Serialize;
use serde_json::json;

use super::{arguments::ModelsCommand, failure::Failure, merge::merge, output::Output, progress::Bars};

/// Lists, fetches or inspects.
pub(crate) async fn models(command: ModelsCommand, output: &Output) -> Result<u8, Failure> {
    match command {
        ModelsCommand::List => list(output)?,
        ModelsCommand::Pull { model, precision } => pull(&model, precision, output).await?,
        ModelsCommand::Merge(options) => return merge(options, output).await,
        ModelsCommand::Inspect { model, device } => {
            let load = LoadOptions { device, ..LoadOptions::default() };
            let inspected = Inspected::open(&model, load, Bars::new(&output.bars)).await?;
            match &inspected {
                _ if output.json => output.document(&inspected)?,
                Inspected::Chat(inspection) => told(inspection, output)?,
                Inspected::DualEncoder(inspection) => encoder_told(inspection, output)?,
            }
        }
    }
    Ok(0)
}

/// A look inside a model of either kind.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Inspected {
    /// One that converses.
    Chat(Box<Inspection>),
    /// One that puts images and texts into one space.
    DualEncoder(Box<EncoderInspection>),
}

impl Inspected {
    /// Opens the model and looks.
    pub(crate) async fn open(
        address: &ModelAddress,
        load: LoadOptions,
        bars: Arc<Bars>,
    ) -> Result<Self, ModelError> {
        if address.is_dual_encoder(&*bars).await? {
            let model = address.open_encoder(load, bars).await?;
            return Ok(Self::DualEncoder(Box::new(model.inspect().await)));
        }
        Ok(Self::Chat(Box::new(address.open_local(load, bars).await?.inspect())))
    }

    /// Its sessions.
    pub(crate) fn sessions(&self) -> &[InspectedSession] {
        match self {
            Self::Chat(inspection) => &inspection.sessions,
            Self::DualEncoder(inspection) => &inspection.sessions,
        }
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
    output.print("Any folder in the transformers.js layout is a model too: percept models inspect FOLDER")
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

fn told(inspection: &Inspection, output: &Output) -> Result<(), Failure> {
    let card = &inspection.card;
    output.print(&format!("{}: {} on {}", card.name, card.family, card.device))?;
    output.print(&format!("context: {} tokens, vocabulary: {}", card.context, inspection.vocabulary))?;
    if let Some([width, height]) = card.screen {
        output.print(&format!("screen: {width}×{height}"))?;
    }
    output.print(&format!("thinks before it acts: {}", if card.thinks { "yes" } else { "no" }))?;
    let dialect = &inspection.dialect;
    output.print(&format!("dialect: {}, as {}", dialect.kind.name(), dialect.why))?;
    output.print(&format!("processor: {}", inspection.processor))?;
    for note in &card.notes {
        output.print(&format!("note: {note}"))?;
    }
    sessions(&inspection.sessions, output)
}

fn encoder_told(inspection: &EncoderInspection, output: &Output) -> Result<(), Failure> {
    let card = &inspection.card;
    output.print(&format!("{}: {} on {}", card.name, card.family, card.device))?;
    output.print("images and texts in one space; it doesn't converse")?;
    let dimensions = card.dimensions.map_or("?".into(), |dimensions| dimensions.to_string());
    output.print(&format!("an embedding: {dimensions} numbers"))?;
    output.print(&format!("a text: {} tokens, vocabulary: {}", card.context, inspection.vocabulary))?;
    match (&inspection.temperature, &inspection.no_temperature) {
        (Some(temperature), _) => output.print(&format!("probabilities: {temperature}"))?,
        (None, problem) => {
            output.print(&format!("probabilities: none: {}", problem.as_deref().unwrap_or_default()))?;
        }
    }
    output.print(&format!("processor: {}", inspection.processor))?;
    for note in &card.notes {
        output.print(&format!("note: {note}"))?;
    }
    sessions(&inspection.sessions, output)
}

fn sessions(sessions: &[InspectedSession], output: &Output) -> Result<(), Failure> {
    for session in sessions {
        output.print(&format!("\n{} ({})", session.file.session, session.file.path.display()))?;
        session.inputs.iter().try_for_each(|port| output.print(&format!("  in   {port}")))?;
        session.outputs.iter().try_for_each(|port| output.print(&format!("  out  {port}")))?;
    }
    placement(sessions, output)
}

/// Which nodes run where.
pub(crate) fn placement(sessions: &[InspectedSession], output: &Output) -> Result<(), Failure> {
    for session in sessions {
        output.print(&format!(
            "\n{}: {} floating-point nodes on the CPU",
            session.file.session, session.floating_on_cpu
        ))?;
        for placed in &session.placement {
            output.print(&format!("  {:>4} × {:<28} {}", placed.nodes, placed.operator, placed.provider))?;
        }
    }
    Ok(())
}
