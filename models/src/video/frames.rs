//! A folder of pictures as the frames of a video.

use std::{
    cmp::Ordering,
    path::{Path, PathBuf},
    sync::Arc,
};

use image::RgbImage;

use super::named;
use crate::{LoadedImage, ModelError};

/// The endings of files that are taken for pictures.
const ENDINGS: [&str; 6] = ["png", "jpg", "jpeg", "webp", "gif", "bmp"];

/// The pictures of a folder in the order of their names, numbers by value: `2.png` before `10.png`.
pub(super) fn pictures(folder: &Path) -> Result<Vec<PathBuf>, ModelError> {
    let entries = std::fs::read_dir(folder).map_err(|error| named(folder, &error))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| named(folder, &error))?.path();
        let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
        if ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str())) && path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        let problem = format!("it holds no picture ({}) to take for a frame", ENDINGS.join(", "));
        return Err(named(folder, &problem));
    }
    files.sort_by(|a, b| by_numbers(&name(a), &name(b)));
    Ok(files)
}

/// Reads the pictures of these places in turn, each once.
pub(super) fn open<'a>(
    files: &'a [PathBuf],
    places: &'a [usize],
) -> impl Iterator<Item = Result<Arc<RgbImage>, ModelError>> + 'a {
    let mut taken: Option<(usize, Arc<RgbImage>)> = None;
    places.iter().map(move |&place| {
        if let Some((last, pixels)) = taken.take()
            && last == place
        {
            taken = Some((last, Arc::clone(&pixels)));
            return Ok(pixels);
        }
        let pixels = LoadedImage::open(&files[place])?.pixels;
        taken = Some((place, Arc::clone(&pixels)));
        Ok(pixels)
    })
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Compares names piece by piece, digits as numbers of any length.
fn by_numbers(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        match (piece(left), piece(right)) {
            (None, None) => return a.cmp(b),
            (None, _) => return Ordering::Less,
            (_, None) => return Ordering::Greater,
            (Some((first, rest)), Some((second, other))) => {
                let compared = match (digits(first), digits(second)) {
                    (Some(first), Some(second)) => first.len().cmp(&second.len()).then(first.cmp(second)),
                    _ => first.cmp(second),
                };
                if compared.is_ne() {
                    return compared;
                }
                (left, right) = (rest, other);
            }
        }
    }
}

/// The text's first run of digits or of anything else, and the rest.
fn piece(text: &str) -> Option<(&str, &str)> {
    let is_digit = text.chars().next()?.is_ascii_digit();
    let end = text.find(|character: char| character.is_ascii_digit() != is_digit).unwrap_or(text.len());
    Some(text.split_at(end))
}

/// The number's digits without leading zeros, if it is one.
fn digits(piece: &str) -> Option<&str> {
    piece.starts_with(|character: char| character.is_ascii_digit()).then(|| piece.trim_start_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ordered_as_a_person_counts() {
        let mut names = [
            "b",
            "frame10",
            "frame2",
            "frame002b",
            "a",
            "frame02",
            "9",
            "10",
            "frame",
            "18446744073709551616",
        ];
        names.sort_by(|a, b| by_numbers(a, b));
        let expected = [
            "9",
            "10",
            "18446744073709551616",
            "a",
            "b",
            "frame",
            "frame02",
            "frame2",
            "frame002b",
            "frame10",
        ];
        assert_eq!(names, expected);
    }
}
