//! Looking: what the screen shows now.

use std::{sync::Arc, time::Instant};

use percept_tools::{PixelPoint, PixelRegion, Screenshot, image::RgbImage};

use super::working::{Working, milliseconds, unexpected};
use crate::{Area, Ending, Event, Percept, Target, history::Record};

impl Working {
    /// Takes a look and remembers it; `None` in a run without a screen.
    ///
    /// # Errors
    ///
    /// The run's ending, if there is nothing left to look at.
    pub(super) async fn look(&mut self) -> Result<Option<Percept>, Ending> {
        let percept = self.peek(self.budget.steps + 1).await?;
        if let Some(percept) = &percept {
            self.history.push(Record::Saw(percept.clone()));
        }
        Ok(percept)
    }

    /// Takes a look that the model isn't shown.
    async fn peek(&mut self, step: usize) -> Result<Option<Percept>, Ending> {
        let Some(screen) = self.screen.as_ref().map(Arc::clone) else { return Ok(None) };
        let (bounds, album) = (self.bounds(), Arc::clone(&self.album));
        let work = async move {
            let begun = Instant::now();
            let looked = bounds.within(screen.look()).await?;
            let took = milliseconds(begun.elapsed());
            let percept = Percept::new(looked.map_err(|error| Ending::failed(error.to_string()))?);
            let seen = percept.screenshot();
            Ok(Event::Looked {
                step,
                shot: album.bring(percept.image()),
                hash: percept.hash().to_string(),
                frame: seen.frame,
                location: seen.location.clone(),
                notes: seen.notes.clone(),
                milliseconds: took,
            })
        };
        let looked = self.durable.step(&["looked"], Box::pin(work)).await?;
        let Event::Looked { shot, hash, frame, location, notes, milliseconds, .. } = looked else {
            return Err(unexpected(&looked));
        };
        self.result.milliseconds.look += milliseconds;
        for note in &notes {
            self.note(note).await?;
        }
        let image = self.album.take(&hash, shot.as_deref())?;
        let screenshot = Screenshot { pixels: Arc::clone(image.pixels()), frame, location, notes };
        Ok(Some(Percept::remembered(screenshot, image)))
    }

    /// Whether the screen still is what it was when a call was decided: at the same address, and alike at the places
    /// that the call names. A person's word may have come days later, and to another browser.
    ///
    /// # Errors
    ///
    /// The run's ending, if there is nothing left to look at.
    pub(super) async fn is_as_it_was(
        &mut self,
        step: usize,
        percept: Option<&Percept>,
        targets: &[Target],
    ) -> Result<bool, Ending> {
        let (Some(then), Some(now)) = (percept, self.peek(step).await?) else { return Ok(true) };
        let (then, now) = (then.screenshot(), now.screenshot());
        if then.frame != now.frame || then.location != now.location {
            return Ok(false);
        }
        Ok(targets.iter().all(|target| is_alike(&then.pixels, &now.pixels, around(target))))
    }
}

/// How far around a point the screen must be as it was, in pixels.
const AROUND: u32 = 12;
/// How much a colour may differ on average and still be the same: text moves by a shade between two looks.
const SHADE: u64 = 6;

/// The pixels that a target is about.
fn around(target: &Target) -> PixelRegion {
    match target.area {
        Area::Region(region) => region,
        Area::Point(PixelPoint { x, y }) => PixelRegion {
            left: x.saturating_sub(AROUND),
            top: y.saturating_sub(AROUND),
            right: x.saturating_add(AROUND),
            bottom: y.saturating_add(AROUND),
        },
    }
}

/// Whether two screenshots of one size show the same in this region, as far as it lies on them.
fn is_alike(then: &RgbImage, now: &RgbImage, region: PixelRegion) -> bool {
    let (right, bottom) = (region.right.min(then.width()), region.bottom.min(then.height()));
    let (mut difference, mut count) = (0, 0);
    for y in region.top..bottom {
        for x in region.left..right {
            let (then, now) = (then.get_pixel(x, y).0, now.get_pixel(x, y).0);
            difference += then.iter().zip(now).map(|(a, b)| u64::from(a.abs_diff(b))).sum::<u64>();
            count += 3;
        }
    }
    difference <= SHADE * count
}
