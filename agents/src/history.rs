//! What the agent remembers of a run, in typed records, and how a model is told of it.

use percept_models::{Content, Conversation, Message, Role};
use percept_tools::{Part, PartBody, Source};

use crate::{Demonstration, Percept};

/// One thing that happened, as far as the model is concerned.
#[derive(Debug, Clone)]
pub(crate) enum Record {
    /// A look at the screen.
    Saw(Percept),
    /// The model's own words: a thought and a call, and whether a person confirmed that for the model's vendor.
    Decided { thought: String, text: String, confirmed: bool },
    /// What a tool brought back.
    Observed(Vec<Part>),
    /// Why an action didn't happen.
    Refused(String),
    /// What the model means to do.
    Plan(String),
    /// What the model made of a failure.
    Lesson(String),
    /// What the model made of everything before, which is no longer shown.
    Summary(String),
    /// Percept's own words.
    Note(String),
}

/// How much of the history a model is shown: the newest of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// Whether demonstrations are shown.
    pub(crate) demonstrations: bool,
    /// Images of the run's own.
    pub(crate) images: usize,
    /// Records.
    pub(crate) records: usize,
}

impl Window {
    /// As many images as the model takes beside those of the demonstrations, but no more than are of use.
    pub(crate) fn new(max_images: Option<usize>, shown: usize) -> Self {
        const USEFUL: usize = 4;
        let images = max_images.map_or(USEFUL, |most| most.saturating_sub(shown)).clamp(1, USEFUL);
        Self { demonstrations: shown > 0, images, records: usize::MAX }
    }

    /// Half of it: the demonstrations go first, then images; `None` if there is nothing left to leave out.
    pub(crate) fn halved(self, records: usize) -> Option<Self> {
        if self.demonstrations {
            return Some(Self { demonstrations: false, ..self });
        }
        if self.images > 1 {
            return Some(Self { images: self.images / 2, ..self });
        }
        let records = self.records.min(records);
        (records > 1).then_some(Self { records: records / 2, ..self })
    }

    /// How many of so many images are left out. They go several at a time, so that what is shown stays the beginning of
    /// what will be shown, and a cached prefix lives for some turns.
    fn without(self, images: usize) -> usize {
        let at_a_time = (self.images / 2).max(1);
        images.saturating_sub(self.images).div_ceil(at_a_time) * at_a_time
    }
}

/// What was left out of a conversation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    pub(crate) demonstrations: usize,
    pub(crate) images: usize,
    pub(crate) records: usize,
}

/// What a model is told in Percept's words around the history.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words<'a> {
    /// Before everything.
    pub(crate) instruction: &'a str,
    /// Before each demonstration, by its place.
    pub(crate) examples: &'a [String],
    /// After the demonstrations.
    pub(crate) own: &'a str,
}

/// The task and everything since.
#[derive(Debug, Clone)]
pub(crate) struct History {
    demonstrations: Vec<Demonstration>,
    task: String,
    records: Vec<Record>,
}

impl History {
    pub(crate) fn new(demonstrations: Vec<Demonstration>, task: String) -> Self {
        Self { demonstrations, task, records: Vec::new() }
    }

    pub(crate) fn demonstrations(&self) -> &[Demonstration] {
        &self.demonstrations
    }

    pub(crate) fn push(&mut self, record: Record) {
        self.records.push(record);
    }

