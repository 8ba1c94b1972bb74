//! What a decoder reads beside its embeddings with a row a token.
//!
//! Such are the features that Qwen3-VL adds to the states after its first layers (deepstack: Meng et al. 2024),
//! `[1, tokens, hidden]`: rows of numbers at an image's tokens, zeros at every other. Whoever hands embeddings over
//! hands these over with them; tokens that come as ids, written ones above all, have zeros.

use super::{Chunk, EngineError};
use crate::tensor::{Element, HostTensor};

/// How the names of such inputs begin.
const BEGINNINGS: [&str; 1] = ["deepstack"];

/// One declared side input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SidePort {
    pub(crate) name: String,
    /// Floats of either width.
    pub(crate) element: Element,
    /// Numbers in a token's row.
    pub(crate) width: usize,
}

/// Whether an input of this name has a row a token beside the embeddings.
pub(super) fn is_side_input(name: &str) -> bool {
    BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
}

/// The rows of all chunks, `[1, tokens, width]` for each port in its order, taken out of them.
///
/// # Errors
///
/// [`EngineError::Input`] for a declared input that embeddings come without, one that isn't declared, and one of
/// another shape or kind.
pub(super) fn take(ports: &[SidePort], chunks: &mut [Chunk]) -> Result<Vec<HostTensor>, EngineError> {
    let mut inputs = Vec::with_capacity(ports.len());
    for port in ports {
        let mut rows = vec![zeros(port, 0)];
        for chunk in &mut *chunks {
            rows.push(match chunk {
                Chunk::Tokens(tokens) => zeros(port, tokens.len()),
                Chunk::Embedded(given) => {
                    let tokens = given.embeddings.shape().get(1).copied().unwrap_or(0);
                    let place = given.side_inputs.iter().position(|(name, _)| *name == port.name);
                    let place = place.ok_or_else(|| {
                        let shape = format!("[1, {tokens}, {}]", port.width);
                        refused(
                            &port.name,
                            format!("it is missing: the decoder wants {shape} beside these embeddings"),
                        )
                    })?;
                    fitting(port, tokens, given.side_inputs.swap_remove(place).1)?
                }
            });
        }
        inputs.push(HostTensor::concatenate_rows(rows)?);
    }
    let left = chunks.iter().find_map(|chunk| match chunk {
        Chunk::Embedded(given) => given.side_inputs.first(),
        Chunk::Tokens(_) => None,
    });
    match left {
        Some((name, _)) => Err(refused(name, "the decoder has no such input".to_owned())),
        None => Ok(inputs),
    }
}

fn fitting(port: &SidePort, tokens: usize, rows: HostTensor) -> Result<HostTensor, EngineError> {
    if *rows.shape() != [1, tokens, port.width] {
        let (found, width) = (rows.shape(), port.width);
        return Err(refused(&port.name, format!("a tensor of shape {found:?} isn't [1, {tokens}, {width}]")));
    }
    rows.into_element(port.element).map_err(|error| refused(&port.name, error.to_string()))
}

fn zeros(port: &SidePort, tokens: usize) -> HostTensor {
    let (shape, numbers) = (vec![1, tokens, port.width], tokens * port.width);
    match port.element {
        Element::F16 => HostTensor::F16 { shape, data: vec![half::f16::ZERO; numbers] },
        _ => HostTensor::F32 { shape, data: vec![0.0; numbers] },
    }
}

fn refused(name: &str, reason: String) -> EngineError {
    EngineError::Input { graph: "decoder".to_owned(), name: name.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded_tokens::EmbeddedTokens;

    fn floats(shape: &[usize], number: f32) -> HostTensor {
        HostTensor::F32 { shape: shape.to_vec(), data: vec![number; shape.iter().product()] }
    }

    fn embedded(tokens: usize, side_inputs: &[(&str, HostTensor)]) -> Chunk {
        let side_inputs = side_inputs.iter().map(|(name, rows)| ((*name).to_owned(), rows.clone())).collect();
        Chunk::Embedded(EmbeddedTokens { side_inputs, ..floats(&[1, tokens, 4], 0.0).into() })
    }

    #[test]
    fn every_token_has_a_row_and_ids_have_zeros() {
        let port = |name: &str| SidePort { name: name.to_owned(), element: Element::F32, width: 2 };
        let ports = [port("deepstack.0"), port("deepstack.1")];
        let (one, two) = (floats(&[1, 1, 2], 1.0), floats(&[1, 1, 2], 2.0));
        let both = [("deepstack.1", two.clone()), ("deepstack.0", one.clone())];
        let mut chunks = [Chunk::Tokens(vec![7]), embedded(1, &both), Chunk::Tokens(vec![])];
        let rows = |numbers: [f32; 4]| HostTensor::F32 { shape: vec![1, 2, 2], data: numbers.to_vec() };
        assert_eq!(
            take(&ports, &mut chunks).unwrap(),
            [rows([0.0, 0.0, 1.0, 1.0]), rows([0.0, 0.0, 2.0, 2.0])]
        );
        let cases = [
            (embedded(1, &both[..1]), "deepstack.0: it is missing: the decoder wants [1, 1, 2]"),
            (embedded(2, &both), "deepstack.0: a tensor of shape [1, 1, 2] isn't [1, 2, 2]"),
            (embedded(1, &[both[0].clone(), ("deepstack.0", floats(&[1, 1, 3], 0.0))]), "isn't [1, 1, 2]"),
            (
                embedded(1, &[both[0].clone(), both[1].clone(), ("deepstack.2", one)]),
                "deepstack.2: the decoder has no such input",
            ),
            (
                embedded(
                    1,
                    &[
                        both[0].clone(),
                        ("deepstack.0", HostTensor::U8 { shape: vec![1, 1, 2], data: vec![0; 2] }),
                    ],
                ),
                "expected float32 numbers, found uint8",
            ),
        ];
        for (chunk, expected) in cases {
            let error = take(&ports, &mut [chunk]).unwrap_err().to_string();
            assert!(error.contains(expected), "{error:?} doesn't say {expected:?}");
        }
    }
}
