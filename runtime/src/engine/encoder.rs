//! Graphs that are run as they are: features out of pixels, embeddings out of token ids.

use ort::{
    memory::MemoryInfo,
    session::{NoSelectedOutputs, RunOptions, Session, SessionInputValue},
};

use super::{BesideTokens, EngineError, RunSwitch, decoder::TOKENS};
use crate::{
    moved::{Crossing, MovedCounter, Purpose},
    signature::{Dim, Port, Signature},
    tensor::{Element, HostTensor},
};

/// One such graph.
pub(super) struct Encoder {
    pub(super) name: String,
    pub(super) signature: Signature,
    pub(super) home: MemoryInfo<'static>,
    pub(super) host: MemoryInfo<'static>,
    pub(super) moved: MovedCounter,
    pub(super) session: Session,
}

impl Encoder {
    /// Runs it: every declared input must be there, and no other.
    pub(super) fn run(
        &mut self,
        inputs: Vec<(String, HostTensor)>,
        switch: &RunSwitch,
    ) -> Result<Vec<(String, HostTensor)>, EngineError> {
        if switch.is_thrown() {
            return Err(EngineError::Cancelled);
        }
        let span = tracing::debug_span!("encoder", name = %self.name);
        let _entered = span.enter();
        if let Some(missing) =
            self.signature.inputs.iter().find(|port| !inputs.iter().any(|(name, _)| *name == port.name))
        {
            return Err(self.refused(&missing.name, "it is missing"));
        }
        let mut values: Vec<(String, SessionInputValue<'_>)> = Vec::with_capacity(inputs.len());
        for (name, tensor) in inputs {
            let port = self
                .signature
                .input(&name)
                .ok_or_else(|| self.refused(&name, "the graph has no such input"))?;
            let element = port
                .element
                .ok_or_else(|| self.refused(&name, "this engine doesn't carry what it declares"))?;
            let fits = port.shape.len() == tensor.shape().len()
                && port
                    .shape
                    .iter()
                    .zip(tensor.shape())
                    .all(|(dim, &size)| dim.fixed().is_none_or(|fixed| fixed == size));
            if !fits {
                return Err(self
                    .refused(&name, &format!("a tensor of shape {:?} doesn't fit {port}", tensor.shape())));
            }
            let tensor =
                tensor.into_element(element).map_err(|error| self.refused(&name, &error.to_string()))?;
            self.moved.count(Purpose::Encoders, Crossing::ToDevice, &self.host, &self.home, tensor.bytes());
            values.push((name, tensor.into_value()?.into()));
        }
        let options: &RunOptions<NoSelectedOutputs> = switch.options();
        let outputs = self.session.run_with_options(values, options).map_err(|source| {
            if switch.is_thrown() {
                return EngineError::Cancelled;
            }
            EngineError::Run { graph: self.name.clone(), source }
        })?;
        let mut results = Vec::with_capacity(outputs.len());
        for (name, value) in &outputs {
            let tensor = HostTensor::from_value(&value)?;
            self.moved.count(Purpose::Encoders, Crossing::ToHost, &self.host, &self.home, tensor.bytes());
            results.push((name.to_owned(), tensor));
        }
        Ok(results)
    }

    fn refused(&self, input: &str, reason: &str) -> EngineError {
        EngineError::Input { graph: self.name.clone(), name: input.to_owned(), reason: reason.to_owned() }
    }
}

/// What embeddings are wanted of.
pub(super) struct Asked<'a> {
    pub(super) tokens: &'a [u32],
    /// What goes into the places of image tokens.
    pub(super) features: Option<HostTensor>,
    /// What the graph is told beside, so that it does nothing else.
    pub(super) beside: &'a [(String, BesideTokens)],
}

/// What an embedding graph is fed: the tokens, what it is told beside them, and where it puts features into the places of image tokens itself
/// (onnxruntime-genai's folders: `input_ids`, `image_features`), these or none of them.
pub(super) fn embedding_inputs(
    embedding: &Encoder,
    Asked { tokens, features, beside }: Asked<'_>,
    vocabulary: usize,
    hidden: Option<usize>,
) -> Result<Vec<(String, HostTensor)>, EngineError> {
    let ports = EmbeddingPorts::of(&embedding.signature, beside)
        .map_err(|reason| embedding.refused(TOKENS, &reason))?;
    let element = ports.ids.element.unwrap_or(Element::I64);
    let mut inputs = vec![(ports.ids.name.clone(), token_ids(tokens, element, vocabulary)?)];
    match (ports.features, features) {
        (None, None) => {}
        (None, Some(_)) => return Err(embedding.refused(TOKENS, "the embedding graph takes no features")),
        (Some(port), features) => {
            let width = port.shape.last().and_then(Dim::fixed).or(hidden);
            let none = || HostTensor::F32 { shape: vec![0, width.unwrap_or(0)], data: Vec::new() };
            inputs.push((port.name.clone(), features.unwrap_or_else(none)));
        }
    }
    inputs.extend(beside.iter().map(|(name, told)| (name.clone(), told.of(tokens.len()))));
    Ok(inputs)
}

