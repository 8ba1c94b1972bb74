//! An action drawn on the screenshot that it was decided on.

use percept_models::Call;
use serde_json::Value;

use super::{album::Picture, hypertext::Hypertext, story::Step};
use crate::{Area, Target};

/// How wide a small screenshot is shown at least, in CSS pixels.
const READABLE_WIDTH: u32 = 360;
/// The most times that a small screenshot is enlarged.
const LARGEST_ENLARGEMENT: u32 = 4;

/// Draws a screenshot, and on it what the step did.
pub(super) fn screenshot(html: &mut Hypertext, picture: &Picture, step: &Step<'_>) {
    let enlargement = (READABLE_WIDTH / picture.width.max(1)).clamp(1, LARGEST_ENLARGEMENT);
    html.markup("<svg class=\"shot");
    if enlargement > 1 {
        html.markup(" small");
    }
    html.markup("\" role=\"img\" aria-label=\"").text(&label(step)).markup("\" viewBox=\"0 0 ");
    html.show(picture.width).markup(" ").show(picture.height).markup("\" width=\"");
    html.show(picture.width * enlargement).markup("\" height=\"").show(picture.height * enlargement);
    html.markup("\"><use href=\"#shot-").show(picture.number).markup("\"/>");
    let unit = f64::from(picture.width.max(picture.height)) / 100.0;
    if let Some(call) = step.decision.as_ref().and_then(|decision| decision.call).filter(|_| step.called) {
        action(html, call, step.targets, unit);
        keys(html, call, picture, unit);
    }
    html.markup("</svg>");
}

/// What the next screen shows otherwise than this one, and the switch to see it; nothing where there is nothing.
pub(super) fn difference(html: &mut Hypertext, before: &Picture, after: Option<&Picture>) {
    let Some(after) = after.filter(|after| {
        after.number != before.number && (after.width, after.height) == (before.width, before.height)
    }) else {
        return;
    };
    let enlargement = (READABLE_WIDTH / before.width.max(1)).clamp(1, LARGEST_ENLARGEMENT);
    html.markup("<button type=\"button\" class=\"changed\" aria-pressed=\"false\">what changed</button>");
    html.markup("<svg class=\"shot difference");
    if enlargement > 1 {
        html.markup(" small");
    }
    html.markup("\" role=\"img\" aria-label=\"What the step changed on the screen\" viewBox=\"0 0 ");
    html.show(before.width).markup(" ").show(before.height).markup("\" width=\"");
    html.show(before.width * enlargement).markup("\" height=\"").show(before.height * enlargement);
    html.markup("\"><g><use href=\"#shot-")
        .show(before.number)
        .markup("\"/><use class=\"after\" href=\"#shot-");
    html.show(after.number).markup("\"/></g></svg>");
}

/// A thumbnail for the film strip.
pub(super) fn thumbnail(html: &mut Hypertext, picture: &Picture) {
    html.markup("<svg viewBox=\"0 0 ").show(picture.width).markup(" ").show(picture.height);
    html.markup("\" preserveAspectRatio=\"xMidYMin slice\" aria-hidden=\"true\"><use href=\"#shot-");
    html.show(picture.number).markup("\"/></svg>");
}

/// What a reader who can't see the drawing is told.
fn label(step: &Step<'_>) -> String {
    match step.decision.as_ref().and_then(|decision| decision.call) {
        Some(call) => format!("Step {}: the screen before {} {}", step.number, call.function, call.arguments),
        None => format!("Step {}: the screen", step.number),
    }
}

