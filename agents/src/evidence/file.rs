//! A file and what is in it.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Check, shortened};
use crate::AgentError;

/// A larger file isn't read.
const LARGEST: u64 = 16 << 20;

/// A check of a file on this machine; without a word about its content, that it is there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileCheck {
    /// Which file.
    pub path: PathBuf,
    /// A text that is somewhere in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// Its whole text, blanks around it aside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub equals: Option<String>,
    /// A JSON Schema that its JSON document fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
}

impl FileCheck {
    pub(super) fn described(&self) -> String {
        let path = self.path.display();
        let states = [
            self.contains.as_ref().map(|text| format!("contains “{text}”")),
            self.equals.as_ref().map(|text| format!("says “{text}”")),
            self.schema.as_ref().map(|schema| format!("fits the schema {schema}")),
        ];
        let states: Vec<_> = states.into_iter().flatten().collect();
        if states.is_empty() {
            format!("{path} is there")
        } else {
            format!("{path} {}", states.join(" and "))
        }
    }

    /// # Errors
    ///
    /// [`AgentError::Evidence`] if the schema isn't one.
    pub(crate) fn checked(&self) -> Result<(), AgentError> {
        let Some(schema) = &self.schema else { return Ok(()) };
        jsonschema::validator_for(schema).map(drop).map_err(|e| AgentError::Evidence {
            what: self.described(),
            why: format!("not a JSON Schema: {e}"),
        })
    }

    pub(super) async fn check(&self) -> Check {
        let problem = match text(&self.path).await {
            Err(error) => Some(error.to_string()),
            Ok(text) => self.problem(&text),
        };
        Check { what: self.described(), holds: problem.is_none(), found: problem }
    }

    /// What the file has instead.
    fn problem(&self, text: &str) -> Option<String> {
        let contains = self.contains.as_ref().is_none_or(|wanted| text.contains(wanted.as_str()));
        let equals = self.equals.as_ref().is_none_or(|wanted| text.trim() == wanted.trim());
        if !contains || !equals {
            return Some(shortened(text));
        }
        let schema = self.schema.as_ref()?;
        match serde_json::from_str::<Value>(text) {
            Ok(document) => (!jsonschema::is_valid(schema, &document)).then(|| shortened(text)),
            Err(error) => Some(format!("no JSON: {error}")),
        }
    }
}

async fn text(path: &Path) -> io::Result<String> {
    let size = tokio::fs::metadata(path).await?.len();
    if size > LARGEST {
        return Err(io::Error::other(format!("it has {size} bytes, and more than {LARGEST} aren't read")));
    }
    tokio::fs::read_to_string(path).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::FileCheck;

    #[tokio::test]
    async fn a_file_is_there_and_says_what_it_must() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("order.json");
        std::fs::write(&path, "{\"count\": 3}\n").unwrap();
        let there = FileCheck { path, ..FileCheck::default() };
        let gone = FileCheck { path: folder.path().join("nothing"), ..FileCheck::default() };
        let schema =
            |least| Some(json!({ "properties": { "count": { "minimum": least } }, "required": ["count"] }));
        let cases = [
            (there.clone(), true, ""),
            (gone, false, "No such file"),
            (FileCheck { contains: Some("count".into()), ..there.clone() }, true, ""),
            (FileCheck { contains: Some("size".into()), ..there.clone() }, false, "{\"count\": 3}"),
            (FileCheck { equals: Some("{\"count\": 3}".into()), ..there.clone() }, true, ""),
            (FileCheck { equals: Some("3".into()), ..there.clone() }, false, "count"),
            (FileCheck { schema: schema(3), ..there.clone() }, true, ""),
            (FileCheck { schema: schema(4), ..there.clone() }, false, "count"),
        ];
        for (check, holds, found) in cases {
            let result = check.check().await;
            assert_eq!(result.holds, holds, "{check:?}");
            assert!(result.found.unwrap_or_default().contains(found), "{check:?}");
        }
        assert!(FileCheck { schema: Some(json!({ "type": "numbr" })), ..there }.checked().is_err());
    }
}
