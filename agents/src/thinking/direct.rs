//! Acting at once: the call alone, for models that think no better aloud.

use percept_models::{Function, Reply, Thought};

use super::Way;
use crate::prompts::Prompt;

/// No thought before the call.
pub(super) struct Direct;

impl Way for Direct {
    fn instruction(&self) -> Prompt {
        Prompt::Direct
    }

    fn reply(&self, functions: Vec<Function>) -> Reply {
        Reply::Call { thought: Thought::None, functions }
    }
}
