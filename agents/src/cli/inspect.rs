//! `percept models inspect`: what a folder is, what is in it, what memory it will need, and everything that is missing.

use std::sync::Arc;

use indicatif::HumanBytes;
use percept::{
    models::{
        EncoderInspection, InspectedSession, Inspection, LoadOptions, Memory, ModelAddress, ModelError,
        Survey,
    },
    runtime::Device,
};
use serde::Serialize;

use super::{
    failure::Failure,
    output::{Ink, Output},
    progress::Bars,
};

/// The exit code of a folder that lacks something.
const LACKING: u8 = 2;

/// Looks for what is missing first; if nothing is, opens the model and tells what it is made of.
pub(crate) async fn inspect(address: &ModelAddress, device: Device, output: &Output) -> Result<u8, Failure> {
    let bars = Bars::new(&output.bars);
    let (folder, precision) = address.folder(&*bars).await?;
    let survey = Survey::of_folder(&folder, precision.as_ref())?;
    if !survey.missing.is_empty() {
        lacking(&survey, output)?;
        return Ok(LACKING);
    }
    let load = LoadOptions { device, ..LoadOptions::default() };
    let inspected = Inspected::open(address, load, bars).await?;
    match &inspected {
        _ if output.json => output.document(&inspected)?,
        Inspected::Chat(inspection) => told(inspection, output)?,
        Inspected::DualEncoder(inspection) => encoder_told(inspection, output)?,
    }
    Ok(0)
}

/// What a folder has, and everything that it lacks.
fn lacking(survey: &Survey, output: &Output) -> Result<(), Failure> {
    if output.json {
        return output.document(survey);
    }
    let family = survey.family.as_deref().unwrap_or("a family that can't be told");
    output.print(&format!("{}: {family}, not whole", survey.path.display()))?;
    if let Some(layout) = survey.layout {
        output.print(&format!("layout: {layout}"))?;
    }
    for session in &survey.sessions {
        let bytes = HumanBytes(session.weights.bytes());
        output.print(&format!("there: {} in {}, {bytes}", session.file.session, session.file.precision))?;
    }
    for missing in &survey.missing {
        let line = format!("missing: {}: {}. {}", missing.path.display(), missing.problem, missing.remedy);
        output.print(&line)?;
    }
    let count = survey.missing.len();
    output.say(&output.ink(Ink::Warn, &format!("{count} thing(s) keep this model from being loaded")));
    Ok(())
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

fn told(inspection: &Inspection, output: &Output) -> Result<(), Failure> {
    let card = &inspection.card;
    output.print(&format!("{}: {} on {}", card.name, card.family, card.device))?;
    output.print(&format!("context: {} tokens, vocabulary: {}", card.context, inspection.vocabulary))?;
    let dialect = &inspection.dialect;
    output.print(&format!("dialect: {}, as {}", dialect.kind.name(), dialect.why))?;
    if let Some([width, height]) = card.screen {
        output.print(&format!("screen: {width}×{height}"))?;
    }
    output.print(&format!("layout: {}", inspection.layout))?;
    memory(&inspection.memory, output)?;
    output.print(&format!("thinks before it acts: {}", if card.thinks { "yes" } else { "no" }))?;
    output.print(&format!("processor: {}", inspection.processor))?;
    for note in &card.notes {
        output.print(&format!("note: {note}"))?;
    }
    sessions(&inspection.sessions, output)
}

/// Weights of each session, the cache and the states, and all together.
fn memory(memory: &Memory, output: &Output) -> Result<(), Failure> {
    for (session, weights) in &memory.weights {
        let kinds: Vec<_> = weights
            .bytes_by_kind
            .iter()
            .map(|(kind, bytes)| format!("{} of {kind}", HumanBytes(*bytes)))
            .collect();
        let bits: Vec<_> =
            weights.packed_bits.iter().map(|bits| format!("{bits}-bit blocks among them")).collect();
        let parts: Vec<_> = kinds.into_iter().chain(bits).collect();
        output.print(&format!(
            "weights of {session}: {} ({})",
            HumanBytes(weights.bytes()),
            parts.join(", ")
        ))?;
    }
    let Memory { cache_bytes_per_token: each, state_bytes, context, sequences, total_bytes, .. } = memory;
    let cache = HumanBytes(each.saturating_mul(*context));
    output.print(&format!("cache: {} a token, {cache} for {context} tokens", HumanBytes(*each)))?;
    if *state_bytes > 0 {
        output.print(&format!(
            "states: {}, with the earlier ones that a sequence can go back to",
            HumanBytes(*state_bytes)
        ))?;
    }
    let held = match *sequences {
        1 => String::new(),
        many => format!(" of {many} sequences (a conversation that is kept, and a picture in the making)"),
    };
    output.print(&format!(
        "memory: {} at the longest{held}, and what a run needs for its own results",
        HumanBytes(*total_bytes)
    ))
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
