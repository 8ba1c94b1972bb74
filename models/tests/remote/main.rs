//! Remote models, against servers on this machine that answer as each API's documentation says it does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "what fails in a test's own helpers fails the test"
)]

mod computer;
mod faults;
mod replies;
mod requests;
mod secrets;
mod server;
mod streams;
mod thinking;

use std::sync::Arc;

use image::RgbImage;
use percept_models::{Conversation, Function, Generate, Message, Reply, Role, Thought};
use serde_json::json;

/// Each API by its name.
const APIS: [&str; 3] = ["openai", "gemini", "anthropic"];

/// A look at a screen of this size, after an action.
fn conversation(width: u32, height: u32) -> Conversation {
    let screen = Arc::new(RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 9])));
    [
        Message::text(Role::System, "You work a page."),
        Message::text(Role::User, "Press B."),
        Message::text(Role::Assistant, "It must be below.\nscroll {\"down\":1}"),
        Message::text(Role::Tool, "Scrolled."),
        Message { role: Role::User, content: Vec::new() }.with_image(screen).with_text("The screen now."),
    ]
    .into_iter()
    .collect()
}

/// A call on a screen of this size.
fn call(width: u32, height: u32, thought: Thought) -> Generate {
    let mark = json!({ "kind": "point", "width": width, "height": height });
    let point = json!({ "type": "array", "description": "Where.", "x-percept": mark });
    let click = json!({ "type": "object", "properties": { "point": point }, "required": ["point"] });
    let functions = [("click", click), ("finish", json!({ "type": "object" }))]
        .map(|(name, schema)| Function { name: name.into(), description: format!("To {name}."), schema });
    Generate { reply: Reply::Call { thought, functions: functions.into() }, ..Generate::default() }
}
