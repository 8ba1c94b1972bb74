//! One line at the terminal's foot that says what a run is doing this moment.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use percept::{Entry, Event};

use super::narration::plain;

/// How much of what the model is writing is shown, in characters.
const SHOWN: usize = 48;

/// The line. Where standard error is no terminal nothing is drawn.
pub(crate) struct LiveLine {
    bar: ProgressBar,
    /// The most steps that the run may take.
    most: usize,
    /// The step that it is at.
    step: usize,
    /// Tokens written so far.
    tokens: usize,
    /// What the model is writing.
    writing: String,
}

impl LiveLine {
    pub(crate) fn new(bars: &MultiProgress) -> Self {
        let bar = bars.add(ProgressBar::new_spinner());
        let style = ProgressStyle::with_template("{spinner} {elapsed} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar, most: 0, step: 0, tokens: 0, writing: String::new() }
    }

    /// Follows the run.
    pub(crate) fn tell(&mut self, entry: &Entry) {
        let event = &entry.event;
        self.step = event.step().unwrap_or(self.step);
        match event {
            Event::Began(beginning) => self.most = beginning.limits.steps,
            Event::Decided { usage, .. }
            | Event::Judged { usage, .. }
            | Event::Examined { usage, .. }
            | Event::Planned { usage, .. }
            | Event::Folded { usage, .. }
            | Event::Reflected { usage, .. } => self.tokens += usage.output_tokens,
            _ => {}
        }
        let now = match event {
            Event::Looked { .. } => "looks".into(),
            Event::Asked { .. } => {
                self.writing.clear();
                "thinks".into()
            }
            Event::Writing { text, .. } => {
                self.writing.push_str(text);
                format!("writes {}", tail(&self.writing))
            }
            Event::Calling { call, .. } => format!("calls {}", plain(&call.function)),
            Event::ApprovalWanted { .. } | Event::LimitReached { .. } => "waits for your word".into(),
            Event::Called { .. } => "looks at what came of it".into(),
            Event::Ended(_) => {
                self.bar.finish_and_clear();
                return;
            }
            _ => return,
        };
        // Of a run that was taken up, or whose limit a person raised, the most isn't known here.
        let of = if self.step <= self.most { format!(" of {}", self.most) } else { String::new() };
        self.bar.set_message(format!("step {}{of}, {} tokens: {now}", self.step, self.tokens));
    }
}

impl Drop for LiveLine {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// The end of a text, on one line.
fn tail(text: &str) -> String {
    let plain = plain(text);
    let count = plain.chars().count();
    if count <= SHOWN {
        return plain;
    }
    let end: String = plain.chars().skip(count - SHOWN).collect();
    format!("…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_what_is_written_is_shown_on_one_line() {
        assert_eq!(tail("{\"tool\":\n\"click\"}"), "{\"tool\": \"click\"}");
        let long = format!("{}é", "a".repeat(60));
        assert_eq!(tail(&long), format!("…{}é", "a".repeat(SHOWN - 1)));
    }
}
