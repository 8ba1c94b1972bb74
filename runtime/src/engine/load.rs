//! Loading a model: its files checked, its graphs opened on the device, its decoder's plan and cache decided.

use std::{collections::HashMap, path::Path};

use ort::{
    memory::{Allocator, MemoryInfo},
    session::Session,
};

use super::{
    CacheForm, EngineError, EngineFacts, EngineGraphs, EngineOptions, decoder::DecoderPlan, encoder::Encoder,
    graph, step::Decoder, thread::LoadedModel,
};
use crate::{
    cache::{CacheLayout, KeptForm},
    device::{Device, DeviceChoice},
    library::Runtime,
    moved::{MovedCounter, is_host},
    placement::Placement,
    signature::Signature,
};

/// Loads everything; on the thread that will own it.
pub(super) fn load(
    runtime: &Runtime,
    graphs: &EngineGraphs,
    options: &EngineOptions,
) -> Result<(LoadedModel, EngineFacts), EngineError> {
    let moved = MovedCounter::default();
    let mut opened =
        Opened { runtime, options, moved: &moved, signatures: Vec::new(), placement: Vec::new() };

    // Without a decoder nothing is kept, and the form means nothing.
    let (mut decoder, mut form, mut vocabulary, mut doubt) = (None, CacheForm::Growing, 0, None);
    if let Some(path) = &graphs.decoder {
        let opened = opened.decoder(path)?;
        (form, vocabulary, doubt) = (opened.form, opened.vocabulary, opened.doubt);
        decoder = Some(opened.decoder);
    }

    let embedding = graphs
        .embedding
        .as_ref()
        .map(|path| opened.encoder("embedding", path, Some(Device::Cpu)))
        .transpose()?;
    let encoders = graphs
        .encoders
        .iter()
        .map(|(name, path)| opened.encoder(name, path, None))
        .collect::<Result<Vec<_>, _>>()?;

    let Opened { signatures, placement, .. } = opened;
    let context = match form {
        CacheForm::Shared { positions } => options.context.min(positions),
        _ => options.context,
    };
    tracing::debug!(?form, context, vocabulary, "loaded");
    // Nothing says how many rows a table has that no decoder's scores go with.
    let known = if decoder.is_some() { vocabulary } else { usize::MAX };
    let sequences = HashMap::new();
    let model = LoadedModel { sequences, next: 0, decoder, embedding, encoders, context, vocabulary: known };
    Ok((model, EngineFacts { signatures, placement, cache_form: form, context, vocabulary, moved, doubt }))
}

struct Opened<'a> {
    runtime: &'a Runtime,
    options: &'a EngineOptions,
    moved: &'a MovedCounter,
    signatures: Vec<(String, Signature)>,
    placement: Vec<(String, Placement)>,
}

/// A decoder, and what else is known of it once it is open.
struct OpenedDecoder {
    decoder: Decoder,
    form: CacheForm,
    vocabulary: usize,
    doubt: Option<&'static str>,
}

