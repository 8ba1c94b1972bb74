//! What a conversation shows, images and videos in their order, and what becomes of each.

use std::sync::Arc;

use image::RgbImage;

use super::{Inner, prompt::PromptImage};
use crate::{
    Content, ContentHash, Conversation, ModelError, SampledVideo, Span, Video, processor::PatchGrid,
};

/// An image or a video, by what the model sees of it.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    /// Equal where the same is seen.
    pub(super) hash: ContentHash,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Image(Arc<RgbImage>),
    Video(Arc<Video>, SampledVideo),
}

impl Shown {
    pub(super) fn is_video(&self) -> bool {
        matches!(self.source, Source::Video(..))
    }
}

/// Everything that is shown, the frames of each video chosen.
pub(super) fn shown(inner: &Inner, conversation: &Conversation) -> Result<Vec<Shown>, ModelError> {
    let contents = conversation.messages().iter().flat_map(|message| &message.content);
    let mut all = Vec::new();
    for content in contents {
        match content {
            Content::Text(_) => {}
            Content::Image(image) => {
                all.push(Shown { hash: image.hash(), source: Source::Image(Arc::clone(image.pixels())) });
            }
            Content::Video(video) => {
                let processor = inner.folder.video.as_ref().ok_or_else(|| {
                    ModelError::Conversation(format!(
                        "a `{}` model with this folder's template watches no videos: make images of one with `with_frames`",
                        inner.folder.family.name()
                    ))
                })?;
                let sampled = processor.sample(video.video())?;
                let hash = seen(video.hash(), &sampled.places);
                all.push(Shown { hash, source: Source::Video(Arc::clone(video.video()), sampled) });
            }
        }
    }
    Ok(all)
}

/// The hash of a video's frames of which these are seen.
fn seen(video: ContentHash, places: &[usize]) -> ContentHash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"video");
    hasher.update(&video.0);
    for place in places {
        hasher.update(&(*place as u64).to_le_bytes());
    }
    ContentHash(hasher.finalize().into())
}

/// What is remembered of it, or what its processor makes of it.
pub(super) async fn process(inner: &Arc<Inner>, shown: &Shown) -> Result<PromptImage, ModelError> {
    if let Some(seen) = inner.seen.get(shown.hash) {
        return Ok(PromptImage::Seen(seen));
    }
    let (inner, source) = (Arc::clone(inner), shown.source.clone());
    let work = tokio::task::spawn_blocking(move || {
        let (family, folder) = (&inner.folder.family, &inner.folder);
        let (expansion, grid, image) = match (source, &folder.video) {
            (Source::Video(video, sampled), Some(processor)) => {
                let image = processor.process(&video.frames(&sampled.places)?)?;
                (family.expand_video(&sampled, &image), family.video_span(&sampled, &image), image)
            }
            (Source::Image(pixels), _) => {
                let image = folder.processor.process(&pixels)?;
                let features = image.patches.map(PatchGrid::features);
                let grid = features.map(|[rows, columns]| Span::Image { rows, columns });
                (family.expand(&image), grid, image)
            }
            (Source::Video(..), None) => {
                return Err(ModelError::Conversation("a video, and no processor for it".into()));
            }
        };
        Ok(PromptImage::Processed { expansion: expansion.into(), image: Arc::new(image), grid })
    });
    work.await.map_err(|error| ModelError::Engine(error.into()))?
}
