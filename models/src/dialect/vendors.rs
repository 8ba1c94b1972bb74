//! The tools for computer use that Anthropic, OpenAI and Google have of their own.
//!
//! A model behind such an API is trained on one tool whose actions the API itself declares, so nothing is said about them
//! here but which of them a run can do. What comes back is an action of the vendor's; a file beside this one brings it to
//! the form in which its table has it, and the table says which function on offer that is ([`actions`](super::actions)).
//!
//! An action of which the vendor wants a person to be asked first is given back beside a refusal ([`Check`]). The vendor is told
//! that it was confirmed only where a person did, and what isn't plainly a question or a permission is a refusal.

mod anthropic;
mod gemini;
mod gemini_3;
mod openai;

pub(crate) use self::openai::PENDING;

use serde_json::{Map, Value};

use super::{
    actions::{Action, Offer},
    grid::Scale,
};
use crate::{Call, Function, ModelError, processor::Fit};

/// The name that a call of Anthropic's and OpenAI's tool goes by. Google's actions are functions of their own.
pub(crate) const COMPUTER: &str = "computer";

/// The size that is told of a screen that isn't there, to a model that can't be asked without the tool.
const NO_SCREEN: [u32; 2] = [1024, 768];

/// Who made a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vendor {
    Anthropic,
    OpenAi,
    /// Google's, of Gemini 2.5.
    Google,
    /// Google's, from Gemini 3 on.
    Google3,
}

/// A vendor's tool, on screenshots that are sent within bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Computer {
    pub(crate) vendor: Vendor,
    pub(crate) fit: Fit,
}

/// What a run can do by such a tool.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Offering {
    /// The size of the newest screenshot as it is sent, `[width, height]`; some size where there is none.
    pub(crate) size: [u32; 2],
    /// The actions that are on offer, in the vendor's words.
    pub(crate) actions: Vec<&'static str>,
    /// Those of the tool's that aren't.
    pub(crate) excluded: Vec<&'static str>,
    /// The functions that no action stands for.
    pub(crate) others: Vec<Function>,
}

/// What a vendor's safety system says of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Check {
    /// Nothing, or that it may be done.
    Passed,
    /// A person is to confirm it first, for this reason.
    Confirm(String),
    /// It isn't to be done, for this reason.
    Blocked(String),
}

/// The refusal of a call that a person would have to confirm, in words for the model.
pub(crate) fn unconfirmed(why: &str) -> String {
    format!(
        "the model's vendor wants a person to confirm this first ({why}), and nobody is asked here: do it another way, or \
         leave it to the person"
    )
}

/// An action as its table has it, and its arguments.
type Brought = (String, Map<String, Value>);

impl Computer {
    /// What of the tool can be done with these functions; `None` where there is no screenshot to do it on, unless the model
    /// needs the tool whatever it is asked.
    ///
    /// # Errors
    ///
    /// [`ModelError::Request`] if a schema can't be followed, or a function has the tool's own name.
    pub(crate) fn offering(
        self,
        functions: &[Function],
        is_needed: bool,
    ) -> Result<Option<Offering>, ModelError> {
        let all = match self.vendor {
            Vendor::Google => &gemini::ALL[..],
            Vendor::Google3 => &gemini_3::ALL[..],
            Vendor::Anthropic | Vendor::OpenAi => &[],
        };
        if functions.is_empty() {
            let (size, actions, excluded, others) = (NO_SCREEN, Vec::new(), all.to_vec(), Vec::new());
            return Ok(is_needed.then_some(Offering { size, actions, excluded, others }));
        }
        let offer = Offer::of(self.table(), functions)?;
        if !self.is_googles() && functions.iter().any(|function| function.name == COMPUTER) {
            return Err(ModelError::Request(format!(
                "a function can't be called `{COMPUTER}` beside the vendor's tool of that name: rename it, or set \
                 `?computer=functions`"
            )));
        }
        let mark = offer.mark().filter(|_| !offer.actions.is_empty());
        let size = match mark {
            Some(mark) => self.fit.size(mark.width, mark.height),
            None if is_needed => NO_SCREEN,
            None => return Ok(None),
        };
        let mut actions: Vec<&'static str> = Vec::new();
        for offered in &offer.actions {
            let shown = self.shown(offered.action.name);
            if !actions.contains(&shown) {
                actions.push(shown);
            }
        }
        let excluded = all.iter().copied().filter(|name| !actions.contains(name)).collect();
        let others = offer.others.iter().map(|(function, _)| (*function).clone()).collect();
        Ok(Some(Offering { size, actions, excluded, others }))
    }

    /// Whether a call of this name is one of the tool's, with these functions on offer.
    pub(crate) fn owns(self, name: &str, functions: &[Function]) -> bool {
        match self.vendor {
            Vendor::Google => gemini::ALL.contains(&name) && !self.declares(name, functions),
            Vendor::Google3 => {
                (gemini_3::ALL.contains(&name) || gemini::ALL.contains(&name))
                    && !self.declares(name, functions)
            }
            Vendor::Anthropic | Vendor::OpenAi => name == COMPUTER,
        }
    }

