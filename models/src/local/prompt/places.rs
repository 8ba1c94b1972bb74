//! Where a rendered prompt has its images and videos, and what is written there.

use std::collections::HashMap;

use super::PromptImage;
use crate::{ContentHash, ModelError, local::shown::Shown};

/// A piece of a rendered prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Text(&'a str),
    /// The place of an image or a video.
    Place {
        is_video: bool,
    },
}

/// The prompt cut at the places of images and videos, each where the family has a token for it.
pub(super) fn placeholders<'a>(text: &'a str, image: Option<&str>, video: Option<&str>) -> Vec<Piece<'a>> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    loop {
        let first = |token: Option<&str>, is_video| {
            token.and_then(|token| rest.find(token).map(|at| (at, is_video, token.len())))
        };
        let (image, video) = (first(image, false), first(video, true));
        let Some((at, is_video, length)) = image.into_iter().chain(video).min() else { break };
        pieces.extend([Piece::Text(&rest[..at]), Piece::Place { is_video }]);
        rest = &rest[at + length..];
    }
    pieces.push(Piece::Text(rest));
    pieces
}

/// Every image and every video must have a place of its kind, in the same order.
pub(super) fn check_places(shown: &[Shown], pieces: &[Piece<'_>]) -> Result<(), ModelError> {
    let places: Vec<bool> = pieces
        .iter()
        .filter_map(|piece| match piece {
            Piece::Place { is_video } => Some(*is_video),
            Piece::Text(_) => None,
        })
        .collect();
    for (kind, is_video, missing) in
        [("image", false, "show it a screenshot"), ("video", true, "show it a video")]
    {
        let places = places.iter().filter(|place| **place == is_video).count();
        let shown = shown.iter().filter(|one| one.is_video() == is_video).count();
        if places != shown {
            return Err(ModelError::Conversation(format!(
                "the model's template shows {places} {kind}(s), the conversation has {shown}: {}",
                if places > shown { missing } else { "keep only the latest" }
            )));
        }
    }
    if shown.iter().map(Shown::is_video).ne(places) {
        return Err(ModelError::Conversation(
            "the model's template shows images and videos in another order than the conversation: put the images first"
                .into(),
        ));
    }
    Ok(())
}

/// The prompt with the expansion of each image and video at its place.
pub(super) fn expand(
    pieces: &[Piece<'_>],
    shown: &[Shown],
    images: &HashMap<ContentHash, PromptImage>,
) -> String {
    let mut next = shown.iter();
    let mut expanded = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => expanded.push_str(text),
            Piece::Place { .. } => {
                let known = next.next().and_then(|one| images.get(&one.key));
                expanded.push_str(known.map_or("", |known| known.expansion()));
            }
        }
    }
    expanded
}
