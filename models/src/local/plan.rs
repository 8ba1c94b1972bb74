//! What a reply is, decided before it begins.

use percept_runtime::{Constraint, Form, Grammar, Marker, Prelude};

use super::{Inner, names::is_one_token, prompt::Prompt};
use crate::{
    Function, Generate, ModelError, Reply, Thought,
    inner_speech::{self, CLOSE, InnerSpeech, OPEN, Opening},
};

/// At most so much white space stands between a thought and the JSON after it: two line breaks, as templates write it.
const SPACE: &str = "[ \\n]{1,2}";

/// What a reply is, decided before it begins.
#[derive(Debug, Default)]
pub(super) struct ReplyPlan {
    /// What it may be; `None` for free text.
    pub(super) constraint: Option<Constraint>,
    /// Whether it is a call with a thought.
    pub(super) thinks: bool,
    /// What ends a call's thought, if it may begin with one.
    pub(super) marker: Option<Marker>,
    /// Whether white space that belongs to neither stands between that and the call.
    pub(super) spaced: bool,
    /// The functions on offer, if it is to be a call.
    pub(super) functions: Option<Vec<Function>>,
    /// What tells a thought from an answer in words, if there may be one.
    pub(super) speech: Option<InnerSpeech>,
    /// The tags around such a thought that the tokenizer would leave out of a text.
    pub(super) tags: Vec<u32>,
}

impl ReplyPlan {
    /// For a reply of the kind that is asked for, to this prompt.
    pub(super) fn of(inner: &Inner, prompt: &Prompt, options: &Generate) -> Result<Self, ModelError> {
        let begun = inner_speech::is_open(&prompt.rendered);
        let form = match &options.reply {
            Reply::Call { thought, functions } => {
                return Self::of_call(inner, functions, *thought, begun, options);
            }
            Reply::Json(schema) => Form::Json(schema.clone()),
            Reply::Text => Form::Free,
        };
        let is_free = form == Form::Free;
        if !begun {
            return Ok(match form {
                Form::Free if knows_thoughts(inner) => Self {
                    speech: Some(InnerSpeech::possible(Opening::Told)),
                    tags: tags(inner),
                    ..Self::default()
                },
                Form::Free => Self::default(),
                form => Self { constraint: Some(inner.compile(&Grammar::of(form))?), ..Self::default() },
            });
        }
        // A thought that nobody asked for is ended where it begins.
        let max_tokens = if options.think { options.max_thought_tokens } else { 0 };
        let grammar = Grammar {
            prelude: Prelude::FreeText { marker: close(inner), max_tokens },
            form: match form {
                Form::Free => Form::Free,
                form => Form::Sequence(vec![Form::Optional(Box::new(Form::Regex(SPACE.into()))), form]),
            },
        };
        // Words can be written without a grammar, which then doesn't bound the thought.
        let constraint = match &inner.vocabulary {
            Err(reason) if is_free => {
                tracing::warn!(%reason, "nothing bounds the thought but the most tokens of the reply");
                None
            }
            _ => Some(inner.compile(&grammar)?),
        };
        Ok(Self { constraint, speech: Some(InnerSpeech::begun()), tags: tags(inner), ..Self::default() })
    }

    /// For a call. Where the template has begun a thought in its own tags, whatever it was told, that one is the call's.
    fn of_call(
        inner: &Inner,
        functions: &[Function],
        thought: Thought,
        begun: bool,
        options: &Generate,
    ) -> Result<Self, ModelError> {
        let thinks = thought == Thought::Free;
        let (grammar, marker) = if begun {
            let marker = close(inner);
            let max_tokens = if thinks { options.max_thought_tokens } else { 0 };
            let call = inner.dialect.grammar(functions, Thought::None, 0)?.form;
            let space = Form::Optional(Box::new(Form::Regex(SPACE.into())));
            let prelude = Prelude::FreeText { marker: marker.clone(), max_tokens };
            (Grammar { prelude, form: Form::Sequence(vec![space, call]) }, Some(marker))
        } else {
            let grammar = inner.dialect.grammar(functions, thought, options.max_thought_tokens)?;
            (grammar, inner.dialect.marker().filter(|_| thinks).cloned())
        };
        Ok(Self {
            constraint: Some(inner.compile(&grammar)?),
            thinks,
            marker,
            spaced: begun,
            functions: Some(functions.to_vec()),
            ..Self::default()
        })
    }
}

/// Whether a model may think of its own accord: it has tokens for both ends of a thought.
fn knows_thoughts(inner: &Inner) -> bool {
    [OPEN, CLOSE].iter().all(|tag| is_one_token(&inner.folder.tokenizer, tag))
}

/// What ends a thought.
fn close(inner: &Inner) -> Marker {
    if is_one_token(&inner.folder.tokenizer, CLOSE) {
        Marker::Special(CLOSE.into())
    } else {
        Marker::Text(CLOSE.into())
    }
}

/// The tags that the tokenizer would leave out of a text.
fn tags(inner: &Inner) -> Vec<u32> {
    let added = inner.folder.tokenizer.get_added_tokens_decoder();
    let mut tags: Vec<u32> = added
        .into_iter()
        .filter(|(_, token)| token.special && [OPEN, CLOSE].contains(&token.content.as_str()))
        .map(|(id, _)| id)
        .collect();
    tags.sort_unstable();
    tags
}
