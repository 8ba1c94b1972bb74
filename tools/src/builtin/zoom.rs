//! `zoom`: a closer look at a part of the screen.

use std::sync::Arc;

use async_trait::async_trait;
use image::imageops::{self, FilterType};
use schemars::JsonSchema;
use serde::Deserialize;

use super::hand::Hand;
use crate::{
    Observation, PartBody, PixelRegion, PixelSize, Region, Screen, Source, Tool, ToolCard, ToolContext,
    ToolError,
};

/// The most a region is enlarged: past it, interpolation shows nothing that fewer pixels wouldn't.
const MOST: f64 = 8.0;

/// The tool `zoom`.
pub struct Zoom(Hand);

impl Zoom {
    /// The tool for this screen.
    pub fn new(screen: Arc<dyn Screen>) -> Self {
        Self(Hand::new("zoom", screen))
    }
}

/// What `zoom` needs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ZoomArgs {
    /// The part to look at.
    pub region: Region,
}

#[async_trait]
impl Tool for Zoom {
    type Args = ZoomArgs;

    fn card(&self) -> ToolCard {
        ToolCard::reads("zoom", "Shows a part of the screen enlarged, to read small text.")
    }

    async fn call(&self, args: ZoomArgs, cx: &ToolContext) -> Result<Observation, ToolError> {
        let Region(region) = args.region;
        let PixelRegion { left, top, right, bottom } = region;
        Hand::covers("region", args.region, cx)?;
        let shot = self.0.look(cx).await?;
        if !shot.frame.holds(region) {
            return Err(ToolError::refused("the screen has become smaller since: look again"));
        }
        let part = imageops::crop_imm(&*shot.pixels, left, top, right - left, bottom - top).to_image();
        let factor = enlargement(region, shot.frame.size);
        let enlarged = |side: u32| (f64::from(side) * factor).round().max(1.0) as u32;
        let pixels =
            imageops::resize(&part, enlarged(part.width()), enlarged(part.height()), FilterType::CatmullRom);
        let source = Source::Screen(shot.location.unwrap_or_default());
        let note = format!(
            "[{left}, {top}, {right}, {bottom}] enlarged {factor:.1} times; points still mean the whole screen"
        );
        Ok(Observation::note(note).with(source, PartBody::Image(Arc::new(pixels))))
    }
}

/// How many times a region is enlarged: until it is as wide or as high as the whole screen.
fn enlargement(region: PixelRegion, screen: PixelSize) -> f64 {
    let across = f64::from(screen.width) / f64::from(region.right - region.left);
    let down = f64::from(screen.height) / f64::from(region.bottom - region.top);
    across.min(down).clamp(1.0, MOST)
}