/// What an embedding graph is fed, beside what it is told.
#[derive(Debug)]
pub(super) struct EmbeddingPorts<'a> {
    ids: &'a Port,
    features: Option<&'a Port>,
}

impl<'a> EmbeddingPorts<'a> {
    /// Those of a graph that is told this beside the tokens; or, in words, what is there that can't be fed.
    pub(super) fn of(signature: &'a Signature, beside: &[(String, BesideTokens)]) -> Result<Self, String> {
        if let Some((name, _)) = beside.iter().find(|(name, _)| signature.input(name).is_none()) {
            return Err(format!("it has no input {name}, which such a graph is given beside token ids"));
        }
        let is_number = |port: &&Port| matches!(port.element, Some(Element::I64 | Element::I32));
        let is_feature = |port: &Port| matches!(port.element, Some(Element::F32 | Element::F16));
        let is_told = |port: &&Port| beside.iter().any(|(name, _)| *name == port.name);
        let ports = signature.inputs.iter().filter(|port| !is_told(port));
        let (ids, others): (Vec<&Port>, Vec<&Port>) = ports.partition(is_number);
        let listed = |ports: &[&Port]| ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let [ids] = ids.as_slice() else {
            return Err(format!(
                "it must have one input of token ids, it has {}: {}",
                ids.len(),
                listed(&ids)
            ));
        };
        match others.as_slice() {
            [] => Ok(Self { ids, features: None }),
            [port] if is_feature(port) => Ok(Self { ids, features: Some(port) }),
            others => Err(format!(
                "beside token ids it may take one input of image features, it takes {}",
                listed(others)
            )),
        }
    }
}

/// Token ids as a graph declares them, `[1, tokens]`; a token beyond the vocabulary is an error here, because what a
/// lookup does with it differs from device to device.
pub(super) fn token_ids(
    tokens: &[u32],
    element: Element,
    vocabulary: usize,
) -> Result<HostTensor, EngineError> {
    if let Some(&token) = tokens.iter().find(|&&token| token as usize >= vocabulary) {
        return Err(EngineError::Token { token, vocabulary });
    }
    let shape = vec![1, tokens.len()];
    Ok(match element {
        Element::I32 => HostTensor::I32 { shape, data: tokens.iter().map(|&token| token as i32).collect() },
        _ => HostTensor::I64 { shape, data: tokens.iter().map(|&token| i64::from(token)).collect() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_embedding_graph_takes_token_ids_and_what_it_is_known_to_take() {
        let port =
            |name: &str, element| Port { name: name.to_owned(), element: Some(element), shape: Vec::new() };
        let ids = || port("input_ids", Element::I64);
        let features = || port("image_features", Element::F32);
        let cases = [
            (vec![ids()], &[][..], Ok(false)),
            (vec![ids(), features()], &[], Ok(true)),
            (vec![port("mask", Element::Bool), ids()], &["mask"], Ok(false)),
            (vec![features()], &[], Err("has 0")),
            (vec![ids(), port("type_ids", Element::I64)], &[], Err("type_ids")),
            (vec![ids(), port("mask", Element::Bool)], &[], Err("it takes mask")),
            (vec![ids(), features(), port("audio_features", Element::F32)], &[], Err("audio_features")),
            (vec![ids()], &["mask"], Err("no input mask")),
        ];
        for (inputs, told, expected) in cases {
            let beside: Vec<_> =
                told.iter().map(|name: &&str| ((*name).to_owned(), BesideTokens::OfEach(true))).collect();
            let signature = Signature { inputs, outputs: Vec::new() };
            let found = EmbeddingPorts::of(&signature, &beside).map(|ports| ports.features.is_some());
            let is_expected = match (&found, expected) {
                (Ok(found), Ok(expected)) => *found == expected,
                (Err(found), Err(expected)) => found.contains(expected),
                _ => false,
            };
            assert!(is_expected, "{found:?}, not {expected:?}");
        }
    }
}
