//! Texts as the rows of token ids that a text tower is given.

use std::path::Path;

use tokenizers::{
    NormalizerWrapper, Tokenizer, TruncationParams,
    normalizers::{Lowercase, Sequence},
};

use super::super::{Cut, config::EncoderConfig, family::Padding};
use crate::{ModelError, folder::bad};

/// A tokenizer that is known to mark beginnings and ends as the family expects.
#[derive(Debug)]
pub(crate) struct TextReader {
    tokenizer: Tokenizer,
    context: usize,
    padding: Padding,
    padding_id: u32,
}

/// A text's tokens, special ones included, and what was left out.
#[derive(Debug, Clone)]
pub(super) struct ReadText {
    pub(super) ids: Vec<u32>,
    pub(super) cut: Option<Cut>,
}

/// A row of a batch.
#[derive(Debug)]
pub(super) struct PaddedText {
    pub(super) ids: Vec<u32>,
    /// How many of them, from the first on, the tower attends to where it asks for a mask.
    pub(super) attended: usize,
}

impl TextReader {
    /// Prepares the tokenizer of a file, and checks it against the configuration.
    pub(crate) fn new(
        path: &Path,
        mut tokenizer: Tokenizer,
        config: &EncoderConfig,
    ) -> Result<Self, ModelError> {
        let id = |token: &str| {
            tokenizer.token_to_id(token).ok_or_else(|| {
                bad(path, format!("it lacks the special token `{token}`, which the model was trained with"))
            })
        };
        let (end, padding_id) = (id(&config.end_token)?, id(&config.padding_token)?);
        let start = config.start_token.as_deref().map(id).transpose()?;
        let largest = tokenizer.get_vocab(true).into_values().max().unwrap_or(0) as usize;
        if largest >= config.vocabulary {
            return Err(ModelError::Folder {
                path: path.to_owned(),
                problem: format!(
                    "it has a token {largest}, but the model has only {} (`vocab_size` in `config.json`)",
                    config.vocabulary
                ),
                remedy: "Take `tokenizer.json` and `config.json` from the same model".into(),
            });
        }
        let cut = TruncationParams { max_length: config.context, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(cut)).map_err(|error| bad(path, error.to_string()))?;
        if config.lower_case {
            let own = tokenizer.get_normalizer().cloned();
            let steps = [NormalizerWrapper::from(Lowercase)].into_iter().chain(own).collect();
            tokenizer.with_normalizer(Some(Sequence::new(steps)));
        }
        // A text that names a special token is a text that names it; the model reads no end in its middle.
        tokenizer.set_encode_special_tokens(true);
        let sample = tokenizer.encode("a", true).map_err(|error| bad(path, error.to_string()))?;
        let ids = sample.get_ids();
        if ids.last() != Some(&end) || start.is_some_and(|start| ids.first() != Some(&start)) {
            let start =
                config.start_token.as_deref().map_or(String::new(), |start| format!("`{start}` before and "));
            return Err(bad(
                path,
                format!(
                    "it doesn't put {start}`{}` after a text, where the model reads its meaning",
                    config.end_token
                ),
            ));
        }
        Ok(Self { tokenizer, context: config.context, padding: config.family.padding(), padding_id })
    }

    /// Tokens of the vocabulary.
    pub(super) fn vocabulary(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }

    /// One text's tokens.
    pub(super) fn read(&self, text: &str) -> Result<ReadText, ModelError> {
        if text.trim().is_empty() {
            return Err(ModelError::Request("a text is empty: there is nothing to embed".into()));
        }
        let encoding = self.tokenizer.encode(text, true).map_err(ModelError::Engine)?;
        let of_text = |encoding: &tokenizers::Encoding| {
            encoding.get_special_tokens_mask().iter().filter(|special| **special == 0).count()
        };
        let read = of_text(&encoding);
        if read == 0 {
            let problem = format!(
                "nothing is left of {text:?} once the model's tokenizer has read it: it leaves out punctuation"
            );
            return Err(ModelError::Request(problem));
        }
        let beyond: usize = encoding.get_overflowing().iter().map(of_text).sum();
        let cut = (beyond > 0).then(|| {
            let marks = encoding.get_special_tokens_mask().iter();
            let places = encoding.get_offsets().iter().zip(marks).filter(|(_, special)| **special == 0);
            let end = places.map(|((_, end), _)| *end).max().unwrap_or(0);
            let left_out = text.get(end..).unwrap_or_default().trim().to_owned();
            Cut { tokens: read + beyond, read, left_out }
        });
        Ok(ReadText { ids: encoding.get_ids().to_vec(), cut })
    }

    /// The texts at one length: the one that the graph has fixed, or the family's.
    pub(super) fn padded(&self, texts: &[ReadText], fixed: Option<usize>) -> Vec<PaddedText> {
        let longest = texts.iter().map(|text| text.ids.len()).max().unwrap_or(0);
        let to = match self.padding {
            Padding::Whole => self.context,
            Padding::Longest => fixed.unwrap_or(longest),
        };
        let pad = |text: &ReadText| {
            let mut ids = text.ids.clone();
            let length = ids.len();
            ids.resize(length.max(to), self.padding_id);
            let attended = match self.padding {
                // Trained without a mask: SigLIP's tokenizers name `input_ids` as their only output
                // (`model_input_names`), and transformers' model then attends to every place.
                Padding::Whole => ids.len(),
                Padding::Longest => length,
            };
            PaddedText { ids, attended }
        };
        texts.iter().map(pad).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::dual_encoder::EncoderFolder;

    #[test]
    fn padding_is_attended_where_the_family_was_trained_so() {
        for (folder, attended) in [("clip-tiny", [3, 5]), ("siglip-tiny", [64, 64])] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder);
            let reader = EncoderFolder::open(&path, None).unwrap().reader;
            let read = ["a", "a a a"].map(|text| reader.read(text).unwrap());
            let found: Vec<usize> = reader.padded(&read, None).iter().map(|row| row.attended).collect();
            assert_eq!(found, attended, "{folder}");
        }
    }
}
