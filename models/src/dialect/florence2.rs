//! Florence-2's tasks (Xiao et al. 2023, table 13): the words that each stands for, and what a reply to it says is where.
//!
//! Reference: transformers' `processing_florence2.py`, whose parser this gives the same results as: a test compares them.

mod pieces;
mod template;

use serde::Deserialize;

use self::pieces::Piece;
pub(crate) use self::{
    pieces::{is_mark, is_place},
    template::template,
};
use super::{Found, Located, grid::middle_of};

/// What a reply to a task is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReplyForm {
    /// Words alone.
    Text,
    /// A label, and a box or several.
    Boxes,
    /// The same, where some labels name nothing.
    Phrases,
    /// Boxes, and no label.
    Proposals,
    /// A text and its four corners.
    Quadrilaterals,
    /// Outlines, and no label.
    Polygons,
    /// A label, and boxes or outlines.
    BoxesOrPolygons,
}

/// A task by its token, the words that take its place, and the form of its reply. `{input}` in the words is what is asked
/// about.
const TASKS: [(&str, &str, ReplyForm); 15] = [
    ("<OCR>", "What is the text in the image?", ReplyForm::Text),
    ("<OCR_WITH_REGION>", "What is the text in the image, with regions?", ReplyForm::Quadrilaterals),
    ("<CAPTION>", "What does the image describe?", ReplyForm::Text),
    ("<DETAILED_CAPTION>", "Describe in detail what is shown in the image.", ReplyForm::Text),
    ("<MORE_DETAILED_CAPTION>", "Describe with a paragraph what is shown in the image.", ReplyForm::Text),
    ("<OD>", "Locate the objects with category name in the image.", ReplyForm::Boxes),
    ("<DENSE_REGION_CAPTION>", "Locate the objects in the image, with their descriptions.", ReplyForm::Boxes),
    ("<REGION_PROPOSAL>", "Locate the region proposals in the image.", ReplyForm::Proposals),
    ("<CAPTION_TO_PHRASE_GROUNDING>", "Locate the phrases in the caption: {input}", ReplyForm::Phrases),
    ("<REFERRING_EXPRESSION_SEGMENTATION>", "Locate {input} in the image with mask", ReplyForm::Polygons),
    ("<REGION_TO_SEGMENTATION>", "What is the polygon mask of region {input}", ReplyForm::Polygons),
    ("<OPEN_VOCABULARY_DETECTION>", "Locate {input} in the image.", ReplyForm::BoxesOrPolygons),
    ("<REGION_TO_CATEGORY>", "What is the region {input}?", ReplyForm::Text),
    ("<REGION_TO_DESCRIPTION>", "What does the region {input} describe?", ReplyForm::Text),
    ("<REGION_TO_OCR>", "What text is in the region {input}?", ReplyForm::Text),
];

/// Where what is asked about stands in a task's words.
const INPUT: &str = "{input}";

/// Places along each side.
const BINS: u32 = 1000;

/// What a folder says of replies that name phrases.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct PhraseRules {
    /// Labels that name nothing in a picture.
    #[serde(default)]
    banned_grounding_tokens: Vec<String>,
}

/// Whether this is the token of a task.
pub(crate) fn is_task(text: &str) -> bool {
    TASKS.iter().any(|(token, ..)| *token == text)
}

/// What a reply says is where in an image of this width and height in pixels, by the task that was asked for; `None` where
/// that task is answered in words, or none was named.
pub(crate) fn located(asked: &str, reply: &str, size: [u32; 2], rules: &PhraseRules) -> Option<Located> {
    let (.., form) = TASKS.iter().find(|(token, ..)| asked.contains(token))?;
    let text = ["<s>", "</s>", "<pad>"].iter().fold(reply.to_owned(), |text, mark| text.replace(mark, ""));
    let pieces = match form {
        ReplyForm::Text => return None,
        ReplyForm::Phrases => pieces::described(&text, &rules.banned_grounding_tokens),
        ReplyForm::Proposals => pieces::proposed(&text),
        ReplyForm::Quadrilaterals => pieces::quoted(&text),
        ReplyForm::Polygons => pieces::outlined(&text),
        ReplyForm::BoxesOrPolygons if text.contains(pieces::OUTLINE) => pieces::described_outlines(&text),
        ReplyForm::Boxes | ReplyForm::BoxesOrPolygons => pieces::described(&text, &[]),
    };
    let mut located = Located { found: Vec::new(), unread: Vec::new() };
    for piece in pieces {
        match found(&piece, size) {
            Some(found) => located.found.push(found),
            None => located.unread.push(piece.written()),
        }
    }
    if located.found.is_empty() && located.unread.is_empty() && text.contains(pieces::PLACE) {
        located.unread.push(text);
    }
    Some(located)
}

/// A piece in pixels of an image of this size; `None` where it is no place, or ends before it begins.
fn found(piece: &Piece, [width, height]: [u32; 2]) -> Option<Found> {
    let at = |[x, y]: [u32; 2]| {
        (x < BINS && y < BINS).then(|| [middle_of(x, BINS, width), middle_of(y, BINS, height)])
    };
    let mut outlines = Vec::new();
    for outline in &piece.outlines {
        outlines.push(outline.iter().map(|point| at(*point)).collect::<Option<Vec<_>>>()?);
    }
    let points = || outlines.iter().flatten();
    let [[left, top], [right, bottom]] = match piece.corners {
        Some([from, to]) if from[0] <= to[0] && from[1] <= to[1] => [at(from)?, at(to)?],
        Some(_) => return None,
        // The box around every point, whose pixel is inside.
        None => {
            let side =
                |of: fn(&[u32; 2]) -> u32| Some((points().map(of).min()?, points().map(of).max()? + 1));
            let ((left, right), (top, bottom)) = (side(|point| point[0])?, side(|point| point[1])?);
            [[left, top], [right, bottom]]
        }
    };
    let corners = [left, top, right.max(left + 1), bottom.max(top + 1)];
    Some(Found { label: piece.label.clone(), corners, outlines })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_told_and_words_name_no_place() {
        let rules = PhraseRules::default();
        let none: Vec<String> = Vec::new();
        // What was asked, the reply, how much is found and what isn't read.
        let cases = [
            ("<CAPTION>", "a<loc_1><loc_2><loc_3><loc_4>", None),
            ("What is it?", "a<loc_1><loc_2><loc_3><loc_4>", None),
            ("<OD>", "a cat", Some((0, none.clone()))),
            ("<OD>", "cat<loc_1><loc_2><loc_3><loc_4>", Some((1, none))),
            ("<OD>", "cat<loc_1><loc_2>", Some((0, vec!["cat<loc_1><loc_2>".to_owned()]))),
            (
                "<OD>",
                "cat<loc_9><loc_2><loc_3><loc_4>dog<loc_1><loc_2><loc_3><loc_1000>",
                Some((0, vec!["cat [9, 2] [3, 4]".to_owned(), "dog [1, 2] [3, 1000]".to_owned()])),
            ),
        ];
        for (asked, reply, expected) in cases {
            let located = located(asked, reply, [10, 10], &rules);
            assert_eq!(located.map(|located| (located.found.len(), located.unread)), expected, "{reply}");
        }
    }
}
