//! What is asked: the images and videos, the question, and examples of how it is answered, as they stand on the command line.

use std::{path::Path, sync::Arc};

use anyhow::anyhow;
use percept::{
    models::{ChatModel, Conversation, LoadedImage, Message, ModelCard, ModelError, Role, Video},
    tools::image::RgbImage,
};

mod footage;

use super::super::{
    arguments::AskOptions,
    failure::Failure,
    narration::plain,
    output::{Ink, Output},
    slip,
};

const QUESTION_LAST: &str = "put the question last: percept ask MODEL IMAGE… \"question\"";

/// The most frames of a video that a model which watches none is shown as images.
const FRAMES: usize = 8;

/// A question and its examples, read and ready to be put.
pub(super) struct Request {
    /// The examples as earlier turns, then the question.
    pub(super) conversation: Conversation,
    /// The last image that is asked about.
    pub(super) last_image: Option<Arc<RgbImage>>,
    /// What is to be known about them.
    pub(super) notes: Vec<String>,
    /// Why there is no question, if there is none.
    no_question: Option<String>,
    has_shots: bool,
    /// How many frames each video has.
    videos: Vec<usize>,
}

impl Request {
    /// Reads every file once. Notes about them are said, and kept.
    pub(super) fn read(options: &AskOptions, output: &Output) -> Result<Self, Failure> {
        let arguments = &options.images_and_question;
        let (question, files) = match arguments.split_last() {
            Some((last, files)) if !Path::new(last).exists() => (last.trim(), files),
            _ => ("", arguments.as_slice()),
        };
        let ends_with_a_file = files.len() == arguments.len();
        footage::check_rate(options.fps, files)?;
        let mut notes = Vec::new();
        notes.extend(slip::doubt(question, "the question", QUESTION_LAST)?);
        output.notes(&notes);
        let no_question = question.is_empty().then(|| match arguments.last() {
            Some(last) if ends_with_a_file => format!("the last argument is a file, {last}"),
            _ => "the last argument is empty".to_owned(),
        });
        let mut pixels = |file: &str, image: LoadedImage| {
            for note in image.notes.iter().map(|note| format!("{file}: {note}")) {
                output.say(&output.ink(Ink::Warn, &format!("note: {}", plain(&note))));
                notes.push(note);
            }
            image.pixels
        };
        let mut shots = Vec::new();
        for shot in options.shots.chunks(2) {
            let [file, answer] = shot else { continue };
            let image = LoadedImage::open(Path::new(file))?;
            shots.push((pixels(file, image), checked(file, answer)?));
        }
        let has_shots = !shots.is_empty();
        if has_shots && files.is_empty() {
            let error = anyhow!("there are shots, and no image to ask about after them");
            return Err(Failure::bad_input(error).help(
                "name it before the question: percept ask MODEL IMAGE \"question\" --shot IMAGE \"answer\"",
            ));
        }
        let mut conversation = Conversation::of_shots(question, shots);
        let (mut message, mut last_image) = (Message { role: Role::User, content: Vec::new() }, None);
        for (place, file) in files.iter().enumerate() {
            let is_last = ends_with_a_file && place + 1 == files.len();
            let (path, unread) = (Path::new(file), |error: ModelError| match error.into() {
                failure if is_last => not_a_question(file, &failure),
                failure => failure,
            });
            let bytes = if path.is_dir() { None } else { Some(LoadedImage::bytes_of(path).map_err(unread)?) };
            if bytes.as_ref().is_none_or(|bytes| Video::is_animated(bytes)) {
                if is_last {
                    let error = anyhow!("the last argument is a video, {file}, and no question");
                    return Err(Failure::bad_input(error).help(QUESTION_LAST));
                }
                message = message.with_video(footage::open(path, bytes, options.fps)?);
                continue;
            }
            let image = LoadedImage::decode_file(path, &bytes.unwrap_or_default()).map_err(unread)?;
            let image = pixels(file, image);
            message = message.with_image(Arc::clone(&image));
            last_image = Some(image);
        }
        conversation.push(if question.is_empty() { message } else { message.with_text(question) });
        let videos = conversation.videos().map(|video| video.video().len()).collect();
        Ok(Self { conversation, last_image, notes, no_question, has_shots, videos })
    }

    pub(super) fn has_videos(&self) -> bool {
        !self.videos.is_empty()
    }

    /// That there is nothing for a model's eyes, if it has some.
    pub(super) fn unseen(&self, card: &ModelCard) -> Option<String> {
        let sees = card.max_images != Some(0);
        (sees && self.conversation.images().count() == 0 && !self.has_videos())
            .then(|| "no image is asked about".to_owned())
    }

    /// Makes images of the videos where the model watches none, and says so; `None` if there was nothing to do.
    pub(super) fn adapt(&mut self, model: &dyn ChatModel) -> Result<Option<String>, Failure> {
        let videos = self.conversation.videos().count();
        if videos == 0 || model.watches_videos() {
            return Ok(None);
        }
        let card = model.card();
        let images = self.conversation.images().count();
        let left = card.max_images.map(|most| most.saturating_sub(images) / videos);
        self.conversation = self.conversation.with_frames(left.unwrap_or(FRAMES).min(FRAMES))?;
        let shown = self.conversation.images().count() - images;
        let whole: usize = self.videos.iter().sum();
        Ok(Some(format!(
            "{} watches no videos: {shown} of {whole} frame(s) were shown to it as images",
            card.name
        )))
    }

    /// Whether there is a question, or a model that does something without one: it captions, or goes on with examples.
    pub(super) fn says_something(&self, model: &str, captions: bool) -> Result<(), Failure> {
        match &self.no_question {
            Some(reason) if !(self.has_shots || captions) => {
                let error = anyhow!(
                    "there is no question, and {model} doesn't caption an image without one: {reason}"
                );
                Err(Failure::bad_input(error).help(QUESTION_LAST))
            }
            _ => Ok(()),
        }
    }

    /// Whether a model can be asked like that.
    pub(super) fn suits(&self, card: &ModelCard, captions: bool) -> Result<(), Failure> {
        self.says_something(&card.name, captions)?;
        let images = self.conversation.images().count();
        match card.max_images {
            Some(most) if images > most => {
                let counted = if self.has_shots { " with its shots" } else { "" };
                let error =
                    anyhow!("{} takes {most} image(s), the question{counted} has {images}", card.name);
                Err(Failure::bad_input(error).help("show fewer, or take a model that sees several"))
            }
            _ => Ok(()),
        }
    }
}

/// A file at the end that isn't even an image: the question was forgotten, most likely.
fn not_a_question(file: &str, failure: &Failure) -> Failure {
    Failure::bad_input(anyhow!("the last argument is a file, {file}, and no image: {}", failure.message()))
        .help(QUESTION_LAST)
}

/// An example's answer, if it is one.
fn checked<'a>(file: &str, answer: &'a str) -> Result<&'a str, Failure> {
    let problem = match answer.trim() {
        "" => "its answer is empty".to_owned(),
        answer if Path::new(answer).is_file() => "what stands for its answer is a file".to_owned(),
        // An answer may begin with a hyphen (-5); a forgotten one isn't the option after it.
        answer if answer.strip_prefix("--").is_some_and(|name| name.starts_with(char::is_alphabetic)) => {
            format!("what stands for its answer is an option, {answer}")
        }
        answer => return Ok(answer),
    };
    Err(Failure::bad_input(anyhow!("--shot {file}: {problem}"))
        .help("a shot is an image and the answer to it: --shot a.png \"a cat\""))
}
