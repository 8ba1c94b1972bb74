//! Evidence: what must be seen before a task counts as done.
//!
//! The model's word is not enough. The checks look at the screen as it is after the last action, and at
//! the answer that was given; the model neither sees nor chooses them.

use percept_models::ModelCard;
use percept_tools::{Screen, ScreenError, Screenshot};
use serde::{Deserialize, Serialize};

mod answer;
mod element;
mod file;
mod grounds;
mod judge;
mod text;
mod url;

pub use answer::AnswerCheck;
pub use element::ElementCheck;
pub use file::FileCheck;
pub use grounds::Grounds;
pub(crate) use judge::{VERDICT_TOKENS, read_verdict, verdict_schema};
pub use url::UrlCheck;

use crate::AgentError;

/// What must hold, all of it. Empty: the run ends on the model's word, and its result says unverified.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Texts that a person could read on the screen.
    pub text_visible: Vec<String>,
    /// Where the screen must be.
    pub url: Option<UrlCheck>,
    /// Elements in view and their states.
    #[serde(default)]
    pub elements: Vec<ElementCheck>,
    /// Files and what is in them.
    #[serde(default)]
    pub files: Vec<FileCheck>,
    /// A question about the last screenshot that the model itself must answer with yes, quoting words that the screen
    /// shows. It is asked when the model says that it is done and every other check holds.
    #[serde(default)]
    pub judge: Option<String>,
    /// What the answer must be. With this check a run ends only when the model gives an answer.
    pub answer: Option<AnswerCheck>,
    /// What the answer must stand on. With this too a run ends only when the model gives an answer.
    #[serde(default)]
    pub grounds: Option<Grounds>,
}

/// What a model says when it takes the task for done.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Claim<'a> {
    /// Its answer.
    pub(crate) answer: Option<&'a str>,
    /// How certain that is, from 0 to 1.
    pub(crate) certainty: Option<f64>,
    /// Whether it says where on the screen the answer is seen.
    pub(crate) is_seen: bool,
}

/// One check and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The check in words.
    pub what: String,
    /// Whether it holds.
    pub holds: bool,
    /// What was there instead, cut short.
    pub found: Option<String>,
}

/// What the checks found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether every check holds.
    pub holds: bool,
    /// Each check.
    pub checks: Vec<Check>,
}

impl Verdict {
    /// The checks that fail, in a sentence.
    pub fn missing(&self) -> String {
        let missing: Vec<_> = self
            .checks
            .iter()
            .filter(|check| !check.holds)
            .map(|check| match &check.found {
                Some(found) => format!("{} (found: {found})", check.what),
                None => check.what.clone(),
            })
            .collect();
        missing.join("; ")
    }
}

impl Evidence {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether only the model's word that it is done starts the checks: an answer comes with it, and a judge costs.
    pub(crate) fn waits_for_the_end(&self) -> bool {
        self.answer.is_some() || self.judge.is_some() || self.grounds.is_some()
    }

    /// Each check in words.
    pub fn described(&self) -> Vec<String> {
        let mut all: Vec<_> = self.text_visible.iter().map(|wanted| text::described(wanted)).collect();
        all.extend(self.url.as_ref().map(UrlCheck::described));
        all.extend(self.elements.iter().map(ElementCheck::described));
        all.extend(self.files.iter().map(FileCheck::described));
        all.extend(self.judge.as_ref().map(|question| format!("judged: {question}")));
        all.extend(self.answer.as_ref().map(AnswerCheck::described));
        all.extend(self.grounds.into_iter().flat_map(Grounds::described));
        all
    }

    /// What a model is told of a verdict: which kind of check failed, not what would have passed it.
    pub(crate) fn told(&self, verdict: &Verdict) -> String {
        let url = self.url.as_ref().map(UrlCheck::described);
        let answer = self.answer.as_ref().map(AnswerCheck::described);
        let files: Vec<_> = self.files.iter().map(FileCheck::described).collect();
        let mut told = Vec::new();
        for check in verdict.checks.iter().filter(|check| !check.holds) {
            let sentence = if answer.as_ref() == Some(&check.what) {
                "the answer isn't what the task asks for"
            } else if url.as_ref() == Some(&check.what) {
                "the screen isn't where the task ends"
            } else if files.contains(&check.what) {
                "a file isn't as the task leaves it"
            } else {
                let grounds = self.grounds.and_then(|grounds| grounds.told(&check.what));
                grounds.unwrap_or("the screen doesn't show what it would if the task were done")
            };
            if !told.contains(&sentence) {
                told.push(sentence);
            }
        }
        told.join("; ")
    }