    /// A person confirmed what was decided last, for the model's vendor, and it is done.
    pub(crate) fn confirm(&mut self) {
        let decided = self.records.iter_mut().rev().find_map(|record| match record {
            Record::Decided { confirmed, .. } => Some(confirmed),
            _ => None,
        });
        if let Some(confirmed) = decided {
            *confirmed = true;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// How many of the oldest records to fold, so that about half is left and what was seen last stays.
    pub(crate) fn foldable(&self) -> Option<usize> {
        let half = self.records.len() / 2;
        (half > 2).then_some(half)
    }

    /// Puts a summary in place of the oldest records.
    pub(crate) fn fold(&mut self, records: usize, summary: String) {
        let records = records.min(self.records.len());
        self.records.splice(..records, [Record::Summary(summary)]);
    }

    /// The oldest records alone, without their images: what a summary is made of.
    pub(crate) fn oldest(&self, instruction: &str, records: usize) -> Conversation {
        let mut conversation = Conversation::new();
        conversation.push(Message::text(Role::System, instruction));
        conversation.push(Message::text(Role::User, self.task.as_str()));
        let mut without_image = usize::MAX;
        for record in self.records.iter().take(records) {
            conversation.push(record.message(&mut without_image));
        }
        conversation
    }

    /// The history as a conversation: the instruction, the demonstrations, the task alone in a message of its own, then
    /// what happened. What doesn't fit into the window is replaced by a line that says so.
    pub(crate) fn conversation(&self, words: Words<'_>, window: Window) -> (Conversation, LeftOut) {
        let mut conversation = Conversation::new();
        conversation.push(Message::text(Role::System, words.instruction));
        let shown = if window.demonstrations { self.demonstrations.as_slice() } else { &[] };
        for (demonstration, example) in shown.iter().zip(words.examples) {
            demonstrated(&mut conversation, demonstration, example);
        }
        if !shown.is_empty() {
            conversation.push(Message::text(Role::User, words.own));
        }
        let demonstrations = self.demonstrations.len() - shown.len();
        conversation.push(Message::text(Role::User, self.task.as_str()));
        let dropped = self.records.len().saturating_sub(window.records);
        let shown = &self.records[dropped..];
        if dropped > 0 {
            let note = format!("(What happened before was left out to save room: {dropped} records.)");
            conversation.push(Message::text(Role::User, note));
        }
        let images = shown.iter().map(Record::images).sum::<usize>();
        let mut without_image = window.without(images);
        let left_out = LeftOut { demonstrations, images: without_image, records: dropped };
        for record in shown {
            conversation.push(record.message(&mut without_image));
        }
        (conversation, left_out)
    }
}

/// Shows a run that is over: each step's screen as it was, and what was thought and done.
fn demonstrated(conversation: &mut Conversation, demonstration: &Demonstration, example: &str) {
    conversation.push(Message::text(Role::User, example));
    for step in &demonstration.steps {
        if let Some(image) = &step.image {
            let content = vec![Content::Image(image.clone()), Content::Text("The screen then.".into())];
            conversation.push(Message { role: Role::User, content });
        }
        conversation.push(spoken(&step.thought, &step.text, false));
    }
}

/// The model's own words.
fn spoken(thought: &str, text: &str, confirmed: bool) -> Message {
    let said = Content::Said { thought: thought.to_owned(), text: text.to_owned(), confirmed };
    Message { role: Role::Assistant, content: vec![said] }
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
                let address = seen.location.clone().map(Content::Address);
                let content = if skip(without_image) {
                    vec![Content::Text(format!("{text} (This screenshot was left out to save room.)"))]
                } else {
                    vec![Content::Image(percept.image().clone()), Content::Text(text)]
                };
                Message { role: Role::User, content: content.into_iter().chain(address).collect() }
            }
            Self::Decided { thought, text, confirmed } => spoken(thought, text, *confirmed),
            Self::Observed(parts) => {
                parts.iter().fold(Message { role: Role::Tool, content: Vec::new() }, |message, part| {
                    observed(message, part, without_image)
                })
            }
            Self::Refused(reason) => Message::text(Role::Tool, format!("Nothing was done: {reason}")),
            Self::Plan(plan) => Message::text(Role::Assistant, plan.as_str()),
            Self::Summary(summary) => Message::text(Role::Assistant, format!("So far: {summary}")),
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
    use std::{borrow::Cow, sync::Arc};

    use image::RgbImage;
    use percept_models::{Content, Conversation};
    use percept_tools::{Frame, PixelSize, Screenshot};

    use super::{History, LeftOut, Record, Window, Words};
    use crate::{Demonstration, Percept, Shown};

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
            let content = message.content.iter().filter_map(|content| match content {
                Content::Image(image) => Some(format!("#{}", image.pixels().as_raw()[0])),
                other => other.plain().map(Cow::into_owned),
            });
            format!("{:?}[{}]", message.role, content.collect::<Vec<_>>().join("|"))
        });
        messages.collect::<Vec<_>>().join(" ")
    }

    fn check(window: Window, expected: &str, left_out: LeftOut) {
        let mut history = History::new(Vec::new(), "Press B.".into());
        history.push(saw(1));
        let (thought, text) = ("B is there.".into(), "{}".into());
        history.push(Record::Decided { thought, text, confirmed: false });
        history.push(saw(2));
        history.push(Record::Refused("no".into()));
        let words = Words { instruction: "Go.", examples: &[], own: "Now you." };
        let (conversation, left) = history.conversation(words, window);
        assert_eq!((told(&conversation).as_str(), left), (expected, left_out));
    }

    #[test]
    fn the_task_stands_alone_and_the_newest_screenshot_comes_last() {
        check(
            Window::new(None, 0),
            "System[Go.] User[Press B.] User[#1|The screen now, at file:///page.html.] Assistant[B is there.\n{}] \
             User[#2|The screen now, at file:///page.html.] Tool[Nothing was done: no]",
            LeftOut::default(),
        );
    }

    #[test]
    fn what_does_not_fit_is_replaced_by_a_line_that_says_so() {
        check(
            Window::new(Some(1), 0),
            "System[Go.] User[Press B.] User[The screen now, at file:///page.html. (This screenshot was left out to \
             save room.)] Assistant[B is there.\n{}] User[#2|The screen now, at file:///page.html.] \
             Tool[Nothing was done: no]",
            LeftOut { images: 1, ..LeftOut::default() },
        );
        check(
            Window { demonstrations: false, images: 1, records: 2 },
            "System[Go.] User[Press B.] User[(What happened before was left out to save room: 2 records.)] \
             User[#2|The screen now, at file:///page.html.] Tool[Nothing was done: no]",
            LeftOut { records: 2, ..LeftOut::default() },
        );
    }

    #[test]
    fn a_window_halves_its_images_first_and_then_its_records() {
        let mut window = Window::new(None, 3);
        let mut sizes = Vec::new();
        while let Some(smaller) = window.halved(9) {
            sizes.push((smaller.demonstrations, smaller.images, smaller.records));
            window = smaller;
        }
        let all = usize::MAX;
        assert_eq!(
            sizes,
            [(false, 4, all), (false, 2, all), (false, 1, all), (false, 1, 4), (false, 1, 2), (false, 1, 1)]
        );
        assert_eq!(Window::new(Some(5), 3).images, 2, "the demonstrations' images count");
    }

    #[test]
    fn images_go_several_at_a_time_so_that_a_prefix_lives_for_some_turns() {
        let window = Window::new(None, 0);
        let left_out: Vec<_> = (0..10).map(|images| window.without(images)).collect();
        assert_eq!(left_out, [0, 0, 0, 0, 0, 2, 2, 4, 4, 6]);
        let narrow = Window::new(Some(1), 0);
        assert_eq!((0..4).map(|images| narrow.without(images)).collect::<Vec<_>>(), [0, 0, 1, 2]);
    }

    #[test]
    fn a_demonstration_comes_before_the_task_step_by_step() {
        let Record::Saw(percept) = saw(7) else { unreachable!() };
        let step = |thought: &str, text: &str| Shown {
            image: Some(percept.image().clone()),
            thought: thought.into(),
            text: text.into(),
            call: None,
        };
        let shown = Demonstration {
            task: "Press A.".into(),
            by: "another".into(),
            steps: vec![step("A is there.", "{a}"), step("", "{end}")],
        };
        let history = History::new(vec![shown], "Press B.".into());
        let examples = ["Once: Press A.".to_owned()];
        let words = Words { instruction: "Go.", examples: &examples, own: "Now you." };
        let (conversation, _) = history.conversation(words, Window::new(None, 2));
        let expected = "System[Go.] User[Once: Press A.] User[#7|The screen then.] Assistant[A is there.\n{a}] \
                        User[#7|The screen then.] Assistant[{end}] User[Now you.] User[Press B.]";
        assert_eq!(told(&conversation), expected);
        let without = Window { demonstrations: false, ..Window::new(None, 2) };
        let (conversation, left_out) = history.conversation(words, without);
        assert_eq!(
            (told(&conversation).as_str(), left_out.demonstrations),
            ("System[Go.] User[Press B.]", 1)
        );
    }

    #[test]
    fn what_was_folded_is_a_summary_at_the_beginning() {
        let mut history = History::new(Vec::new(), "Press B.".into());
        for shade in 0..6 {
            history.push(saw(shade));
        }
        let records = history.foldable().unwrap();
        let oldest = told(&history.oldest("Go.", records));
        assert_eq!((records, oldest.matches("left out").count(), oldest.contains('#')), (3, 3, false));
        history.fold(records, "three screens".into());
        let words = Words { instruction: "Go.", examples: &[], own: "" };
        let (conversation, _) = history.conversation(words, Window::new(None, 0));
        let told = told(&conversation);
        assert!(
            told.starts_with("System[Go.] User[Press B.] Assistant[So far: three screens] User[#3"),
            "{told}"
        );
    }
}
