//! What somebody probably meant: the known word nearest to one that isn't.

/// The nearest of the known words, if it is near enough to be a slip of the keyboard.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (word.chars().count() / 3).max(2);
    let measured = known.into_iter().map(|candidate| (distance(word, candidate), candidate));
    measured
        .min_by_key(|(distance, _)| *distance)
        .filter(|(d, _)| *d <= allowed)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, substitutions and swaps of neighbours that make one word of the other (optimal
/// string alignment; Damerau 1964).
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut table = vec![vec![0; other.len() + 1]; one.len() + 1];
    for (i, row) in table.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in table[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=one.len() {
        for j in 1..=other.len() {
            let substitution = table[i - 1][j - 1] + usize::from(one[i - 1] != other[j - 1]);
            let mut least = substitution.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                least = least.min(table[i - 2][j - 2] + 1);
            }
            table[i][j] = least;
        }
    }
    table[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_finds_its_word_and_nonsense_finds_none() {
        let known = ["task", "model", "device", "seed", "screen", "limits"];
        let cases = [
            ("modle", Some("model")),
            ("modl", Some("model")),
            ("Device", Some("device")),
            ("limit", Some("limits")),
            ("sceen", Some("screen")),
            ("temperature", None),
        ];
        for (word, expected) in cases {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }
}
