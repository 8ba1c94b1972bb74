//! The actions that a model of computer use was trained to write, and the functions on offer that do them.
//!
//! Such a model calls `left_click` or `left_double`, whatever the tools are named. A dialect of its kind has a table of
//! these, in the model's names and with what each argument means. An action is offered where the function that does it
//! is on offer and takes such arguments; one without a function isn't in the prompt, can't be written under the grammar,
//! and where it is written all the same the model is told. Functions that no action stands for are offered as they are.

mod read;
mod write;

use serde_json::Value;

pub(super) use self::write::{WrittenAction, write};
use super::{
    grid::{Mark, PlaceKind},
    keys::Names,
    schema::{is_required, properties, resolve},
};
use crate::{Function, ModelError};

/// An action, and a function that does it.
#[derive(Debug)]
pub(super) struct Action {
    /// Its name in the model's words. Several of one name are alternatives, the first that is on offer taken.
    pub(super) name: &'static str,
    /// The function's name.
    pub(super) function: &'static str,
    /// What it does, for the prompt.
    pub(super) does: &'static str,
    /// In the order in which the model writes them.
    pub(super) arguments: &'static [Argument],
}

/// What a model writes for an argument, and what that means.
#[derive(Debug)]
pub(super) struct Argument {
    /// Its name in the model's words; empty for what it doesn't write.
    pub(super) name: &'static str,
    pub(super) means: Means,
    /// Whether it may be left out, where the function lets its own be, or has none of the kind.
    pub(super) optional: bool,
}

