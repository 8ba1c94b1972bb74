//! Where a prompt's tokens stand: the stretches of text and images that a family counts by, and what it made of them.

use std::collections::HashMap;

use percept_runtime::RopePosition;

use super::{PromptImage, PromptToken};
use crate::{ContentHash, ModelError, Span};

/// The prompt in stretches of text, images and videos. The features of an image without a grid count as text.
pub(super) fn spans(tokens: &[PromptToken], images: &HashMap<ContentHash, PromptImage>) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut rest = tokens;
    while let Some(first) = rest.first() {
        let image = first.feature.and_then(|(hash, row)| {
            let span = images.get(&hash)?.grid()?;
            // A video's layers may each be a run of their own.
            row.is_multiple_of(span.tokens().max(1)).then_some(span)
        });
        match (image, spans.last_mut()) {
            (Some(image), _) => spans.push(image),
            (None, Some(Span::Text(count))) => *count += 1,
            (None, _) => spans.push(Span::Text(1)),
        }
        rest = rest.get(image.map_or(1, Span::tokens).max(1)..).unwrap_or_default();
    }
    spans
}

/// Positions are every token's, or the decoder would count some of the tokens as if they were text.
pub(super) fn of_all(
    positions: Option<Vec<RopePosition>>,
    tokens: usize,
) -> Result<Option<Vec<RopePosition>>, ModelError> {
    match positions {
        Some(positions) if positions.len() != tokens => Err(ModelError::Template(format!(
            "the prompt has {tokens} tokens, and {} positions were made of its text and the shapes of its images: \
             processor and template are of different models",
            positions.len()
        ))),
        positions => Ok(positions),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::local::features::SeenImage;

    #[test]
    fn every_token_has_a_position_or_none_has() {
        let places = |count| Some((0..count).map(RopePosition::text).collect::<Vec<_>>());
        for (positions, tokens) in [(None, 3), (places(0), 0), (places(3), 3)] {
            assert_eq!(of_all(positions.clone(), tokens).unwrap(), positions);
        }
        for positions in [2, 4] {
            let error = of_all(places(positions), 3).unwrap_err().to_string();
            assert!(
                error.contains("3 tokens") && error.contains(&format!("{positions} positions")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_prompt_is_cut_where_images_with_a_shape_begin_and_end() {
        let image = |grid: Option<[usize; 2]>| {
            let grid = grid.map(|[rows, columns]| Span::Image { rows, columns });
            PromptImage::Seen(SeenImage { expansion: "".into(), grid, features: Arc::default() })
        };
        let hash = |byte| ContentHash([byte; 32]);
        let grids = [(1, Some([2, 2])), (2, Some([1, 1])), (3, None)];
        let images: HashMap<_, _> = grids.map(|(byte, grid)| (hash(byte), image(grid))).into();
        let token = |(byte, row)| PromptToken { id: 9, feature: (byte > 0).then_some((hash(byte), row)) };
        let (text, one, two) =
            (Span::Text, Span::Image { rows: 2, columns: 2 }, Span::Image { rows: 1, columns: 1 });
        let first = [(1, 0), (1, 1), (1, 2), (1, 3)];
        let cases = [
            (vec![], vec![]),
            (vec![(0, 0), (0, 0)], vec![text(2)]),
            ([vec![(0, 0)], first.to_vec(), vec![(0, 0)]].concat(), vec![text(1), one, text(1)]),
            // The same image twice, and another right after it.
            ([first.to_vec(), first.to_vec(), vec![(2, 0)]].concat(), vec![one, one, two]),
            (vec![(0, 0), (3, 0), (3, 1), (0, 0)], vec![text(4)]),
            // Two layers of a video, each with text before it.
            (
                [&[(0, 0)], &first[..], &[(0, 0), (1, 4), (1, 5), (1, 6), (1, 7)]].concat(),
                vec![text(1), one, text(1), one],
            ),
        ];
        for (tokens, expected) in cases {
            let tokens: Vec<PromptToken> = tokens.into_iter().map(token).collect();
            assert_eq!(spans(&tokens, &images), expected, "{tokens:?}");
        }
    }
}
