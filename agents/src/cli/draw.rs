//! `percept draw`: words in, a picture file out.

use std::{
    io::{self, Cursor, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use percept::models::{ChatModel, Draw, DrawProgress, ImageModel, LoadOptions, ModelFolder, Usage};
use serde::Serialize;

use super::{
    arguments::DrawOptions,
    failure::Failure,
    output::{Ink, Output},
    progress::Bars,
};

/// What begins every PNG file.
const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

#[derive(Serialize)]
struct Document<'a> {
    prompt: &'a str,
    file: &'a Path,
    width: u32,
    height: u32,
    tokens: &'a [u32],
    guidance: f32,
    /// `null` where guidance was against no words.
    negative: Option<&'a str>,
    temperature: f32,
    top_p: f32,
    seed: u64,
    usage: &'a Usage,
    model: &'a str,
    device: &'a str,
    notes: &'a [String],
}

/// Draws, and writes the picture.
pub(crate) async fn draw(options: DrawOptions, output: &Output) -> Result<u8, Failure> {
    // Before a model is loaded for nothing.
    check_place(&options.out)?;
    let progress = Strokes::new(&output.bars);
    let told = Arc::clone(&progress);
    let asked = Draw {
        guidance: options.guidance,
        negative: options.negative.clone(),
        ratio: options.ratio,
        area: options.area,
        temperature: options.temperature,
        top_p: options.top_p,
        seed: options.seed,
        progress: Some(DrawProgress::new(move |done, of| told.show(done, of))),
        ..Draw::default()
    };
    let bars = Bars::new(&output.bars);
    let (folder, precision) = options.model.folder(&*bars).await?;
    asked.checked(ModelFolder::open(&folder, precision.as_ref())?.drawing()?)?;
    let load = LoadOptions { device: options.device.clone(), ..LoadOptions::default() };
    let model = options.model.open_local(load, bars).await?;
    let card = model.card();
    output.notes(&card.notes);
    let drawing = model.draw(&options.prompt, &asked).await;
    progress.0.finish_and_clear();
    let drawing = drawing?;
    let mut png = Cursor::new(Vec::new());
    drawing.image.write_to(&mut png, image::ImageFormat::Png).map_err(Failure::broken)?;
    check_place(&options.out)?;
    write(&options.out, png.get_ref())?;
    let (width, height) = drawing.image.dimensions();
    if output.json {
        output.document(&Document {
            prompt: &options.prompt,
            file: &options.out,
            width,
            height,
            tokens: &drawing.tokens,
            guidance: drawing.guidance,
            negative: options.negative.as_deref(),
            temperature: options.temperature,
            top_p: options.top_p,
            seed: options.seed,
            usage: &drawing.usage,
            model: &card.name,
            device: &card.device,
            notes: &card.notes,
        })?;
        return Ok(0);
    }
    output.print(&options.out.display().to_string())?;
    let seconds =
        (drawing.usage.stage.prefill + drawing.usage.stage.decode + drawing.usage.stage.vision) / 1000.0;
    let line = format!(
        "{width}×{height} pixels of {} tokens in {seconds:.1} s · guidance {} · seed {} · {} on {}",
        drawing.tokens.len(),
        drawing.guidance,
        options.seed,
        card.name,
        card.device
    );
    output.say(&output.ink(Ink::Soft, &line));
    Ok(0)
}

/// The file may be new, or a PNG picture that is drawn anew; nothing else is written over.
fn check_place(path: &Path) -> Result<(), Failure> {
    let named = |problem: &str| Failure::bad_input(anyhow::anyhow!("{}: {problem}", path.display()));
    if !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png")) {
        return Err(named("the picture is a PNG file").help("name it so: -o picture.png"));
    }
    let folder = folder_of(path);
    if !folder.is_dir() {
        return Err(named("there is no such folder").help(format!("make {} first", folder.display())));
    }
    let mut file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(named(&error.to_string())),
    };
    let mut beginning = [0; SIGNATURE.len()];
    match io::Read::read_exact(&mut file, &mut beginning) {
        Ok(()) if beginning == SIGNATURE => Ok(()),
        _ => Err(named("it is there already, and it is no picture").help("name another file")),
    }
}

/// Writes beside the file, and puts it in its place when it is whole.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::broken(error).help(format!("{} isn't written", path.display()));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // A part that a killed drawing left isn't in the way of the next one.
    let mut number = 0_u32;
    let (beside, mut file) = loop {
        let beside = folder_of(path).join(format!(".{name}.{number}.part"));
        match std::fs::File::create_new(&beside) {
            Ok(file) => break (beside, file),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < u32::MAX => number += 1,
            Err(error) => return Err(failed(error)),
        }
    };
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    drop(file);
    written.and_then(|()| std::fs::rename(&beside, path)).map_err(|error| {
        // Whether or not it can be taken away: the error is the one that counts.
        let _ = std::fs::remove_file(&beside);
        failed(error)
    })
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// A bar of tokens.
struct Strokes(ProgressBar);

impl Strokes {
    fn new(bars: &MultiProgress) -> Arc<Self> {
        let style = ProgressStyle::with_template("{spinner} drawing [{bar:30}] {pos} of {len} tokens");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━━╌");
        // Its length is told with the first token.
        Arc::new(Self(bars.add(ProgressBar::new(1).with_style(style))))
    }

    fn show(&self, done: usize, of: usize) {
        self.0.set_length(of as u64);
        self.0.set_position(done as u64);
    }
}