/// What an argument means; the names are the function's.
#[derive(Debug, Clone, Copy)]
pub(super) enum Means {
    /// A place, `[x, y]`.
    Point(&'static str),
    /// The same in two arguments of the model's, `x` and `y`.
    Pair(&'static str),
    /// A text as it is.
    Text(&'static str),
    /// A key or a chord.
    Keys(&'static str, Names),
    /// A number of seconds.
    Seconds(&'static str),
    /// `up`, `down`, `left` or `right`.
    Direction(&'static str),
    /// A length in hundredths of the screenshot's height.
    Percent(&'static str),
    /// How far the wheel turns, in the model's own lengths: the first direction where it is positive.
    Wheel { direction: &'static str, amount: &'static str, ways: [&'static str; 2] },
    /// Whether the text is followed by the Enter key: a line break at its end.
    Enter(&'static str),
    /// Whatever the function takes, in JSON, with places in the model's own numbers.
    Own(&'static str),
    /// How the task ended, [`STATUSES`]. The first says nothing to the function; the second is refused, so that a model that
    /// gives up doesn't have to claim the first.
    Status,
    /// The middle of the screenshot, which the model doesn't write.
    Middle(&'static str),
    /// A number that the model doesn't write: this, or the most that the function takes.
    Usual(&'static str, u32),
    /// An argument that the model has no word for, and the function can do without.
    Unsaid(&'static str),
}

/// What models say of how a task ended.
pub(super) const STATUSES: [&str; 2] = ["success", "failure"];

/// An argument that must be written.
pub(super) const fn written(name: &'static str, means: Means) -> Argument {
    Argument { name, means, optional: false }
}

/// One that may be.
pub(super) const fn optional(name: &'static str, means: Means) -> Argument {
    Argument { name, means, optional: true }
}

/// One that isn't.
pub(super) const fn unwritten(means: Means) -> Argument {
    Argument { name: "", means, optional: false }
}

/// An action that a function on offer does.
#[derive(Debug)]
pub(super) struct Offered<'a> {
    pub(super) action: &'static Action,
    pub(super) function: &'a Function,
    /// The function's schema, resolved.
    pub(super) schema: Value,
}

/// What may be called: actions of the model's own, and functions that none of them stands for.
#[derive(Debug)]
pub(super) struct Offer<'a> {
    pub(super) actions: Vec<Offered<'a>>,
    pub(super) others: Vec<(&'a Function, Value)>,
}

impl<'a> Offer<'a> {
    /// Matches functions and actions.
    ///
    /// # Errors
    ///
    /// [`ModelError::Request`] if there is no function, or a schema can't be followed.
    pub(super) fn of(actions: &'static [Action], functions: &'a [Function]) -> Result<Self, ModelError> {
        if functions.is_empty() {
            return Err(ModelError::Request("a call is asked for, but no function is on offer".into()));
        }
        let mut offer = Self { actions: Vec::new(), others: Vec::new() };
        let mut resolved = Vec::new();
        for function in functions {
            resolved.push((function, resolve(function)?));
        }
        for action in actions {
            let is_taken = offer.actions.iter().any(|offered| offered.action.name == action.name);
            // A function of that name that means something else goes before: it has no other name to go by.
            let is_other = resolved.iter().any(|(function, schema)| {
                function.name == action.name
                    && !actions.iter().any(|action| action.is_done_by(function, schema))
            });
            let found = resolved.iter().find(|(function, schema)| action.is_done_by(function, schema));
            if let (false, false, Some((function, schema))) = (is_taken, is_other, found) {
                offer.actions.push(Offered { action, function, schema: schema.clone() });
            }
        }
        for (function, schema) in resolved {
            if !offer.actions.iter().any(|offered| offered.function.name == function.name) {
                offer.others.push((function, schema));
            }
        }
        Ok(offer)
    }

    /// An action by the name that the model wrote.
    pub(super) fn action(&self, name: &str) -> Option<&Offered<'a>> {
        self.actions.iter().find(|offered| offered.action.name == name)
    }

    /// A function that no action stands for.
    pub(super) fn other(&self, name: &str) -> Option<&(&'a Function, Value)> {
        self.others.iter().find(|(function, _)| function.name == name)
    }

    /// Every name that may be written.
    pub(super) fn names(&self) -> Vec<&str> {
        let actions = self.actions.iter().map(|offered| offered.action.name);
        actions.chain(self.others.iter().map(|(function, _)| function.name.as_str())).collect()
    }

    /// A mark of the screenshot, where anything asks for a place on it.
    pub(super) fn mark(&self) -> Option<Mark> {
        let schemas = self.actions.iter().map(|offered| &offered.schema);
        let schemas = schemas.chain(self.others.iter().map(|(_, schema)| schema));
        schemas.flat_map(properties).find_map(|(_, property)| Mark::of(present(property))?.ok())
    }
}

impl Offered<'_> {
    /// The schema of one of the function's arguments, without its being optional.
    pub(super) fn property(&self, name: &str) -> &Value {
        property(&self.schema, name)
    }

    /// The arguments that the model writes here: those that the function has an own for.
    pub(super) fn arguments(&self) -> impl Iterator<Item = &'static Argument> {
        let written = self.action.arguments.iter().filter(|argument| !argument.name.is_empty());
        written.filter(|argument| argument.means.fits(&self.schema))
    }
}

impl Action {
    /// Whether a function does this: it has the name, takes these arguments and needs no others.
    fn is_done_by(&self, function: &Function, schema: &Value) -> bool {
        let fits = |argument: &Argument| argument.optional || argument.means.fits(schema);
        let is_said =
            |name: &str| self.arguments.iter().any(|argument| argument.means.names().contains(&name));
        self.function == function.name
            && self.arguments.iter().all(fits)
            && properties(schema).all(|(name, _)| !is_required(schema, name) || is_said(name))
    }
}

impl Means {
    /// The function's arguments that it is about.
    fn names(self) -> Vec<&'static str> {
        match self {
            Self::Wheel { direction, amount, .. } => vec![direction, amount],
            Self::Status | Self::Enter(_) => Vec::new(),
            Self::Point(name)
            | Self::Pair(name)
            | Self::Text(name)
            | Self::Keys(name, _)
            | Self::Seconds(name)
            | Self::Direction(name)
            | Self::Percent(name)
            | Self::Own(name)
            | Self::Middle(name)
            | Self::Usual(name, _)
            | Self::Unsaid(name) => vec![name],
        }
    }

    /// Whether a function with this schema takes it.
    fn fits(self, schema: &Value) -> bool {
        let is = |name: &str, kinds: &[&str]| {
            let property = property(schema, name);
            Mark::of(property).is_none() && kinds.iter().any(|kind| accepts(property, kind))
        };
        match self {
            Self::Point(name) | Self::Pair(name) | Self::Middle(name) => {
                let mark = Mark::of(property(schema, name));
                mark.is_some_and(|mark| mark.is_ok_and(|mark| mark.kind == PlaceKind::Point))
            }
            Self::Text(name) | Self::Keys(name, _) | Self::Direction(name) | Self::Enter(name) => {
                is(name, &["string"])
            }
            Self::Own(name) => !property(schema, name).is_null(),
            Self::Seconds(name) | Self::Percent(name) | Self::Usual(name, _) => {
                is(name, &["integer", "number"])
            }
            Self::Wheel { direction, amount, .. } => {
                is(direction, &["string"]) && is(amount, &["integer", "number"])
            }
            Self::Status => true,
            Self::Unsaid(name) => !is_required(schema, name),
        }
    }
}

/// One argument's schema; of an optional one the branch that isn't null. [`Value::Null`] if there is none.
fn property<'a>(schema: &'a Value, name: &str) -> &'a Value {
    schema.get("properties").and_then(|all| all.get(name)).map_or(&Value::Null, present)
}

fn present(property: &Value) -> &Value {
    let branches = ["anyOf", "oneOf"].iter().find_map(|key| property.get(key)?.as_array());
    let mut values =
        branches.into_iter().flatten().filter(|branch| branch.get("type").is_none_or(|kind| kind != "null"));
    match (values.next(), values.next()) {
        (Some(one), None) => one,
        _ => property,
    }
}

/// Whether a value of this type can fit.
fn accepts(property: &Value, kind: &str) -> bool {
    let is = |value: &Value| match value {
        Value::String(_) => kind == "string",
        Value::Number(_) => kind == "number" || kind == "integer",
        _ => false,
    };
    let named = match property.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(|named| named == kind),
        Some(named) => named == kind,
        None => false,
    };
    let listed = property.get("enum").and_then(Value::as_array).is_some_and(|values| values.iter().any(is));
    let branches = ["anyOf", "oneOf"].iter().find_map(|key| property.get(key)?.as_array());
    let within = branches.is_some_and(|branches| branches.iter().any(|branch| accepts(branch, kind)));
    named || listed || property.get("const").is_some_and(is) || within
}
