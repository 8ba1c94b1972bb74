//! Demonstrations: earlier runs, of a model or a person, that a model is shown before its own task, each step as image, thought and action
//! (Flamingo's few-shot prompts, Alayrac et al. 2022).

use std::path::Path;

use percept_models::{Call, ChatModel, ImageContent};
use percept_tools::{PixelSize, Toolbox};
use serde::{Deserialize, Serialize};

use crate::{
    AgentError, Beginning, CallResult, Event, JournalError,
    album::{self, Album},
    journal, offer,
};

/// A run as a model is shown it.
#[derive(Debug, Clone)]
pub struct Demonstration {
    /// The task that was done.
    pub task: String,
    /// Who did it: the name of a model, or "a person".
    pub by: String,
    /// Each of its steps.
    pub steps: Vec<Shown>,
}

/// One step of a demonstration.
#[derive(Debug, Clone)]
pub struct Shown {
    /// What the screen showed; `None` in a run without one.
    pub image: Option<ImageContent>,
    /// What was thought.
    pub thought: String,
    /// The call, as it was written.
    pub text: String,
    /// The call itself, its places in pixels of a screenshot of this size; `None` where that isn't known.
    pub call: Option<(Call, Option<PixelSize>)>,
}

/// What the journal keeps of a demonstration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedDemonstration {
    /// The task that was done.
    pub task: String,
    /// Each of its steps.
    pub steps: Vec<RecordedShown>,
}

/// What the journal keeps of a demonstration's step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedShown {
    /// The image's file, relative to the run folder; `None` where nothing is written or shown.
    pub shot: Option<String>,
    /// BLAKE3 hash of the image's size and pixels.
    pub hash: Option<String>,
    /// What was thought.
    pub thought: String,
    /// The call, as it was written.
    pub text: String,
}

impl Demonstration {
    /// A run as its folder tells it: the steps that were carried out, in order. One of a person needn't have an end.
    ///
    /// # Errors
    ///
    /// [`JournalError`](crate::JournalError) if there is no such run or an image of it is gone;
    /// [`AgentError::Demonstration`] if it didn't end well: nothing good is learnt from it.
    pub fn read(folder: &Path) -> Result<Self, AgentError> {
        let recording = journal::read(folder)?;
        let refused = |why: String| AgentError::Demonstration { path: folder.to_owned(), why };
        if !recording.is_exemplary() {
            return Err(refused(match recording.result() {
                Some(result) => format!("the run ended as {}", result.outcome.word()),
                None => "the run isn't over".into(),
            }));
        }
        let mut steps = Vec::new();
        let (mut image, mut votes, mut chosen) = (None, Vec::new(), 0);
        let (mut size, mut called) = (None, None);
        for entry in &recording.entries {
            match &entry.event {
                Event::Looked { shot: Some(shot), hash, frame, .. } => {
                    image = Some((shot, hash));
                    size = Some(frame.size);
                }
                Event::Calling { call, .. } => called = Some((call.clone(), size)),
                Event::Decided { vote, thought, text, .. } => {
                    if *vote == 1 {
                        (votes, chosen) = (Vec::new(), 0);
                    }
                    votes.push((image, thought, text));
                }
                Event::Voted { chosen: index, .. } | Event::Judged { best: Some(index), .. } => {
                    chosen = *index;
                }
                Event::Called { result: CallResult::Observed { .. }, .. } => {
                    let Some((image, thought, text)) = votes.get(chosen) else { continue };
                    let image = image.map(|(shot, hash)| album::load(folder, shot, hash)).transpose()?;
                    let (thought, text) = ((*thought).clone(), (*text).clone());
                    steps.push(Shown { image, thought, text, call: called.take() });
                }
                _ => {}
            }
        }
        let Beginning { task, model, .. } = recording.beginning;
        Ok(Self { task, by: model.name, steps })
    }

