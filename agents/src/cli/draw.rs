//! `percept draw`: words in, a picture file out.

use std::{path::Path, sync::Arc};

use anyhow::anyhow;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use percept::models::{ChatModel, Draw, DrawProgress, ImageModel, LoadOptions, ModelFolder, Usage};
use serde::Serialize;

use super::{
    arguments::DrawOptions,
    failure::Failure,
    output::{Ink, Output},
    picture_file::PictureFile,
    progress::Bars,
};

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
    if !options.out.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png")) {
        let error = anyhow!("{}: the picture is a PNG file", options.out.display());
        return Err(Failure::bad_input(error).help("name it so: -o picture.png"));
    }
    let file = PictureFile::begin(&options.out, &[])?;
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
    file.write(&drawing.image)?;
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
