//! The vendors' tools for computer use: their names on the wire, whose models have which, and what is said beside them.

use super::api::RemoteApi;
use crate::{
    Generate, Reply, Thought,
    dialect::{Offering, Vendor},
};

/// A tool for computer use that a vendor has of its own, whose actions its models were trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ComputerTool {
    /// Anthropic's `computer_20250124`: Claude 3.7 to 4.1, and Sonnet and Haiku 4.5.
    Claude202501,
    /// Anthropic's `computer_20251124`: Claude Opus 4.5 and later.
    Claude202511,
    /// OpenAI's `computer_use_preview`: the model of the same name.
    Preview,
    /// OpenAI's `computer`: GPT-5.4 and later.
    OpenAi,
    /// Google's `computer_use`.
    Gemini,
}

const ALL: [ComputerTool; 5] = [
    ComputerTool::Claude202501,
    ComputerTool::Claude202511,
    ComputerTool::Preview,
    ComputerTool::OpenAi,
    ComputerTool::Gemini,
];

/// Parts of the names of Claude's models that have the older tool.
const OLDER_CLAUDES: [&str; 5] = ["3-7", "opus-4-0", "opus-4-1", "sonnet-4-0", "-4-5"];

/// Whether it is Claude Opus 4 or Sonnet 4, whose number ends there: with nothing after it, or a date.
fn is_claude_4(model: &str) -> bool {
    let after = ["opus-4", "sonnet-4"].iter().find_map(|name| model.split_once(name).map(|(_, after)| after));
    after.is_some_and(|after| after.is_empty() || after.starts_with("-20") || after.starts_with('@'))
}

/// Whether it is of Gemini 2.5, whose tool has other names than those of later ones.
fn is_gemini_2(model: &str) -> bool {
    model.contains("2.5")
}

impl ComputerTool {
    /// The setting that asks for the tool that the model's name calls for.
    const NATIVE: &'static str = "native";
    /// The setting that asks for functions instead.
    pub(super) const FUNCTIONS: &'static str = "functions";

    /// Its type on the wire, by which an address names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Claude202501 => "computer_20250124",
            Self::Claude202511 => "computer_20251124",
            Self::Preview => "computer_use_preview",
            Self::OpenAi => "computer",
            Self::Gemini => "computer_use",
        }
    }

    /// The API that it belongs to.
    pub fn api(self) -> RemoteApi {
        match self {
            Self::Claude202501 | Self::Claude202511 => RemoteApi::Anthropic,
            Self::Preview | Self::OpenAi => RemoteApi::Responses,
            Self::Gemini => RemoteApi::Gemini,
        }
    }

    pub(super) fn vendor(self, model: &str) -> Vendor {
        match self {
            Self::Claude202501 | Self::Claude202511 => Vendor::Anthropic,
            Self::Preview | Self::OpenAi => Vendor::OpenAi,
            Self::Gemini if is_gemini_2(model) => Vendor::Google,
            Self::Gemini => Vendor::Google3,
        }
    }

    /// What the header `anthropic-beta` has to say for it.
    pub(super) fn beta(self) -> Option<&'static str> {
        match self {
            Self::Claude202501 => Some("computer-use-2025-01-24"),
            Self::Claude202511 => Some("computer-use-2025-11-24"),
            _ => None,
        }
    }

    /// The tool of a model that is made for one: without it, it can't be asked at all.
    pub(super) fn known(api: RemoteApi, model: &str) -> Option<Self> {
        match api {
            RemoteApi::OpenAi | RemoteApi::Responses => {
                model.starts_with("computer-use-preview").then_some(Self::Preview)
            }
            RemoteApi::Gemini => model.contains("computer-use").then_some(Self::Gemini),
            RemoteApi::Anthropic => None,
        }
    }

    /// What `?computer=` in an address means.
    ///
    /// # Errors
    ///
    /// In words: it names no tool of this API.
    pub(super) fn set(api: RemoteApi, model: &str, named: &str) -> Result<Option<Self>, String> {
        let is_ours = |tool: &Self| tool.api().facts().name == api.facts().name;
        if named == Self::FUNCTIONS {
            return Ok(None);
        }
        if named == Self::NATIVE {
            if api == RemoteApi::Anthropic && model.contains("claude-3-") && !model.contains("3-7") {
                return Err(format!(
                    "`{model}` is older than the tools that are spoken here, which Claude has from 3.7 on"
                ));
            }
            let older = OLDER_CLAUDES.iter().any(|part| model.contains(part)) && !model.contains("opus-4-5");
            let older = older || is_claude_4(model);
            return Ok(Some(match (Self::known(api, model), api) {
                (Some(tool), _) => tool,
                (None, RemoteApi::Anthropic) if older => Self::Claude202501,
                (None, RemoteApi::Anthropic) => Self::Claude202511,
                (None, RemoteApi::Gemini) => Self::Gemini,
                (None, RemoteApi::OpenAi | RemoteApi::Responses) => Self::OpenAi,
            }));
        }
        let tool = ALL.into_iter().filter(is_ours).find(|tool| tool.name() == named);
        let all: Vec<&str> = ALL.iter().filter(|tool| is_ours(tool)).map(|tool| tool.name()).collect();
        tool.map(Some).ok_or_else(|| {
            format!("`computer` is `{}`, `{}` or one of {}", Self::NATIVE, Self::FUNCTIONS, all.join(", "))
        })
    }

    /// Whether calls of long ago can be shown to a model in the API's own form. From Gemini 3 on one is taken only with the
    /// signature of the thought before it, which isn't kept: these models are told of it in words.
    pub(super) fn shows_calls(self, model: &str) -> bool {
        self != Self::Gemini || is_gemini_2(model)
    }

    /// What the system's instructions say of it.
    pub(super) fn instructions(self, offering: &Offering, options: &Generate) -> String {
        let mut lines = Vec::new();
        // Google's is told in its own way what is excluded.
        if self != Self::Gemini && offering.actions.is_empty() {
            lines.push("There is no screen: your computer tool can do nothing here.".into());
        } else if self != Self::Gemini {
            lines.push(format!(
                "Of the actions of your computer tool these can be done here: {}.",
                offering.actions.join(", ")
            ));
        }
        lines.push("Do one action at a time. A new screenshot follows each by itself.".into());
        if matches!(options.reply, Reply::Call { thought: Thought::Free, .. }) {
            lines.push(
                "Say in a sentence or two what is on the screen and what to do next, then do it.".into(),
            );
        }
        lines.join(" ")
    }
}
