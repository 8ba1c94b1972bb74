//! `press_key`: presses a key or a chord.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::hand::Hand;
use crate::{Input, Key, Observation, Screen, Tool, ToolCard, ToolContext, ToolError};

/// The tool `press_key`.
pub struct PressKey(Hand);

impl PressKey {
    /// The tool for this screen.
    pub fn new(screen: Arc<dyn Screen>) -> Self {
        Self(Hand::new("press_key", screen))
    }
}

/// What `press_key` needs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PressKeyArgs {
    /// The key's name, `Enter`, `Tab`, `Escape`, `Backspace`, `ArrowDown` or a character; chords are joined
    /// with `+`, as in `Control+a`.
    pub key: String,
}

#[async_trait]
impl Tool for PressKey {
    type Args = PressKeyArgs;

    fn card(&self) -> ToolCard {
        ToolCard::changes(
            "press_key",
            "Presses a key or a chord, as Enter to submit or Tab to go to the next field.",
            false,
        )
    }

    async fn call(&self, args: PressKeyArgs, cx: &ToolContext) -> Result<Observation, ToolError> {
        let note = format!("pressed {}", args.key);
        self.0.act(Input::Press(Key(args.key)), cx).await?;
        Ok(Observation::note(note))
    }
}