fn action(html: &mut Hypertext, call: &Call, targets: &[Target], unit: f64) {
    let points: Vec<(f64, f64)> = targets
        .iter()
        .filter_map(|target| match target.area {
            Area::Point(point) => Some((f64::from(point.x) + 0.5, f64::from(point.y) + 0.5)),
            Area::Region(_) => None,
        })
        .collect();
    html.markup("<g class=\"action\">");
    for target in targets {
        if let Area::Region(r) = target.area {
            html.markup("<rect class=\"region\" x=\"").show(r.left).markup("\" y=\"").show(r.top);
            html.markup("\" width=\"").show(r.right.saturating_sub(r.left)).markup("\" height=\"");
            html.show(r.bottom.saturating_sub(r.top)).markup("\"/>");
        }
    }
    match points[..] {
        [from, to] => {
            arrow(html, from, to, unit);
            rings(html, from, unit * 0.7);
        }
        [at] => {
            if let Some((dx, dy)) =
                call.arguments.get("direction").and_then(Value::as_str).and_then(direction)
            {
                arrow(html, at, (at.0 + dx * unit * 14.0, at.1 + dy * unit * 14.0), unit);
            }
            crosshair(html, at, unit);
            rings(html, at, unit);
        }
        _ => points.iter().for_each(|at| rings(html, *at, unit)),
    }
    html.markup("</g>");
}

/// What goes in through the keyboard has no place on the screen: it is shown at the lower edge.
fn keys(html: &mut Hypertext, call: &Call, picture: &Picture, unit: f64) {
    let typed = ["text", "key"].iter().find_map(|name| call.arguments.get(*name).and_then(Value::as_str));
    let Some(typed) = typed else { return };
    let mut shown: String = typed.chars().take(24).collect();
    if shown.len() < typed.len() {
        shown.push('…');
    }
    let (width, height) = (f64::from(picture.width), 11.0 * unit);
    let top = f64::from(picture.height) - height;
    html.markup("<g class=\"action\"><rect class=\"chip\" x=\"0\" y=\"").number(top).markup("\" width=\"");
    html.number(width).markup("\" height=\"").number(height).markup("\"/><text x=\"").number(3.0 * unit);
    html.markup("\" y=\"").number(top + 7.6 * unit).markup("\" font-size=\"").number(6.0 * unit);
    html.markup("\">⌨ ").text(&shown).markup("</text></g>");
}

fn direction(word: &str) -> Option<(f64, f64)> {
    match word {
        "up" => Some((0.0, -1.0)),
        "down" => Some((0.0, 1.0)),
        "left" => Some((-1.0, 0.0)),
        "right" => Some((1.0, 0.0)),
        _ => None,
    }
}

fn rings(html: &mut Hypertext, (x, y): (f64, f64), unit: f64) {
    for (class, radius) in [(Ring::Halo, 5.0), (Ring::Outer, 5.0), (Ring::Inner, 1.1)] {
        html.markup(match class {
            Ring::Halo => "<circle class=\"halo\" cx=\"",
            Ring::Outer => "<circle class=\"ring\" cx=\"",
            Ring::Inner => "<circle class=\"dot\" cx=\"",
        });
        html.number(x).markup("\" cy=\"").number(y).markup("\" r=\"").number(radius * unit).markup("\"/>");
    }
}

enum Ring {
    Halo,
    Outer,
    Inner,
}

fn crosshair(html: &mut Hypertext, (x, y): (f64, f64), unit: f64) {
    let (near, far) = (5.0 * unit, 8.0 * unit);
    for (dx, dy) in [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)] {
        line(html, (x + dx * near, y + dy * near), (x + dx * far, y + dy * far));
    }
}

fn line(html: &mut Hypertext, from: (f64, f64), to: (f64, f64)) {
    html.markup("<line x1=\"").number(from.0).markup("\" y1=\"").number(from.1);
    html.markup("\" x2=\"").number(to.0).markup("\" y2=\"").number(to.1).markup("\"/>");
}

/// A line with a head; its parts are drawn in the same colour, so no marker definitions are needed.
fn arrow(html: &mut Hypertext, from: (f64, f64), to: (f64, f64), unit: f64) {
    line(html, from, to);
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy).max(1e-6);
    let (dx, dy) = (dx / length * unit * 4.0, dy / length * unit * 4.0);
    for side in [0.5, -0.5] {
        line(html, to, (to.0 - dx + side * dy, to.1 - dy - side * dx));
    }
}
