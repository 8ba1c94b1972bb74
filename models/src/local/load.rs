//! Loading a local model: folder, device, sessions, and what a user should know about the result.

mod agreement;
mod card;
mod features;

use std::{num::NonZeroUsize, path::Path, sync::Arc};

use percept_runtime::{
    AttentionWindow, CacheForm, DecoderShape, Device, DeviceChoice, Engine, EngineGraphs, EngineOptions,
    Progress, Runtime, Vocabulary,
};
use tokenizers::AddedToken;

use super::{
    Inner, LocalModel,
    features::SeenImages,
    names::{Names, is_markup, is_one_token, is_whole},
    trouble::engine_error,
};
use crate::{
    ModelError, dialect,
    folder::{ModelFolder, Precision, config_path},
};
pub(crate) use card::{device_notes, placement_notes};

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
    /// What is kept of a conversation that is longer; all of it if this isn't given. Only for decoders that are told
    /// positions, on `cpu` or with [`CacheForm::Host`].
    pub window: Option<AttentionWindow>,
    /// The most tokens that a conversation may have, where that is to be fewer than the model can: on a device, the memory of
    /// a shared cache is taken for all of them at once.
    pub context: Option<NonZeroUsize>,
    /// The most bytes of image features that are remembered.
    pub image_memory: usize,
    /// Settings of the image processor that count in place of the folder's own.
    pub processor: serde_json::Map<String, serde_json::Value>,
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
            window: None,
            context: None,
            image_memory: 256 << 20,
            processor: serde_json::Map::new(),
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
        let processor = options.processor.clone();
        let begun = tokio::task::spawn_blocking(move || {
            // The folder first: a bad one should be told before anything is fetched.
            let folder = ModelFolder::open_with(&path, precision.as_ref(), &processor)?;
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
        let features_output = features::output(&folder, &engine)?;
        agreement::check(&folder, &engine, features_output.as_deref())?;

        let end_tokens = folder.end_tokens();
        let (tokenizer, ends, logits) = (folder.tokenizer.clone(), end_tokens.clone(), engine.vocabulary());
        let vocabulary =
            tokio::task::spawn_blocking(move || Vocabulary::from_tokenizer(&tokenizer, &ends, logits));
        let vocabulary = vocabulary
            .await
            .map_err(|error| ModelError::Engine(error.into()))?
            .map(Arc::new)
            .map_err(|error| error.to_string());

        let dialect = dialect::of_folder(&folder, |text| is_one_token(&folder.tokenizer, text));
        let special_tokens = special_tokens(&folder, &dialect.special_tokens());
        let written = special_tokens.iter().filter(|token| folder.family.writes(token));
        let written_tokens = written.filter_map(|token| folder.tokenizer.token_to_id(token)).collect();
        let names = Names::of(&special_tokens, folder.family.as_ref(), dialect.as_ref());
        let card = card::card(&folder, &engine, &choice, &vocabulary, options.name);
        Ok(Self {
            inner: Arc::new(Inner {
                folder,
                engine,
                card,
                dialect,
                vocabulary,
                end_tokens,
                features_output,
                names,
                written_tokens,
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
    let parts = folder.family.parts();
    let file = |session: &str| Ok((session.to_owned(), folder.session(session)?.path.clone()));
    // Embeddings are looked up on the CPU. What also sees there needn't be opened twice.
    let sees_there = parts.vision == parts.embedding && choice.device == Device::Cpu;
    let optional = parts.optional.iter().filter(|session| folder.session(session).is_ok());
    let others = parts.others.iter().chain(optional).copied();
    let encoders = Some(parts.vision).filter(|_| !sees_there).into_iter().chain(others);
    let mut graphs =
        EngineGraphs { decoder: Some(folder.decoder()?.path.clone()), ..EngineGraphs::default() };
    if folder.family.sees() {
        graphs.encoders = encoders.map(file).collect::<Result<_, ModelError>>()?;
        graphs.embedding = Some(folder.session(parts.embedding)?.path.clone());
        graphs.heads = parts.heads.iter().copied().map(file).collect::<Result<_, ModelError>>()?;
        graphs.beside_tokens = folder.family.beside_tokens();
    }
    let text = &folder.config.text;
    if let Some(own) = text.sliding_window.filter(|_| options.window.is_some()) {
        return Err(ModelError::Folder {
            path: config_path(&folder.path),
            problem: format!(
                "its decoder attends over windows of {own} tokens of its own (`sliding_window`), counted within its cache"
            ),
            remedy: "Load it without another window".into(),
        });
    }
    let options = EngineOptions {
        threads: options.threads,
        cache: options.cache,
        window: options.window,
        decoder: DecoderShape {
            layers: text.layers,
            kv_heads: text.key_value_heads,
            head_dim: text.head_dim,
            usual_kv_heads: text.usual_key_value_heads,
            usual_head_dim: text.usual_head_dim,
            hidden: text.hidden_size,
            vocabulary: text.vocabulary,
        },
        names: folder.decoder_names.clone(),
        context: options.context.map_or(text.context, |most| most.get().min(text.context)),
        reading: folder.family.reading(),
        ..EngineOptions::new(choice.clone())
    };
    Engine::load(runtime, graphs, options).await.map_err(engine_error)
}

/// The names of all special tokens, of the dialect's and of the family's own marks, the longest first, so that none hides in
/// another.
fn special_tokens(folder: &ModelFolder, of_dialect: &[&str]) -> Vec<String> {
    let added = folder.tokenizer.get_added_tokens_decoder();
    let is_text = |token: &AddedToken| is_markup(token) && !of_dialect.contains(&token.content.as_str());
    let marks = added.into_values().filter(|token| is_whole(token) && !is_text(token));
    let mut names: Vec<String> = marks.map(|token| token.content).collect();
    names.push(folder.family.image_token().to_owned());
    names.push(folder.family.placeholder().to_owned());
    names.extend(folder.family.video().map(|form| form.token.to_owned()));
    names.extend(folder.family.marks());
    names.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
    names.dedup();
    names.retain(|name| !name.is_empty());
    names
}
