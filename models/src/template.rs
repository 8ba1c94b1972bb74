//! Chat templates: the Jinja program in a model's folder that turns messages into its prompt.
//!
//! Rendered by `minijinja` with what transformers adds to Jinja (`utils/chat_template_utils.py`): blocks
//! trimmed, loop controls, the `generation` tag, `raise_exception`, `strftime_now`, its own `tojson`, and
//! Python's string methods.

mod python;
mod source;

use std::{borrow::Cow, collections::BTreeMap, path::Path};

use minijinja::{Environment, Error, ErrorKind, Value, value::Kwargs};
use serde::Serialize;
use serde_json::json;

pub(crate) use source::special_tokens_of;

use crate::ModelError;

/// One piece of a message as a template sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TemplatePart {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// The place of an image.
    Image,
    /// The place of a video. A template that knows no parts has none for it.
    Video,
}

/// A message as a template sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TemplateMessage {
    /// `system`, `user`, `assistant` or `tool`.
    pub role: String,
    /// In reading order.
    pub content: Vec<TemplatePart>,
}

/// A model's chat template.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    special_tokens: BTreeMap<String, String>,
    takes_parts: bool,
}

const NAME: &str = "chat template";

impl ChatTemplate {
    /// Reads the template of a folder.
    ///
    /// # Errors
    ///
    /// [`ModelError::Folder`] if there is none, [`ModelError::Template`] if it isn't Jinja.
    pub fn of_folder(folder: &Path) -> Result<Self, ModelError> {
        Self::of_folder_or(folder, None)
    }

    /// The same with a template to take where the folder has none: its family's.
    pub(crate) fn of_folder_or(folder: &Path, otherwise: Option<&str>) -> Result<Self, ModelError> {
        let source = source::read(folder, otherwise)?;
        Self::new(&source.text, source.special_tokens)
    }

    /// Another template with this one's special tokens.
    pub(crate) fn with_the_same_tokens(&self, text: &str) -> Result<Self, ModelError> {
        Self::new(text, self.special_tokens.clone())
    }

    /// Compiles a template; the special tokens are variables in it (`bos_token`).
    ///
    /// # Errors
    ///
    /// [`ModelError::Template`] with the line where it isn't Jinja.
    pub fn new(text: &str, special_tokens: BTreeMap<String, String>) -> Result<Self, ModelError> {
        Self::with_clock(text, special_tokens, jiff::Zoned::now)
    }

