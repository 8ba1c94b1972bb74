//! Loading a dual encoder: folder, device, sessions, and what a user should know about the result.

use std::{path::Path, sync::Arc};

use image::RgbImage;
use percept_runtime::{Device, DeviceChoice, Engine, EngineGraphs, EngineOptions, Progress, Runtime};
use tokio::sync::OnceCell;

use super::{
    Inner, LocalDualEncoder,
    batch::{check_batch, output},
};
use crate::{
    LoadOptions, ModelError,
    dual_encoder::{
        EncoderCard, EncoderFolder,
        folder::{JOINT, TEXT, VISION},
    },
    folder::SessionFile,
    local::{device_notes, engine_error},
};

impl LocalDualEncoder {
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
        let (precision, device) = (options.precision.clone(), options.device.clone());
        let begun = tokio::task::spawn_blocking(move || {
            // The folder first: a bad one should be told before anything is fetched.
            let folder = EncoderFolder::open(&path, precision.as_ref())?;
            let blank = folder.processor.process(&RgbImage::new(8, 8))?;
            let runtime = Runtime::start(&device, progress.as_ref())
                .map_err(|error| ModelError::Engine(error.into()))?;
            let choice = runtime
                .resolve(&device, progress.as_ref())
                .map_err(|error| ModelError::Engine(error.into()))?;
            Ok::<_, ModelError>((folder, blank, runtime, choice))
        });
        let (mut folder, blank, runtime, device) =
            begun.await.map_err(|error| ModelError::Engine(error.into()))??;
        folder.notes.extend(options.notes.iter().cloned());
        let graphs = EngineGraphs {
            encoders: folder.sessions.iter().map(|file| (file.session.clone(), file.path.clone())).collect(),
            ..EngineGraphs::default()
        };
        let engine_options = EngineOptions { threads: options.threads, ..EngineOptions::new(device.clone()) };
        let engine = Engine::load(&runtime, graphs, engine_options).await.map_err(engine_error)?;
        for file in &folder.sessions {
            check_batch(&engine, file)?;
        }
        let dimensions = check_outputs(&folder, &engine)?;
        let card = card(&folder, &engine, &device, dimensions, options.name);
        let (blank, threads, temperature) = (Arc::new(blank), options.threads, OnceCell::new());
        Ok(Self {
            inner: Arc::new(Inner { folder, engine, card, blank, runtime, device, threads, temperature }),
        })
    }
}

/// Each tower's output must be there, and both as wide as each other.
fn check_outputs(folder: &EncoderFolder, engine: &Engine) -> Result<Option<usize>, ModelError> {
    let mut widths = Vec::new();
    for tower in [TEXT, VISION] {
        let file = tower_file(folder, tower)?;
        let name = output(folder, &file.session, tower);
        let port = engine.signature(&file.session).and_then(|signature| signature.output(name));
        let port = port.ok_or_else(|| ModelError::Folder {
            path: file.path.clone(),
            problem: format!("it has no output `{name}`, the embedding that both towers share"),
            remedy: "Export it with its projection (in transformers, CLIP's classes whose names end in \
                     `WithProjection`)"
                .into(),
        })?;
        widths.push(port.shape.last().and_then(percept_runtime::Dim::fixed));
    }
    match widths[..] {
        [Some(text), Some(image)] if text != image => Err(ModelError::Folder {
            path: tower_file(folder, VISION)?.path.clone(),
            problem: format!("its embeddings have {image} numbers each, those of {TEXT} {text}"),
            remedy: "Take all sessions from the same export".into(),
        }),
        _ => Ok(widths.into_iter().flatten().next()),
    }
}

fn tower_file<'a>(folder: &'a EncoderFolder, tower: &str) -> Result<&'a SessionFile, ModelError> {
    let holds = |file: &&SessionFile| file.session == tower || file.session == JOINT;
    folder.sessions.iter().find(holds).ok_or_else(|| crate::folder::missing(&folder.path.join("onnx")))
}

fn card(
    folder: &EncoderFolder,
    engine: &Engine,
    choice: &DeviceChoice,
    dimensions: Option<usize>,
    name: Option<String>,
) -> EncoderCard {
    let mut notes = folder.notes.clone();
    notes.extend(device_notes(choice));
    if choice.device != Device::Cpu {
        notes.extend(crate::local::placement_notes(engine));
    }
    EncoderCard {
        name: name.unwrap_or_else(|| folder.path.display().to_string()),
        family: folder.config.family.name().into(),
        device: choice.device.to_string(),
        dimensions,
        context: folder.config.context,
        notes,
    }
}
