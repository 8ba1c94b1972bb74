//! What a decoder calls its inputs and outputs, where that isn't what the community's exports call them.

use std::borrow::Cow;

/// Where a layer's number stands in a name.
const LAYER: &str = "%d";

/// Names by which a decoder's ports go, `%d` for a layer's number, each beside the one that it is known by here.
///
/// ```
/// use percept_runtime::DecoderNames;
///
/// let names = DecoderNames::default().with("past_key_values.%d.key", "past.%d.k");
/// assert_eq!(names.own("past_key_values.7.key"), "past.7.k");
/// assert_eq!(names.known("past.7.k"), "past_key_values.7.key");
/// assert_eq!(names.known("attention_mask"), "attention_mask");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DecoderNames(Vec<(String, String)>);

impl DecoderNames {
    /// The same, and one more: what is known as `known` is called `own` in the graph.
    #[must_use]
    pub fn with(mut self, known: &str, own: &str) -> Self {
        self.0.push((known.to_owned(), own.to_owned()));
        self
    }

    /// What the graph calls a port that is known by this name.
    pub fn own<'a>(&self, known: &'a str) -> Cow<'a, str> {
        translated(self.0.iter().map(|(from, to)| (from, to)), known)
    }

    /// The name by which a port of the graph is known.
    pub fn known<'a>(&self, own: &'a str) -> Cow<'a, str> {
        translated(self.0.iter().map(|(to, from)| (from, to)), own)
    }
}

fn translated<'a>(pairs: impl Iterator<Item = (&'a String, &'a String)>, name: &str) -> Cow<'_, str> {
    for (from, to) in pairs {
        match from.split_once(LAYER) {
            None if from == name => return Cow::Owned(to.clone()),
            None => {}
            Some((before, after)) => {
                let layer = name.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
                let is_number = |layer: &&str| !layer.is_empty() && layer.bytes().all(|b| b.is_ascii_digit());
                if let Some(layer) = layer.filter(is_number) {
                    return Cow::Owned(to.replacen(LAYER, layer, 1));
                }
            }
        }
    }
    Cow::Borrowed(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_goes_over_and_back_and_others_stay() {
        let names = DecoderNames::default()
            .with("logits", "scores")
            .with("past_key_values.%d.key", "past_%d_k")
            .with("present.%d.key", "now.%d.k");
        let cases = [
            ("logits", "scores"),
            ("past_key_values.0.key", "past_0_k"),
            ("past_key_values.12.key", "past_12_k"),
            ("present.3.key", "now.3.k"),
            ("past_key_values.0.value", "past_key_values.0.value"),
            ("past_key_values.x.key", "past_key_values.x.key"),
            ("attention_mask", "attention_mask"),
        ];
        for (known, own) in cases {
            assert_eq!((names.own(known).as_ref(), names.known(own).as_ref()), (own, known));
        }
    }
}
