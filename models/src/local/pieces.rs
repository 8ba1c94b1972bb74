//! How a prompt is cut for a decoder whose states can't be cut back: at the places that a later prompt may want to go
//! back to.

use super::prompt::PromptToken;
use crate::ContentHash;

/// How many tokens each piece of what is to be read has; together they are all, and none is empty.
///
/// A sequence goes back only to where an append ended. So the last token is read by itself, unless it is an image's: the
/// same question asked again needs it alone. And an image is a piece: the next prompt often differs from this one in what
/// is shown, and everything before may stay; or in what is said, and the image, the dearest part, may stay too.
///
/// One more ends with the last of `ends`, the tokens that end a turn. What follows is the opening of the reply, and a
/// template may write it otherwise once the reply is there: Qwen3.5's opens a thought, which it leaves out of earlier turns.
pub(super) fn pieces(fresh: &[PromptToken], ends: &[u32]) -> Vec<usize> {
    let mut cuts = Vec::new();
    let mut last: Option<(usize, ContentHash, usize)> = None;
    for (place, token) in fresh.iter().enumerate() {
        let Some((hash, row)) = token.feature else { continue };
        if row == 0 {
            cuts.push(place);
        }
        // What stands between the rows of an image, a tile's mark, is part of it.
        if let Some((end, before, at)) = last
            && (before, at + 1) != (hash, row)
        {
            cuts.push(end);
        }
        last = Some((place + 1, hash, row));
    }
    cuts.extend(last.map(|(end, ..)| end));
    let is_end = |token: &PromptToken| token.feature.is_none() && ends.contains(&token.id);
    cuts.extend(fresh.iter().rposition(is_end).map(|end| end + 1));
    if fresh.last().is_some_and(|last| last.feature.is_none()) {
        cuts.push(fresh.len() - 1);
    }
    cuts.push(fresh.len());
    cuts.sort_unstable();
    let mut begun = 0;
    let mut lengths = Vec::with_capacity(cuts.len());
    for cut in cuts {
        if cut > begun {
            lengths.push(cut - begun);
            begun = cut;
        }
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_a_piece_and_the_last_token_is_one_and_a_turn_ends_one() {
        let text = PromptToken::text(1);
        let image = |byte, row| PromptToken { id: 9, feature: Some((ContentHash([byte; 32]), row)) };
        let end = PromptToken::text(2);
        let cases: [(Vec<PromptToken>, &[usize]); 10] = [
            (vec![], &[]),
            (vec![text], &[1]),
            (vec![text, text, text], &[2, 1]),
            (vec![text, image(1, 0), image(1, 1), text, text], &[1, 2, 1, 1]),
            (vec![image(1, 0), image(1, 1), text], &[2, 1]),
            // A tile's mark stands between rows; an image twice; one that is read in part; one at the end, kept whole.
            (vec![text, image(1, 0), text, image(1, 1), image(1, 0), image(2, 0)], &[1, 3, 1, 1]),
            (vec![image(1, 3), text, image(2, 0), image(2, 1)], &[1, 1, 2]),
            // Only the last turn's end, after which its reply is opened; one that is the prompt's end; an image's token
            // of that number ends nothing.
            (vec![text, end, text, text, end, text, text, text], &[5, 2, 1]),
            (vec![text, text, end], &[2, 1]),
            (vec![PromptToken { id: 2, ..image(1, 0) }, text, text], &[1, 1, 1]),
        ];
        for (fresh, expected) in cases {
            assert_eq!(pieces(&fresh, &[2, 7]), expected, "{fresh:?}");
        }
    }
}
