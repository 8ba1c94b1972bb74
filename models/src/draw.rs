//! The contract of a model that draws: words in, a picture out.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use image::RgbImage;
use percept_runtime::{Chooser, Sampling};
use tokio_util::sync::CancellationToken;

use crate::{DrawingPlan, Extent, ModelError, Usage};

/// Far beyond what follows words any closer, and far below where scores would be no numbers any more.
const MOST_GUIDANCE: f32 = 1000.0;

/// How a picture is drawn.
#[derive(Debug, Clone)]
pub struct Draw {
    /// By how much the prompt counts more than no prompt (classifier-free guidance, Ho & Salimans 2022): 1 leaves guidance
    /// out, more follows the words more closely. `None`: as much as the family's reference takes.
    pub guidance: Option<f32>,
    /// What the picture is to be unlike, in words: guidance leads away from them, and not from no prompt (Emu3).
    pub negative: Option<String>,
    /// Width and height to each other, where pictures have any shape (Emu3); `None`: square.
    pub ratio: Option<[u32; 2]>,
    /// About how many pixels it has, where pictures have any size (Emu3); `None`: as many as the family's reference gives it.
    pub area: Option<u32>,
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
            negative: None,
            ratio: None,
            area: None,
            temperature: 1.0,
            top_p: 1.0,
            seed: 0,
            cancel: CancellationToken::new(),
            progress: None,
        }
    }
}

impl Draw {
    /// What is asked for as a family that draws so takes it, if everything can be had of it; no model is needed to know.
    ///
    /// # Errors
    ///
    /// [`ModelError::Request`] naming the number that lies outside its range, or the guidance, the negative prompt or the size
    /// that the family has none of.
    pub fn checked(&self, plan: &DrawingPlan) -> Result<CheckedDraw, ModelError> {
        Chooser::new(self.sampling()).map_err(|error| ModelError::Request(error.to_string()))?;
        let guidance = self.checked_guidance(plan)?;
        let takes_negative = plan.unconditional.as_ref().is_some_and(|none| none.negative);
        match &self.negative {
            Some(_) if !takes_negative => {
                return Err(ModelError::Request(
                    "this model's guidance is against no prompt, and takes no negative one: leave it out"
                        .into(),
                ));
            }
            Some(_) if guidance <= 1.0 => {
                return Err(ModelError::Request(format!(
                    "a negative prompt counts by guidance, which is {guidance}: ask for more than 1, or leave it out"
                )));
            }
            _ => {}
        }
        Ok(CheckedDraw { guidance, extent: plan.canvas.extent(self.ratio, self.area)? })
    }

    fn checked_guidance(&self, plan: &DrawingPlan) -> Result<f32, ModelError> {
        match (&plan.unconditional, self.guidance) {
            (_, Some(asked)) if !(1.0..=MOST_GUIDANCE).contains(&asked) => Err(ModelError::Request(format!(
                "guidance is {asked}, but must be from 1 (none) to {MOST_GUIDANCE}"
            ))),
            (None, Some(asked)) if asked > 1.0 => Err(ModelError::Request(format!(
                "this model was trained without guidance: leave {asked} out, or say 1"
            ))),
            (None, _) => Ok(1.0),
            // A folder may say less than 1, which to its reference means none as well.
            (Some(unconditional), asked) => Ok(asked.unwrap_or(unconditional.guidance).max(1.0)),
        }
    }

    pub(crate) fn sampling(&self) -> Sampling {
        Sampling { temperature: self.temperature, top_p: self.top_p, seed: self.seed, ..Sampling::default() }
    }
}

/// What is asked for, as a family takes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CheckedDraw {
    /// By how much the prompt counts; 1 leaves guidance out.
    pub guidance: f32,
    /// How many tokens the picture has.
    pub extent: Extent,
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
