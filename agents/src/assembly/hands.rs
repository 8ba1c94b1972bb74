//! What an agent is given to work with: the screen, if its model can see it, and the tools that this leaves.

use std::sync::Arc;

use percept_models::{ChatModel, ModelCard};
use percept_tools::{Screen, StillImage, Toolbox, builtin};

use crate::{AgentError, Task, task::ScreenChoice};

/// What a screen that can't be acted on still allows.
const LOOKING: [&str; 4] = ["answer", "finish", "wait", "zoom"];
/// What needs no screen.
const SCREENLESS: [&str; 2] = ["finish", "wait"];
/// What a model that sees nothing may be given while others have a screen.
const BLIND: [&str; 3] = ["answer", "finish", "wait"];

/// Whether a model of this card sees.
pub(super) fn is_sighted(card: &ModelCard) -> bool {
    card.max_images != Some(0)
}

/// The tools that are allowed; without a word about it, those that the screen can take.
///
/// # Errors
///
/// [`AgentError::SeesNothing`] if there is a screen, and the model that isn't given it is to use a tool of it.
pub(super) fn allowed(
    task: &Task,
    model: &dyn ChatModel,
    allow: Option<&[String]>,
    screen: Option<&Arc<dyn Screen>>,
) -> Result<Toolbox, AgentError> {
    let is_blind = screen.is_none() && !matches!(task.screen, ScreenChoice::Nothing {});
    if let Some(tool) =
        allow.and_then(|names| names.iter().find(|name| is_blind && !BLIND.contains(&name.as_str())))
    {
        let what = format!("`{tool}` works on a screen");
        return Err(AgentError::SeesNothing { model: model.card().name.clone(), what });
    }
    // Tools that need no screen get one that is never looked at.
    let nothing = || -> Arc<dyn Screen> { Arc::new(StillImage::new(image::RgbImage::new(1, 1))) };
    let all = builtin::toolbox(&screen.map_or_else(nothing, Arc::clone));
    if let Some(allow) = allow {
        return Ok(all.only(allow)?);
    }
    Ok(match &task.screen {
        _ if is_blind => all.only(&BLIND)?,
        ScreenChoice::Browser { .. } if task.policy.hosts.is_empty() => {
            let names: Vec<_> = all.offered().into_iter().map(|tool| tool.card.name).collect();
            all.only(&names.into_iter().filter(|name| name != "navigate").collect::<Vec<_>>())?
        }
        ScreenChoice::Browser { .. } => all,
        ScreenChoice::Image { .. } => all.only(&LOOKING)?,
        ScreenChoice::Nothing {} => all.only(&SCREENLESS)?,
    })
}
