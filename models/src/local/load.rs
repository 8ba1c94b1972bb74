//! Loading a local model: folder, device, sessions, and what a user should know about the result.

use std::{path::Path, sync::Arc};

use percept_runtime::{
    CacheForm, DecoderShape, Device, DeviceChoice, Dim, Engine, EngineGraphs, EngineOptions, Port, Progress,
    Runtime, Vocabulary,
};

use super::{Inner, LocalModel, features::SeenImages, trouble::engine_error};
use crate::{
    ModelCard, ModelError,
    dialect::{Dialect, JsonDialect},
    family::{DECODER, EMBED_TOKENS, VISION_ENCODER},
    folder::{DialectKind, ModelFolder, Precision},
    processor::ImageProcessor,
    template::{TemplateMessage, TemplatePart},
};

/// How a local model is loaded.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// What the card calls it; the folder's path if it isn't given.
    pub name: Option<String>,
    /// Where it computes.
    pub device: Device,
    /// The sessions' precision; the best there is if none is given.
    pub precision: Option<Precision>,
    /// Threads that one operator may use on the CPU; as many as there are cores if it isn't given.
    pub threads: Option<usize>,
    /// Where keys and values are kept.
    pub cache: CacheForm,
    /// The most bytes of image features that are remembered.
    pub image_memory: usize,
    /// What else the card is to note.
    pub notes: Vec<String>,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            name: None,
            device: Device::Auto,
            precision: None,
            threads: None,
            cache: CacheForm::Auto,
            image_memory: 256 << 20,
            notes: Vec::new(),
        }
    }
}

impl LocalModel {
    /// Loads the model of a folder. ONNX Runtime's library is fetched first if this is its first use.
    ///
    /// # Errors
    ///
    /// [`ModelError::Folder`] naming the file that is missing, torn or contradicts another,
    /// [`ModelError::Engine`] if the library or the device can't be had.
    pub async fn load(
        folder: &Path,
        options: LoadOptions,
        progress: Arc<dyn Progress>,
    ) -> Result<Self, ModelError> {
        let path = folder.to_owned();
        let precision = options.precision.clone();
        let device = options.device.clone();
        let begun = tokio::task::spawn_blocking(move || {
            // The folder first: a bad one should be told before anything is fetched.
            let folder = ModelFolder::open(&path, precision.as_ref())?;
            let runtime = Runtime::start(&device, progress.as_ref())
                .map_err(|error| ModelError::Engine(error.into()))?;
            let choice = runtime
                .resolve(&device, progress.as_ref())
                .map_err(|error| ModelError::Engine(error.into()))?;
            Ok::<_, ModelError>((folder, runtime, choice))
        });
        let (mut folder, runtime, choice) =
            begun.await.map_err(|error| ModelError::Engine(error.into()))??;
        folder.notes.extend(options.notes.iter().cloned());
        let engine = open_engine(&folder, &runtime, &choice, &options).await?;
        check_widths(&folder, &engine)?;
        check_positions(&folder, &engine)?;
        check_side_inputs(&folder, &engine)?;
        check_looks(&folder, &engine)?;

        let end_tokens = folder.end_tokens();
        let (tokenizer, ends, logits) = (folder.tokenizer.clone(), end_tokens.clone(), engine.vocabulary());
        let vocabulary =
            tokio::task::spawn_blocking(move || Vocabulary::from_tokenizer(&tokenizer, &ends, logits));
        let vocabulary = vocabulary
            .await
            .map_err(|error| ModelError::Engine(error.into()))?
            .map(Arc::new)
            .map_err(|error| error.to_string());

        let special_tokens = special_tokens(&folder);
        let is_special = |text: &str| special_tokens.iter().any(|token| token == text);
        let dialect: Box<dyn Dialect> = match folder.settings.dialect {
            DialectKind::Json => Box::new(json_dialect(&folder, is_special)),
        };
        let card = card(&folder, &engine, &choice, &vocabulary, options.name);
        Ok(Self {
            inner: Arc::new(Inner {
                folder,
                engine,
                card,
                dialect,
                vocabulary,
                end_tokens,
                special_tokens,
                seen: SeenImages::new(options.image_memory),
                kept: std::sync::Mutex::default(),
            }),
        })
    }
}

