//! The chat template of Florence-2, which has none of its own: one image, one task.

use super::{INPUT, TASKS};

/// What goes around the table of tasks: the image's place, `<s>`, the task's words, `</s>`.
const AROUND: &str = include_str!("template.jinja");

/// The template, in which each task's token becomes its words as the processor makes them.
pub(crate) fn template() -> String {
    let rows = |with_input: bool| {
        let rows = TASKS.iter().filter(|(_, words, _)| words.contains(INPUT) == with_input);
        let rows: Vec<String> = rows
            .map(|(token, words, _)| match words.split_once(INPUT) {
                Some((before, after)) => format!("['{token}', '{before}', '{after}']"),
                None => format!("['{token}', '{words}']"),
            })
            .collect();
        rows.join(", ")
    };
    format!("{{%- set alone = [{}] -%}}{{%- set about = [{}] -%}}{AROUND}", rows(false), rows(true))
}
