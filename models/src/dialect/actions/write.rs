//! From a call to the action that the model would have written for it.

use serde_json::{Map, Value, json};

use super::{Action, Means, Offer, Offered, STATUSES};
use crate::{
    Call, Function,
    dialect::{
        grid::{Mark, Scale},
        schema,
    },
};

/// An action as the model writes it.
#[derive(Debug, PartialEq)]
pub(in crate::dialect) struct WrittenAction {
    pub(in crate::dialect) name: &'static str,
    pub(in crate::dialect) arguments: Map<String, Value>,
}

/// The action that does what a call does, and its arguments as the model writes them; `None` if with these functions on offer
/// no action stands for this one, which is then called by its own name.
///
/// # Errors
///
/// In words: none of the function's actions can say this (what an action leaves unwritten must be what the call says), a
/// place lies outside the screenshot, or a function's schema can't be followed.
pub(in crate::dialect) fn write(
    actions: &'static [Action],
    call: &Call,
    offered: &[Function],
    scale: Scale,
) -> Result<Option<WrittenAction>, String> {
    let offer = Offer::of(actions, offered).map_err(|error| error.to_string())?;
    let mut problem = None;
    for offered in offer.actions.iter().filter(|offered| offered.function.name == call.function) {
        match offered.write(&call.arguments, scale) {
            Ok(arguments) => return Ok(Some(WrittenAction { name: offered.action.name, arguments })),
            Err(why) => problem = problem.or(Some(why)),
        }
    }
    problem.map_or(Ok(None), Err)
}

impl Offered<'_> {
    /// The function's arguments as the model writes them.
    fn write(&self, arguments: &Value, scale: Scale) -> Result<Map<String, Value>, String> {
        let mut left = match arguments {
            Value::Object(arguments) => arguments.clone(),
            _ => Map::new(),
        };
        left.retain(|_, value| !value.is_null());
        let (mut written, mut unwritten) = (Map::new(), Vec::new());
        for argument in self.action.arguments {
            let mut take = |name: &str| left.shift_remove(name);
            let mut put = |value: Value| written.insert(argument.name.into(), value);
            let missing = |name: &str| Err(format!("`{}` can't be said without `{name}`", self.action.name));
            let length = |value: &Value| {
                value
                    .as_f64()
                    .map(|pixels| pixels.abs().round() as u64)
                    .ok_or_else(|| format!("{value} isn't a number"))
            };
            match argument.means {
                Means::Status => drop(put(json!(STATUSES[0]))),
                Means::Middle(name) | Means::Usual(name, _) | Means::Unsaid(name) => {
                    unwritten.push((argument.means, name, take(name)));
                }
                Means::Enter(_) => {
                    // The text before it ends with the line break, if any.
                    let text = written.values_mut().rev().find_map(|value| match value {
                        Value::String(text) => Some(text),
                        _ => None,
                    });
                    let enter = text.is_some_and(|text| text.ends_with('\n') && text.pop().is_some());
                    written.insert(argument.name.into(), json!(enter));
                }
                Means::Own(name) => {
                    if let Some(value) = take(name) {
                        let whole = self.schema.get("properties").and_then(|all| all.get(name));
                        put(schema::write(whole.unwrap_or(&Value::Null), value, scale)?);
                    }
                }
                Means::Wheel { direction, amount, ways } => {
                    let (Some(way), Some(pixels)) = (take(direction), take(amount)) else {
                        return missing(amount);
                    };
                    let length = scale.length_of_pixels(self.screen()?, length(&pixels)?)?;
                    let Some(side) = ways.iter().position(|known| way == *known) else {
                        return Err(format!("`{}` turns {} or {}", self.action.name, ways[0], ways[1]));
                    };
                    put(if side == 0 { json!(length) } else { json!(-i128::from(length) as i64) });
                }
                Means::Point(name)
                | Means::Pair(name)
                | Means::Text(name)
                | Means::Keys(name, _)
                | Means::Seconds(name)
                | Means::Direction(name)
                | Means::Percent(name) => {
                    let Some(value) = take(name) else {
                        if argument.optional {
                            continue;
                        }
                        return missing(name);
                    };
                    match argument.means {
                        Means::Point(_) | Means::Pair(_) => {
                            let mark =
                                Mark::of(self.property(name)).unwrap_or(Err("it is no place".into()))?;
                            let place =
                                scale.of_pixels(mark, &value).map_err(|why| format!("{name}: {why}"))?;
                            match (argument.means, place.as_array().map(Vec::as_slice)) {
                                (Means::Pair(_), Some([x, y])) => {
                                    written.insert("x".into(), x.clone());
                                    written.insert("y".into(), y.clone());
                                }
                                _ => drop(put(place)),
                            }
                        }
                        Means::Keys(_, names) => {
                            let Value::String(chord) = value else {
                                return Err(format!("{name}: {value} isn't a text"));
                            };
                            put(json!(names.write(&chord)));
                        }
                        Means::Percent(_) => {
                            let height = u64::from(self.screen()?.height);
                            put(json!(((length(&value)? * 200 + height) / (2 * height)).max(1)));
                        }
                        _ => drop(put(value)),
                    }
                }
            }
        }
        if let Some(name) = left.keys().next() {
            return Err(format!("`{}` has no word for `{name}`", self.action.name));
        }
        let read = self.read(written.clone(), scale)?.arguments;
        for (means, name, value) in unwritten {
            let known = read.get(name).filter(|value| !value.is_null());
            if !is_meant(means, value.as_ref(), known) {
                let value = value.map_or("nothing".into(), |value| value.to_string());
                let name_of_action = self.action.name;
                return Err(format!("`{name_of_action}` has no word for `{name}`, which is {value}"));
            }
        }
        Ok(written)
    }
}

/// Whether what an action means without a word is what the call says. The middle of a screenshot lies between pixels.
fn is_meant(means: Means, call: Option<&Value>, known: Option<&Value>) -> bool {
    let (Some(call), Some(known)) = (call, known) else { return call == known };
    let near = |most: f64, call: &Value, known: &Value| match (call.as_f64(), known.as_f64()) {
        (Some(call), Some(known)) => (call - known).abs() <= most,
        _ => false,
    };
    match (means, call.as_array(), known.as_array()) {
        (Means::Middle(_), Some(call), Some(known)) => {
            call.len() == known.len() && call.iter().zip(known).all(|(call, known)| near(1.0, call, known))
        }
        // 5 and 5.0 are one number.
        (Means::Usual(..), ..) => near(0.0, call, known),
        _ => call == known,
    }
}
