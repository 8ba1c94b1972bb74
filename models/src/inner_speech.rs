//! A thought before an answer in words, `<think>…</think>`: whether a template asks for one, and how it is told apart.
//!
//! The tags are those that every published thinking template with a switch has: Qwen3, Qwen3.5, GLM, `SmolLM3`, `QwQ`,
//! DeepSeek-R1. The switch is `enable_thinking`.

/// What begins a thought.
pub(crate) const OPEN: &str = "<think>";
/// What ends it.
pub(crate) const CLOSE: &str = "</think>";

/// Whether a reply to this prompt begins inside a thought.
pub(crate) fn is_open(prompt: &str) -> bool {
    prompt.trim_end().ends_with(OPEN)
}

/// What a prompt that asks for a thought needs at its end for the reply to be inside one; `None` if the template knows no
/// thought. `on` is the prompt with thinking switched on, `off` the same with it switched off.
///
/// Some templates open the thought themselves; others leave that to the model, and show how it would by shutting a thought
/// that isn't wanted at once. Opened here, every thought is one that has begun.
pub(crate) fn opening(on: &str, off: &str) -> Option<String> {
    if is_open(on) {
        return Some(String::new());
    }
    let shut = off.trim_end().strip_suffix(CLOSE)?;
    if on.trim_end().ends_with(CLOSE) {
        return None;
    }
    let before = shut.trim_end().strip_suffix(OPEN)?;
    let space = &before[before.trim_end().len()..];
    let lead = if on.ends_with(space) { "" } else { space };
    let line = if shut.ends_with('\n') { "\n" } else { "" };
    Some(format!("{lead}{OPEN}{line}"))
}

/// How a server that may leave a thought in the text begins a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opening {
    /// With the tag, if with a thought at all.
    Told,
    /// Within a thought perhaps, which the template opened and the server doesn't show: only the tag that ends it tells. A
    /// document, which begins with a bracket, is none.
    Hidden {
        /// Whether the answer is a document.
        is_json: bool,
    },
}

/// Where a reply stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing but white space came: a thought may begin.
    Before,
    /// In what is a thought if the tag that ends one comes, and else the answer; all of it is held.
    Either,
    /// Inside the thought.
    Thought,
    /// Behind it, in the white space before the answer.
    Between,
    /// In the answer; whether a thought came before it.
    Answer(bool),
}

/// Tells a thought at a reply's beginning from the answer after it, piece by piece. Text that may be the beginning of a tag
/// is held back until it is known.
#[derive(Debug)]
pub(crate) struct InnerSpeech {
    place: Place,
    opening: Opening,
    held: String,
}

/// What a piece adds to the thought and to the answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) thought: String,
    pub(crate) answer: String,
}

impl InnerSpeech {
    /// Of a reply that begins inside a thought.
    pub(crate) fn begun() -> Self {
        Self { place: Place::Thought, opening: Opening::Told, held: String::new() }
    }

    /// Of a reply that may begin with a thought, opened like this.
    pub(crate) fn possible(opening: Opening) -> Self {
        Self { place: Place::Before, opening, held: String::new() }
    }

    /// The thought came by itself, so the text is the answer but for one that begins with the tag.
    pub(crate) fn is_told_apart(&mut self) {
        self.opening = Opening::Told;
    }

    /// Whether what comes next belongs to the thought, or to the tag that ends it.
    pub(crate) fn is_thinking(&self) -> bool {
        self.place == Place::Thought
    }

    /// Whether there was a thought.
    pub(crate) fn has_thought(&self) -> bool {
        matches!(self.place, Place::Thought | Place::Between | Place::Answer(true))
    }

    /// Takes a piece, the last one perhaps, and tells what is known by now.
    pub(crate) fn push(&mut self, piece: &str, last: bool) -> Told {
        let mut rest = std::mem::take(&mut self.held) + piece;
        let mut told = Told::default();
        if self.place == Place::Before {
            let begun = rest.trim_start();
            if let Some(thought) = begun.strip_prefix(OPEN) {
                rest.drain(..rest.len() - thought.len());
                self.place = Place::Thought;
            } else if !last && OPEN.starts_with(begun) {
                self.held = rest;
                return told;
            } else {
                self.place = match self.opening {
                    Opening::Hidden { is_json } if !(is_json && begun.starts_with(['{', '['])) => {
                        Place::Either
                    }
                    _ => Place::Answer(false),
                };
            }
        }
        if self.place == Place::Either {
            let closed = rest.find(CLOSE);
            let opened = rest.find(OPEN);
            self.place = match (opened, closed) {
                (Some(opened), Some(closed)) if opened < closed => Place::Answer(false),
                (_, Some(_)) => Place::Thought,
                (Some(_), None) => Place::Answer(false),
                (None, None) if last => Place::Answer(false),
                (None, None) => {
                    self.held = rest;
                    return told;
                }
            };
        }
        if self.place == Place::Thought {
            if let Some(at) = rest.find(CLOSE) {
                rest[..at].clone_into(&mut told.thought);
                rest.drain(..at + CLOSE.len());
                self.place = Place::Between;
            } else {
                let held = if last { 0 } else { held_back(&rest) };
                self.held = rest.split_off(rest.len() - held);
                told.thought = rest;
                return told;
            }
        }
        if self.place == Place::Between {
            rest.drain(..rest.len() - rest.trim_start().len());
            if rest.is_empty() {
                return told;
            }
            self.place = Place::Answer(true);
        }
        told.answer = rest;
        told
    }
}

