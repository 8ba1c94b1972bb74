//! The sequence that is kept from one reply to the next, so that only what is new is read.

use std::sync::Arc;

use percept_runtime::{EngineError, HostTensor, RopePosition, Sequence};

use super::{Inner, prompt::PromptToken, trouble::engine_error};
use crate::ModelError;

/// What a prompt's tokens see: what of another prompt is a beginning of theirs depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sees {
    /// What is before them.
    Before,
    /// That, and all of the image that they are of.
    ItsImage,
    /// All of the prompt.
    All,
}

/// A sequence and the tokens whose keys and values it holds.
#[derive(Debug)]
pub(super) struct KeptSequence {
    pub(super) sequence: Sequence,
    pub(super) tokens: Vec<PromptToken>,
    /// Where each of them stands, where the decoder is told; none otherwise.
    positions: Vec<RopePosition>,
    /// How many of them were a prompt's; the reply came after.
    pub(super) prompt: usize,
    /// What an encoder read before the first of them, which all of them look at; nothing for most models.
    pub(super) encoded: Vec<PromptToken>,
    /// What it found there, `[1, 1, tokens, width]`, once it has.
    pub(super) found: Option<Arc<HostTensor>>,
}

impl KeptSequence {
    /// Notes what was read of a prompt whose tokens stand at these positions, if they are told.
    pub(super) fn note_read(&mut self, read: &[PromptToken], positions: Option<&[RopePosition]>) {
        self.tokens.extend_from_slice(read);
        self.positions.extend_from_slice(positions.unwrap_or_default());
    }

    /// Notes what was written, as far as the sequence holds it. It stands one after the greatest position before it.
    pub(super) fn note_written(&mut self, written: impl Iterator<Item = u32>) {
        self.tokens.extend(written.map(PromptToken::text));
        self.tokens.truncate(self.sequence.position());
        let greatest = self.positions.iter().map(|position| position.greatest()).max();
        if let Some(greatest) = greatest {
            let count = self.tokens.len().saturating_sub(self.positions.len());
            self.positions.extend((greatest + 1..).take(count).map(RopePosition::text));
        }
    }

    /// Forgets all but so many tokens, as far as this notes them.
    fn truncate(&mut self, tokens: usize) {
        self.tokens.truncate(tokens);
        self.positions.truncate(tokens);
    }

    /// Goes back to the longest possible beginning of the prompt, short of its last token; says how much of it is held
    /// then, and holds nothing else.
    async fn go_back(
        &mut self,
        prompt: &[PromptToken],
        positions: Option<&[RopePosition]>,
        sees: Sees,
    ) -> Result<usize, ModelError> {
        let common = common_length(&self.tokens, prompt);
        let common = positions.map_or(common, |wanted| common.min(common_places(&self.positions, wanted)));
        let common = match sees {
            Sees::Before => common,
            Sees::ItsImage => before_image(&self.tokens, prompt, common),
            Sees::All if is_same(&self.tokens, self.prompt, prompt) => common,
            Sees::All => 0,
        };
        if common == 0 {
            return Ok(0);
        }
        // Dropped from here on, this is what it may still hold.
        self.truncate(common);
        // Also where it seems to stand there already: a run that a dropped reply left behind may have ended since.
        let reached = match self.sequence.rewind_near(common).await {
            Ok(reached) => reached,
            Err(EngineError::Rewind { .. }) => 0,
            Err(error) => return Err(engine_error(error)),
        };
        self.truncate(reached);
        Ok(reached)
    }
}

/// The kept sequence while a reply works with it.
///
/// Whatever becomes of the reply, also if it is dropped or fails in its middle, what was read whole is kept. What a run
/// that was under way then made of the sequence beyond its tokens, the next prompt cuts off.
pub(super) struct Lent<'a> {
    inner: &'a Inner,
    kept: Option<KeptSequence>,
}

impl<'a> Lent<'a> {
    /// The one that is kept, if there is one.
    pub(super) fn new(inner: &'a Inner) -> Self {
        Self { inner, kept: inner.take_kept() }
    }

    /// A sequence that holds the longest possible beginning of the prompt, short of its last token, which has
    /// to be read for what comes after it.
    ///
    /// A cache that can't be cut back to that beginning is cut to the nearest place before it where its states were
    /// kept, or given up for a new one: then more is read, or everything, and the usage says so. Where the tokens of a
    /// prompt see those after them (`sees`), what is kept of another prompt is no beginning of this one. What looks at
    /// another text than this (`encoded`) isn't either, nor what stands elsewhere than the prompt's tokens do
    /// (`positions`, where they are told).
    pub(super) async fn for_prompt(
        &mut self,
        encoded: &[PromptToken],
        prompt: &[PromptToken],
        positions: Option<&[RopePosition]>,
        sees: Sees,
    ) -> Result<&mut KeptSequence, ModelError> {
        let (reached, found) = match &mut self.kept {
            // What was found stays true, also where the sequence has to begin anew.
            Some(kept) if kept.encoded == encoded => {
                (kept.go_back(prompt, positions, sees).await?, kept.found.clone())
            }
            _ => (0, None),
        };
        let kept = match self.kept.take() {
            Some(kept) if reached > 0 => kept,
            given_up => {
                // Its memory is free before another one takes some.
                drop(given_up);
                let sequence = self.inner.engine.sequence().await.map_err(engine_error)?;
                KeptSequence {
                    sequence,
                    tokens: Vec::new(),
                    positions: Vec::new(),
                    prompt: 0,
                    encoded: encoded.to_vec(),
                    found,
                }
            }
        };
        Ok(self.kept.insert(kept))
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(kept) = self.kept.take().filter(|kept| !kept.tokens.is_empty()) {
            self.inner.keep(kept);
        }
    }
}

