//! Whose embeddings are whose: everything that decides what a picture becomes, as one hash.

use std::{fs::File, io, path::Path};

use super::LocalDualEncoder;
use crate::{
    ContentHash, ModelError,
    dual_encoder::{
        EncoderLayout,
        folder::{JOINT, VISION},
    },
    folder::{Weights, bad},
};

impl LocalDualEncoder {
    /// A hash of what makes embeddings of pictures: the image tower's graph with its weights, the image processor, the device and
    /// this crate's version. Equal hashes mean equal embeddings, but for what another version of ONNX Runtime's library rounds
    /// differently; the files are read for it, which takes about a second a gigabyte.
    ///
    /// # Errors
    ///
    /// [`ModelError::Folder`] for a file that can't be read any more.
    pub fn identity(&self) -> Result<ContentHash, ModelError> {
        let folder = &self.inner.folder;
        let mut hasher = blake3::Hasher::new();
        let device = &self.inner.card.device;
        for text in [env!("CARGO_PKG_VERSION"), device.as_str(), &format!("{:?}", folder.processor)] {
            hasher.update(&text.len().to_le_bytes());
            hasher.update(text.as_bytes());
        }
        let session = if folder.layout == EncoderLayout::Joint { JOINT } else { VISION };
        for file in folder.sessions.iter().filter(|file| file.session == session) {
            let data = Weights::of_graph(&file.path)?.data;
            for path in std::iter::once(&file.path).chain(&data) {
                add(&mut hasher, path).map_err(|error| bad(path, error.to_string()))?;
            }
        }
        Ok(ContentHash(hasher.finalize().into()))
    }
}

fn add(hasher: &mut blake3::Hasher, path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    hasher.update(&file.metadata()?.len().to_le_bytes());
    hasher.update_reader(file).map(drop)
}
