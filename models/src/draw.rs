//! The contract of a model that draws: words in, a picture out.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use image::RgbImage;
use percept_runtime::{Chooser, Sampling};
use tokio_util::sync::CancellationToken;

use crate::{DrawingPlan, ModelError, Usage};

/// How a picture is drawn.
#[derive(Debug, Clone)]
pub struct Draw {
    /// By how much the prompt counts more than no prompt (classifier-free guidance, Ho & Salimans 2022): 1 leaves guidance
    /// out, more follows the words more closely. `None`: as much as the family's reference takes.
    pub guidance: Option<f32>,
    /// 0 takes the likeliest token always; 1 samples from the guided distribution.
    pub temperature: f32,
    /// Nucleus sampling (Holtzman et al. 2019): the smallest set of tokens with this much probability. 1 keeps all.
    pub top_p: f32,
    /// Same seed, same model, same prompt, same device: same picture.
    pub seed: u64,
    /// Ends the drawing within one step.
    pub cancel: CancellationToken,
    /// Told after each token.
    pub progress: Option<DrawProgress>,
}

impl Default for Draw {
    fn default() -> Self {
        Self {
            guidance: None,
            temperature: 1.0,
            top_p: 1.0,
            seed: 0,
            cancel: CancellationToken::new(),
            progress: None,
        }
    }
}

impl Draw {
    /// By how much the prompt counts for a family that draws so, if everything asked for can be had of it; no model is needed
    /// to know.
    ///
    /// # Errors
    ///
    /// [`ModelError::Request`] naming the number that lies outside its range, or the guidance that the family has none of.
    pub fn checked(&self, plan: &DrawingPlan) -> Result<f32, ModelError> {
        Chooser::new(self.sampling()).map_err(|error| ModelError::Request(error.to_string()))?;
        match (&plan.unconditional, self.guidance) {
            (_, Some(asked)) if !(asked.is_finite() && asked >= 1.0) => {
                Err(ModelError::Request(format!("guidance is {asked}, but must be 1 (none) or more")))
            }
            (None, Some(asked)) if asked > 1.0 => Err(ModelError::Request(format!(
                "this model was trained without guidance: leave {asked} out, or say 1"
            ))),
            (None, _) => Ok(1.0),
            (Some(unconditional), asked) => Ok(asked.unwrap_or(unconditional.guidance)),
        }
    }

    pub(crate) fn sampling(&self) -> Sampling {
        Sampling { temperature: self.temperature, top_p: self.top_p, seed: self.seed, ..Sampling::default() }
    }
}

/// Told how many of how many tokens of a picture are there.
#[derive(Clone)]
pub struct DrawProgress(Arc<dyn Fn(usize, usize) + Send + Sync>);

impl DrawProgress {
    /// Calls this with the tokens that are there and the tokens that there will be.
    pub fn new(told: impl Fn(usize, usize) + Send + Sync + 'static) -> Self {
        Self(Arc::new(told))
    }

    pub(crate) fn tell(&self, done: usize, of: usize) {
        (self.0)(done, of);
    }
}

impl fmt::Debug for DrawProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DrawProgress")
    }
}

/// A picture that a model drew.
#[derive(Debug, Clone)]
pub struct Drawing {
    /// Its pixels.
    pub image: Arc<RgbImage>,
    /// The tokens that it is made of, as numbers of the image's codebook, row by row.
    pub tokens: Vec<u32>,
    /// By how much the prompt counted; 1 where guidance was left out.
    pub guidance: f32,
    /// What it took: the prompt's tokens once for each of the two it was read as, and in `vision` the time from tokens to
    /// pixels.
    pub usage: Usage,
}

/// A model that draws what words say.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use percept_models::{Draw, ImageModel, LoadOptions, LocalModel};
/// use percept_runtime::Silent;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let model = LocalModel::load("models/janus".as_ref(), LoadOptions::default(), Arc::new(Silent)).await?;
/// let options = Draw { seed: 7, guidance: Some(5.0), ..Draw::default() };
/// let drawing = model.draw("A red circle on a white page.", &options).await?;
/// drawing.image.save("circle.png")?;
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait ImageModel: Send + Sync {
    /// Draws a picture.
    ///
    /// # Errors
    ///
    /// [`ModelError::Request`] if the model can't draw, or not with these options, [`ModelError::Conversation`] if prompt and
    /// picture don't fit its context, [`ModelError::Cancelled`] if it was cancelled on the way.
    async fn draw(&self, prompt: &str, options: &Draw) -> Result<Drawing, ModelError>;
}
