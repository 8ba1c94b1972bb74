//! `percept models`: the models that come along, and a look inside one.

use percept::models::{Inspection, LoadOptions, bundled_names};
use serde_json::json;

use super::{arguments::ModelsCommand, failure::Failure, output::Output, progress::Bars};

/// Lists or inspects.
pub(crate) async fn models(command: ModelsCommand, output: &Output) -> Result<u8, Failure> {
    match command {
        ModelsCommand::List => list(output)?,
        ModelsCommand::Inspect { model, device } => {
            let load = LoadOptions { device, ..LoadOptions::default() };
            let inspection = model.open_local(load, Bars::new(&output.bars)).await?.inspect();
            if output.json { output.document(&inspection)? } else { told(&inspection, output)? }
        }
    }
    Ok(0)
}

fn list(output: &Output) -> Result<(), Failure> {
    let names: Vec<_> = bundled_names().into_iter().map(|name| format!("bundled:{name}")).collect();
    if output.json {
        return output.document(&json!({ "models": names }));
    }
    names.iter().try_for_each(|name| output.print(name))?;
    output.print("Any folder in the transformers.js layout is a model too: percept models inspect FOLDER")
}

fn told(inspection: &Inspection, output: &Output) -> Result<(), Failure> {
    let card = &inspection.card;
    output.print(&format!("{}: {} on {}", card.name, card.family, card.device))?;
    output.print(&format!("context: {} tokens, vocabulary: {}", card.context, inspection.vocabulary))?;
    if let Some([width, height]) = card.screen {
        output.print(&format!("screen: {width}×{height}"))?;
    }
    output.print(&format!("thinks before it acts: {}", if card.thinks { "yes" } else { "no" }))?;
    output.print(&format!("processor: {}", inspection.processor))?;
    for note in &card.notes {
        output.print(&format!("note: {note}"))?;
    }
    for session in &inspection.sessions {
        output.print(&format!("\n{} ({})", session.file.session, session.file.path.display()))?;
        session.inputs.iter().try_for_each(|port| output.print(&format!("  in   {port}")))?;
        session.outputs.iter().try_for_each(|port| output.print(&format!("  out  {port}")))?;
    }
    placement(inspection, output)
}

/// Which nodes run where.
pub(crate) fn placement(inspection: &Inspection, output: &Output) -> Result<(), Failure> {
    for session in &inspection.sessions {
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
