//! Text that a person could read on the screen.

use super::{Check, shortened};

pub(super) fn described(wanted: &str) -> String {
    format!("the screen shows “{wanted}”")
}

/// Compared by words: how a page breaks its lines says nothing about what it says.
pub(super) fn check(wanted: &str, visible: &str) -> Check {
    let (wanted_words, visible_words) = (words(wanted), words(visible));
    let holds = contains_whole(&visible_words, &wanted_words);
    Check { what: described(wanted), holds, found: (!holds).then(|| shortened(&visible_words)) }
}

/// A match must not begin or end within a word: “ada” isn't shown by “adam”.
fn contains_whole(visible: &str, wanted: &str) -> bool {
    let joined = |outside: Option<char>, inside: Option<char>| {
        outside.is_some_and(char::is_alphanumeric) && inside.is_some_and(char::is_alphanumeric)
    };
    visible.match_indices(wanted).any(|(begin, found)| {
        let before = visible[..begin].chars().next_back();
        let after = visible[begin + found.len()..].chars().next();
        !joined(before, found.chars().next()) && !joined(after, found.chars().next_back())
    })
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn visible_text_counts_whatever_its_line_breaks() {
        let cases = [
            ("Welcome, ada", "Home\nWelcome,\n  ada\nSign out", true),
            ("Welcome, ada", "Welcome, adam", false),
            ("Welcome, ada", "Welcome, adam. Welcome, ada!", true),
            ("ada", "canada", false),
            ("Welcome, ada", "welcome, ada", false),
            ("Welcome, ada", "", false),
            ("Welcome, ada", "Welcome ada", false),
        ];
        for (wanted, visible, holds) in cases {
            assert_eq!(check(wanted, visible).holds, holds, "{wanted:?} in {visible:?}");
        }
    }
}
