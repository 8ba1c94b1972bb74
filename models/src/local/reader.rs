//! A reply as it is written, told apart: the thought, the marker, the text, and a text that ends it.

use percept_runtime::Marker;
use tokenizers::Tokenizer;

use super::detokenizer::Detokenizer;
use crate::{GenerationEvent, ModelError, inner_speech::InnerSpeech};

/// What ends a thought.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    Token(u32),
    Text(String),
}

/// Reads a reply token by token.
///
/// Text that may be the beginning of a marker or of a stop text is held back until it is known, so that nothing
/// is ever streamed that isn't part of the reply.
#[derive(Debug)]
pub(super) struct ReplyReader<'a> {
    tokenizer: &'a Tokenizer,
    detokenizer: Detokenizer<'a>,
    /// What ends the thought that is being written; `None` in the text.
    end: Option<End>,
    /// What tells a thought from an answer in words.
    speech: Option<InnerSpeech>,
    stops: Vec<String>,
    /// Whether the text begins behind white space.
    spaced: bool,
    held: String,
    /// The thought as it was written, white space and all.
    pub(super) thought: String,
    /// The text so far.
    pub(super) text: String,
    /// Whether a stop text has come.
    pub(super) stopped: bool,
}

impl<'a> ReplyReader<'a> {
    /// A reader of a reply that begins with a thought if there is a marker to end it; `written` are special tokens that are
    /// part of its text.
    pub(super) fn new(
        tokenizer: &'a Tokenizer,
        written: &'a [u32],
        marker: Option<&Marker>,
        stops: &[String],
    ) -> Result<Self, ModelError> {
        let end = match marker {
            None => None,
            Some(Marker::Text(text)) => Some(End::Text(text.clone())),
            Some(Marker::Special(name)) => Some(End::Token(
                tokenizer
                    .token_to_id(name)
                    .ok_or_else(|| ModelError::Request(format!("the tokenizer has no marker `{name}`")))?,
            )),
        };
        Ok(Self {
            tokenizer,
            detokenizer: Detokenizer::new(written),
            end,
            speech: None,
            stops: stops.iter().filter(|stop| !stop.is_empty()).cloned().collect(),
            spaced: false,
            held: String::new(),
            thought: String::new(),
            text: String::new(),
            stopped: false,
        })
    }

    /// The same for a reply in words, before which there may be a thought.
    pub(super) fn telling(self, speech: Option<InnerSpeech>) -> Self {
        Self { speech, ..self }
    }

    /// The same, white space at the text's beginning left out where this says so.
    pub(super) fn behind_space(self, spaced: bool) -> Self {
        Self { spaced, ..self }
    }

    /// Whether the next token belongs to the thought, or to the marker that ends it.
    pub(super) fn is_thinking(&self) -> bool {
        self.end.is_some() || self.speech.as_ref().is_some_and(InnerSpeech::is_thinking)
    }

    /// Takes a token, and gives what can be told by now.
    pub(super) fn push(&mut self, token: u32) -> Result<Vec<GenerationEvent>, ModelError> {
        if self.end == Some(End::Token(token)) {
            let rest = self.detokenizer.finish(self.tokenizer)?;
            self.end = None;
            return Ok(self.thought_event(rest).into_iter().collect());
        }
        let piece = self.detokenizer.push(token, self.tokenizer)?;
        Ok(self.take(&piece, false))
    }

    /// Gives what was held back, at the end of the reply.
    pub(super) fn finish(&mut self) -> Result<Vec<GenerationEvent>, ModelError> {
        let rest = self.detokenizer.finish(self.tokenizer)?;
        Ok(self.take(&rest, true))
    }

    fn take(&mut self, piece: &str, last: bool) -> Vec<GenerationEvent> {
        let mut events = Vec::new();
        if let Some(speech) = &mut self.speech {
            let told = speech.push(piece, last);
            events.extend(self.thought_event(told.thought));
            let answer = std::mem::take(&mut self.held) + &told.answer;
            events.extend(self.take_text(answer, last));
            return events;
        }
        let mut piece = std::mem::take(&mut self.held) + piece;
        match &self.end {
            Some(End::Token(_)) => {
                events.extend(self.thought_event(piece));
                return events;
            }
            Some(End::Text(marker)) => {
                let Some(at) = piece.find(marker.as_str()) else {
                    let known =
                        if last { piece.len() } else { known_length(&piece, std::slice::from_ref(marker)) };
                    self.held = piece.split_off(known);
                    events.extend(self.thought_event(piece));
                    return events;
                };
                let rest = piece.split_off(at + marker.len());
                piece.truncate(at);
                self.end = None;
                events.extend(self.thought_event(std::mem::replace(&mut piece, rest)));
            }
            None => {}
        }
        events.extend(self.take_text(piece, last));
        events
    }

