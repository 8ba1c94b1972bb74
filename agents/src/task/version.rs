//! The version of Percept that a task file is written for.

use serde::Deserialize;
use toml::Spanned;

use super::{TaskError, mistake::SourceFile};

/// This version.
const THIS: &str = concat!(
    env!("CARGO_PKG_VERSION_MAJOR"),
    ".",
    env!("CARGO_PKG_VERSION_MINOR"),
    ".",
    env!("CARGO_PKG_VERSION_PATCH")
);

/// The first line of a task file that this version writes.
pub(super) fn line() -> String {
    format!("percept = \"{THIS}\"\n")
}

/// Refuses a file that names a newer version, before what only that one knows is taken for a mistake.
pub(super) fn check(source: &SourceFile<'_>) -> Result<(), TaskError> {
    #[derive(Deserialize)]
    struct Named {
        percept: Option<Spanned<String>>,
    }
    // A file that can't be read at all is told as what it is, later.
    let Ok(Named { percept: Some(named) }) = toml::from_str(source.text) else { return Ok(()) };
    let Some(wanted) = numbers(named.get_ref()) else {
        let problem = format!("`{}` is no version", named.get_ref());
        return Err(source.mistake(
            named.span(),
            problem,
            format!("write percept = \"{THIS}\", or leave it out"),
        ));
    };
    if numbers(THIS).is_some_and(|this| wanted > this) {
        let problem = format!("this file is for Percept {}, and this is Percept {THIS}", named.get_ref());
        return Err(source.mistake(named.span(), problem, "bring Percept up to date"));
    }
    Ok(())
}

/// Major, minor and patch; what isn't written is zero.
fn numbers(version: &str) -> Option<[u64; 3]> {
    let mut numbers = [0; 3];
    let mut parts = version.split('.');
    for number in &mut numbers {
        let Some(part) = parts.next() else { break };
        *number = part.parse().ok()?;
    }
    (parts.next().is_none() && !version.is_empty()).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_number_by_number() {
        let cases = [
            ("0.10.0", Some([0, 10, 0])),
            ("1", Some([1, 0, 0])),
            ("1.2", Some([1, 2, 0])),
            ("", None),
            ("1.x", None),
            ("1.2.3.4", None),
        ];
        for (version, expected) in cases {
            assert_eq!(numbers(version), expected, "{version}");
        }
        assert!(numbers("0.10.0") > numbers("0.9.9"));
    }
}
