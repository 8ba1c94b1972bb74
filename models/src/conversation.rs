//! What a model is told: messages of text and images, in order.

use std::{borrow::Cow, fmt, sync::Arc};

use image::RgbImage;

use crate::{ModelError, Video};

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Standing instructions.
    System,
    /// The person, and what the agent passes on to the model.
    User,
    /// The model itself, earlier.
    Assistant,
    /// What a tool brought back.
    Tool,
}

/// The BLAKE3 hash of an image's size and pixels, which takes a fraction of a millisecond for a megapixel: equal images are equal
/// wherever they came from. Or that of a file's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentHash(pub [u8; 32]);

impl ContentHash {
    /// That of some bytes.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(blake3::hash(bytes).into())
    }

    /// Another hash, by which the same image is remembered as a family sees it among several.
    pub(crate) fn among_several(self) -> Self {
        let mut bytes = self.0;
        bytes[0] = !bytes[0];
        Self(bytes)
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentHash({self})")
    }
}

/// An image in a message: shared pixels and their hash, computed once.
#[derive(Debug, Clone)]
pub struct ImageContent {
    pixels: Arc<RgbImage>,
    hash: ContentHash,
}

impl ImageContent {
    /// Takes the image and hashes it.
    pub fn new(pixels: Arc<RgbImage>) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&pixels.width().to_le_bytes());
        hasher.update(&pixels.height().to_le_bytes());
        hasher.update(pixels.as_raw());
        Self { pixels, hash: ContentHash(hasher.finalize().into()) }
    }

    /// The pixels.
    pub fn pixels(&self) -> &Arc<RgbImage> {
        &self.pixels
    }

    /// The hash of size and pixels.
    pub fn hash(&self) -> ContentHash {
        self.hash
    }
}

/// A video in a message: shared, and what it shows as a hash, computed once.
#[derive(Debug, Clone)]
pub struct VideoContent {
    video: Arc<Video>,
    hash: ContentHash,
}

impl VideoContent {
    /// Takes the video and hashes its files.
    ///
    /// # Errors
    ///
    /// [`ModelError::Image`] naming the file that can't be read any more.
    pub fn new(video: Arc<Video>) -> Result<Self, ModelError> {
        let hash = video.content()?;
        Ok(Self { video, hash })
    }

    /// The video.
    pub fn video(&self) -> &Arc<Video> {
        &self.video
    }

    /// The hash of its files and of when each frame is shown.
    pub fn hash(&self) -> ContentHash {
        self.hash
    }
}

/// One piece of a message.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Content {
    /// Text.
    Text(String),
    /// An image.
    Image(ImageContent),
    /// A video. A model that watches none refuses it: [`Conversation::with_frames`] makes images of it.
    Video(VideoContent),
    /// The address of the page that the screenshot before it shows, for an API that has a place for it. It is no part of what is
    /// said: a model that is to know it is told in words.
    Address(String),
    /// What the model itself replied when it was asked for a call, in two parts as
    /// [`Completion`](crate::Completion) has them. A model on this machine is shown it as it would have written it.
    Said {
        /// The thought; may be empty.
        thought: String,
        /// The call's text.
        text: String,
        /// Whether a person confirmed it, where the model's vendor wanted that, and it was done
        /// ([`Completion::unconfirmed`](crate::Completion::unconfirmed)).
        confirmed: bool,
    },
}

impl Content {
    /// The text that it is, in plain words: of a reply the thought and the call, a line each.
    pub fn plain(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(text.into()),
            Self::Image(_) | Self::Video(_) | Self::Address(_) => None,
            Self::Said { thought, text, .. } if thought.is_empty() => Some(text.into()),
            Self::Said { thought, text, .. } => Some(format!("{thought}\n{text}").into()),
        }
    }
}

/// One turn.
#[derive(Debug, Clone)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// In the order they should be read.
    pub content: Vec<Content>,
}

impl Message {
    /// A turn of text alone.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self { role, content: vec![Content::Text(text.into())] }
    }

    /// The same turn with one more image.
    #[must_use]
    pub fn with_image(mut self, pixels: Arc<RgbImage>) -> Self {
        self.content.push(Content::Image(ImageContent::new(pixels)));
        self
    }

    /// The same turn with one more video.
    #[must_use]
    pub fn with_video(mut self, video: VideoContent) -> Self {
        self.content.push(Content::Video(video));
        self
    }

    /// The same turn with one more piece of text.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.content.push(Content::Text(text.into()));
        self
    }
}

