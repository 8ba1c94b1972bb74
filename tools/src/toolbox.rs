//! The tools on offer in a run: a set of distinct names, each callable with JSON.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

mod schema;

use crate::{Observation, Tool, ToolCard, ToolContext, ToolError, ToolboxError};

/// A tool as a model is told of it: its card and the JSON Schema of its arguments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OfferedTool {
    /// Name, description, effect.
    #[serde(flatten)]
    pub card: ToolCard,
    /// JSON Schema of the arguments, without references; [`Point`](crate::Point)s and
    /// [`Region`](crate::Region)s carry their mark.
    pub schema: Value,
}

/// A set of tools with distinct names.
#[derive(Default, Clone)]
pub struct Toolbox {
    tools: BTreeMap<String, Arc<dyn ErasedTool>>,
}

impl Toolbox {
    /// An empty toolbox.
    pub fn new() -> Self {
        Self::default()
    }

    /// A toolbox of tools that are known by what was once said of them: they can be shown to a model, and a call is
    /// refused. For going through a run that is over.
    pub fn described(tools: Vec<OfferedTool>) -> Self {
        let erased = |tool: OfferedTool| (tool.card.name.clone(), Arc::new(tool) as Arc<dyn ErasedTool>);
        Self { tools: tools.into_iter().map(erased).collect() }
    }

    /// Puts a tool in.
    ///
    /// # Errors
    ///
    /// [`ToolboxError::NameClash`] if its name is taken, [`ToolboxError::BadName`] if it is no name.
    pub fn add<T: Tool + 'static>(&mut self, tool: T) -> Result<&mut Self, ToolboxError> {
        let name = tool.card().name;
        let fits = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !fits {
            return Err(ToolboxError::BadName(name));
        }
        if self.tools.contains_key(&name) {
            return Err(ToolboxError::NameClash(name));
        }
        self.put(name, tool);
        Ok(self)
    }

    /// Puts a tool of this crate in; a test shows that their names are names and distinct.
    pub(crate) fn put(&mut self, name: String, tool: impl Tool + 'static) {
        self.tools.insert(name, Arc::new(tool));
    }

    /// The toolbox that has only these tools.
    ///
    /// # Errors
    ///
    /// [`ToolboxError::Unknown`] for a name that isn't in the box.
    pub fn only<S: AsRef<str>>(&self, names: &[S]) -> Result<Self, ToolboxError> {
        let mut tools = BTreeMap::new();
        for name in names.iter().map(AsRef::as_ref) {
            let tool = self.tools.get(name).ok_or_else(|| self.unknown(name))?;
            tools.insert(name.to_owned(), Arc::clone(tool));
        }
        Ok(Self { tools })
    }

    /// Every tool's card and schema, by name.
    pub fn offered(&self) -> Vec<OfferedTool> {
        self.tools.values().map(|tool| OfferedTool { card: tool.card(), schema: tool.schema() }).collect()
    }

    /// One tool's card.
    pub fn card(&self, name: &str) -> Option<ToolCard> {
        self.tools.get(name).map(|tool| tool.card())
    }

    /// Whether a tool's arguments are filled in with the values that placeholders stand for; see [`Tool::reveals`].
    pub fn reveals(&self, name: &str) -> bool {
        self.tools.get(name).is_some_and(|tool| tool.reveals())
    }

    /// Calls a tool with arguments as JSON.
    ///
    /// # Errors
    ///
    /// [`ToolError::BadArguments`] if no tool has that name or the arguments don't fit its schema;
    /// otherwise what the tool says.
    pub async fn call(
        &self,
        name: &str,
        arguments: Value,
        cx: &ToolContext,
    ) -> Result<Observation, ToolError> {
        let tool =
            self.tools.get(name).ok_or_else(|| ToolError::BadArguments(self.unknown(name).to_string()))?;
        tool.call(arguments, cx).await
    }

    fn unknown(&self, name: &str) -> ToolboxError {
        ToolboxError::Unknown { name: name.to_owned(), known: self.tools.keys().cloned().collect() }
    }
}

/// [`Tool`] without its type of arguments, so that different tools fit into one box.
#[async_trait]
trait ErasedTool: Send + Sync {
    fn card(&self) -> ToolCard;
    fn schema(&self) -> Value;
    fn reveals(&self) -> bool;
    async fn call(&self, arguments: Value, cx: &ToolContext) -> Result<Observation, ToolError>;
}

#[async_trait]
impl<T: Tool> ErasedTool for T {
    fn card(&self) -> ToolCard {
        Tool::card(self)
    }

    fn schema(&self) -> Value {
        schema::of::<T::Args>()
    }

    fn reveals(&self) -> bool {
        Tool::reveals(self)
    }

    async fn call(&self, arguments: Value, cx: &ToolContext) -> Result<Observation, ToolError> {
        let args = serde_json::from_value(arguments).map_err(|e| ToolError::BadArguments(e.to_string()))?;
        Tool::call(self, args, cx).await
    }
}

#[async_trait]
impl ErasedTool for OfferedTool {
    fn card(&self) -> ToolCard {
        self.card.clone()
    }

    fn schema(&self) -> Value {
        self.schema.clone()
    }

    fn reveals(&self) -> bool {
        false
    }

    async fn call(&self, _: Value, _: &ToolContext) -> Result<Observation, ToolError> {
        Err(ToolError::refused(format!("`{}` is only described here, it can't be called", self.card.name)))
    }
}
