//! What the agent remembers of a run, in typed records, and how a model is told of it.

use percept_models::{Content, Conversation, Message, Role};
use percept_tools::{Part, PartBody, Source};

use crate::Percept;

/// One thing that happened, as far as the model is concerned.
#[derive(Debug, Clone)]
pub(crate) enum Record {
    /// A look at the screen.
    Saw(Percept),
    /// The model's own words: a thought and a call.
    Decided { thought: String, text: String },
    /// What a tool brought back.
    Observed(Vec<Part>),
    /// Why an action didn't happen.
    Refused(String),
    /// What the model means to do.
    Plan(String),
    /// What the model made of a failure.
    Lesson(String),
    /// Percept's own words.
    Note(String),
}

/// How much of the history a model is shown: the newest of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// Images.
    pub(crate) images: usize,
    /// Records.
    pub(crate) records: usize,
}

impl Window {
    /// As many images as the model takes, but no more than are of use.
    pub(crate) fn new(max_images: Option<usize>) -> Self {
        const USEFUL: usize = 4;
        Self { images: max_images.unwrap_or(USEFUL).clamp(1, USEFUL), records: usize::MAX }
    }

    /// Half of it, images first; `None` if there is nothing left to leave out.
    pub(crate) fn halved(self, records: usize) -> Option<Self> {
        if self.images > 1 {
            return Some(Self { images: self.images / 2, ..self });
        }
        let records = self.records.min(records);
        (records > 1).then_some(Self { records: records / 2, ..self })
    }
}

/// What was left out of a conversation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    pub(crate) images: usize,
    pub(crate) records: usize,
}

/// The task and everything since.
#[derive(Debug, Clone)]
pub(crate) struct History {
    task: String,
    records: Vec<Record>,
}

impl History {
    pub(crate) fn new(task: String) -> Self {
        Self { task, records: Vec::new() }
    }

    pub(crate) fn push(&mut self, record: Record) {
        self.records.push(record);
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// The history as a conversation: the instruction, the task alone in a message of its own, then what
    /// happened. What doesn't fit into the window is replaced by a line that says so.
    pub(crate) fn conversation(&self, instruction: &str, window: Window) -> (Conversation, LeftOut) {
        let mut conversation = Conversation::new();
        conversation.push(Message::text(Role::System, instruction));
        conversation.push(Message::text(Role::User, self.task.as_str()));
        let dropped = self.records.len().saturating_sub(window.records);
        let shown = &self.records[dropped..];
        if dropped > 0 {
            let note = format!("(What happened before was left out to save room: {dropped} records.)");
            conversation.push(Message::text(Role::User, note));
        }
        let images = shown.iter().map(Record::images).sum::<usize>();
        let mut without_image = images.saturating_sub(window.images);
        let left_out = LeftOut { images: without_image, records: dropped };
        for record in shown {
            conversation.push(record.message(&mut without_image));
        }
        (conversation, left_out)
    }
}

impl Record {
    fn images(&self) -> usize {
        match self {
            Self::Saw(_) => 1,
            Self::Observed(parts) => parts.iter().filter(|p| matches!(p.body, PartBody::Image(_))).count(),
            _ => 0,
        }
    }