/// Messages in order. It is only ever appended to, so that an engine finds what it has already read.
#[derive(Debug, Clone, Default)]
pub struct Conversation {
    messages: Vec<Message>,
}

impl Conversation {
    /// An empty conversation.
    pub fn new() -> Self {
        Self::default()
    }

    /// Examples of how a question is answered, before it is asked (few-shot prompting; Alayrac et al. 2022): for each
    /// image a user's turn with the question, and the answer as the model's own. With an empty question the images speak
    /// for themselves. Push the image that is to be asked about, with the same question, after them.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use percept_models::{Conversation, Message, Role};
    ///
    /// let [cat, dog, unknown] = [[200, 160, 90], [90, 60, 40], [30, 30, 30]]
    ///     .map(|colour| Arc::new(image::RgbImage::from_pixel(4, 4, image::Rgb(colour))));
    /// let question = "What is this?";
    /// let mut conversation = Conversation::of_shots(question, [(cat, "a cat"), (dog, "a dog")]);
    /// let message = Message { role: Role::User, content: Vec::new() };
    /// conversation.push(message.with_image(unknown).with_text(question));
    /// assert_eq!((conversation.messages().len(), conversation.images().count()), (5, 3));
    /// ```
    pub fn of_shots<A: Into<String>>(
        question: &str,
        shots: impl IntoIterator<Item = (Arc<RgbImage>, A)>,
    ) -> Self {
        let pair = |(image, answer): (Arc<RgbImage>, A)| {
            let asked = Message { role: Role::User, content: Vec::new() }.with_image(image);
            let asked = if question.is_empty() { asked } else { asked.with_text(question) };
            [asked, Message::text(Role::Assistant, answer)]
        };
        shots.into_iter().flat_map(pair).collect()
    }

    /// Adds a turn at the end.
    pub fn push(&mut self, message: Message) -> &mut Self {
        self.messages.push(message);
        self
    }

    /// Every turn, oldest first.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The same with images in the place of each video, for a model that watches none: its first and last frame and
    /// those evenly between, one a second at most, no more than `most` of each.
    ///
    /// # Errors
    ///
    /// [`ModelError::Image`] naming the file that can't be decoded.
    pub fn with_frames(&self, most: usize) -> Result<Self, ModelError> {
        let frames = |video: &VideoContent| {
            let (video, all) = (video.video(), video.video().len());
            let seconds = video.duration().as_secs_f64().ceil() as usize;
            let count = seconds.max(2).min(most).min(all).max(1);
            // In whole numbers, rounded to the nearest place.
            let spaces = (count - 1).max(1);
            let places: Vec<usize> =
                (0..count).map(|place| (2 * place * (all - 1) + spaces) / (2 * spaces)).collect();
            video.frames(&places)
        };
        let mut messages = Vec::with_capacity(self.messages.len());
        for message in &self.messages {
            let mut content = Vec::with_capacity(message.content.len());
            for part in &message.content {
                match part {
                    Content::Video(video) => {
                        content.extend(frames(video)?.into_iter().map(ImageContent::new).map(Content::Image));
                    }
                    other => content.push(other.clone()),
                }
            }
            messages.push(Message { role: message.role, content });
        }
        Ok(Self { messages })
    }

    /// Every video, oldest first.
    pub fn videos(&self) -> impl Iterator<Item = &VideoContent> {
        self.messages.iter().flat_map(|message| &message.content).filter_map(|content| match content {
            Content::Video(video) => Some(video),
            Content::Text(_) | Content::Said { .. } | Content::Address(_) | Content::Image(_) => None,
        })
    }

    /// Every image, oldest first.
    pub fn images(&self) -> impl Iterator<Item = &ImageContent> {
        self.messages.iter().flat_map(|message| &message.content).filter_map(|content| match content {
            Content::Image(image) => Some(image),
            Content::Text(_) | Content::Said { .. } | Content::Address(_) | Content::Video(_) => None,
        })
    }
}

impl FromIterator<Message> for Conversation {
    fn from_iter<T: IntoIterator<Item = Message>>(messages: T) -> Self {
        Self { messages: messages.into_iter().collect() }
    }
}
