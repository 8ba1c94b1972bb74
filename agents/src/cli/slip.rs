//! Words where the name of a file may have been meant.

use std::path::Path;

use anyhow::anyhow;

use super::{failure::Failure, narration::plain};

/// What ends the name of a picture, or of a film.
const ENDINGS: [&str; 11] = ["png", "jpg", "jpeg", "webp", "gif", "bmp", "mp4", "mov", "avi", "mkv", "webm"];

/// Whether words that are no file were meant to be one, to be said where it isn't sure. One word that ends as a picture's name
/// does is refused: it is a slip.
pub(crate) fn doubt(words: &str, taken_for: &str, help: &str) -> Result<Option<String>, Failure> {
    let path = Path::new(words);
    if path.is_file() {
        return Ok(None);
    }
    let taken = format!("“{}” is taken for {taken_for}", plain(words));
    if path.is_dir() {
        return Ok(Some(format!("{taken}, though a folder is called so")));
    }
    let is_word = !words.contains(char::is_whitespace);
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let is_picture = ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known));
    if is_word && is_picture {
        return Err(Failure::bad_input(anyhow!("there is no file {}", plain(words))).help(help));
    }
    let may_be_a_file = is_picture || (is_word && is_ending(ending));
    Ok(may_be_a_file.then(|| format!("{taken}: no file is called so")))
}

/// Whether that might end the name of some file.
fn is_ending(ending: &str) -> bool {
    (3..=4).contains(&ending.len()) && ending.chars().all(|letter| letter.is_ascii_alphabetic())
}
