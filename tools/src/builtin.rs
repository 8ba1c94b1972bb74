//! The tools that come with Percept, a file each: what a person does with mouse and keyboard, a closer look,
//! a wait, an answer, and the end.
//!
//! The doc comments on their arguments are instructions to the model; a snapshot test shows any change.

mod answer;
mod click;
mod double_click;
mod drag;
mod finish;
mod hand;
mod navigate;
mod press_key;
mod right_click;
mod scroll;
mod type_text;
mod wait;
mod written;
mod zoom;

use std::sync::Arc;

pub use answer::{Answer, AnswerArgs};
pub use click::{Click, ClickArgs};
pub use double_click::{DoubleClick, DoubleClickArgs};
pub use drag::{Drag, DragArgs};
pub use finish::{Finish, FinishArgs};
pub use navigate::{Navigate, NavigateArgs};
pub use press_key::{PressKey, PressKeyArgs};
pub use right_click::{RightClick, RightClickArgs};
pub use scroll::{Direction, Scroll, ScrollArgs};
pub use type_text::{TypeText, TypeTextArgs};
pub use wait::{Wait, WaitArgs};
pub use written::{NAMES_OF_INPUTS, written};
pub use zoom::{Zoom, ZoomArgs};

use crate::{Screen, Tool, Toolbox};

/// Every built-in tool, for one screen. [`Toolbox::only`] makes a smaller box of it.
pub fn toolbox(screen: &Arc<dyn Screen>) -> Toolbox {
    fn put(toolbox: &mut Toolbox, tool: impl Tool + 'static) {
        toolbox.put(tool.card().name, tool);
    }
    let mut toolbox = Toolbox::new();
    put(&mut toolbox, Click::new(screen.clone()));
    put(&mut toolbox, DoubleClick::new(screen.clone()));
    put(&mut toolbox, RightClick::new(screen.clone()));
    put(&mut toolbox, Drag::new(screen.clone()));
    put(&mut toolbox, Scroll::new(screen.clone()));
    put(&mut toolbox, TypeText::new(screen.clone()));
    put(&mut toolbox, PressKey::new(screen.clone()));
    put(&mut toolbox, Wait);
    put(&mut toolbox, Navigate::new(screen.clone()));
    put(&mut toolbox, Zoom::new(screen.clone()));
    put(&mut toolbox, Answer);
    put(&mut toolbox, Finish);
    toolbox
}
