//! A mistake in a task file: where it is, what is wrong, and what to do about it.

use std::{
    fmt,
    io::ErrorKind,
    ops::Range,
    path::{Path, PathBuf},
};

use super::nearest;

/// Where in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// The line itself.
    pub text: String,
}

/// A task file that can't be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskError {
    /// The file.
    pub path: PathBuf,
    /// Where in it; `None` if it can't be read at all.
    pub place: Option<Place>,
    /// What is wrong.
    pub problem: String,
    /// What the reader can do.
    pub remedy: String,
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(place) = &self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl std::error::Error for TaskError {}

impl TaskError {
    pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        let (problem, remedy) = match error.kind() {
            ErrorKind::NotFound => {
                ("there is no such file".into(), "check the path; task files end in .toml".into())
            }
            ErrorKind::IsADirectory => (
                "this is a folder, not a file".into(),
                format!("name the files in it: {}/*.toml", path.display()),
            ),
            ErrorKind::InvalidData => ("this is not a text file in UTF-8".into(), "save it as UTF-8".into()),
            _ => (error.to_string(), "make the file readable".into()),
        };
        Self { path: path.to_owned(), place: None, problem, remedy }
    }
}

/// A file whose text is at hand, so that a mistake can be shown in its line.
pub(super) struct SourceFile<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
}

impl SourceFile<'_> {
    /// A mistake at these bytes of the file.
    pub(super) fn mistake(
        &self,
        span: Range<usize>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> TaskError {
        let place = Some(self.place(span.start));
        TaskError { path: self.path.to_owned(), place, problem: problem.into(), remedy: remedy.into() }
    }

    /// What the TOML parser complains about, in the words of this file.
    pub(super) fn malformed(&self, error: &toml::de::Error) -> TaskError {
        let span = error.span().unwrap_or(0..0);
        let message = error.message();
        let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
        let (problem, remedy) = if message.starts_with("unknown field") {
            unknown("key", &quoted)
        } else if message.starts_with("unknown variant") {
            unknown("value", &quoted)
        } else if message.starts_with("missing field") {
            let key = quoted.first().copied().unwrap_or_default();
            let remedy = match key {
                "task" => "say what is to be done: task = \"Click the OK button.\"".into(),
                _ => format!("add {key} = …"),
            };
            (format!("the key `{key}` is missing"), remedy)
        } else if let Some(types) = message.strip_prefix("invalid type: ") {
            let (found, expected) = types.split_once(", expected ").unwrap_or((types, "something else"));
            let expected = in_words(expected);
            (format!("this is {}, not {expected}", article(found)), format!("write {expected}"))
        } else if let Some(values) = message.strip_prefix("invalid value: ") {
            let (found, expected) = values.split_once(", expected ").unwrap_or((values, "something else"));
            let expected = in_words(expected);
            (format!("{found} is out of range"), format!("write {expected}"))
        } else if let Some(lengths) = message.strip_prefix("invalid length ") {
            let (found, expected) = lengths.split_once(", expected ").unwrap_or((lengths, "another number"));
            (format!("a list of {found} doesn't fit here"), format!("write {}", in_words(expected)))
        } else if message.starts_with("a string") {
            // What the written types say that they expect, where several forms would do.
            ("this is neither of the forms that fit here".into(), format!("write {message}"))
        } else {
            let problem = message.lines().next().unwrap_or("this is not TOML").to_owned();
            (problem, "the file is written in TOML: key = \"value\", [section]; see https://toml.io".into())
        };
        self.mistake(span, problem, remedy)
    }

    fn place(&self, at: usize) -> Place {
        let at = at.min(self.text.len());
        let begin = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let line = self.text[..at].matches('\n').count() + 1;
        let column = self.text[begin..at].chars().count() + 1;
        let text = self.text[begin..].lines().next().unwrap_or_default().to_owned();
        Place { line, column, text }
    }
}

/// The first quoted word is the unknown one, the others are those known.
fn unknown(what: &str, quoted: &[&str]) -> (String, String) {
    let (word, known) = quoted.split_first().map_or(("", &[][..]), |(word, known)| (*word, known));
    let remedy = match nearest(word, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("known here: {}", known.join(", ")),
    };
    (format!("unknown {what} `{word}`"), remedy)
}

/// Serde's names for what was expected, as a person would say them.
fn in_words(expected: &str) -> String {
    match expected {
        "u64" | "usize" | "u32" => "a whole number, 0 or more".into(),
        "f64" => "a number".into(),
        "a string" | "a boolean" | "a sequence" => expected.replace("sequence", "list"),
        "an array of length 2" => "two numbers: [width, height]".into(),
        other if other.starts_with("struct ") => "a section".into(),
        other => other.to_owned(),
    }
}

/// Serde says `string "x"` and quotes numbers: with an article and without quotes it reads as a sentence.
fn article(found: &str) -> String {
    let vowel = found.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {found}", if vowel { "an" } else { "a" }).replace('`', "")
}
