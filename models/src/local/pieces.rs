//! How a prompt is cut for a decoder whose states can't be cut back: at the places that a later prompt may want to go
//! back to.

use super::prompt::PromptToken;

/// How many tokens each piece of what is to be read has; together they are all, and none is empty.
///
/// A sequence goes back only to where an append ended. So the last token is read by itself, unless it is an image's: the
/// same question asked again needs it alone. And an image begins a piece: the next prompt often differs from this one in
/// what is shown, and everything before may stay.
pub(super) fn pieces(fresh: &[PromptToken]) -> Vec<usize> {
    let mut cuts: Vec<usize> = fresh
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| pair[1].feature.is_some_and(|(_, row)| row == 0))
        .map(|(before, _)| before + 1)
        .collect();
    if fresh.last().is_some_and(|last| last.feature.is_none()) {
        cuts.push(fresh.len() - 1);
    }
    cuts.push(fresh.len());
    let mut begun = 0;
    let mut lengths = Vec::with_capacity(cuts.len());
    for cut in cuts.into_iter().filter(|cut| *cut > 0) {
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
    use crate::ContentHash;

    #[test]
    fn an_image_begins_a_piece_and_the_last_token_is_one() {
        let text = PromptToken::text(1);
        let image = |byte, row| PromptToken { id: 9, feature: Some((ContentHash([byte; 32]), row)) };
        let cases: [(Vec<PromptToken>, &[usize]); 7] = [
            (vec![], &[]),
            (vec![text], &[1]),
            (vec![text, text, text], &[2, 1]),
            (vec![text, image(1, 0), image(1, 1), text, text], &[1, 3, 1]),
            (vec![image(1, 0), image(1, 1), text], &[2, 1]),
            // A tile's mark stands between rows; an image twice; one that is read in part; one at the end, kept whole.
            (vec![text, image(1, 0), text, image(1, 1), image(1, 0), image(2, 0)], &[1, 3, 1, 1]),
            (vec![image(1, 3), text, image(2, 0), image(2, 1)], &[2, 2]),
        ];
        for (fresh, expected) in cases {
            assert_eq!(pieces(&fresh), expected, "{fresh:?}");
        }
    }
}