    /// The call that an action means, its places in pixels of the screenshot.
    ///
    /// # Errors
    ///
    /// In words for the model: no function on offer does it, or it isn't written so.
    pub(crate) fn read(
        self,
        name: &str,
        mut arguments: Map<String, Value>,
        functions: &[Function],
    ) -> Result<Call, String> {
        // The first models of Gemini 3 had the names of before.
        if self.vendor == Vendor::Google3 && !gemini_3::ALL.contains(&name) {
            arguments.shift_remove(gemini_3::INTENT);
            return Self { vendor: Vendor::Google, ..self }.read(name, arguments, functions);
        }
        let (action, arguments) = match self.vendor {
            Vendor::Anthropic => anthropic::brought(arguments)?,
            Vendor::OpenAi => openai::brought(arguments)?,
            Vendor::Google => gemini::brought(name, arguments)?,
            Vendor::Google3 => gemini_3::brought(name, arguments),
        };
        let offer = Offer::of(self.table(), functions).map_err(|error| error.to_string())?;
        let Some(offered) = offer.action(&action) else {
            let names: Vec<&str> =
                offer.actions.iter().map(|offered| self.shown(offered.action.name)).collect();
            let others = offer.others.iter().map(|(function, _)| function.name.as_str());
            let names: Vec<&str> = names.into_iter().chain(others).collect();
            return Err(format!(
                "`{}` can't be done here, but {} can",
                self.shown_or(&action),
                names.join(", ")
            ));
        };
        offered.read(arguments, self.scale())
    }

    /// Takes out of a call what the vendor's safety system says of it, and gives why a person is to confirm it, if one is.
    ///
    /// # Errors
    ///
    /// In words for the model: it isn't to be done at all.
    pub(crate) fn checked(self, arguments: &mut Map<String, Value>) -> Result<Option<String>, String> {
        let check = self.check(arguments);
        if let Some(words) = self.safety() {
            arguments.shift_remove(words);
        }
        match check {
            Check::Passed => Ok(None),
            Check::Confirm(why) => Ok(Some(why)),
            Check::Blocked(why) => {
                Err(format!("the model's vendor doesn't allow this ({why}): do it another way, or leave it"))
            }
        }
    }

    /// Whether this function is declared beside the tool: no action of the tool's stands for it.
    pub(crate) fn declares(self, name: &str, functions: &[Function]) -> bool {
        Offer::of(self.table(), functions).is_ok_and(|offer| offer.other(name).is_some())
    }

    /// What the vendor's safety system says of a call.
    pub(crate) fn check(self, arguments: &Map<String, Value>) -> Check {
        match self.vendor {
            Vendor::Anthropic => Check::Passed,
            Vendor::OpenAi => openai::check(arguments),
            Vendor::Google | Vendor::Google3 => gemini::check(arguments),
        }
    }

    /// The argument that the safety system speaks in.
    fn safety(self) -> Option<&'static str> {
        match self.vendor {
            Vendor::Anthropic => None,
            Vendor::OpenAi => Some(PENDING),
            Vendor::Google | Vendor::Google3 => Some(gemini::SAFETY),
        }
    }

    /// Why the model does what it calls, where the tool has an argument for that.
    pub(crate) fn intent(self, arguments: &Map<String, Value>) -> Option<&str> {
        let intent = (self.vendor == Vendor::Google3).then(|| arguments.get(gemini_3::INTENT)).flatten();
        intent.and_then(Value::as_str)
    }

    /// Whether its actions are functions of their own.
    fn is_googles(self) -> bool {
        matches!(self.vendor, Vendor::Google | Vendor::Google3)
    }

    fn table(self) -> &'static [Action] {
        match self.vendor {
            Vendor::Anthropic => &anthropic::ACTIONS,
            Vendor::OpenAi => &openai::ACTIONS,
            Vendor::Google => &gemini::ACTIONS,
            Vendor::Google3 => &gemini_3::ACTIONS,
        }
    }

    fn scale(self) -> Scale {
        match self.vendor {
            Vendor::Google | Vendor::Google3 => Scale::THOUSANDTHS,
            Vendor::Anthropic | Vendor::OpenAi => Scale::Within(self.fit),
        }
    }

    /// An action of the table in the vendor's words.
    fn shown(self, name: &'static str) -> &'static str {
        match (self.vendor, name) {
            (_, SIDEWAYS) => "scroll",
            (Vendor::OpenAi, openai::RIGHT) => "click with the right button",
            (Vendor::OpenAi, openai::MIDDLE) => "click with the wheel",
            _ => name,
        }
    }

    fn shown_or(self, name: &str) -> &str {
        let known = self.table().iter().find(|action| action.name == name);
        known.map_or(name, |action| self.shown(action.name))
    }
}

/// The name in a table of scrolling to the left or right, where the vendor has one name for all directions.
const SIDEWAYS: &str = "scroll sideways";

/// How far the wheel is to turn as a table has it: the action, and its argument `pixels`, positive down or to the right.
fn wheel(mut arguments: Map<String, Value>, across: bool, pixels: f64) -> Brought {
    arguments.insert("pixels".into(), pixels.into());
    ((if across { SIDEWAYS } else { "scroll" }).into(), arguments)
}
