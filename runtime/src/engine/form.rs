//! The form of a decoder's cache: what was asked for, where its operators allow it.

use std::path::Path;

use super::{CacheForm, EngineError, EngineOptions, decoder::DecoderPlan, graph};
use crate::{cache::KeptForm, device::Device};

/// The form that the engine is told, and that of each sequence.
pub(super) fn decide_form(
    path: &Path,
    nodes: &[graph::GraphNode],
    plan: &DecoderPlan,
    options: &EngineOptions,
) -> Result<(CacheForm, KeptForm), EngineError> {
    let caches: Vec<(String, String)> =
        plan.caches.iter().map(|tensor| (tensor.past.clone(), tensor.present.clone())).collect();
    let shareable = graph::can_share(nodes, &caches);
    let window = graph::kept_window(nodes);
    if let (Some(window), Err(reason)) = (window, &shareable) {
        let (path, reason) = (path.to_owned(), format!("that needs one buffer, but {reason}"));
        return Err(EngineError::KeepsWindow { path, window, reason });
    }
    let shared = |positions: usize| {
        let positions = positions.min(options.context);
        (CacheForm::Shared { positions }, KeptForm::Shared { positions, least: window.unwrap_or(0) })
    };
    Ok(match (options.cache, shareable) {
        (CacheForm::Shared { .. }, _) if options.window.is_some() => {
            let reason = "with a window it grows and is cut".to_owned();
            return Err(EngineError::CacheForm { path: path.to_owned(), reason });
        }
        (CacheForm::Auto, Ok(())) if options.window.is_none() => shared(options.context),
        (CacheForm::Auto | CacheForm::Growing, _) => (CacheForm::Growing, KeptForm::Growing),
        (CacheForm::Host, _) => (CacheForm::Host, KeptForm::Growing),
        (CacheForm::Shared { positions }, Ok(())) => shared(positions),
        (CacheForm::Shared { .. }, Err(reason)) => {
            return Err(EngineError::CacheForm { path: path.to_owned(), reason });
        }
    })
}

/// Refuses a decoder whose attention keeps a window in the cache by itself, where that would be wrong or fail later.
///
/// Such an operator takes a buffer of any length from its window's on, and lets go only of what no longer fits. Here all
/// fits, always: then it does as it does without, and a sequence can be taken back to where it was. On the CPU, that is; on
/// other devices the buffer has to be just as long as the window (its documentation: `GroupQueryAttention`). Told before
/// the graph is opened: a provider may have no such operator, and says so in words of its own.
pub(super) fn check_kept_window(
    path: &Path,
    nodes: &[graph::GraphNode],
    options: &EngineOptions,
) -> Result<(), EngineError> {
    let Some(window) = graph::kept_window(nodes) else { return Ok(()) };
    let reason = match (&options.device.device, options.cache) {
        _ if options.window.is_some() => "load it without another window".to_owned(),
        (Device::Cpu, CacheForm::Growing | CacheForm::Host) => {
            "that needs one buffer, so let its cache be shared".to_owned()
        }
        (Device::Cpu, _) => return Ok(()),
        (device, _) => format!(
            "on {device} nothing that it read could be taken back, so load it on cpu, or export it with caches of full length \
             (`windowed_kv_cache=false` of onnxruntime-genai's builder)"
        ),
    };
    Err(EngineError::KeepsWindow { path: path.to_owned(), window, reason })
}
