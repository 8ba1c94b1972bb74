//! The thread that owns a model's sessions and its sequences' caches.

use std::{collections::HashMap, sync::mpsc, thread};

use tokio::{runtime::Handle, sync::oneshot};

use super::{
    BesideTokens, Chunk, Command, EngineError, EngineFacts, EngineGraphs, EngineOptions, Extended, RunSwitch,
    command::EngineLine,
    decoder::{EMBEDDINGS, Feed},
    encoder::{Asked, Encoder, embedding_inputs, token_ids},
    load,
    looking::{self, Looking},
    positions::{ReadPositions, refuse_given},
    reading::Reading,
    side_inputs,
    step::Decoder,
    together,
    turns::{GivenBackInTurn, Turns},
};
use crate::{cache::Cache, library::Runtime, tensor::HostTensor};

/// One sequence, as the thread sees it.
pub(super) struct OpenSequence {
    cache: Cache,
    positions: ReadPositions,
    looking: Looking,
    /// Which head scores what comes next.
    head: usize,
}

/// A loaded model, as its thread sees it. Caches are dropped before the sessions whose memory they lie in.
pub(super) struct LoadedModel {
    pub(super) sequences: HashMap<u64, OpenSequence>,
    pub(super) decoder: Option<Decoder>,
    pub(super) embedding: Option<Encoder>,
    /// What it is given beside tokens.
    pub(super) beside_tokens: Vec<(String, BesideTokens)>,
    pub(super) encoders: Vec<Encoder>,
    pub(super) context: usize,
    pub(super) vocabulary: usize,
}

/// Starts a thread, loads the model on it, and gives the line to it.
pub(super) async fn start(
    runtime: Runtime,
    graphs: EngineGraphs,
    options: EngineOptions,
) -> Result<(EngineLine, EngineFacts), EngineError> {
    let path = graphs.first().unwrap_or_default();
    let (commands, inbox) = mpsc::channel();
    let (loaded, load_outcome) = oneshot::channel();
    let span = tracing::Span::current();
    let thread = thread::Builder::new()
        .name("percept-engine".to_owned())
        .spawn(move || {
            let turns = Turns::of(&options.device);
            let model = {
                let _turn = turns.take();
                span.in_scope(|| load::load(&runtime, &graphs, &options, &|| loaded.is_closed()))
            };
            match model {
                Ok((model, facts)) => {
                    let mut model = GivenBackInTurn::new(model, turns);
                    // Sent first: who waits may ask at once. If nobody waits any more, the inbox is closed too.
                    let _ = loaded.send(Ok(facts));
                    if let Some(model) = model.get() {
                        model.work(&inbox, turns);
                    }
                }
                Err(error) => {
                    let _ = loaded.send(Err(error));
                }
            }
        })
        .map_err(|_| EngineError::Gone { path: path.clone() })?;
    let mut loading = Loading(Some(EngineLine::new(commands, thread, path.clone())));
    let facts = load_outcome.await;
    let line = loading.0.take().ok_or_else(|| EngineError::Gone { path })?;
    let facts = facts.map_err(|_| line.gone())??;
    Ok((line, facts))
}

/// The line to a thread that is loading. Dropped, the thread is waited for elsewhere: here it would stop everything that runs
/// on the caller's thread until a graph is open.
struct Loading(Option<EngineLine>);

impl Drop for Loading {
    fn drop(&mut self) {
        if let (Some(line), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            // Which waits for such tasks before it ends itself. One that it doesn't take any more is dropped and waits here.
            runtime.spawn_blocking(move || drop(line));
        }
    }
}

impl LoadedModel {
    /// Does what is asked, until nobody can ask any more. An answer that nobody awaits is dropped.
    fn work(&mut self, inbox: &mpsc::Receiver<Command>, turns: Turns) {
        while let Ok(command) = inbox.recv() {
            let _turn = turns.take();
            match command {
                Command::Encode { encoder, inputs, switch, reply } => {
                    let _ = reply.send(self.encode(&encoder, inputs, &switch));
                }
                Command::Embed { tokens, features, switch, reply } => {
                    let _ = reply.send(self.embed(&tokens, features, &switch));
                }
                Command::Open { sequence, head, reply } => {
                    let _ = reply.send(self.open(sequence, head.as_deref()));
                }
                Command::Extend { sequence, chunks, checkpoint, switch, reply } => {
                    let _ = reply.send(self.extend(sequence, chunks, checkpoint, &switch));
                }
                Command::Rewind { sequence, position, near, switch, reply } => {
                    let _ = reply.send(self.rewind(sequence, position, near, &switch));
                }
                Command::Close { sequence } => {
                    self.sequences.remove(&sequence);
                }
            }
        }
    }

