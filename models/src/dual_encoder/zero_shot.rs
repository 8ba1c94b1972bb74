//! Zero-shot classification: an image against labels in words (Radford et al. 2021, section 3.1).

use std::collections::HashMap;

use serde::Serialize;

use super::{DualEncoder, Embedding, Scoring, Temperature};
use crate::ModelError;

/// What stands for the label in a template.
const PLACE: &str = "{}";

/// Labels as one model sees them, ready for any number of images.
#[derive(Debug, Clone)]
pub struct ZeroShot {
    labels: Vec<String>,
    classes: Vec<Embedding>,
    temperature: Temperature,
    notes: Vec<String>,
}

/// What an image is, by the labels that were asked for.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Classification {
    /// The labels, the likeliest first; equals in the order in which they were asked for.
    pub scores: Vec<LabelScore>,
}

/// One label of one image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelScore {
    /// The label.
    pub label: String,
    /// The cosine between the image and the label.
    pub cosine: f32,
    /// The cosine at the model's temperature.
    pub logit: f32,
    /// The logit as a probability.
    pub probability: f32,
}

impl Classification {
    /// The likeliest label.
    pub fn best(&self) -> Option<&LabelScore> {
        self.scores.first()
    }
}

impl ZeroShot {
    /// Embeds the labels: each in every template, `{}` replaced by it, and the mean of these. Without a template
    /// the label alone is the text.
    ///
    /// # Errors
    ///
    /// [`ModelError::Request`] if there is no label, an empty one, one twice (letter case and outer space aside), a
    /// single one where the model's probabilities compare labels, or a template without `{}`; and those of
    /// [`DualEncoder::embed_texts`] and [`DualEncoder::temperature`].
    pub async fn ask(
        model: &dyn DualEncoder,
        labels: &[String],
        templates: &[String],
    ) -> Result<Self, ModelError> {
        Self::check(labels, templates)?;
        let temperature = model.temperature().await?;
        if temperature.scoring == Scoring::Softmax && labels.len() == 1 {
            return Err(ModelError::Request(format!(
                "{:?} is the only label: this model's probabilities compare labels, so it would get 100% from any image; \
                 give it a second one",
                labels[0]
            )));
        }
        let alone = [PLACE.to_owned()];
        let templates = if templates.is_empty() { &alone } else { templates };
        let texts: Vec<String> = labels
            .iter()
            .flat_map(|label| templates.iter().map(move |template| template.replace(PLACE, label.trim())))
            .collect();
        let embedded = model.embed_texts(&texts).await?;
        let mut notes: Vec<String> = temperature.note().into_iter().collect();
        for (text, embedded) in texts.iter().zip(&embedded) {
            notes.extend(embedded.cut.as_ref().map(|cut| format!("{text:?}: {cut}")));
        }
        let embeddings: Vec<Embedding> = embedded.into_iter().map(|text| text.embedding).collect();
        let classes =
            embeddings.chunks(templates.len()).map(Embedding::mean).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { labels: labels.to_vec(), classes, temperature, notes })
    }

    /// Whether these can be asked for, as far as no model is needed to know.
    ///
    /// # Errors
    ///
    /// [`ModelError::Request`] if there is no label, an empty one, one twice (letter case and outer space aside), or a template
    /// without `{}`.
    pub fn check(labels: &[String], templates: &[String]) -> Result<(), ModelError> {
        check_labels(labels)?;
        match templates.iter().find(|template| !template.contains(PLACE)) {
            Some(template) => Err(ModelError::Request(format!(
                "the template {template:?} has no {PLACE} where the label goes, as in \"a photo of a {PLACE}\""
            ))),
            None => Ok(()),
        }
    }

    /// What the image is.
    pub fn classify(&self, image: &Embedding) -> Classification {
        let cosines: Vec<f32> = self.classes.iter().map(|class| image.cosine(class)).collect();
        let logits: Vec<f32> = cosines.iter().map(|cosine| self.temperature.logit(*cosine)).collect();
        let probabilities = self.temperature.probabilities(&logits);
        let mut scores: Vec<LabelScore> = (self.labels.iter().zip(cosines))
            .zip(logits.into_iter().zip(probabilities))
            .map(|((label, cosine), (logit, probability))| LabelScore {
                label: label.clone(),
                cosine,
                logit,
                probability,
            })
            .collect();
        scores.sort_by(|a, b| b.logit.total_cmp(&a.logit));
        Classification { scores }
    }

    /// The temperature that the probabilities are made at.
    pub fn temperature(&self) -> &Temperature {
        &self.temperature
    }

    /// What a reader of the answers should know: an assumed temperature, a label that was cut.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

fn check_labels(labels: &[String]) -> Result<(), ModelError> {
    if labels.is_empty() {
        return Err(ModelError::Request("there is no label: say what the image may show".into()));
    }
    let mut seen: HashMap<String, &String> = HashMap::new();
    for label in labels {
        let bare = label.trim().to_lowercase();
        if bare.is_empty() {
            return Err(ModelError::Request("a label is empty".into()));
        }
        if let Some(before) = seen.insert(bare, label) {
            return Err(ModelError::Request(format!(
                "the labels {before:?} and {label:?} are the same: leave one out, or they share their probability"
            )));
        }
    }
    Ok(())
}
