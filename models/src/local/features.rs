//! What the vision encoder made of images, kept by their content: an image is encoded once, however often and
//! wherever it is shown.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{ContentHash, Span};

/// What is known of an image that was seen.
#[derive(Debug, Clone)]
pub(super) struct SeenImage {
    /// What its placeholder becomes in a prompt.
    pub(super) expansion: Arc<str>,
    /// How its features stand in a prompt, where they keep the image's shape.
    pub(super) grid: Option<Span>,
    /// What the vision encoder made of it.
    pub(super) features: Arc<Features>,
}

/// What the vision encoder made of an image, row after row.
#[derive(Debug, Default)]
pub(super) struct Features {
    /// What takes the places of the image tokens' embeddings, `[rows, hidden]`.
    pub(super) rows: Vec<f32>,
    /// Or the tokens that stand in the prompt in place of the image tokens.
    pub(super) tokens: Vec<u32>,
    /// What the decoder takes beside them, by the name of its input, `[rows, width]`.
    pub(super) beside: Vec<(String, Vec<f32>)>,
}

impl Features {
    /// The rows that go into an input of the decoder.
    pub(super) fn beside(&self, input: &str) -> Option<&[f32]> {
        self.beside.iter().find(|(name, _)| name == input).map(|(_, rows)| rows.as_slice())
    }

    /// How many of them are NaN or infinite.
    pub(super) fn not_finite(&self) -> usize {
        let all = self.beside.iter().map(|(_, rows)| rows).chain([&self.rows]);
        all.flatten().filter(|number| !number.is_finite()).count()
    }
}

impl SeenImage {
    fn bytes(&self) -> usize {
        let beside: usize = self.features.beside.iter().map(|(_, rows)| size_of_val(rows.as_slice())).sum();
        let tokens = size_of_val(self.features.tokens.as_slice());
        self.expansion.len() + size_of_val(self.features.rows.as_slice()) + tokens + beside
    }
}

/// Seen images, the least recently used forgotten first.
#[derive(Debug)]
pub(super) struct SeenImages {
    limit: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    images: HashMap<ContentHash, (SeenImage, u64)>,
    bytes: usize,
    clock: u64,
}

impl SeenImages {
    /// A memory of at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, state: Mutex::default() }
    }

    /// The image, if it is remembered.
    pub(super) fn get(&self, hash: ContentHash) -> Option<SeenImage> {
        let mut state = self.state();
        state.clock += 1;
        let now = state.clock;
        let (image, used) = state.images.get_mut(&hash)?;
        *used = now;
        Some(image.clone())
    }

    /// Remembers an image, and forgets others for it. One larger than the whole memory isn't remembered.
    pub(super) fn insert(&self, hash: ContentHash, image: SeenImage) {
        let bytes = image.bytes();
        if bytes > self.limit {
            return;
        }
        let mut state = self.state();
        state.forget(hash);
        while state.bytes + bytes > self.limit {
            let oldest = state.images.iter().min_by_key(|(_, (_, used))| *used).map(|(hash, _)| *hash);
            let Some(oldest) = oldest else { break };
            state.forget(oldest);
        }
        state.clock += 1;
        let now = state.clock;
        state.bytes += bytes;
        state.images.insert(hash, (image, now));
    }

    /// Forgets all.
    pub(super) fn clear(&self) {
        let mut state = self.state();
        state.images.clear();
        state.bytes = 0;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere can't leave it half changed: every change is done before the next call.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget(&mut self, hash: ContentHash) {
        if let Some((image, _)) = self.images.remove(&hash) {
            self.bytes -= image.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_is_forgotten_first() {
        let image_of = |rows, deep| {
            let beside = vec![("deepstack.0".to_owned(), vec![0.0; deep])];
            let features = Features { rows: vec![0.0; rows], beside, ..Features::default() };
            SeenImage { expansion: "".into(), grid: None, features: Arc::new(features) }
        };
        let image = || image_of(8, 2);
        let hash = |byte| ContentHash([byte; 32]);
        let seen = SeenImages::new(100);
        seen.insert(hash(1), image());
        seen.insert(hash(2), image());
        seen.insert(hash(2), image());
        assert!(seen.get(hash(1)).is_some());
        seen.insert(hash(3), image());
        let left: Vec<bool> = (1..=3).map(|byte| seen.get(hash(byte)).is_some()).collect();
        assert_eq!(left, [true, false, true]);
        seen.insert(hash(4), image_of(10, 16));
        assert!(seen.get(hash(4)).is_none() && seen.get(hash(1)).is_some());
        seen.clear();
        assert!(seen.get(hash(1)).is_none());
        // All of its room is free again.
        for byte in 1..=2 {
            seen.insert(hash(byte), image());
        }
        assert!(seen.get(hash(1)).is_some() && seen.get(hash(2)).is_some());
    }
}