/// A text of which a thought was told as a part, as thought and answer: the tag that ends one comes, and none that begins one
/// before it. A document is none of it.
pub(crate) fn parted(text: &str, is_json: bool) -> Option<(&str, &str)> {
    let (thought, answer) = text.split_once(CLOSE)?;
    let is_document = is_json && thought.trim_start().starts_with(['{', '[']);
    (!thought.contains(OPEN) && !is_document).then(|| (thought, answer.trim_start()))
}

/// How many bytes at the end may be the beginning of the tag that ends a thought.
fn held_back(text: &str) -> usize {
    (1..CLOSE.len()).rev().find(|length| text.ends_with(&CLOSE[..*length])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thought_is_told_from_the_answer_however_it_is_cut() {
        let told = || InnerSpeech::possible(Opening::Told);
        let words = || InnerSpeech::possible(Opening::Hidden { is_json: false });
        let json = || InnerSpeech::possible(Opening::Hidden { is_json: true });
        let cases = [
            (told as fn() -> InnerSpeech, "Four.", "", "Four."),
            (told, "<think>2+2</think>Four.", "2+2", "Four."),
            (told, "\n<think>\n2+2\n</think>\n\nFour.\n", "\n2+2\n", "Four.\n"),
            // An answer's own white space stays, and what only looks like a tag, or comes later.
            (told, " <thin air", "", " <thin air"),
            (told, "<thi", "", "<thi"),
            (told, "In HTML: <think>a</think>", "", "In HTML: <think>a</think>"),
            (told, "<think>it never", "it never", ""),
            (InnerSpeech::begun, "2<3 </thi</think>é", "2<3 </thi", "é"),
            (InnerSpeech::begun, "</think>{}</think>", "", "{}</think>"),
            (InnerSpeech::begun, "cut off </thi", "cut off </thi", ""),
            (InnerSpeech::begun, "a</think> \n", "a", ""),
            // Opened by a template, and not shown.
            (words, "\n2+2\n</think>\n\nFour.", "\n2+2\n", "Four."),
            (words, "<think>2+2</think>Four.", "2+2", "Four."),
            (words, "Four.", "", "Four."),
            (words, "In HTML: <think>a</think>", "", "In HTML: <think>a</think>"),
            (words, "2+2</think>Not <think>this</think>.", "2+2", "Not <think>this</think>."),
            (json, "two keys</think>{\"a\":1}", "two keys", "{\"a\":1}"),
            (json, "{\"a\":\"</think>\"}", "", "{\"a\":\"</think>\"}"),
        ];
        for (new, reply, thought, answer) in cases {
            for length in [1, 2, 3, 5, 100] {
                let mut speech = new();
                let mut found = Told::default();
                let characters: Vec<char> = reply.chars().collect();
                let mut pieces: Vec<String> =
                    characters.chunks(length).map(|piece| piece.iter().collect()).collect();
                pieces.push(String::new());
                for (index, piece) in pieces.iter().enumerate() {
                    let told = speech.push(piece, index + 1 == pieces.len());
                    found.thought += &told.thought;
                    found.answer += &told.answer;
                }
                assert_eq!(
                    (found.thought.as_str(), found.answer.as_str()),
                    (thought, answer),
                    "{reply} by {length}"
                );
                let is_begun = reply.trim_start().starts_with(OPEN) || new().is_thinking();
                assert_eq!(speech.has_thought(), is_begun || !thought.is_empty(), "{reply} by {length}");
            }
        }
    }

    #[test]
    fn a_thought_is_opened_as_the_template_would_shut_it() {
        let cases = [
            // Qwen3, Qwen3.5, GLM-4.6, GLM-4.7, SmolLM3 (whose switch is in the system message too), QwQ and R1 with it.
            ("A\n", "A\n<think>\n\n</think>\n\n", Some("<think>\n")),
            ("A\n<think>\n", "A\n<think>\n\n</think>\n\n", Some("")),
            ("A", "A\n<think></think>", Some("\n<think>")),
            ("A<think>", "A</think>", Some("")),
            ("/think A\n", "/no_think A\n<think>\n\n</think>\n", Some("<think>\n")),
            ("A<think>\n", "A<think>\n", Some("")),
            // A template without a switch, and one that shuts every thought.
            ("A", "A", None),
            ("A<think></think>", "A<think></think>", None),
            ("A", "A</think>", None),
        ];
        for (on, off, expected) in cases {
            assert_eq!(opening(on, off).as_deref(), expected, "{on:?} {off:?}");
        }
    }
}
