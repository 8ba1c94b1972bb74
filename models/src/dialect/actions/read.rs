//! From what a model wrote for an action to the function's arguments.

use serde_json::{Map, Value, json};

use super::{Argument, Means, Offered, STATUSES, property};
use crate::{
    Call,
    dialect::{
        grid::{Mark, Ruler, Scale, middle},
        keys, schema,
    },
};

impl Offered<'_> {
    /// The call that an action means, its places in pixels of the screenshot.
    ///
    /// # Errors
    ///
    /// In words for the model: an argument that is missing, unknown, or not what it must be.
    pub(in crate::dialect) fn read(
        &self,
        mut written: Map<String, Value>,
        scale: Scale,
    ) -> Result<Call, String> {
        let mut arguments = Map::new();
        for argument in self.action.arguments {
            if argument.means.fits(&self.schema) {
                self.read_one(argument, &mut written, scale, &mut arguments)?;
            }
        }
        if let Some((name, _)) = written.iter().find(|(_, value)| !value.is_null()) {
            let names: Vec<&str> = self.arguments().flat_map(Argument::names).collect();
            let known = if names.is_empty() { "nothing".into() } else { names.join(", ") };
            return Err(format!("`{}` takes no `{name}` here, but {known}", self.action.name));
        }
        Ok(Call { function: self.function.name.clone(), arguments: Value::Object(arguments) })
    }

    fn read_one(
        &self,
        argument: &Argument,
        written: &mut Map<String, Value>,
        scale: Scale,
        arguments: &mut Map<String, Value>,
    ) -> Result<(), String> {
        let wrong = |problem: String| format!("{}: {problem}", argument.name);
        // What isn't written is known.
        match argument.means {
            Means::Middle(name) => {
                let mark = mark(self.property(name))?;
                arguments.insert(name.into(), json!([mark.width / 2, mark.height / 2]));
                return Ok(());
            }
            Means::Usual(name, usual) => {
                let most = self.property(name).get("maximum").and_then(Value::as_f64);
                let number =
                    most.filter(|most| *most < f64::from(usual)).map_or(json!(usual), |most| json!(most));
                arguments.insert(name.into(), number);
                return Ok(());
            }
            Means::Unsaid(_) => return Ok(()),
            _ => {}
        }
        let value = match argument.means {
            Means::Pair(_) => match (written.shift_remove("x"), written.shift_remove("y")) {
                (None, None) => None,
                (x, y) => Some(json!([x, y])),
            },
            _ => written.shift_remove(argument.name),
        };
        let Some(value) = value.filter(|value| !value.is_null()) else {
            if argument.optional {
                return Ok(());
            }
            return Err(format!("`{}` lacks `{}`", self.action.name, argument.names().join("` and `")));
        };
        match argument.means {
            Means::Point(name) | Means::Pair(name) => {
                let mark = mark(self.property(name))?;
                let point = scale.to_pixels(mark, &middle(&value, scale)).map_err(wrong)?;
                arguments.insert(name.into(), point);
            }
            Means::Text(name) | Means::Direction(name) => {
                let Value::String(text) = value else { return Err(wrong(format!("{value} isn't a text"))) };
                arguments.insert(name.into(), json!(text));
            }
            Means::Keys(name, _) => {
                arguments.insert(name.into(), json!(keys::read(&value).map_err(wrong)?));
            }
            Means::Seconds(name) => {
                let seconds = value.as_f64().ok_or_else(|| wrong(format!("{value} isn't a number")))?;
                arguments.insert(name.into(), if seconds.fract() == 0.0 { whole(seconds) } else { value });
            }
            Means::Percent(name) => {
                let percent = value.as_f64().filter(|percent| *percent >= 0.0);
                let percent = percent.ok_or_else(|| wrong(format!("{value} isn't a number from 0 up")))?;
                let mark = self.screen()?;
                arguments.insert(name.into(), whole((percent * f64::from(mark.height) / 100.0).max(1.0)));
            }
            Means::Wheel { direction, amount, ways } => {
                let turn = value.as_f64().filter(|turn| *turn != 0.0);
                let turn = turn.ok_or_else(|| wrong(format!("{value} isn't a number other than 0")))?;
                let length = scale.length_to_pixels(self.screen()?, turn.abs().round() as u64)?;
                arguments.insert(direction.into(), json!(ways[usize::from(turn < 0.0)]));
                arguments.insert(amount.into(), json!(length));
            }
            Means::Enter(name) => {
                let Value::Bool(enter) = value else {
                    return Err(wrong(format!("{value} isn't true or false")));
                };
                if let (true, Some(Value::String(text))) = (enter, arguments.get_mut(name)) {
                    text.push('\n');
                }
            }
            Means::Own(name) => {
                let whole =
                    self.schema.get("properties").and_then(|all| all.get(name)).unwrap_or(&Value::Null);
                arguments.insert(name.into(), schema::read(whole, value, &scale).map_err(wrong)?);
            }
            Means::Status => {
                let [success, failure] = STATUSES;
                if value == failure {
                    return Err(wrong(format!(
                        "`{failure}` gives the task up, for which there is no function: try another way"
                    )));
                }
                if value != success {
                    return Err(wrong(format!("{value} is neither `{success}` nor `{failure}`")));
                }
            }
            Means::Middle(_) | Means::Usual(..) | Means::Unsaid(_) => {}
        }
        Ok(())
    }

    /// The screenshot, as a place of this function's is about it.
    pub(in crate::dialect) fn screen(&self) -> Result<Mark, String> {
        let mut names = self.action.arguments.iter().flat_map(|argument| argument.means.names());
        let mark = names.find_map(|name| Mark::of(property(&self.schema, name)));
        mark.unwrap_or_else(|| Err(format!("`{}` knows no screenshot to measure on", self.function.name)))
    }
}

impl Argument {
    /// What the model writes, by name.
    pub(in crate::dialect) fn names(&self) -> Vec<&'static str> {
        if matches!(self.means, Means::Pair(_)) { vec!["x", "y"] } else { vec![self.name] }
    }
}

fn mark(property: &Value) -> Result<Mark, String> {
    Mark::of(property).unwrap_or_else(|| Err("it is no place".into()))
}

/// A number without a point.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast saturates, and a tool checks its range"
)]
fn whole(number: f64) -> Value {
    if number < 0.0 { json!(number.round() as i64) } else { json!(number.round() as u64) }
}
