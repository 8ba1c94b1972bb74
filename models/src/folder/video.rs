//! A folder's video processor, where its family watches videos.

use std::path::Path;

use serde::Deserialize;

use super::{bad, processor_text, read_settings, read_text};
use crate::{
    Conversation, ModelError, ModelFolder,
    family::Family,
    processor::VideoProcessor,
    template::{ChatTemplate, TemplateMessage, TemplatePart},
};

#[derive(Default, Deserialize)]
struct ProcessorFile {
    video_processor: Option<serde_json::Value>,
}

impl ModelFolder {
    /// The template of this conversation: the one with places for videos, where it shows one and the family has it.
    pub(crate) fn template_of(&self, conversation: &Conversation) -> &ChatTemplate {
        let watches = conversation.videos().next().is_some();
        self.video_template.as_deref().filter(|_| watches).unwrap_or(&self.template)
    }
}

/// The video processor; `None` if the family or the template knows no videos.
///
/// It is written in `processor_config.json`, in `video_preprocessor_config.json`, or, in older folders, with the image
/// processor, in whose settings videos are then seen: the order in which transformers looks.
pub(super) fn read(
    folder: &Path,
    family: &dyn Family,
    template: &ChatTemplate,
) -> Result<Option<Box<VideoProcessor>>, ModelError> {
    let Some(form) = family.video() else { return Ok(None) };
    if !shows(template, form.token) {
        return Ok(None);
    }
    let newest = folder.join("processor_config.json");
    let nested = read_settings::<ProcessorFile>(&newest)?.video_processor;
    let own = folder.join("video_preprocessor_config.json");
    let (path, text) = match (nested, read_text(&own)?) {
        (Some(nested), _) => (newest, nested.to_string()),
        (None, Some(text)) => (own, text),
        (None, None) => processor_text(folder)?,
    };
    VideoProcessor::from_json(&text, form.class)
        .map(|meant| Some(Box::new(meant)))
        .map_err(|problem| bad(&path, problem))
}

/// Whether the template has a place for a video: asked by giving it one.
fn shows(template: &ChatTemplate, token: &str) -> bool {
    let content = vec![TemplatePart::Video, TemplatePart::Text { text: "?".into() }];
    let message = TemplateMessage { role: "user".into(), content };
    template.render(&[message], "", None).is_ok_and(|text| text.matches(token).count() == 1)
}