    fn with_clock(
        text: &str,
        special_tokens: BTreeMap<String, String>,
        now: impl Fn() -> jiff::Zoned + Send + Sync + 'static,
    ) -> Result<Self, ModelError> {
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.set_formatter(python::display);
        environment.add_filter("tojson", |value: Value, options: Kwargs| python::to_json(&value, &options));
        environment.add_filter("string", |value: &Value| python::text(value).map(Value::from));
        environment.add_filter("trim", python::trim);
        environment.add_test("iterable", python::is_iterable);
        environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        });
        environment.add_function("strftime_now", move |format: String| -> Result<String, Error> {
            jiff::fmt::strtime::format(&format, &now())
                .map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))
        });
        let text = without_generation_tags(text);
        // A language model's template takes a message's content as one string; a template that goes through its
        // parts must name their types.
        let takes_parts =
            ["'image'", "\"image\"", "'text'", "\"text\""].iter().any(|name| text.contains(name));
        environment.add_template_owned(NAME, text.into_owned()).map_err(|error| failed(&error))?;
        Ok(Self { environment, special_tokens, takes_parts })
    }

    /// The prompt for these messages. `thinking` is passed as `enable_thinking`, where it is given. An image is
    /// whatever the template writes for it; a template that knows no images gets `image_token` in the text.
    ///
    /// # Errors
    ///
    /// [`ModelError::Template`] if the template refuses the messages or fails.
    pub fn render(
        &self,
        messages: &[TemplateMessage],
        image_token: &str,
        thinking: Option<bool>,
    ) -> Result<String, ModelError> {
        self.render_with_tools(messages, image_token, thinking, None)
    }

    /// Whether the template declares functions, and writes this where it does.
    pub(crate) fn declares(&self, form: &str) -> bool {
        let text = TemplatePart::Text { text: "?".into() };
        let messages = [TemplateMessage { role: "user".into(), content: vec![text] }];
        let tool =
            json!({ "name": "f", "description": "?", "parameters": { "type": "object", "properties": {} } });
        let tools = json!([{ "type": "function", "function": tool }]);
        self.render_with_tools(&messages, "", None, Some(&tools))
            .is_ok_and(|rendered| rendered.contains(form))
    }

    /// The same with functions, for a template that has a place for them.
    pub(crate) fn render_with_tools(
        &self,
        messages: &[TemplateMessage],
        image_token: &str,
        thinking: Option<bool>,
        tools: Option<&serde_json::Value>,
    ) -> Result<String, ModelError> {
        let messages = if self.takes_parts {
            Value::from_serialize(messages)
        } else {
            messages.iter().map(|message| flat(message, image_token)).collect()
        };
        let mut variables = BTreeMap::from([
            ("messages", messages),
            ("tools", tools.map_or(Value::from(()), Value::from_serialize)),
            ("documents", Value::from(())),
            ("add_generation_prompt", Value::from(true)),
        ]);
        if let Some(thinking) = thinking {
            variables.insert("enable_thinking", Value::from(thinking));
        }
        self.render_with(variables)
    }

    /// The token of this role (`bos_token`), where the folder names one.
    pub fn special_token(&self, role: &str) -> Option<&str> {
        self.special_tokens.get(role).map(String::as_str)
    }

    /// Renders with exactly these variables and the special tokens.
    fn render_with<'a>(&'a self, variables: BTreeMap<&'a str, Value>) -> Result<String, ModelError> {
        let tokens =
            self.special_tokens.iter().map(|(role, token)| (role.as_str(), Value::from(token.as_str())));
        let variables: BTreeMap<&str, Value> = tokens.chain(variables).collect();
        let template = self.environment.get_template(NAME).map_err(|error| failed(&error))?;
        template.render(Value::from_iter(variables)).map_err(|error| failed(&error))
    }
}

fn failed(error: &Error) -> ModelError {
    let place = error.line().map(|line| format!(" (line {line})")).unwrap_or_default();
    let message = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    ModelError::Template(format!("{message}{place}"))
}

fn flat(message: &TemplateMessage, image_token: &str) -> Value {
    let content: String = message
        .content
        .iter()
        .map(|part| match part {
            TemplatePart::Text { text } => text.as_str(),
            TemplatePart::Image => image_token,
            TemplatePart::Video => "",
        })
        .collect();
    Value::from_iter([("role", Value::from(message.role.as_str())), ("content", Value::from(content))])
}

/// `{% generation %}` only marks, for training, what an assistant wrote. minijinja has no custom tags, so the
/// pair becomes a condition that always holds: what stands between, and the white space around, stay the same.
fn without_generation_tags(text: &str) -> Cow<'_, str> {
    if !text.contains("generation") {
        return Cow::Borrowed(text);
    }
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("{%") {
        let Some(length) = rest[start..].find("%}") else { break };
        let (before, tag) = rest[..start + length].split_at(start);
        result.push_str(before);
        let word =
            tag[2..].trim_matches(|character: char| character.is_whitespace() || "-+".contains(character));
        match word {
            "generation" => result.push_str(&tag.replace("generation", "if true")),
            "endgeneration" => result.push_str(&tag.replace("endgeneration", "endif")),
            _ => result.push_str(tag),
        }
        rest = &rest[start + length..];
    }
    result.push_str(rest);
    Cow::Owned(result)
}

#[cfg(test)]
mod tests;
