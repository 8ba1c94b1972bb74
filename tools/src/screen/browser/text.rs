//! The text that a person could read in the viewport.

use std::{collections::HashMap, time::Duration};

use chromiumoxide::cdp::browser_protocol::page::{FrameTree, GetFrameTreeParams};
use serde::{Deserialize, Serialize};

use super::front::Front;
use crate::ScreenError;

/// Walks a frame and gives its visible lines; see the comments in it.
const READ: &str = include_str!("text/visible.js");

/// How long a frame may take to be read.
const LIMIT: Duration = Duration::from_secs(3);
/// How often a page that goes on to another one meanwhile is read again.
const ATTEMPTS: usize = 3;

/// A piece of a frame's text, as the script gives it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Piece {
    /// One line.
    Line { text: String },
    /// A frame that stands here.
    Frame {
        /// Its number among the frames in this one.
        frame: usize,
        view: View,
    },
}

/// The part of a frame that is in view, in its own CSS pixels.
#[derive(Debug, Serialize, Deserialize)]
struct View {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

/// The text in the viewport of the window in front, a line for each line of the page.
///
/// # Errors
///
/// [`ScreenError::Gone`] if there is no page any more, [`ScreenError::Unsettled`] if it can't be read.
pub(super) async fn visible(front: &Front) -> Result<String, ScreenError> {
    for _ in 0..ATTEMPTS {
        if let Some(lines) = read(front).await? {
            return Ok(lines.join("\n"));
        }
    }
    Err(ScreenError::Unsettled { seconds: LIMIT.as_secs_f64() })
}

/// The visible lines; `None` if the page went on to another one meanwhile.
async fn read(front: &Front) -> Result<Option<Vec<String>>, ScreenError> {
    let (top, inside) = frames(front).await?;
    let Some(pieces) = read_frame(front, &top, None).await? else { return Ok(None) };
    let mut lines = Vec::new();
    // What is still to come and the frame that it stands in, the next one last.
    let mut left: Vec<(String, Piece)> = pieces.into_iter().rev().map(|piece| (top.clone(), piece)).collect();
    while let Some((owner, piece)) = left.pop() {
        let (frame, view) = match piece {
            Piece::Line { text } => {
                lines.push(text);
                continue;
            }
            Piece::Frame { frame, view } => (frame, view),
        };
        // The page may have taken a frame away or added one since the tree was told.
        let Some(frame) = inside.get(&owner).and_then(|frames| frames.get(frame)) else { return Ok(None) };
        let Some(pieces) = read_frame(front, frame, Some(view)).await? else { return Ok(None) };
        left.extend(pieces.into_iter().rev().map(|piece| (frame.clone(), piece)));
    }
    Ok(Some(lines))
}

async fn read_frame(
    front: &Front,
    frame: &str,
    view: Option<View>,
) -> Result<Option<Vec<Piece>>, ScreenError> {
    let view = serde_json::to_string(&view).map_err(|e| ScreenError::Broken(e.into()))?;
    front.evaluate_in(frame, &format!("({READ})({view})"), LIMIT).await
}

/// The frame at the top, and which frames are in which, in order.
pub(super) async fn frames(front: &Front) -> Result<(String, HashMap<String, Vec<String>>), ScreenError> {
    let tree = front.tell(&GetFrameTreeParams::default()).await?.frame_tree;
    let mut inside = HashMap::new();
    note_children(&tree, &mut inside);
    Ok((tree.frame.id.inner().clone(), inside))
}

fn note_children(tree: &FrameTree, inside: &mut HashMap<String, Vec<String>>) {
    let children = tree.child_frames.iter().flatten();
    inside.insert(
        tree.frame.id.inner().clone(),
        children.clone().map(|c| c.frame.id.inner().clone()).collect(),
    );
    children.for_each(|child| note_children(child, inside));
}
