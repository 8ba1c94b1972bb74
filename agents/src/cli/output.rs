//! Where words go: results to standard output, everything else to standard error.

use std::{
    borrow::Cow,
    io::{self, BufRead, IsTerminal, Write},
    process::ExitCode,
};

use indicatif::MultiProgress;
use serde::Serialize;
use serde_json::json;

use super::{
    failure::{Failure, UNHEARD},
    narration::plain,
};

/// The two streams, and whether the first gets JSON.
pub(crate) struct Output {
    pub(crate) json: bool,
    pub(crate) colour: bool,
    pub(crate) bars: MultiProgress,
}

/// A style of the terminal.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ink {
    Good,
    Bad,
    Warn,
    Strong,
    Soft,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        Self { json, colour, bars: MultiProgress::new() }
    }

    /// The text as the terminal shows it in this style.
    pub(crate) fn ink(&self, ink: Ink, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match ink {
            Ink::Good => "32",
            Ink::Bad => "31",
            Ink::Warn => "33",
            Ink::Strong => "1",
            Ink::Soft => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// A line to standard error, above any bars.
    pub(crate) fn say(&self, line: &str) {
        self.bars.suspend(|| {
            // A closed standard error leaves nobody to tell.
            let _ = writeln!(io::stderr(), "{line}");
        });
    }

    /// Whether somebody sits at the terminal who can be asked.
    pub(crate) fn has_person() -> bool {
        io::stdin().is_terminal()
    }

    /// Asks that person; whatever isn't a yes is a no.
    pub(crate) async fn agreed(&self, question: &str) -> bool {
        self.say(&self.ink(Ink::Strong, question));
        let answer = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            io::stdin().lock().read_line(&mut line).map(|_| line)
        });
        matches!(answer.await, Ok(Ok(line)) if matches!(line.trim(), "y" | "Y" | "yes"))
    }

    /// Notes on how the result came about, to standard error.
    pub(crate) fn notes<'a>(&self, notes: impl IntoIterator<Item = &'a String>) {
        for note in notes {
            self.say(&self.ink(Ink::Soft, &format!("note: {}", plain(note))));
        }
    }

    /// A line of the result, for a person.
    pub(crate) fn print(&self, line: &str) -> Result<(), Failure> {
        self.bars.suspend(|| writeln!(io::stdout(), "{line}")).map_err(unwritten)
    }

    /// What a model wrote, as standard output takes it: a terminal would obey some of it.
    pub(crate) fn shown(text: &str) -> Cow<'_, str> {
        if io::stdout().is_terminal() { disarmed(text).into() } else { text.into() }
    }

    /// A piece of the result as it comes, written by a model.
    pub(crate) fn stream(&self, text: &str) -> Result<(), Failure> {
        let (mut stdout, text) = (io::stdout(), Self::shown(text));
        let written = self.bars.suspend(|| stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()));
        written.map_err(unwritten)
    }

    /// The result as the one JSON document.
    pub(crate) fn document(&self, result: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(result).map_err(Failure::broken)?;
        self.print(&text)
    }

    /// Says what failed, and gives the exit code.
    pub(crate) fn fail(&self, failure: &Failure) -> ExitCode {
        if failure.code == UNHEARD {
            return ExitCode::from(UNHEARD);
        }
        let message = failure.message();
        if self.json {
            let document = json!({ "error": message, "help": failure.help, "exit_code": failure.code });
            // Nobody may be reading any more; the exit code says it as well.
            let _ = self.document(&document);
        }
        self.say(&format!("{} {message}", self.ink(Ink::Bad, "error:")));
        if let Some(excerpt) = &failure.excerpt {
            self.say(excerpt);
        }
        if let Some(help) = &failure.help {
            self.say(&format!("{} {help}", self.ink(Ink::Good, "help:")));
        }
        ExitCode::from(failure.code)
    }
}

/// The text without anything that a terminal would obey, but in its lines.
fn disarmed(text: &str) -> String {
    let harmless = |c: char| matches!(c, '\n' | '\t') || !c.is_control();
    text.chars().map(|c| if harmless(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// A result that can't be written. Where a pipe was closed because whoever reads it has enough, that is no trouble to tell.
fn unwritten(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::unheard(),
        _ => Failure::broken(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_model_writes_commands_no_terminal() {
        let cases = [
            ("a\tb\nc “é” 日本", "a\tb\nc “é” 日本"),
            ("\x1b]0;title\x07\x1b[2J", "\u{fffd}]0;title\u{fffd}\u{fffd}[2J"),
            ("over\rwritten\u{9b}31m\x7f", "over\u{fffd}written\u{fffd}31m\u{fffd}"),
        ];
        for (written, shown) in cases {
            assert_eq!(disarmed(written), shown);
        }
    }
}