impl Opened<'_> {
    fn decoder(&mut self, path: &Path) -> Result<OpenedDecoder, EngineError> {
        let nodes = graph::nodes(path)?;
        let (session, signature, home) = self.open("decoder", path, &self.options.device)?;
        let plan = DecoderPlan::read(path, &signature, &self.options.decoder)?;
        let vocabulary = plan.vocabulary.ok_or_else(|| EngineError::Graph {
            path: path.to_owned(),
            role: "a decoder",
            reason: "it doesn't say how many tokens it scores, and neither does the model's configuration"
                .to_owned(),
        })?;
        let (form, kept) = decide_form(path, &nodes, &plan, self.options)?;
        let memory = if form == CacheForm::Host { MemoryInfo::default() } else { home.clone() };
        let allocator =
            if is_host(&memory) { Allocator::default() } else { Allocator::new(&session, memory.clone())? };
        let layout = CacheLayout {
            tensors: plan.caches.clone(),
            memory,
            home,
            allocator,
            form: kept,
            moved: self.moved.clone(),
        };
        let reading = self.options.reading;
        let decoder = Decoder {
            binding: session.create_binding()?,
            layout,
            plan,
            longest_run: longest_run(&self.options.device)
                .filter(|_| !reading.whole_prompt || fuses_attention(&nodes)),
            order: reading,
            host: MemoryInfo::default(),
            moved: self.moved.clone(),
            session,
        };
        let doubt = doubt(&self.options.device.device, &nodes);
        Ok(OpenedDecoder { decoder, form, vocabulary, doubt })
    }

    /// A session, what it declares, and the memory that it computes in.
    fn open(
        &mut self,
        name: &str,
        path: &Path,
        device: &DeviceChoice,
    ) -> Result<(Session, Signature, MemoryInfo<'static>), EngineError> {
        let span = tracing::debug_span!("open", graph = name, path = %path.display());
        let _entered = span.enter();
        let session = self.runtime.open_session(path, device, self.options.threads)?;
        let signature = Signature::of(&session);
        self.signatures.push((name.to_owned(), signature.clone()));
        self.placement.push((name.to_owned(), Placement::of(&session, path)?));
        Ok((session, signature, self.runtime.cache_memory(device)?))
    }

    fn encoder(&mut self, name: &str, path: &Path, device: Option<Device>) -> Result<Encoder, EngineError> {
        // Read for its errors alone: ONNX Runtime's own don't tell a missing file from a torn one.
        graph::nodes(path)?;
        let device = match device {
            Some(device) => DeviceChoice { device, ..self.options.device.clone() },
            None => self.options.device.clone(),
        };
        let (session, signature, home) = self.open(name, path, &device)?;
        Ok(Encoder {
            name: name.to_owned(),
            signature,
            home,
            host: MemoryInfo::default(),
            moved: self.moved.clone(),
            session,
        })
    }
}

/// The most tokens that one run may read on this device.
///
/// From 32 on, the WebGPU provider's `GroupQueryAttention` takes a kernel that assumes subgroups of at least 8
/// invocations. A software device may have 4 (SwiftShader has); the kernel then counts keys twice and says nothing
/// (seen with plugin 0.4.0: scores off by 1 to 3, from exactly 32 tokens on). Below 32 it takes another one.
fn longest_run(choice: &DeviceChoice) -> Option<usize> {
    choice.software.then_some(31)
}

/// Whether attention is an operator of ONNX Runtime's own, whose kernels depend on how much is read at once.
fn fuses_attention(nodes: &[graph::GraphNode]) -> bool {
    let fused = ["GroupQueryAttention", "MultiHeadAttention", "Attention"];
    nodes.iter().any(|node| fused.contains(&node.operator.as_str()))
}

/// What makes a decoder's scores on this device doubtful.
///
/// The WebGPU provider's `GroupQueryAttention` checks the shape of `position_ids` and goes by the length of the past
/// all the same, silently (seen with plugin 0.4.0). A graph whose tables hold only the rows of the tokens it is given,
/// as PyTorch's exporter writes it, is then right for a whole prompt at once, and turns queries and keys to nothing
/// from the second run on.
fn doubt(device: &Device, nodes: &[graph::GraphNode]) -> Option<&'static str> {
    (matches!(device, Device::WebGpu(_)) && graph::is_told_positions(nodes)).then_some(
        "its attention is told positions (`GroupQueryAttention` with `position_ids`), which webgpu doesn't read: \
         replies may be wrong here, compare them with cpu's before you trust them",
    )
}

/// The form of the cache: what was asked for, where the graph allows it.
fn decide_form(
    path: &Path,
    nodes: &[graph::GraphNode],
    plan: &DecoderPlan,
    options: &EngineOptions,
) -> Result<(CacheForm, KeptForm), EngineError> {
    let caches: Vec<(String, String)> =
        plan.caches.iter().map(|tensor| (tensor.past.clone(), tensor.present.clone())).collect();
    let shareable = graph::can_share(nodes, &caches);
    let shared = |positions: usize| {
        let positions = positions.min(options.context);
        (CacheForm::Shared { positions }, KeptForm::Shared { positions })
    };
    Ok(match (options.cache, shareable) {
        (CacheForm::Auto, Ok(())) => shared(options.context),
        (CacheForm::Auto | CacheForm::Growing, _) => (CacheForm::Growing, KeptForm::Growing),
        (CacheForm::Host, _) => (CacheForm::Host, KeptForm::Growing),
        (CacheForm::Shared { positions }, Ok(())) => shared(positions),
        (CacheForm::Shared { .. }, Err(reason)) => {
            return Err(EngineError::CacheForm { path: path.to_owned(), reason });
        }
    })
}