    fn encode(
        &mut self,
        name: &str,
        inputs: Vec<(String, HostTensor)>,
        switch: &RunSwitch,
    ) -> Result<Vec<(String, HostTensor)>, EngineError> {
        let mut graphs = self.encoders.iter_mut().chain(&mut self.embedding);
        if let Some(encoder) = graphs.find(|encoder| encoder.name == name) {
            return encoder.run(inputs, switch);
        }
        let known: Vec<&str> = self.encoders.iter().map(|encoder| encoder.name.as_str()).collect();
        Err(EngineError::NoSuchEncoder { name: name.to_owned(), known: known.join(", ") })
    }

    fn embed(
        &mut self,
        tokens: &[u32],
        features: Option<HostTensor>,
        switch: &RunSwitch,
    ) -> Result<HostTensor, EngineError> {
        let hidden = self.decoder.as_ref().and_then(|decoder| decoder.plan.hidden());
        let embedding = self.embedding.as_mut().ok_or(EngineError::NoEmbedding)?;
        let asked = Asked { tokens, features, beside: &self.beside_tokens };
        let inputs = embedding_inputs(embedding, asked, self.vocabulary, hidden)?;
        let outputs = embedding.run(inputs, switch)?;
        let (_, embeddings) = outputs.into_iter().next().ok_or(EngineError::NoEmbedding)?;
        Ok(embeddings)
    }

    fn open(&mut self, sequence: u64, head: Option<&str>) -> Result<(), EngineError> {
        let decoder = self.decoder.as_ref().ok_or(EngineError::NoDecoder)?;
        let open = OpenSequence {
            head: decoder.heads.place(head)?,
            cache: Cache::empty(&decoder.layout)?,
            positions: ReadPositions::default(),
            looking: Looking::default(),
        };
        self.sequences.insert(sequence, open);
        Ok(())
    }

    fn extend(
        &mut self,
        sequence: u64,
        mut chunks: Vec<Chunk>,
        checkpoint: bool,
        switch: &RunSwitch,
    ) -> Result<Extended, EngineError> {
        if switch.is_thrown() {
            return Err(EngineError::Cancelled);
        }
        let decoder = self.decoder.as_ref().ok_or(EngineError::NoDecoder)?;
        let open = self.sequences.get(&sequence).ok_or_else(|| gone(decoder))?;
        let fresh = if decoder.plan.takes_rows_of_positions() {
            open.positions.of_chunks(&chunks)?
        } else {
            refuse_given(&chunks)?;
            Vec::new()
        };
        let looks = if let Some(ports) = &decoder.plan.looks {
            open.looking.of_chunks(ports, &mut chunks)?
        } else {
            looking::refuse_given(&chunks)?;
            Looking::default()
        };
        let together = if decoder.plan.tells_blocks() {
            together::of_chunks(&chunks)?
        } else {
            together::refuse_given(&chunks)?;
            Vec::new()
        };
        let sides = side_inputs::take(&decoder.plan.sides, &mut chunks)?;
        let input = self.input(chunks, switch)?;
        let context = self.context;
        let decoder = self.decoder.as_mut().ok_or(EngineError::NoDecoder)?;
        let OpenSequence { cache, positions, looking, head } =
            self.sequences.get_mut(&sequence).ok_or_else(|| gone(decoder))?;
        let (position, more) = (cache.length(), input.shape().get(1).copied().unwrap_or(0));
        if more == 0 {
            return Err(EngineError::Input {
                graph: "decoder".to_owned(),
                name: EMBEDDINGS.to_owned(),
                reason: "there is nothing to read".to_owned(),
            });
        }
        if position + more > context {
            return Err(EngineError::ContextFull { position, more, context });
        }
        let reading = Reading { input, sides, positions: fresh.clone(), looking: looks.clone(), together };
        let logits = decoder.read(cache, reading, *head, switch)?;
        positions.extend(&fresh);
        looking.extend(looks);
        if checkpoint {
            cache.checkpoint(&decoder.layout);
        }
        Ok(Extended { position: cache.length(), held: cache.held(), logits: Some(logits) })
    }

