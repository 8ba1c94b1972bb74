//! What crossed the border between the host's memory and a device's, counted where tensors are bound.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use ort::memory::{AllocationDevice, MemoryInfo};
use serde::{Deserialize, Serialize};

/// Bytes that crossed since the engine was loaded, by purpose.
///
/// On `cpu` there is no border and all of it stays 0. On any other device the cache must stay 0 in both
/// directions: that is what makes decoding fast there, and a test holds it so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Moved {
    /// Embeddings, host to device: one row for each token read.
    pub embeddings_to_device: u64,
    /// Masks, positions and token ids, host to device.
    pub indices_to_device: u64,
    /// Scores of the next token, device to host.
    pub logits_to_host: u64,
    /// Keys and values, host to device.
    pub cache_to_device: u64,
    /// Keys and values, device to host.
    pub cache_to_host: u64,
    /// What encoders are given (pixels), host to device.
    pub encoders_to_device: u64,
    /// What encoders give (features), device to host.
    pub encoders_to_host: u64,
}

/// Why a tensor crosses.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Embeddings,
    Indices,
    Logits,
    Cache,
    Encoders,
}

/// Which way it crosses.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Crossing {
    ToDevice,
    ToHost,
}

/// The engine's own count: written by its thread, read by any handle.
#[derive(Debug, Clone, Default)]
pub(crate) struct MovedCounter(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    embeddings_to_device: AtomicU64,
    indices_to_device: AtomicU64,
    logits_to_host: AtomicU64,
    cache_to_device: AtomicU64,
    cache_to_host: AtomicU64,
    encoders_to_device: AtomicU64,
    encoders_to_host: AtomicU64,
}

impl MovedCounter {
    /// Counts `bytes` of a tensor that lies in `memory`, next to a session that computes in `home`.
    ///
    /// A tensor that lies where the session computes hasn't crossed. Two names of the host's memory are one.
    pub(crate) fn count(
        &self,
        purpose: Purpose,
        crossing: Crossing,
        memory: &MemoryInfo<'_>,
        home: &MemoryInfo<'_>,
        bytes: usize,
    ) {
        if is_host(memory) == is_host(home) {
            return;
        }
        let counts = &self.0;
        let count = match (purpose, crossing) {
            (Purpose::Embeddings, _) => &counts.embeddings_to_device,
            (Purpose::Indices, _) => &counts.indices_to_device,
            (Purpose::Logits, _) => &counts.logits_to_host,
            (Purpose::Cache, Crossing::ToDevice) => &counts.cache_to_device,
            (Purpose::Cache, Crossing::ToHost) => &counts.cache_to_host,
            (Purpose::Encoders, Crossing::ToDevice) => &counts.encoders_to_device,
            (Purpose::Encoders, Crossing::ToHost) => &counts.encoders_to_host,
        };
        count.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Moved {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &self.0;
        Moved {
            embeddings_to_device: read(&counts.embeddings_to_device),
            indices_to_device: read(&counts.indices_to_device),
            logits_to_host: read(&counts.logits_to_host),
            cache_to_device: read(&counts.cache_to_device),
            cache_to_host: read(&counts.cache_to_host),
            encoders_to_device: read(&counts.encoders_to_device),
            encoders_to_host: read(&counts.encoders_to_host),
        }
    }
}

/// Whether this is the host's own memory. A software device says that its hardware is a CPU, so its kind
/// can't be asked; its memory has a name of its own.
pub(crate) fn is_host(memory: &MemoryInfo<'_>) -> bool {
    memory.allocation_device() == AllocationDevice::CPU
}
