//! The mouse: moves, clicks, drags and the wheel, as events of the protocol's `Input` domain.

use chromiumoxide::cdp::browser_protocol::input::{
    self, DispatchMouseEventParams, DispatchMouseEventPointerType, DispatchMouseEventType as Event,
};

use super::front::Front;
use crate::{MouseButton, ScreenError, ScreenPoint};

/// How many moves make a drag. Pages that follow the pointer need some on the way, and those that begin a
/// drag only after a few pixels need them before the end.
const MOVES: u32 = 12;

/// Moves to a place, and presses and releases a button there `count` times.
pub(super) async fn click(
    front: &Front,
    at: ScreenPoint,
    button: MouseButton,
    count: u32,
) -> Result<(), ScreenError> {
    front.tell(&event(Event::MouseMoved, at)).await?;
    for nth in 1..=count {
        for kind in [Event::MousePressed, Event::MouseReleased] {
            front.tell(&with_button(kind, at, button, i64::from(nth))).await?;
        }
    }
    Ok(())
}

/// Presses the left button at one place, moves to another and releases it.
pub(super) async fn drag(front: &Front, from: ScreenPoint, to: ScreenPoint) -> Result<(), ScreenError> {
    front.tell(&event(Event::MouseMoved, from)).await?;
    front.tell(&with_button(Event::MousePressed, from, MouseButton::Left, 1)).await?;
    for step in 1..=MOVES {
        let share = f64::from(step) / f64::from(MOVES);
        let on_the_way =
            ScreenPoint { x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share };
        front.tell(&with_button(Event::MouseMoved, on_the_way, MouseButton::Left, 0)).await?;
    }
    front.tell(&with_button(Event::MouseReleased, to, MouseButton::Left, 1)).await?;
    Ok(())
}

/// Turns the wheel over a place.
pub(super) async fn scroll(front: &Front, at: ScreenPoint, right: f64, down: f64) -> Result<(), ScreenError> {
    front.tell(&event(Event::MouseMoved, at)).await?;
    let mut wheel = event(Event::MouseWheel, at);
    wheel.delta_x = Some(right);
    wheel.delta_y = Some(down);
    front.tell(&wheel).await?;
    Ok(())
}

fn event(kind: Event, at: ScreenPoint) -> DispatchMouseEventParams {
    let mut event = DispatchMouseEventParams::new(kind, at.x, at.y);
    event.pointer_type = Some(DispatchMouseEventPointerType::Mouse);
    event
}

fn with_button(kind: Event, at: ScreenPoint, button: MouseButton, count: i64) -> DispatchMouseEventParams {
    let (button, bit) = match button {
        MouseButton::Left => (input::MouseButton::Left, 1),
        MouseButton::Right => (input::MouseButton::Right, 2),
        MouseButton::Middle => (input::MouseButton::Middle, 4),
    };
    let released = kind == Event::MouseReleased;
    let mut event = event(kind, at);
    event.button = Some(button);
    // The buttons that are down once the event has happened.
    event.buttons = Some(if released { 0 } else { bit });
    event.click_count = Some(count);
    event
}
