//! How far numbers are from a reference's. What is no number, or isn't there, is never near.

/// The greatest of numbers, of which there must be one, and none that is no number: every bound would hold for it.
pub(crate) fn greatest(numbers: impl IntoIterator<Item = f32>) -> f32 {
    let greatest = numbers.into_iter().max_by(f32::total_cmp).unwrap();
    assert!(!greatest.is_nan(), "not a number");
    greatest
}

/// The greatest difference between scores.
pub(crate) fn greatest_difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    greatest(found.iter().zip(expected).map(|(found, expected)| (found - expected).abs()))
}

/// The largest of scores, whatever its sign. Tokens that are never written have the least score that there is, beside which
/// every difference would be nothing: they don't count.
pub(crate) fn largest(scores: &[f32]) -> f32 {
    greatest(scores.iter().filter(|score| **score > f32::MIN).map(|score| score.abs()))
}

/// The greatest difference between scores, as a share of the largest that is expected.
pub(crate) fn off(found: &[f32], expected: &[f32]) -> f32 {
    greatest_difference(found, expected) / largest(expected)
}

/// By how many levels two pictures of one size differ at most.
pub(crate) fn levels_apart(found: &[u8], expected: &[u8]) -> u8 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(found, expected)| found.abs_diff(*expected)).max().unwrap()
}