    /// The record as a message; the first images, as many as `without_image` says, are replaced by a line.
    fn message(&self, without_image: &mut usize) -> Message {
        match self {
            Self::Saw(percept) => {
                let seen = percept.screenshot();
                let place = seen.location.as_ref().map(|place| format!(", at {place}")).unwrap_or_default();
                let notes: Vec<_> =
                    seen.notes.iter().map(|note| format!(" (The screen notes: {note})")).collect();
                let text = format!("The screen now{place}.{}", notes.concat());
                if skip(without_image) {
                    return Message::text(
                        Role::User,
                        format!("{text} (This screenshot was left out to save room.)"),
                    );
                }
                let content = vec![Content::Image(percept.image().clone()), Content::Text(text)];
                Message { role: Role::User, content }
            }
            Self::Decided { thought, text } if thought.is_empty() => {
                Message::text(Role::Assistant, text.as_str())
            }
            Self::Decided { thought, text } => Message::text(Role::Assistant, format!("{thought}\n{text}")),
            Self::Observed(parts) => {
                parts.iter().fold(Message { role: Role::Tool, content: Vec::new() }, |message, part| {
                    observed(message, part, without_image)
                })
            }
            Self::Refused(reason) => Message::text(Role::Tool, format!("Nothing was done: {reason}")),
            Self::Plan(plan) => Message::text(Role::Assistant, plan.as_str()),
            Self::Lesson(lesson) => Message::text(Role::Assistant, format!("Lesson: {lesson}")),
            Self::Note(note) => Message::text(Role::User, note.as_str()),
        }
    }
}

/// Adds one part. Whatever isn't Percept's own says where it comes from, so that it reads as data.
fn observed(message: Message, part: &Part, without_image: &mut usize) -> Message {
    let origin = match &part.source {
        Source::Runtime => String::new(),
        Source::Screen(place) => format!("[from the screen {place}] "),
        Source::Tool(name) => format!("[from the tool {name}] "),
        Source::File(path) => format!("[from the file {path}] "),
    };
    match &part.body {
        PartBody::Text(text) => message.with_text(format!("{origin}{text}")),
        PartBody::Json(value) => message.with_text(format!("{origin}{value}")),
        PartBody::Image(_) if skip(without_image) => {
            message.with_text(format!("{origin}(This image was left out to save room.)"))
        }
        PartBody::Image(pixels) if origin.is_empty() => message.with_image(pixels.clone()),
        PartBody::Image(pixels) => message.with_text(origin).with_image(pixels.clone()),
        other => message.with_text(format!("{origin}{other:?}")),
    }
}

/// Takes one from the count, if there is one to take.
fn skip(count: &mut usize) -> bool {
    let some = *count > 0;
    *count = count.saturating_sub(1);
    some
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use image::RgbImage;
    use percept_models::{Content, Conversation};
    use percept_tools::{Frame, PixelSize, Screenshot};

    use super::{History, LeftOut, Record, Window};
    use crate::Percept;

    fn saw(shade: u8) -> Record {
        Record::Saw(Percept::new(Screenshot {
            pixels: Arc::new(RgbImage::from_pixel(2, 2, image::Rgb([shade; 3]))),
            frame: Frame { size: PixelSize { width: 2, height: 2 }, scale: 1.0 },
            location: Some("file:///page.html".into()),
            notes: Vec::new(),
        }))
    }

    /// A conversation on one line: a message in brackets, `#` for an image with its shade.
    fn told(conversation: &Conversation) -> String {
        let messages = conversation.messages().iter().map(|message| {
            let content = message.content.iter().map(|content| match content {
                Content::Text(text) => text.clone(),
                Content::Image(image) => format!("#{}", image.pixels().as_raw()[0]),
                _ => "?".into(),
            });
            format!("{:?}[{}]", message.role, content.collect::<Vec<_>>().join("|"))
        });
        messages.collect::<Vec<_>>().join(" ")
    }

    fn check(window: Window, expected: &str, left_out: LeftOut) {
        let mut history = History::new("Press B.".into());
        history.push(saw(1));
        history.push(Record::Decided { thought: "B is there.".into(), text: "{}".into() });
        history.push(saw(2));
        history.push(Record::Refused("no".into()));
        let (conversation, left) = history.conversation("Go.", window);
        assert_eq!((told(&conversation).as_str(), left), (expected, left_out));
    }

    #[test]
    fn the_task_stands_alone_and_the_newest_screenshot_comes_last() {
        check(
            Window::new(None),
            "System[Go.] User[Press B.] User[#1|The screen now, at file:///page.html.] Assistant[B is there.\n{}] \
             User[#2|The screen now, at file:///page.html.] Tool[Nothing was done: no]",
            LeftOut::default(),
        );
    }

    #[test]
    fn what_does_not_fit_is_replaced_by_a_line_that_says_so() {
        check(
            Window::new(Some(1)),
            "System[Go.] User[Press B.] User[The screen now, at file:///page.html. (This screenshot was left out to \
             save room.)] Assistant[B is there.\n{}] User[#2|The screen now, at file:///page.html.] \
             Tool[Nothing was done: no]",
            LeftOut { images: 1, records: 0 },
        );
        check(
            Window { images: 1, records: 2 },
            "System[Go.] User[Press B.] User[(What happened before was left out to save room: 2 records.)] \
             User[#2|The screen now, at file:///page.html.] Tool[Nothing was done: no]",
            LeftOut { images: 0, records: 2 },
        );
    }

    #[test]
    fn a_window_halves_its_images_first_and_then_its_records() {
        let mut window = Window::new(None);
        let mut sizes = Vec::new();
        while let Some(smaller) = window.halved(9) {
            sizes.push((smaller.images, smaller.records));
            window = smaller;
        }
        assert_eq!(sizes, [(2, usize::MAX), (1, usize::MAX), (1, 4), (1, 2), (1, 1)]);
    }
}
