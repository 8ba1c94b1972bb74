//! The temperature, found where it is.
//!
//! `config.json` doesn't have it: its `logit_scale_init_value` is where training began. The towers don't have it
//! either. A joint graph has it baked in, and gives it away: its logits are scale × cosine + bias of its own
//! embeddings, for any texts and images.

use std::sync::Arc;

use image::{Rgb, RgbImage};
use percept_runtime::{Device, Engine, EngineGraphs, EngineOptions, Silent};

use super::{
    Inner,
    batch::{check_batch, pixel_values, rows, text_inputs},
};
use crate::{
    ModelError,
    dual_encoder::{Embedding, EncoderLayout, Scoring, Temperature, TemperatureSource, folder::JOINT},
    folder::SessionFile,
    local::engine_error,
};

/// What is shown to the graph: texts and pictures that have little in common, so that their cosines lie apart.
const TEXTS: [&str; 5] = ["a", "the sea at night", "a red circle", "42", "search field, button and menu"];

/// How far a logit may lie off the line, as a share of the largest: more, and there is no line.
const STRAIGHT: f64 = 0.02;

/// Given, measured or assumed.
pub(super) async fn temperature(inner: &Arc<Inner>) -> Result<Temperature, ModelError> {
    let family = inner.folder.config.family;
    if let Some([scale, bias]) = inner.folder.settings.temperature {
        let scoring = family.scoring();
        return Ok(Temperature { scale, bias, scoring, source: TemperatureSource::Given });
    }
    if let Some(joint) = &inner.folder.joint {
        return measured(inner, joint).await;
    }
    family.assumed().ok_or_else(|| ModelError::Folder {
        path: inner.folder.path.clone(),
        problem: format!(
            "nothing says the temperature of this {} model, without which its logits are no probabilities",
            family.name()
        ),
        remedy:
            "Fetch `onnx/model.onnx` beside the towers, which has it, or write `[match]` with `scale` (the \
                 exponential of the checkpoint's `logit_scale`) and `bias` (`logit_bias`) into percept.toml"
                .into(),
    })
}

async fn measured(inner: &Arc<Inner>, joint: &SessionFile) -> Result<Temperature, ModelError> {
    let engine = match inner.folder.layout {
        EncoderLayout::Joint => inner.engine.clone(),
        EncoderLayout::Towers => {
            let graphs = EngineGraphs {
                encoders: vec![(JOINT.into(), joint.path.clone())],
                ..EngineGraphs::default()
            };
            let device = inner
                .runtime
                .resolve(&Device::Cpu, &Silent)
                .map_err(|error| ModelError::Engine(error.into()))?;
            let options = EngineOptions { threads: inner.threads, ..EngineOptions::new(device) };
            Engine::load(&inner.runtime, graphs, options).await.map_err(engine_error)?
        }
    };
    check_batch(&engine, joint)?;
    let reader = &inner.folder.reader;
    let texts = TEXTS.iter().map(|text| reader.read(text)).collect::<Result<Vec<_>, _>>()?;
    let owner = Arc::clone(inner);
    let processed = tokio::task::spawn_blocking(move || {
        pictures().iter().map(|image| owner.folder.processor.process(image)).collect::<Result<Vec<_>, _>>()
    });
    let images = processed.await.map_err(|error| ModelError::Engine(error.into()))??;
    let (mut cosines, mut logits) = (Vec::new(), Vec::new());
    // One at a time: a graph may have fixed its batch at one.
    for image in &images {
        for text in &texts {
            let mut inputs = text_inputs(&engine, &inner.folder, JOINT, std::slice::from_ref(text));
            inputs.push(pixel_values(&[image]));
            let mut outputs = engine.encode(JOINT, inputs).await.map_err(engine_error)?;
            let mut row =
                |name: &str| Ok::<_, ModelError>(rows(&mut outputs, JOINT, name, 1)?.swap_remove(0));
            let (text, image) = (Embedding::new(row("text_embeds")?)?, Embedding::new(row("image_embeds")?)?);
            cosines.push(f64::from(text.cosine(&image)));
            logits.extend(row("logits_per_image")?.first().copied().map(f64::from));
        }
    }
    let scoring = inner.folder.config.family.scoring();
    let (scale, bias) =
        line(&cosines, &logits, scoring == Scoring::Sigmoid).ok_or_else(|| ModelError::Folder {
            path: joint.path.clone(),
            problem: "its logits aren't the cosines of its embeddings at a scale".into(),
            remedy:
                "Take another precision of it, or write `[match]` with `scale` and `bias` into percept.toml"
                    .into(),
        })?;
    Ok(Temperature { scale: scale as f32, bias: bias as f32, scoring, source: TemperatureSource::JointGraph })
}

fn pictures() -> [RgbImage; 3] {
    [
        RgbImage::from_pixel(64, 64, Rgb([128; 3])),
        RgbImage::from_fn(64, 48, |x, y| Rgb([(4 * x) as u8, (5 * y) as u8, 40])),
        RgbImage::from_fn(48, 64, |x, y| Rgb([if (x / 8 + y / 8) % 2 == 0 { 250 } else { 10 }; 3])),
    ]
}

/// Slope and offset of the line through the points with the least squares, or through the origin; `None` if they
/// lie on no line that rises.
fn line(x: &[f64], y: &[f64], offset: bool) -> Option<(f64, f64)> {
    let count = x.len() as f64;
    let middle = |values: &[f64]| if offset { values.iter().sum::<f64>() / count } else { 0.0 };
    let (middle_x, middle_y) = (middle(x), middle(y));
    let products: f64 = x.iter().zip(y).map(|(x, y)| (x - middle_x) * (y - middle_y)).sum();
    let squares: f64 = x.iter().map(|x| (x - middle_x).powi(2)).sum();
    let slope = products / squares;
    let bias = middle_y - slope * middle_x;
    let largest = y.iter().fold(0.0, |most: f64, y| most.max(y.abs()));
    let furthest = x.iter().zip(y).fold(0.0, |most: f64, (x, y)| most.max((slope * x + bias - y).abs()));
    let straight = slope.is_finite() && slope > 0.0 && x.len() == y.len() && furthest <= STRAIGHT * largest;
    straight.then_some((slope, bias))
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_line_is_found_where_there_is_one() {
        let x = [-0.2, 0.05, 0.1, 0.3];
        let on = |slope: f64, bias: f64| x.map(|x| slope * x + bias);
        let (slope, bias) = line(&x, &on(30.0, -7.0), true).unwrap();
        assert!((slope - 30.0).abs() < 1e-9 && (bias + 7.0).abs() < 1e-9, "{slope} {bias}");
        assert_eq!(
            line(&x, &on(30.0, 0.0), false).map(|(slope, bias)| (slope.round(), bias)),
            Some((30.0, 0.0))
        );
        assert_eq!(line(&x, &on(30.0, -7.0), false), None);
        assert_eq!(line(&x, &on(-30.0, 0.0), false), None);
        assert_eq!(line(&x, &[1.0, 5.0, 2.0, 9.0], true), None);
        assert_eq!(line(&[0.1; 4], &[3.0; 4], true), None);
    }
}
