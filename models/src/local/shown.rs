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
    /// By what it is remembered: equal where the same is seen in the same way.
    pub(super) key: ContentHash,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    /// With how many images the conversation shows.
    Image(Arc<RgbImage>, usize),
    Video(Arc<Video>, SampledVideo),
}

impl Source {
    /// What it is, and how large, in words.
    fn size(&self) -> (&'static str, String) {
        match self {
            Self::Image(pixels, _) => ("image", format!("{}×{} pixels", pixels.width(), pixels.height())),
            Self::Video(video, _) => ("video", format!("{} frame(s)", video.len())),
        }
    }
}

impl Shown {
    pub(super) fn is_video(&self) -> bool {
        matches!(self.source, Source::Video(..))
    }
}

/// Everything that is shown, the frames of each video chosen.
pub(super) fn shown(inner: &Inner, conversation: &Conversation) -> Result<Vec<Shown>, ModelError> {
    let folder = &inner.folder;
    let (count, videos) = (conversation.images().count(), conversation.videos().count());
    if !folder.family.sees() && count + videos > 0 {
        let counted = if videos == 0 { String::new() } else { format!(" and {videos} video(s)") };
        return Err(ModelError::Conversation(format!(
            "a `{}` model reads text alone, the conversation has {count} image(s){counted}: leave them out, or ask a \
             model that sees",
            folder.family.name(),
        )));
    }
    let among_several = folder.sees_otherwise(count);
    let contents = conversation.messages().iter().flat_map(|message| &message.content);
    let mut all = Vec::new();
    for content in contents {
        match content {
            Content::Text(_) | Content::Said { .. } | Content::Address(_) => {}
            Content::Image(image) => {
                let key = if among_several { image.hash().among_several() } else { image.hash() };
                all.push(Shown { key, source: Source::Image(Arc::clone(image.pixels()), count) });
            }
            Content::Video(video) => {
                let processor = folder.video.as_ref().ok_or_else(|| {
                    ModelError::Conversation(format!(
                        "a `{}` model with this folder's template watches no videos: make images of one with `with_frames`",
                        folder.family.name()
                    ))
                })?;
                let sampled = processor.sample(video.video())?;
                let key = seen(video.hash(), &sampled.places);
                all.push(Shown { key, source: Source::Video(Arc::clone(video.video()), sampled) });
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
    if let Some(seen) = inner.seen.get(shown.key) {
        return Ok(PromptImage::Seen(seen));
    }
    let (inner, source) = (Arc::clone(inner), shown.source.clone());
    let (what, size) = source.size();
    let work = tokio::task::spawn_blocking(move || {
        let (family, folder) = (&inner.folder.family, &inner.folder);
        let (expansion, grid, image) = match (source, &folder.video) {
            (Source::Video(video, sampled), Some(processor)) => {
                let image =
                    processor.process_each(sampled.places.len(), video.each_frame(&sampled.places)?)?;
                (family.expand_video(&sampled, &image), family.video_span(&sampled, &image), image)
            }
            (Source::Image(pixels, count), _) => {
                let Some(processor) = folder.processor_of(count) else {
                    return Err(ModelError::Image("this model has no image processor".into()));
                };
                let image = processor.process(&pixels)?;
                let features = image.patches.map(PatchGrid::features);
                let grid = features.map(|[rows, columns]| Span::Image { rows, columns });
                (family.expand(&image), grid, image)
            }
            (Source::Video(..), None) => {
                return Err(ModelError::Conversation("a video, and no processor for it".into()));
            }
        };
        let video_token = family.video().map(|form| form.token);
        let tokens = [Some(family.image_token()), video_token];
        if !tokens.into_iter().flatten().any(|token| expansion.contains(token)) {
            return Err(ModelError::Image(format!(
                "its processor leaves nothing of {size}, the prompt would be without the {what}: show a larger one, or \
                 compare `preprocessor_config.json` with the model's own"
            )));
        }
        Ok(PromptImage::Processed { expansion: expansion.into(), image: Arc::new(image), grid })
    });
    work.await.map_err(|error| ModelError::Engine(error.into()))?
}