    /// What is to be read, as one tensor of what the decoder wants.
    fn input(&mut self, chunks: Vec<Chunk>, switch: &RunSwitch) -> Result<HostTensor, EngineError> {
        match self.decoder.as_ref().ok_or(EngineError::NoDecoder)?.plan.feed {
            Feed::Tokens { element } => {
                let mut tokens = Vec::new();
                for chunk in chunks {
                    match chunk {
                        Chunk::Tokens(mut more) => tokens.append(&mut more),
                        Chunk::Embedded(_) => {
                            return Err(EngineError::Input {
                                graph: "decoder".to_owned(),
                                name: EMBEDDINGS.to_owned(),
                                reason: "this decoder reads token ids".to_owned(),
                            });
                        }
                    }
                }
                token_ids(&tokens, element, self.vocabulary)
            }
            Feed::Embeddings { element, hidden } => {
                let mut parts = Vec::new();
                for chunk in chunks {
                    match chunk {
                        Chunk::Tokens(tokens) if tokens.is_empty() => {}
                        Chunk::Tokens(tokens) => {
                            parts.push(self.embed(&tokens, None, switch)?.into_element(element)?);
                        }
                        Chunk::Embedded(given) => parts.push(given.embeddings.into_element(element)?),
                    }
                }
                if parts.is_empty() {
                    return Ok(HostTensor::F32 { shape: vec![1, 0, hidden.unwrap_or(0)], data: Vec::new() });
                }
                let input = HostTensor::concatenate_rows(parts)?;
                let (_, width) = input.rows_and_width()?;
                if let Some(hidden) = hidden.filter(|&hidden| hidden != width) {
                    return Err(EngineError::Input {
                        graph: "decoder".to_owned(),
                        name: EMBEDDINGS.to_owned(),
                        reason: format!("the decoder wants {hidden} numbers a token, these have {width}"),
                    });
                }
                Ok(input)
            }
        }
    }

    fn rewind(
        &mut self,
        sequence: u64,
        position: usize,
        near: bool,
        switch: &RunSwitch,
    ) -> Result<Extended, EngineError> {
        let decoder = self.decoder.as_ref().ok_or(EngineError::NoDecoder)?;
        let OpenSequence { cache, positions, looking, .. } =
            self.sequences.get_mut(&sequence).ok_or_else(|| gone(decoder))?;
        let position = if near { cache.reachable(&decoder.layout, position) } else { position };
        switch.commit(position)?;
        // What was read beyond can't be had back, so this is where a stop comes too late.
        cache.rewind(&decoder.layout, position).inspect_err(|_| switch.fail())?;
        positions.rewind(position);
        looking.rewind(position);
        Ok(Extended { position: cache.length(), held: cache.held(), logits: None })
    }
}

/// What is said of a sequence that isn't there.
fn gone(decoder: &Decoder) -> EngineError {
    EngineError::Gone { path: decoder.path.clone() }
}

#[cfg(test)]
mod tests {
    use std::{future::Future, path::PathBuf, task::Poll};

    use percept_fetch::Silent;

    use super::*;
    use crate::{Device, Engine};

    #[tokio::test]
    async fn a_sequence_that_nobody_waits_for_any_more_is_closed() {
        let runtime = Runtime::start(&Device::Cpu, &Silent).unwrap();
        let choice = runtime.resolve(&Device::Cpu, &Silent).unwrap();
        let decoder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/plain.onnx");
        let graphs = EngineGraphs { decoder: Some(decoder), ..EngineGraphs::default() };
        let engine = Engine::load(&runtime, graphs, EngineOptions::new(choice)).await.unwrap();
        let rewound = async |sequence: u64| {
            let rewind =
                |switch, reply| Command::Rewind { sequence, position: 0, near: false, switch, reply };
            engine.ask(rewind).await.map(|extended| extended.position)
        };
        let mut sequence = 0;
        {
            let mut opening = Box::pin(engine.sequence());
            while std::future::poll_fn(|context| Poll::Ready(opening.as_mut().poll(context).is_ready())).await
            {
                // Answered at once, it was looked at; the next one has the next number.
                opening = Box::pin(engine.sequence());
                sequence += 1;
            }
            // Opened before the next answer comes, and never looked at.
            engine.encode("nobody", Vec::new()).await.unwrap_err();
            assert_eq!(rewound(sequence).await.unwrap(), 0);
        }
        assert!(matches!(rewound(sequence).await.unwrap_err(), EngineError::Gone { .. }));
        let kept = engine.sequence().await.unwrap();
        assert_eq!(rewound(sequence + 1).await.unwrap(), kept.position());
    }
}