    fn take_text(&mut self, mut piece: String, last: bool) -> Option<GenerationEvent> {
        if self.stopped {
            return None;
        }
        if self.spaced && self.text.is_empty() {
            piece.drain(..piece.len() - piece.trim_start().len());
        }
        if let Some(at) = self.stops.iter().filter_map(|stop| piece.find(stop.as_str())).min() {
            piece.truncate(at);
            self.stopped = true;
        } else if !last {
            self.held = piece.split_off(known_length(&piece, &self.stops));
        }
        self.text.push_str(&piece);
        (!piece.is_empty()).then_some(GenerationEvent::Text(piece))
    }

    fn thought_event(&mut self, piece: String) -> Option<GenerationEvent> {
        self.thought.push_str(&piece);
        (!piece.is_empty()).then_some(GenerationEvent::Thought(piece))
    }
}

/// How much of the text can't be the beginning of one of these any more.
fn known_length(text: &str, ends: &[String]) -> usize {
    let possible = |at: &usize| ends.iter().any(|end| end.starts_with(&text[*at..]));
    text.char_indices().map(|(at, _)| at).find(possible).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tokenizer whose tokens are the 256 bytes, with `<act>` as 256 and the word ` the` as 257.
    fn tokenizer() -> Tokenizer {
        let mut vocabulary = serde_json::Map::new();
        for (id, byte) in byte_characters().into_iter().enumerate() {
            vocabulary.insert(byte.to_string(), id.into());
        }
        vocabulary.insert("<act>".into(), 256.into());
        let json = serde_json::json!({
            "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "post_processor": null,
            "added_tokens": [{ "id": 256, "content": "<act>", "single_word": false, "lstrip": false,
                               "rstrip": false, "normalized": false, "special": true }],
            "pre_tokenizer": { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false },
            "decoder": { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false },
            "model": { "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                       "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
                       "ignore_merges": true, "vocab": vocabulary, "merges": [] }
        });
        json.to_string().parse().unwrap()
    }

    /// The characters that stand for the 256 bytes in a byte-level vocabulary (GPT-2's `bytes_to_unicode`).
    fn byte_characters() -> Vec<char> {
        let printable = |byte: u32| matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
        let mut next = 256;
        (0..256)
            .map(|byte| {
                let code = if printable(byte) {
                    byte
                } else {
                    next += 1;
                    next - 1
                };
                char::from_u32(code).unwrap()
            })
            .collect()
    }

    /// Reads a reply byte by byte (`\u{1}` stands for the token `<act>`) and gives the events, `T:` for a
    /// thought's, with the thought, the text and whether it stopped.
    fn check(marker: Option<&Marker>, stops: &[&str], reply: &[u8], expected: (&[&str], &str, &str, bool)) {
        let tokenizer = tokenizer();
        let stops: Vec<String> = stops.iter().map(|stop| (*stop).into()).collect();
        let mut reader = ReplyReader::new(&tokenizer, &[], marker, &stops).unwrap();
        let mut events = Vec::new();
        for &byte in reply {
            events.extend(reader.push(if byte == 1 { 256 } else { u32::from(byte) }).unwrap());
        }
        events.extend(reader.finish().unwrap());
        let events: Vec<String> = events
            .into_iter()
            .map(|event| match event {
                GenerationEvent::Thought(piece) => format!("T:{piece}"),
                GenerationEvent::Text(piece) => piece,
                GenerationEvent::Done(_) => unreachable!(),
            })
            .collect();
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        let found = (events.as_slice(), reader.thought.as_str(), reader.text.as_str(), reader.stopped);
        assert_eq!(found, expected, "{}", String::from_utf8_lossy(reply));
    }

    #[test]
    fn thought_marker_and_text_are_told_apart_as_they_come() {
        let (act, text) = (Marker::Special("<act>".into()), Marker::Text("Go:".into()));
        check(None, &[], b"ab", (&["a", "b"], "", "ab", false));
        check(Some(&act), &[], b"hm\x01{}", (&["T:h", "T:m", "{", "}"], "hm", "{}", false));
        check(Some(&act), &[], b"hm", (&["T:h", "T:m"], "hm", "", false));
        check(Some(&text), &[], b"I Go:{", (&["T:I", "T: ", "{"], "I ", "{", false));
        check(Some(&text), &[], b"GGo:{", (&["T:G", "{"], "G", "{", false));
        check(Some(&text), &[], b"a Go", (&["T:a", "T: ", "T:Go"], "a Go", "", false));
        check(None, &["END"], b"aEEND", (&["a", "E"], "", "aE", true));
        check(None, &["END"], b"aENx", (&["a", "ENx"], "", "aENx", false));
        check(None, &["x", "END"], b"aEN", (&["a", "EN"], "", "aEN", false));
    }

    #[test]
    fn a_character_is_never_broken() {
        check(None, &[], "aé語!".as_bytes(), (&["a", "é", "語", "!"], "", "aé語!", false));
        check(None, &[], &"é".as_bytes()[..1], (&["\u{FFFD}"], "", "\u{FFFD}", false));
    }
}