/// Whether the prompt is the one that was read, from its first token to its last.
fn is_same(kept: &[PromptToken], read: usize, prompt: &[PromptToken]) -> bool {
    kept.get(..read).is_some_and(|read| read == prompt)
}

/// The place up to which both are the same, or the beginning of the image that it is within in either of them: what was
/// read with an image after it saw that one too, where nothing stood between them.
fn before_image(kept: &[PromptToken], prompt: &[PromptToken], mut place: usize) -> usize {
    let is_image =
        |tokens: &[PromptToken], place: usize| tokens.get(place).is_some_and(|token| token.feature.is_some());
    let is_within = |place: usize| {
        [kept, prompt].iter().any(|tokens| is_image(tokens, place) && is_image(tokens, place - 1))
    };
    while place > 0 && is_within(place) {
        place -= 1;
    }
    place
}

fn common_length(kept: &[PromptToken], prompt: &[PromptToken]) -> usize {
    let same = kept.iter().zip(prompt).take_while(|(kept, wanted)| kept == wanted).count();
    same.min(prompt.len().saturating_sub(1))
}

/// The count of first tokens that stand where they are wanted. A reply is written after the greatest position of its prompt,
/// which may be a video's last moment; a later prompt may count the same tokens on from elsewhere.
fn common_places(kept: &[RopePosition], wanted: &[RopePosition]) -> usize {
    kept.iter().zip(wanted).take_while(|(kept, wanted)| kept == wanted).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ContentHash;

    #[test]
    fn a_prompt_that_sees_all_of_itself_is_kept_whole_or_not_at_all() {
        let text = |ids: &[u32]| ids.iter().copied().map(PromptToken::text).collect::<Vec<_>>();
        // Kept tokens, how many of them were the prompt's, the prompt wanted, and whether it is the same.
        let cases = [
            (vec![1, 2, 3], 2, vec![1, 2], true),
            (vec![1, 2, 3], 2, vec![1, 2, 3], false),
            (vec![1, 2, 3], 3, vec![1, 2], false),
            (vec![1, 2], 2, vec![1, 3], false),
            (vec![1], 2, vec![1, 2], false),
        ];
        for (kept, read, prompt, expected) in cases {
            assert_eq!(is_same(&text(&kept), read, &text(&prompt)), expected, "{kept:?} {read} {prompt:?}");
        }
    }

    #[test]
    fn an_image_whose_tokens_see_each_other_is_read_from_its_first_one() {
        let read = |text: &str| -> Vec<PromptToken> {
            let feature =
                |kind: char, row| kind.is_ascii_uppercase().then_some((ContentHash([kind as u8; 32]), row));
            text.char_indices()
                .map(|(row, kind)| PromptToken { id: 9, feature: feature(kind, row) })
                .collect()
        };
        let prompt = read("tAAAtAt");
        let places: Vec<usize> =
            (0..=prompt.len()).map(|place| before_image(&prompt, &prompt, place)).collect();
        assert_eq!(places, [0, 1, 1, 1, 4, 5, 6, 7]);
        // What is kept, what is wanted, and how much of it is of use.
        let cases = [
            // The first image saw the second one.
            ("tAABBt", "tAAttt", 1),
            ("tAAttt", "tAABBt", 1),
            ("tAAtBB", "tAAtCC", 4),
            ("tAA", "tAAtt", 3),
            ("tAAt", "tAAttB", 4),
        ];
        for (kept, wanted, expected) in cases {
            let (kept, wanted) = (read(kept), read(wanted));
            let common = common_length(&kept, &wanted);
            assert_eq!(before_image(&kept, &wanted, common), expected, "{kept:?} {wanted:?}");
        }
    }

    #[test]
    fn the_common_beginning_ends_where_a_token_or_an_image_differs() {
        let text = PromptToken::text;
        let image = |byte, row| PromptToken { id: 9, feature: Some((ContentHash([byte; 32]), row)) };
        let cases = [
            (vec![text(1), text(2)], vec![text(1), text(2), text(3)], 2),
            (vec![text(1), text(2), text(3)], vec![text(1), text(2), text(3)], 2),
            (vec![text(1), image(1, 0), image(1, 1)], vec![text(1), image(1, 0), image(1, 1), text(4)], 3),
            (vec![text(1), image(1, 0)], vec![text(1), image(2, 0), text(4)], 1),
            (vec![text(2)], vec![text(1), text(2)], 0),
            (vec![], vec![text(1)], 0),
        ];
        for (kept, prompt, expected) in cases {
            assert_eq!(common_length(&kept, &prompt), expected, "{kept:?} {prompt:?}");
        }
    }
}
