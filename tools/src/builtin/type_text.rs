//! `type_text`: types into whatever has the focus.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::hand::Hand;
use crate::{Input, Observation, Screen, Tool, ToolCard, ToolContext, ToolError};

/// The tool `type_text`.
pub struct TypeText(Hand);

impl TypeText {
    /// The tool for this screen.
    pub fn new(screen: Arc<dyn Screen>) -> Self {
        Self(Hand::new("type_text", screen))
    }
}

/// What `type_text` needs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TypeTextArgs {
    /// The text, exactly as it shall appear.
    pub text: String,
}

#[async_trait]
impl Tool for TypeText {
    type Args = TypeTextArgs;

    fn card(&self) -> ToolCard {
        ToolCard::changes(
            "type_text",
            "Types text into the field that has the focus; click the field first.",
            false,
        )
    }

    async fn call(&self, args: TypeTextArgs, cx: &ToolContext) -> Result<Observation, ToolError> {
        if args.text.is_empty() {
            return Err(ToolError::BadArguments("text is empty".into()));
        }
        let letters = args.text.chars().count();
        self.0.act(Input::Text(args.text), cx).await?;
        Ok(Observation::note(format!("typed {letters} character{}", if letters == 1 { "" } else { "s" })))
    }
}
