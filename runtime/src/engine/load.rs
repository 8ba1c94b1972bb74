//! Loading a model: its files checked, its graphs opened on the device, its decoder's plan and cache decided.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use ort::{
    memory::{Allocator, MemoryInfo},
    session::Session,
};

use super::{
    BesideTokens, CacheForm, EngineError, EngineFacts, EngineGraphs, EngineOptions,
    decoder::{DecoderPlan, Index},
    encoder::{EmbeddingPorts, Encoder},
    form::{check_kept_window, decide_form},
    graph,
    heads::{Head, Heads},
    lacking,
    step::Decoder,
    thread::LoadedModel,
    window,
};
use crate::{
    cache::{CacheLayout, CacheTensor, most_bytes},
    device::{Device, DeviceChoice},
    library::Runtime,
    moved::{MovedCounter, is_host},
    ort_boundary::give_back_freed_memory,
    placement::Placement,
    signature::Signature,
};

/// Loads everything; on the thread that will own it. Before each graph it asks whether nobody wants it any more.
pub(super) fn load(
    runtime: &Runtime,
    graphs: &EngineGraphs,
    options: &EngineOptions,
    given_up: &dyn Fn() -> bool,
) -> Result<(LoadedModel, EngineFacts), EngineError> {
    let moved = MovedCounter::default();
    let mut opened = Opened {
        runtime,
        options,
        given_up,
        moved: &moved,
        signatures: Vec::new(),
        placement: Vec::new(),
        encoder_doubt: None,
    };

    // Without a decoder nothing is kept, and the form means nothing.
    let (mut decoder, mut form, mut vocabulary, mut doubt) = (None, CacheForm::Growing, 0, None);
    if let Some(path) = &graphs.decoder {
        let heads = opened.heads(&graphs.heads)?;
        let opened = opened.decoder(path, heads)?;
        (form, vocabulary, doubt) = (opened.form, opened.vocabulary, opened.doubt);
        decoder = Some(opened.decoder);
    }

    let embedding =
        graphs.embedding.as_ref().map(|path| opened.embedding(path, &graphs.beside_tokens)).transpose()?;
    let encoders = graphs
        .encoders
        .iter()
        .map(|(name, path)| opened.encoder(name, path, None))
        .collect::<Result<Vec<_>, _>>()?;

    let sides = decoder.iter().flat_map(|decoder| &decoder.plan.sides);
    let side_inputs = sides.map(|port| (port.name.clone(), port.width)).collect();
    let tells_blocks = decoder.as_ref().is_some_and(|decoder| decoder.plan.tells_blocks());
    let looks_at = decoder.as_ref().and_then(|decoder| Some(decoder.plan.looks.as_ref()?.width));
    let Opened { signatures, placement, encoder_doubt, .. } = opened;
    let doubts: Vec<&str> = doubt.into_iter().chain(encoder_doubt).collect();
    let doubt = (!doubts.is_empty()).then(|| doubts.join("; "));
    let keeps_states = decoder.as_ref().is_some_and(|decoder| !decoder.plan.states.is_empty());
    let context = match form {
        CacheForm::Shared { positions } => options.context.min(positions),
        _ => options.context,
    };
    tracing::debug!(?form, context, vocabulary, "loaded");
    // Nothing says how many rows a table has that no decoder's scores go with.
    let known = if decoder.is_some() { vocabulary } else { usize::MAX };
    // What is told what to do beside looking tokens up, does nothing else.
    let embeds_features = graphs.beside_tokens.is_empty()
        && embedding.as_ref().is_some_and(|embedding| embedding.signature.inputs.len() > 1);
    // A token that an encoder read is kept as one of the decoder's own is.
    let caches = decoder.iter().flat_map(|decoder| decoder.plan.caches.iter().chain(&decoder.plan.crossed));
    let state_bytes = decoder.as_ref().map_or(0, |decoder| most_bytes(&decoder.plan.states));
    let token_bytes = caches.map(CacheTensor::bytes_per_token).sum();
    let sequences = HashMap::new();
    let model = LoadedModel {
        sequences,
        decoder,
        embedding,
        beside_tokens: graphs.beside_tokens.clone(),
        encoders,
        context,
        vocabulary: known,
    };
    let facts = EngineFacts {
        signatures,
        placement,
        cache_form: form,
        keeps_states,
        context,
        window: options.window,
        vocabulary,
        token_bytes,
        state_bytes,
        embeds_features,
        side_inputs,
        looks_at,
        tells_blocks,
        moved,
        doubt,
    };
    give_back_freed_memory();
    Ok((model, facts))
}

