//! The contract of a tool.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{Observation, ToolCard, ToolContext, ToolError};

/// One thing an agent can do.
///
/// `Args` is the whole interface: its JSON Schema is what the model reads, so a doc comment on a field
/// is an instruction to the model.
///
/// ```
/// use percept_tools::{Observation, Tool, ToolCard, ToolContext, ToolError, async_trait, JsonSchema};
///
/// /// Adds numbers.
/// struct Add;
///
/// #[derive(serde::Deserialize, JsonSchema)]
/// struct AddArgs {
///     /// What to add up.
///     numbers: Vec<i64>,
/// }
///
/// #[async_trait]
/// impl Tool for Add {
///     type Args = AddArgs;
///
///     fn card(&self) -> ToolCard {
///         ToolCard::reads("add", "Adds up whole numbers.")
///     }
///
///     async fn call(&self, args: AddArgs, _: &ToolContext) -> Result<Observation, ToolError> {
///         Ok(Observation::note(args.numbers.iter().sum::<i64>().to_string()))
///     }
/// }
/// ```
#[async_trait]
pub trait Tool: Send + Sync {
    /// What the call needs, already parsed when [`Tool::call`] receives it.
    type Args: DeserializeOwned + JsonSchema + Send;

    /// Name, one-line description, and what a call may change.
    fn card(&self) -> ToolCard;

    /// Whether placeholders in its arguments are filled in with the values that they stand for. `false` for a tool that
    /// hands its arguments on to a model.
    fn reveals(&self) -> bool {
        true
    }

    /// Does the thing.
    ///
    /// # Errors
    ///
    /// [`ToolError::Refused`] if asking differently could help, [`ToolError::Broken`] if not.
    async fn call(&self, args: Self::Args, cx: &ToolContext) -> Result<Observation, ToolError>;
}