async fn open_engine(
    folder: &ModelFolder,
    runtime: &Runtime,
    choice: &DeviceChoice,
    options: &LoadOptions,
) -> Result<Engine, ModelError> {
    let graphs = EngineGraphs {
        encoders: vec![(VISION_ENCODER.into(), folder.session(VISION_ENCODER)?.path.clone())],
        embedding: Some(folder.session(EMBED_TOKENS)?.path.clone()),
        decoder: Some(folder.session(DECODER)?.path.clone()),
    };
    let text = &folder.config.text;
    let options = EngineOptions {
        threads: options.threads,
        cache: options.cache,
        decoder: DecoderShape {
            layers: text.layers,
            kv_heads: text.key_value_heads,
            head_dim: text.head_dim,
            hidden: text.hidden_size,
            vocabulary: text.vocabulary,
        },
        context: text.context,
        ..EngineOptions::new(choice.clone())
    };
    Engine::load(runtime, graphs, options).await.map_err(engine_error)
}

/// The JSON dialect, its places as the folder or else the family has them.
fn json_dialect(folder: &ModelFolder, is_special: impl Fn(&str) -> bool) -> JsonDialect {
    let dialect = JsonDialect::new(&folder.settings, is_special);
    match &folder.processor {
        ImageProcessor::Patched(patched) if folder.family.points_at_pixels() => {
            dialect.with_places_in(patched.resize.then_some(patched.size), &folder.settings)
        }
        _ => dialect,
    }
}

/// Image features must be as long as embeddings; noticed at loading where both graphs declare it.
fn check_widths(folder: &ModelFolder, engine: &Engine) -> Result<(), ModelError> {
    let width = |graph: &str| engine.signature(graph)?.outputs.first()?.shape.last()?.fixed();
    match (width(VISION_ENCODER), width("embedding")) {
        // What is looked at needn't be as long as what is read.
        _ if folder.family.looks_at_images() => Ok(()),
        (Some(features), Some(embeddings)) if features != embeddings => Err(ModelError::Folder {
            path: folder.session(VISION_ENCODER)?.path.clone(),
            problem: format!(
                "its features have {features} numbers each, the embeddings of {EMBED_TOKENS} {embeddings}"
            ),
            remedy: "Take all sessions from the same export".into(),
        }),
        _ => Ok(()),
    }
}

/// What the decoder takes beside the embeddings must be as many things as the family has, and come out of the vision
/// encoder under the same names; noticed at loading as far as the graphs declare it.
fn check_side_inputs(folder: &ModelFolder, engine: &Engine) -> Result<(), ModelError> {
    let (taken, family) = (engine.side_inputs().count(), folder.family.as_ref());
    if taken != family.side_inputs() {
        return Err(ModelError::Folder {
            path: folder.session(DECODER)?.path.clone(),
            problem: format!(
                "it takes {taken} inputs beside the embeddings with a row a token, this `{}` model has {}: what its \
                 vision encoder found in earlier layers",
                family.name(),
                family.side_inputs()
            ),
            remedy: "Export the decoder with an input for each, or take `config.json` from the same export"
                .into(),
        });
    }
    let encoder = engine.signature(VISION_ENCODER);
    let mut problems = engine
        .side_inputs()
        .filter_map(|(name, width)| apart(name, width, encoder.and_then(|encoder| encoder.output(name))));
    let Some(problem) = problems.next() else { return Ok(()) };
    Err(ModelError::Folder {
        path: folder.session(VISION_ENCODER)?.path.clone(),
        problem,
        remedy: "Take all sessions from the same export".into(),
    })
}

/// What is wrong with the output that goes into the decoder's input of this name, with so many numbers a row.
fn apart(name: &str, width: usize, output: Option<&Port>) -> Option<String> {
    let Some(output) = output else {
        return Some(format!("it has no output `{name}`, which {DECODER} takes beside the embeddings"));
    };
    let found = output.shape.last().and_then(Dim::fixed).filter(|found| *found != width)?;
    Some(format!("its output `{name}` has {found} numbers a row, {DECODER} takes {width}"))
}

/// A family that looks at images needs a decoder that does, at states as long as its vision encoder's; and the other way
/// round.
fn check_looks(folder: &ModelFolder, engine: &Engine) -> Result<(), ModelError> {
    let (family, width) = (folder.family.as_ref(), engine.looks_at());
    let bad = |session, problem: String| {
        Err(ModelError::Folder {
            path: folder.session(session)?.path.clone(),
            problem,
            remedy: "Take all sessions and `config.json` from the same export".into(),
        })
    };
    match (family.looks_at_images(), width) {
        (true, None) => bad(
            DECODER,
            format!("a `{}` model's decoder takes `image_hidden_states`, this one doesn't", family.name()),
        ),
        (false, Some(_)) => {
            bad(DECODER, format!("it takes `image_hidden_states`, which a `{}` model hasn't", family.name()))
        }
        (true, Some(width)) => {
            let states = engine.signature(VISION_ENCODER).and_then(|encoder| encoder.outputs.first());
            match states.and_then(|port| port.shape.last()?.fixed()).filter(|found| *found != width) {
                Some(found) => bad(
                    VISION_ENCODER,
                    format!("its states have {found} numbers each, {DECODER} looks at states of {width}"),
                ),
                None => Ok(()),
            }
        }
        (false, None) => Ok(()),
    }
}

