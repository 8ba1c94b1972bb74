//! What a user should know of a loaded model.

use std::sync::Arc;

use percept_runtime::{CacheForm, Device, DeviceChoice, Engine, Vocabulary};

use crate::{
    ModelCard,
    folder::ModelFolder,
    template::{TemplateMessage, TemplatePart},
};

/// The card of a model that is loaded.
pub(super) fn card(
    folder: &ModelFolder,
    engine: &Engine,
    choice: &DeviceChoice,
    vocabulary: &Result<Arc<Vocabulary>, String>,
    name: Option<String>,
) -> ModelCard {
    let mut notes = folder.notes.clone();
    notes.extend(device_notes(choice));
    if choice.device != Device::Cpu {
        notes.extend(placement_notes(engine));
    }
    notes.extend(engine.doubt().map(Into::into));
    notes.extend(anew_note(engine.cache_form(), &choice.device).map(Into::into));
    notes.extend(engine.window().map(|window| {
        let crosses = choice.device != Device::Cpu;
        format!(
            "of a conversation longer than {} tokens it sees the first {} and at least the last {}{}",
            window.most(),
            window.sinks,
            window.recent,
            if crosses { ", and its cache crosses to the host's memory for that" } else { "" }
        )
    }));
    if folder.family.images_see_each_other() && !engine.tells_blocks() {
        notes.push(
            "its decoder isn't told which tokens are an image's (`token_type_ids`), so each sees what is before it alone, and \
             not the rest of its image, as it did where the model was trained: replies are other ones"
                .into(),
        );
    }
    if folder.end_tokens().is_empty() && folder.family.end_texts().is_empty() {
        notes.push(
            "nothing names a token that ends a reply (`eos_token`, `eos_token_id`): replies end where their tokens are spent \
             (--max-tokens)"
                .into(),
        );
    }
    if let Err(reason) = vocabulary {
        notes.push(format!("it can only write free text: {reason}"));
    }
    ModelCard {
        name: name.unwrap_or_else(|| folder.path.display().to_string()),
        family: folder.family.name().into(),
        device: choice.device.to_string(),
        context: engine.context(),
        max_images: most_images(folder),
        screen: folder.settings.screen,
        thinks: folder.settings.thinking,
        tells_probabilities: true,
        notes,
    }
}

/// The device and why, and what would bring a better one.
pub(crate) fn device_notes(choice: &DeviceChoice) -> impl Iterator<Item = String> {
    std::iter::once(format!("{}: {}", choice.device, choice.why)).chain(choice.better.clone())
}

/// What a cache costs that can't be cut back to where a prompt parts from what was read before it.
fn anew_note(form: CacheForm, device: &Device) -> Option<&'static str> {
    (form == CacheForm::Growing && *device != Device::Cpu).then_some(
        "its cache grows in the device's memory and can't be cut: a prompt that doesn't go on from the last reply, as of each \
         vote after the first, is read from its beginning",
    )
}

/// How much of each graph computes on the CPU although a device was chosen; embedding tables always do.
pub(crate) fn placement_notes(engine: &Engine) -> Vec<String> {
    let graphs = engine.placement().iter().filter(|(graph, _)| graph != "embedding");
    let counted = graphs.map(|(graph, placement)| (graph, placement, placement.floating_on_cpu().len()));
    counted
        .filter(|(.., count)| *count > 0)
        .map(|(graph, placement, count)| {
            format!("{count} of {graph}'s {} nodes that compute run on the CPU", placement.nodes.len())
        })
        .collect()
}

/// The most images of a conversation: none without sight; one where the template shows one whatever it is given,
/// which is asked by giving it two.
fn most_images(folder: &ModelFolder) -> Option<usize> {
    if !folder.family.sees() {
        return Some(0);
    }
    let image = || TemplatePart::Image;
    let text = |text: &str| TemplatePart::Text { text: text.into() };
    let message = |content| TemplateMessage { role: "user".into(), content };
    let token = folder.family.placeholder();
    let rendered = folder.template.render(&[message(vec![image(), image(), text("?")])], token, None);
    rendered.is_ok_and(|text| text.matches(token).count() == 1).then_some(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_that_cannot_be_cut_is_noted() {
        for (form, device, noted) in [
            (CacheForm::Growing, "webgpu", true),
            (CacheForm::Growing, "cuda", true),
            (CacheForm::Growing, "cpu", false),
            (CacheForm::Host, "cuda", false),
            (CacheForm::Shared { positions: 9 }, "cuda", false),
        ] {
            assert_eq!(anew_note(form, &device.parse().unwrap()).is_some(), noted, "{form:?} {device}");
        }
    }
}
