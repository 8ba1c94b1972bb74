//! Whether two answers mean the same, as far as their words tell: the normalisation by which answers to questions about
//! images are scored since VQA (Antol et al. 2015).

/// Number words, which count as the digits that they mean.
const NUMBERS: [&str; 11] =
    ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];

/// The words alone: in lower case, without articles and punctuation, small numbers as digits.
pub(crate) fn normalised(text: &str) -> String {
    let lower = text.to_lowercase();
    // The sign of what is less than nothing is often set as a minus.
    let characters: Vec<char> = lower.chars().map(|c| if c == '−' { '-' } else { c }).collect();
    let digit = |at: Option<usize>| at.and_then(|at| characters.get(at)).is_some_and(char::is_ascii_digit);
    let mut plain = String::new();
    for (at, &character) in characters.iter().enumerate() {
        let within = digit(at.checked_sub(1)) && digit(Some(at + 1));
        let groups = within && (1..=3).all(|ahead| digit(Some(at + ahead))) && !digit(Some(at + 4));
        let negates = character == '-'
            && digit(Some(at + 1))
            && !at.checked_sub(1).is_some_and(|before| characters[before].is_alphanumeric());
        match character {
            // Digits are grouped by commas; a point, a colon or a dash between them means something.
            ',' if groups => {}
            ',' if within => plain.push('.'),
            '.' if digit(Some(at + 1)) => plain.push('.'),
            '.' | ':' | '/' | '-' if within => plain.push(character),
            '-' if negates => plain.push('-'),
            '\'' | '’' => {}
            // Signs that change what a number is.
            '%' | '$' | '€' | '£' | '+' | '#' | '<' | '>' | '=' | '°' => plain.push(character),
            _ if character.is_alphanumeric() => plain.push(character),
            _ => plain.push(' '),
        }
    }
    let all: Vec<_> = plain.split_whitespace().collect();
    // An article stands before something.
    let words =
        all.iter().enumerate().filter(|(at, word)| at + 1 == all.len() || !["a", "an", "the"].contains(word));
    let words = words.map(|(_, word)| match NUMBERS.iter().position(|number| number == word) {
        Some(number) => number.to_string(),
        None => (*word).to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The index of the first of those answers that are given most often, and how often they are.
pub(crate) fn most_given(answers: &[String]) -> (usize, usize) {
    let supporters = |answer: &String| answers.iter().filter(|other| *other == answer).count();
    // Of equals, `max_by_key` takes the last.
    let chosen =
        (0..answers.len()).rev().max_by_key(|index| supporters(&answers[*index])).unwrap_or_default();
    (chosen, answers.get(chosen).map_or(0, supporters))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_compared_by_their_words() {
        let same = [
            ("Three.", "3"),
            ("The  red\nbutton", "a red button!"),
            ("1,250 $", "1250 $"),
            ("12,50 €", "12.50 €"),
            ("−3", "-3"),
            ("it's Ada’s", "its adas"),
            ("“Sign in”", "sign in"),
        ];
        for (one, other) in same {
            assert_eq!(normalised(one), normalised(other));
        }
        let different = [
            ("12,50 €", "1250 €"),
            (".5", "5"),
            ("C++", "C#"),
            ("<5", "5"),
            ("vitamin A", "vitamin"),
            ("1.5", "15"),
            ("12:30", "1230"),
            ("50%", "50"),
            ("-3", "3"),
            ("yes", "no"),
            ("3-4", "34"),
            ("ada", "adam"),
        ];
        for (one, other) in different {
            assert_ne!(normalised(one), normalised(other));
        }
    }

    #[test]
    fn the_answer_given_most_often_wins_and_of_equals_the_first() {
        let cases: [(&[&str], (usize, usize)); 5] = [
            (&["a"], (0, 1)),
            (&["a", "b", "b"], (1, 2)),
            (&["a", "b", "b", "a"], (0, 2)),
            (&["a", "b", "c"], (0, 1)),
            (&[], (0, 0)),
        ];
        for (answers, expected) in cases {
            let answers: Vec<String> = answers.iter().map(|&answer| answer.to_owned()).collect();
            assert_eq!(most_given(&answers), expected, "{answers:?}");
        }
    }
}
