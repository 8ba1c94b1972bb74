//! The two libraries with which the reference computes, and which of them a folder means.

use serde::{Deserialize, Serialize};

/// Whose arithmetic a processor follows, bit for bit. The two differ by a grey level here and there.
///
/// A folder names its backend only where its `image_processor_type` ends in `Fast`: transformers 4 wrote that
/// for torchvision, and a bare name for Pillow, and nearly every folder was written by it. transformers 5 writes
/// the bare name for both, and reads both with torchvision wherever that is installed, so that its result depends
/// on the machine. Here a bare name means Pillow, with which CLIP, SigLIP and LLaVA were trained; `[images]
/// backend` in a folder's `percept.toml` says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// Pillow 11.3: weights with 22 bits after the point; rescaled, then normalised.
    #[default]
    Pillow,
    /// torchvision 0.29 on a CPU with AVX2: weights in 16 bits, as many after the point as the largest weight of
    /// the pass allows; rescaled and normalised in one step.
    Torchvision,
}

impl Backend {
    /// The backend of a class's name, and the name without it.
    pub(super) fn of_class(class: &str) -> (Self, &str) {
        match class.strip_suffix("Fast") {
            Some(bare) => (Self::Torchvision, bare),
            None => (Self::Pillow, class.strip_suffix("Pil").unwrap_or(class)),
        }
    }
}