/// A family that tells time, height and width apart needs a decoder that does.
fn check_positions(folder: &ModelFolder, engine: &Engine) -> Result<(), ModelError> {
    let rank = engine
        .signature("decoder")
        .and_then(|decoder| decoder.input("position_ids"))
        .map(|port| port.shape.len());
    if folder.family.positions(&[]).is_none() || rank == Some(3) {
        return Ok(());
    }
    Err(ModelError::Folder {
        path: folder.session(DECODER)?.path.clone(),
        problem: format!(
            "a `{}` model's decoder takes `position_ids` in three rows [3, batch, tokens], this one doesn't",
            folder.family.name()
        ),
        remedy: "Export it with its own positions, as the transformers.js layout has them".into(),
    })
}

/// The names of all special tokens, the longest first, so that none hides in another.
fn special_tokens(folder: &ModelFolder) -> Vec<String> {
    let added = folder.tokenizer.get_added_tokens_decoder();
    let mut names: Vec<String> =
        added.into_values().filter(|token| token.special).map(|token| token.content).collect();
    names.push(folder.family.image_token().to_owned());
    names.extend(folder.family.video().map(|form| form.token.to_owned()));
    names.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
    names.dedup();
    names.retain(|name| !name.is_empty());
    names
}

fn card(
    folder: &ModelFolder,
    engine: &Engine,
    choice: &DeviceChoice,
    vocabulary: &Result<Arc<Vocabulary>, String>,
    name: Option<String>,
) -> ModelCard {
    let mut notes = folder.notes.clone();
    notes.extend(device_notes(choice));
    if choice.device != Device::Cpu {
        notes.extend(placement_notes(engine));
    }
    notes.extend(engine.doubt().map(Into::into));
    if let Err(reason) = vocabulary {
        notes.push(format!("it can only write free text: {reason}"));
    }
    ModelCard {
        name: name.unwrap_or_else(|| folder.path.display().to_string()),
        family: folder.family.name().into(),
        device: choice.device.to_string(),
        context: engine.context(),
        max_images: shows_one_image(folder).then_some(1),
        screen: folder.settings.screen,
        thinks: folder.settings.thinking,
        tells_probabilities: true,
        notes,
    }
}

/// The device and why, and what would bring a better one.
pub(crate) fn device_notes(choice: &DeviceChoice) -> impl Iterator<Item = String> {
    std::iter::once(format!("{}: {}", choice.device, choice.why)).chain(choice.better.clone())
}

/// How much of each graph computes on the CPU although a device was chosen; embedding tables always do.
pub(crate) fn placement_notes(engine: &Engine) -> Vec<String> {
    let graphs = engine.placement().iter().filter(|(graph, _)| graph != "embedding");
    let counted = graphs.map(|(graph, placement)| (graph, placement, placement.floating_on_cpu().len()));
    counted
        .filter(|(.., count)| *count > 0)
        .map(|(graph, placement, count)| {
            format!("{count} of {graph}'s {} nodes that compute run on the CPU", placement.nodes.len())
        })
        .collect()
}

/// Whether the template shows one image whatever it is given: asked by giving it two.
fn shows_one_image(folder: &ModelFolder) -> bool {
    let image = || TemplatePart::Image;
    let text = |text: &str| TemplatePart::Text { text: text.into() };
    let message = |content| TemplateMessage { role: "user".into(), content };
    let token = folder.family.image_token();
    let rendered = folder.template.render(&[message(vec![image(), image(), text("?")])], token, None);
    rendered.is_ok_and(|text| text.matches(token).count() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_beside_the_embeddings_is_as_wide_as_the_decoder_takes_it() {
        let port = |last| Port {
            name: "deepstack.0".into(),
            element: Some(percept_runtime::Element::F32),
            shape: vec![Dim::Named("features".into()), last],
        };
        let cases = [
            (Some(port(Dim::Fixed(32))), None),
            (Some(port(Dim::Named(String::new()))), None),
            (Some(port(Dim::Fixed(16))), Some("has 16 numbers a row, decoder_model_merged takes 32")),
            (None, Some("has no output `deepstack.0`")),
        ];
        for (output, expected) in cases {
            let problem = apart("deepstack.0", 32, output.as_ref());
            assert_eq!(problem.is_some(), expected.is_some(), "{output:?}");
            assert!(problem.unwrap_or_default().contains(expected.unwrap_or_default()), "{output:?}");
        }
    }
}
