//! Thinking aloud, then acting (`ReAct`, Yao et al. 2022): the thought is free text, the call strict.

use percept_models::{Function, Reply, Thought};

use super::Way;
use crate::prompts::Prompt;

/// A chain of thought before the call.
pub(super) struct React;

impl Way for React {
    fn instruction(&self) -> Prompt {
        Prompt::React
    }

    fn reply(&self, functions: Vec<Function>) -> Reply {
        Reply::Call { thought: Thought::Free, functions }
    }
}