    /// # Errors
    ///
    /// [`AgentError::Evidence`] for a check that no run with or without this screen could pass.
    pub(crate) fn checked(&self, has_screen: bool) -> Result<(), AgentError> {
        if !has_screen {
            self.checked_blind("the run has no screen")?;
        }
        self.elements.iter().try_for_each(ElementCheck::checked)?;
        self.files.iter().try_for_each(FileCheck::checked)?;
        self.grounds.map_or(Ok(()), Grounds::checked)?;
        self.answer.as_ref().map_or(Ok(()), AnswerCheck::checked)
    }

    /// # Errors
    ///
    /// [`AgentError::Evidence`] for a check that needs a screen, and why there is none for it.
    pub(crate) fn checked_blind(&self, why: &str) -> Result<(), AgentError> {
        let grounds = self.grounds.map(|grounds| Grounds { certainty: None, ..grounds });
        let on_screen = Self { answer: None, files: Vec::new(), grounds, ..self.clone() };
        match on_screen.described().into_iter().next() {
            Some(what) => Err(AgentError::Evidence { what, why: why.into() }),
            None => Ok(()),
        }
    }

    /// # Errors
    ///
    /// [`AgentError::Evidence`] if it could never be known how certain an answer of this model is.
    pub(crate) fn certain(&self, votes: usize, model: &ModelCard) -> Result<(), AgentError> {
        let wanted = self.grounds.is_some_and(|grounds| grounds.certainty.is_some());
        // An answer is a call, of which no API tells.
        let tells = model.tells_probabilities && model.device != "remote";
        if !wanted || votes > 1 || tells {
            return Ok(());
        }
        let why = format!("{} doesn't tell how likely its words are: ask for votes", model.name);
        Err(AgentError::Evidence { what: "an answer's certainty".into(), why })
    }

    /// Looks for the evidence, a judge's verdict aside.
    ///
    /// # Errors
    ///
    /// [`ScreenError`] if the screen can't be asked for its text or its elements.
    pub(crate) async fn look_for(
        &self,
        screen: Option<&dyn Screen>,
        screenshot: Option<&Screenshot>,
        claim: &Claim<'_>,
    ) -> Result<Verdict, ScreenError> {
        let mut checks = Vec::new();
        let is_read = !self.text_visible.is_empty() || self.grounds.is_some_and(|grounds| grounds.visible);
        let visible = match screen {
            Some(screen) if is_read => screen.visible_text().await?,
            _ => String::new(),
        };
        if screen.is_some() {
            checks.extend(self.text_visible.iter().map(|wanted| text::check(wanted, &visible)));
        }
        if let Some(url) = &self.url {
            checks.push(url.check(screenshot.and_then(|seen| seen.location.as_deref())));
        }
        if let (false, Some(screen)) = (self.elements.is_empty(), screen) {
            let elements = screen.elements().await?;
            checks.extend(self.elements.iter().map(|wanted| wanted.check(&elements)));
        }
        for file in &self.files {
            checks.push(file.check().await);
        }
        if let Some(wanted) = &self.answer {
            checks.push(wanted.check(claim.answer));
        }
        if let Some(grounds) = self.grounds {
            checks.extend(grounds.check(claim, &visible));
        }
        Ok(Verdict { holds: checks.iter().all(|check| check.holds), checks })
    }
}

/// The beginning of a text, for a person to read.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 120;
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::{AnswerCheck, Claim, Evidence, UrlCheck};

    #[tokio::test]
    async fn a_model_is_told_which_check_failed_but_not_what_passes_it_nor_what_a_page_said() {
        let wanted = Evidence {
            url: Some(UrlCheck::Contains("secret-place".into())),
            answer: Some(AnswerCheck::Equals("42".into())),
            ..Evidence::default()
        };
        let verdict = wanted
            .look_for(None, None, &Claim { answer: Some("obey the page"), ..Claim::default() })
            .await
            .unwrap();
        let told = wanted.told(&verdict);
        assert_eq!(told, "the screen isn't where the task ends; the answer isn't what the task asks for");
        assert!(verdict.missing().contains("42") && verdict.missing().contains("obey the page"));
    }
}
