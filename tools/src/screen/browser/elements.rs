//! What a page's elements are and where: the one that a click would reach, all that can be acted on, and those that
//! show a text.

use std::{collections::HashMap, time::Duration};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{front::Front, text::frames};
use crate::{Element, ScreenError, ScreenPoint, ScreenRegion};

/// Tells the elements of a frame; see the comments in it.
const ELEMENTS: &str = include_str!("elements/elements.js");
/// Tells where a frame shows a text; see the comments in it.
const PLACES: &str = include_str!("elements/places.js");

/// How long a frame may take to tell them.
const LIMIT: Duration = Duration::from_secs(3);
/// How often a page that goes on to another one meanwhile is asked again.
const ATTEMPTS: usize = 3;

/// What a script gives.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Told<T> {
    /// A frame whose content begins there.
    Frame {
        /// Its number among the frames in this one.
        frame: usize,
        left: f64,
        top: f64,
    },
    Found(T),
}

/// What a click there would reach; `None` where there is nothing at all.
///
/// # Errors
///
/// [`ScreenError::Gone`] if there is no page any more, [`ScreenError::Unsettled`] if it can't be asked.
pub(super) async fn at(front: &Front, at: ScreenPoint) -> Result<Option<Element>, ScreenError> {
    let place = |origin: ScreenPoint| json!({ "x": at.x - origin.x, "y": at.y - origin.y });
    Ok(settled(front, ELEMENTS, place).await?.into_iter().next())
}

/// Everything in view that can be acted on.
///
/// # Errors
///
/// Those of [`at`].
pub(super) async fn all(front: &Front) -> Result<Vec<Element>, ScreenError> {
    settled(front, ELEMENTS, |_| Value::Null).await
}

/// Where one of these texts is shown or held.
///
/// # Errors
///
/// Those of [`at`].
pub(super) async fn places_of(front: &Front, texts: &[String]) -> Result<Vec<ScreenRegion>, ScreenError> {
    settled(front, PLACES, |_| json!(texts)).await
}

/// What a page shows that no recording may: its masked fields, and their content wherever else it stands. The places
/// are in CSS pixels as the page is zoomed. With them, where each frame's content begins, by the numbers that lead to it
/// from the top.
///
/// # Errors
///
/// Those of [`at`].
pub(super) async fn secrets(
    front: &Front,
) -> Result<(Vec<ScreenRegion>, HashMap<Vec<usize>, ScreenPoint>), ScreenError> {
    // Every document has the script that `veil` comes with, but for one that was only just made.
    let script = format!(
        "() => {{ const places = (\n{PLACES}\n); return globalThis.perceptRecording?.veil(places) ?? places([]); }}"
    );
    let walk = walked(front, &script, |_| Value::Null).await?;
    Ok((walk.found, walk.origins))
}

async fn settled<T: Movable>(
    front: &Front,
    script: &str,
    argument: impl Fn(ScreenPoint) -> Value,
) -> Result<Vec<T>, ScreenError> {
    Ok(walked(front, script, argument).await?.found)
}

/// What a script found on its way through the frames.
struct Walk<T> {
    found: Vec<T>,
    /// Where each frame's content begins, by the numbers that lead to it from the top.
    origins: HashMap<Vec<usize>, ScreenPoint>,
}

async fn walked<T: Movable>(
    front: &Front,
    script: &str,
    argument: impl Fn(ScreenPoint) -> Value,
) -> Result<Walk<T>, ScreenError> {
    for _ in 0..ATTEMPTS {
        if let Some(walk) = told(front, script, &argument).await? {
            return Ok(walk);
        }
    }
    Err(ScreenError::Unsettled { seconds: LIMIT.as_secs_f64() })
}

/// What the script finds in every frame, in the top frame's coordinates; `None` if the page went on to another one
/// meanwhile. Its argument goes by where a frame's content begins.
async fn told<T: Movable>(
    front: &Front,
    script: &str,
    argument: &impl Fn(ScreenPoint) -> Value,
) -> Result<Option<Walk<T>>, ScreenError> {
    let (top, inside) = frames(front).await?;
    let mut found = Vec::new();
    let mut origins = HashMap::new();
    let mut left = vec![(top, Vec::new(), ScreenPoint { x: 0.0, y: 0.0 })];
    while let Some((owner, way, origin)) = left.pop() {
        let call = format!("({script})({})", argument(origin));
        let Some(told): Option<Vec<Told<T>>> = front.evaluate_in(&owner, &call, LIMIT).await? else {
            return Ok(None);
        };
        for one in told {
            match one {
                Told::Found(one) => found.push(one.moved(origin)),
                Told::Frame { frame: number, left: x, top: y } => {
                    // The page may have taken a frame away or added one since the tree was told.
                    let Some(frame) = inside.get(&owner).and_then(|frames| frames.get(number)) else {
                        return Ok(None);
                    };
                    let way = [&way[..], &[number]].concat();
                    left.push((frame.clone(), way, ScreenPoint { x: origin.x + x, y: origin.y + y }));
                }
            }
        }
        origins.insert(way, origin);
    }
    Ok(Some(Walk { found, origins }))
}

/// Something at a place of a frame.
trait Movable: DeserializeOwned {
    /// The same where the frame is.
    fn moved(self, by: ScreenPoint) -> Self;
}

impl Movable for ScreenRegion {
    fn moved(self, by: ScreenPoint) -> Self {
        let Self { left, top, right, bottom } = self;
        Self { left: left + by.x, top: top + by.y, right: right + by.x, bottom: bottom + by.y }
    }
}

impl Movable for Element {
    fn moved(self, by: ScreenPoint) -> Self {
        Self { region: self.region.moved(by), ..self }
    }
}