struct Opened<'a> {
    runtime: &'a Runtime,
    options: &'a EngineOptions,
    given_up: &'a dyn Fn() -> bool,
    moved: &'a MovedCounter,
    signatures: Vec<(String, Signature)>,
    placement: Vec<(String, Placement)>,
    encoder_doubt: Option<&'static str>,
}

/// A decoder, and what else is known of it once it is open.
struct OpenedDecoder {
    decoder: Decoder,
    form: CacheForm,
    vocabulary: usize,
    doubt: Option<&'static str>,
}

impl Opened<'_> {
    fn heads(&mut self, files: &[(String, PathBuf)]) -> Result<Heads, EngineError> {
        let opened = files.iter().map(|(name, path)| Head::new(path, self.encoder(name, path, None)?));
        Ok(Heads::new(opened.collect::<Result<_, _>>()?))
    }

    fn decoder(&mut self, path: &Path, heads: Heads) -> Result<OpenedDecoder, EngineError> {
        let nodes = graph::nodes(path)?;
        check_kept_window(path, &nodes, self.options)?;
        let (session, signature, home) = self.open("decoder", path, &self.options.device)?;
        let (shape, names) = (&self.options.decoder, &self.options.names);
        let plan = DecoderPlan::read(path, &signature, shape, names, heads.input())?;
        let vocabulary = heads.vocabulary().or(plan.vocabulary).ok_or_else(|| EngineError::Graph {
            path: path.to_owned(),
            role: "a decoder",
            reason: "it doesn't say how many tokens it scores, and neither does the model's configuration"
                .to_owned(),
        })?;
        let (form, kept) = decide_form(path, &nodes, &plan, self.options)?;
        let memory = if form == CacheForm::Host { MemoryInfo::default() } else { home.clone() };
        let doubt = doubt(&self.options.device.device, &nodes);
        if self.options.window.is_some() {
            let whole_prompt = self.options.reading.whole_prompt;
            let given = window::Given { nodes: &nodes, plan: &plan, whole_prompt, doubt };
            window::check(path, &given, is_host(&memory))?;
        }
        let allocator =
            if is_host(&memory) { Allocator::default() } else { Allocator::new(&session, memory.clone())? };
        let layout = CacheLayout {
            path: path.to_owned(),
            tensors: plan.caches.clone(),
            states: plan.states.clone(),
            crossed: plan.crossed.clone(),
            memory,
            home,
            allocator,
            form: kept,
            window: self.options.window,
            moved: self.moved.clone(),
        };
        let read_rightly = read_rightly(self.options, &nodes, plan.tells_blocks());
        let looks_at_first = looks_at_first(&nodes, &plan);
        let decoder = Decoder {
            binding: session.create_binding()?,
            layout,
            plan,
            longest_run: longest_run(self.options, read_rightly),
            read_rightly,
            looks_at_first,
            order: self.options.reading,
            window: self.options.window,
            heads,
            host: MemoryInfo::default(),
            moved: self.moved.clone(),
            session,
            path: path.to_owned(),
        };
        Ok(OpenedDecoder { decoder, form, vocabulary, doubt })
    }

    fn embedding(&mut self, path: &Path, beside: &[(String, BesideTokens)]) -> Result<Encoder, EngineError> {
        let embedding = self.encoder("embedding", path, Some(Device::Cpu))?;
        match EmbeddingPorts::of(&embedding.signature, beside) {
            Ok(_) => Ok(embedding),
            Err(reason) => Err(EngineError::Graph { path: path.to_owned(), role: "an embedding", reason }),
        }
    }

    /// A session, what it declares, and the memory that it computes in.
    fn open(
        &mut self,
        name: &str,
        path: &Path,
        device: &DeviceChoice,
    ) -> Result<(Session, Signature, MemoryInfo<'static>), EngineError> {
        if (self.given_up)() {
            return Err(EngineError::Cancelled);
        }
        let span = tracing::debug_span!("open", graph = name, path = %path.display());
        let _entered = span.enter();
        let session = self
            .runtime
            .open_session(path, device, self.options.threads)
            .map_err(|error| lacking::explain(path, device, self.runtime.library(), error))?;
        let signature = Signature::of(&session);
        self.signatures.push((name.to_owned(), signature.clone()));
        self.placement.push((name.to_owned(), Placement::of(&session, path)?));
        Ok((session, signature, self.runtime.cache_memory(device)?))
    }

    fn encoder(&mut self, name: &str, path: &Path, device: Option<Device>) -> Result<Encoder, EngineError> {
        // Read for its errors too: ONNX Runtime's own don't tell a missing file from a torn one.
        let nodes = graph::nodes(path)?;
        let device = match device {
            Some(device) => DeviceChoice { device, ..self.options.device.clone() },
            None => self.options.device.clone(),
        };
        self.encoder_doubt = self.encoder_doubt.or_else(|| encoder_doubt(device.software, &nodes));
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

/// The most tokens that one run may read: as many as was asked for, and as this device can.
fn longest_run(options: &EngineOptions, rightly: usize) -> usize {
    let asked = options.longest_run.filter(|_| !options.reading.whole_prompt);
    asked.map_or(rightly, |asked| rightly.min(asked.get()))
}

/// The most tokens of one run that this device reads rightly. `blocks` is whether some must be read at once.
///
/// From 32 on, the WebGPU provider's `GroupQueryAttention` takes a kernel that assumes subgroups of at least 8
/// invocations. A software device may have 4 (SwiftShader has); the kernel then counts keys twice and says nothing
/// (seen with plugin 0.4.0: scores off by 1 to 3, from exactly 32 tokens on). Below 32 it takes another one.
fn read_rightly(options: &EngineOptions, nodes: &[graph::GraphNode], blocks: bool) -> usize {
    // What may be cut is, without a look at its operators.
    let at_once = options.reading.whole_prompt || blocks;
    let is_limited = options.device.software && (!at_once || fuses_attention(nodes));
    if is_limited { 31 } else { usize::MAX }
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

/// What makes an encoder's features on this device doubtful: the kernel of [`read_rightly`], which `MultiHeadAttention`
/// takes too. A decoder's tokens can be read in pieces, a picture's patches can't.
fn encoder_doubt(software: bool, nodes: &[graph::GraphNode]) -> Option<&'static str> {
    let attends = nodes.iter().any(|node| node.operator == "MultiHeadAttention");
    (software && attends).then_some(
        "an encoder attends in one operator (`MultiHeadAttention`), which a software device may get wrong for 32 patches \
         or more: features may be wrong here, compare replies with cpu's before you trust them",
    )
}

/// Whether what an encoder found is of use in the first run alone, which makes keys and values of it. Of a later run its
/// rows needn't be brought to the device.
fn looks_at_first(nodes: &[graph::GraphNode], plan: &DecoderPlan) -> bool {
    let switch = plan.indices.iter().find(|port| port.index == Index::UseCacheBranch);
    let (Some(looks), Some(switch)) = (&plan.looks, switch) else { return false };
    let [states, _] = &looks.names;
    !plan.crossed.is_empty() && graph::is_read_at_first(nodes, states, &switch.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_waits_for_any_more_is_loaded_no_further_than_its_next_graph() {
        let runtime = Runtime::start(&Device::Cpu, &percept_fetch::Silent).unwrap();
        let options = EngineOptions::new(runtime.resolve(&Device::Cpu, &percept_fetch::Silent).unwrap());
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
        let graphs = EngineGraphs {
            decoder: Some(data.join("grouped.onnx")),
            embedding: Some(data.join("embedding.onnx")),
            encoders: vec![("vision_encoder".to_owned(), data.join("encoder.onnx"))],
            ..EngineGraphs::default()
        };
        for patience in 0..=3 {
            let asked = std::cell::Cell::new(0);
            let outcome = load(&runtime, &graphs, &options, &|| asked.replace(asked.get() + 1) == patience);
            assert_eq!(matches!(outcome, Err(EngineError::Cancelled)), patience < 3, "{patience}");
            assert_eq!(asked.get(), 3.min(patience + 1));
        }
    }

    #[test]
    fn an_encoder_that_attends_in_one_operator_is_doubted_on_a_software_device_alone() {
        let node = |operator: &str| graph::GraphNode { operator: operator.to_owned(), ..Default::default() };
        let fused = [node("MatMul"), node("MultiHeadAttention")];
        for (software, nodes, doubted) in
            [(true, &fused[..], true), (false, &fused[..], false), (true, &fused[..1], false)]
        {
            assert_eq!(encoder_doubt(software, nodes).is_some(), doubted, "{software} {nodes:?}");
        }
    }
}
