//! The other way round: the call of a built-in tool that does what was done to a screen.

use serde_json::{Value, json};

use super::Direction;
use crate::{Frame, Input, MouseButton, Point, ScreenPoint};

/// The tools that [`written`] writes calls of.
pub const NAMES_OF_INPUTS: [&str; 8] =
    ["click", "double_click", "right_click", "drag", "scroll", "type_text", "press_key", "navigate"];

/// The tool and the arguments that do this to a screen of which a screenshot had this frame; `None` where no built-in
/// tool does: a click with the wheel, a place outside the screenshot, a turn of the wheel that moves nothing.
///
/// Called with them, the tool does the same to the pixel: points are brought to pixels here and back there. A scroll
/// along both axes becomes one along the longer.
///
/// ```
/// use percept_tools::{Frame, Input, MouseButton, PixelSize, ScreenPoint, builtin};
///
/// let frame = Frame { size: PixelSize { width: 320, height: 200 }, scale: 2.0 };
/// let at = ScreenPoint { x: 12.5, y: 40.0 };
/// let (tool, arguments) = builtin::written(&Input::Click { at, button: MouseButton::Left, count: 1 }, frame).unwrap();
/// assert_eq!((tool, arguments.to_string().as_str()), ("click", r#"{"point":[25,80]}"#));
/// ```
pub fn written(input: &Input, frame: Frame) -> Option<(&'static str, Value)> {
    let point = |at: ScreenPoint| frame.to_pixel(at).map(Point);
    Some(match input {
        Input::Click { at, button, count } => {
            let tool = match (button, count) {
                (MouseButton::Left, 1) => "click",
                (MouseButton::Left, 2) => "double_click",
                (MouseButton::Right, 1) => "right_click",
                _ => return None,
            };
            (tool, json!({ "point": point(*at)? }))
        }
        Input::Drag { from, to } => ("drag", json!({ "from": point(*from)?, "to": point(*to)? })),
        Input::Scroll { at, right, down } => {
            let (direction, distance) = match (right.abs() > down.abs(), *right > 0.0, *down > 0.0) {
                (true, true, _) => (Direction::Right, right),
                (true, false, _) => (Direction::Left, right),
                (false, _, true) => (Direction::Down, down),
                (false, _, false) => (Direction::Up, down),
            };
            let amount = (distance.abs() * frame.scale).round();
            if !(1.0..=f64::from(u32::MAX)).contains(&amount) {
                return None;
            }
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked just before")]
            let amount = amount as u32;
            ("scroll", json!({ "point": point(*at)?, "direction": direction.word(), "amount": amount }))
        }
        Input::Text(text) => ("type_text", json!({ "text": text })),
        Input::Press(key) => ("press_key", json!({ "key": key.0 })),
        Input::Navigate(url) => ("navigate", json!({ "url": url })),
    })
}