    /// The same, with every call as this model would write it with these tools on offer: on its own grid, in its own dialect.
    /// Steps that it can't write, of a tool that isn't on offer for one, stay as they were written, and `false` comes back
    /// unless it was this model that wrote them.
    pub(crate) fn in_the_words_of(mut self, model: &dyn ChatModel, tools: &Toolbox) -> (Self, bool) {
        let mut all = true;
        for step in &mut self.steps {
            let written = step
                .call
                .as_ref()
                .and_then(|(call, size)| model.written(call, &offer::functions(tools, *size)));
            match written {
                Some(Ok(text)) => step.text = text,
                _ => all = false,
            }
        }
        let is_own = all || self.by == model.card().name;
        (self, is_own)
    }

    /// How many images it shows.
    pub(crate) fn images(&self) -> usize {
        self.steps.iter().filter(|step| step.image.is_some()).count()
    }
}

impl RecordedDemonstration {
    /// What the journal keeps of it; its images go into the run's album.
    pub(crate) fn kept(demonstration: &Demonstration, album: &Album) -> Self {
        let step = |step: &Shown| RecordedShown {
            shot: step.image.as_ref().and_then(|image| album.bring(image)),
            hash: step.image.as_ref().map(|image| image.hash().to_string()),
            thought: step.thought.clone(),
            text: step.text.clone(),
        };
        Self { task: demonstration.task.clone(), steps: demonstration.steps.iter().map(step).collect() }
    }

    /// The demonstration, its images read back from the run's album.
    ///
    /// # Errors
    ///
    /// [`JournalError::Image`] if one is gone or was changed.
    pub(crate) fn restored(&self, album: &Album) -> Result<Demonstration, JournalError> {
        let step = |step: &RecordedShown| {
            let image = match (&step.shot, &step.hash) {
                (Some(shot), Some(hash)) => Some(album.stored(hash, shot)?),
                _ => None,
            };
            // It was put into the model's words when the run began.
            Ok(Shown { image, thought: step.thought.clone(), text: step.text.clone(), call: None })
        };
        let steps = self.steps.iter().map(step).collect::<Result<_, _>>()?;
        Ok(Demonstration { task: self.task.clone(), by: String::new(), steps })
    }
}

#[cfg(test)]
mod tests {
    use percept_models::{
        Conversation, Function, Generate, Generation, ModelCard, ModelError, ScriptedModel,
    };
    use percept_tools::{
        async_trait,
        builtin::{Answer, Finish},
    };
    use serde_json::json;

    use super::*;

    /// A model that has one word for the end, and means `finish` by it where that is on offer.
    struct Scribe(ScriptedModel);

    #[async_trait]
    impl ChatModel for Scribe {
        fn card(&self) -> &ModelCard {
            self.0.card()
        }

        async fn generate(&self, _: &Conversation, _: &Generate) -> Result<Generation, ModelError> {
            Err(ModelError::Interrupted)
        }

        fn written(&self, call: &Call, offered: &[Function]) -> Option<Result<String, String>> {
            let has = |name: &str| offered.iter().any(|function| function.name == name);
            Some(match (has(&call.function), has("finish")) {
                (true, true) => Ok(call.function.clone()),
                (true, false) => Ok("end()".into()),
                (false, _) => Err("it isn't on offer".into()),
            })
        }
    }

    #[test]
    fn a_step_is_written_by_what_the_run_offers_or_stays_as_it_was() {
        let mut answers = Toolbox::new();
        answers.add(Answer).unwrap();
        let mut both = Toolbox::new();
        both.add(Finish).unwrap().add(Answer).unwrap();
        let mut finishes = Toolbox::new();
        finishes.add(Finish).unwrap();
        let cases = [(answers, ("end()", true)), (both, ("answer", true)), (finishes, ("as it was", false))];
        for (tools, (text, all)) in cases {
            let call = Call { function: "answer".into(), arguments: json!({ "text": "42" }) };
            let step = Shown {
                image: None,
                thought: String::new(),
                text: "as it was".into(),
                call: Some((call, None)),
            };
            let shown = Demonstration { task: "Add.".into(), by: "a person".into(), steps: vec![step] };
            let (shown, is_own) = shown.in_the_words_of(&Scribe(ScriptedModel::new(Vec::new())), &tools);
            assert_eq!((shown.steps[0].text.as_str(), is_own), (text, all));
        }
    }
}
