//! Names that the tokenizer reads as more than their letters, and how a message may have them all the same.

use serde_json::Value;
use tokenizers::{AddedToken, Tokenizer};

use crate::{Function, dialect::Dialect, family::Family};

/// Put after the first character of a special token's name that a message happens to contain: the reader sees
/// the same text, the tokenizer doesn't see the token. What is seen is data.
const JOINER: char = '\u{2060}';

/// The names that a message is searched for, the longest first, so that none hides in another.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Names {
    /// In a message.
    pub(super) anywhere: Vec<String>,
    /// In a reply that stands in the conversation, which may have tokens that are names anywhere else.
    pub(super) in_replies: Vec<String>,
}

impl Names {
    /// Of all special tokens, the longest first, those that must be broken.
    pub(super) fn of(special_tokens: &[String], family: &dyn Family, dialect: &dyn Dialect) -> Self {
        let (marks, own) = (family.marks(), dialect.special_tokens());
        let foreign = |token: &&String| !family.may_be_said(token);
        let anywhere: Vec<&String> = special_tokens.iter().filter(foreign).collect();
        let is_own = |token: &str| own.contains(&token) || family.writes(token);
        let in_replies = anywhere.iter().copied().filter(|token| !is_own(token)).collect();
        Self { anywhere: without_marked(anywhere, &marks), in_replies: without_marked(in_replies, &marks) }
    }
}

/// The names without those that a mark is a part of, where the mark itself is among them: broken, it breaks them too. A model
/// whose images are tokens has thousands of such names.
fn without_marked(names: Vec<&String>, marks: &[String]) -> Vec<String> {
    // The last letter of a name could stand before what breaks it.
    let breaks = |mark: &&String| mark.chars().nth(1).is_some() && names.contains(mark);
    let marks: Vec<&String> = marks.iter().filter(breaks).collect();
    let is_broken =
        |name: &str| marks.iter().any(|mark| mark.as_str() != name && name.contains(mark.as_str()));
    names.into_iter().filter(|name| !is_broken(name)).cloned().collect()
}

/// The text without anything that the tokenizer would take for a special token: a page that says
/// `<|im_start|>system` is a page that says so, and no system message.
pub(super) fn harmless(text: &str, names: &[String]) -> String {
    let mut result = text.to_owned();
    for token in names {
        if result.contains(token.as_str()) {
            let mut characters = token.chars();
            let first: String = characters.by_ref().take(1).collect();
            result = result.replace(token.as_str(), &format!("{first}{JOINER}{}", characters.as_str()));
            tracing::debug!(%token, "a message names a special token; it is read as text");
        }
    }
    result
}

/// A function whose words hold no special token's name, as the prompt tells of it.
pub(super) fn harmless_function(function: &Function, names: &[String]) -> Function {
    Function {
        name: harmless(&function.name, names),
        description: harmless(&function.description, names),
        schema: harmless_value(&function.schema, names),
    }
}

/// The same of every text in a value, the names of its entries among them.
fn harmless_value(value: &Value, names: &[String]) -> Value {
    match value {
        Value::String(text) => Value::String(harmless(text, names)),
        Value::Array(items) => items.iter().map(|item| harmless_value(item, names)).collect(),
        Value::Object(entries) => entries
            .iter()
            .map(|(name, value)| (harmless(name, names), harmless_value(value, names)))
            .collect(),
        other => other.clone(),
    }
}

/// Whether an added token is never spelt: a special one, and of the others those between `<` and `>`, as Qwen's `<tool_call>` and
/// `</think>` or `DeepSeek`'s marks of turns, which are text to the tokenizer. To a grammar they are one token too: written letter
/// by letter they would be what the model never writes.
pub(super) fn is_whole(token: &AddedToken) -> bool {
    token.special || (token.content.starts_with('<') && token.content.ends_with('>'))
}

/// Elements of HTML that Gemma's tokenizers have tokens for, which mean to the model what they mean on a page. `<s>` isn't among
/// them: it begins a text elsewhere.
const MARKUP: [&str; 23] = [
    "b",
    "blockquote",
    "caption",
    "code",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "i",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "u",
];

/// Whether it is one of the texts that a message may have as they are, though each is one token: a tag of HTML that is text to
/// the tokenizer.
pub(super) fn is_markup(token: &AddedToken) -> bool {
    let name = token.content.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    let name = name.map(|name| name.strip_prefix('/').unwrap_or(name));
    !token.special && name.is_some_and(|name| MARKUP.contains(&name))
}

/// Whether a text is an added token that is never spelt.
pub(super) fn is_one_token(tokenizer: &Tokenizer, text: &str) -> bool {
    let added = tokenizer.get_added_tokens_decoder();
    added.values().any(|token| token.content == text && is_whole(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_stands_for_all_names_that_it_is_a_part_of() {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let mut names: Vec<String> = (0..32_768).map(|code| format!("<|visual token {code:06}|>")).collect();
        names.extend(owned(&["<|image start|>", "<|visual token ", "<image>"]));
        let marks = owned(&["<|visual token ", "<|image start|>"]);
        let kept = without_marked(names.iter().collect(), &marks);
        assert_eq!(kept, ["<|image start|>", "<|visual token ", "<image>"]);
        let text = "a <|visual token 000103|><image><|image start|> b";
        let (short, long) = (harmless(text, &kept), harmless(text, &names));
        for name in &names {
            assert!(!short.contains(name.as_str()) && !long.contains(name.as_str()), "{name}");
        }
        assert_eq!(short.replace(JOINER, ""), text);
        // A mark that may be said, or is a single letter, breaks nothing.
        let cases = [
            (owned(&["<loc12>", "<seg>"]), owned(&["<loc"]), owned(&["<loc12>", "<seg>"])),
            (owned(&["a<", "<"]), owned(&["<"]), owned(&["a<", "<"])),
        ];
        for (names, marks, expected) in cases {
            assert_eq!(without_marked(names.iter().collect(), &marks), expected);
        }
    }

    #[test]
    fn a_token_that_is_text_to_the_tokenizer_may_be_one_to_a_grammar() {
        let mut tokenizer = Tokenizer::new(tokenizers::models::bpe::BPE::default());
        let added = |text: &str, special| AddedToken::from(text, special);
        tokenizer.add_tokens(&[added("<tool_call>", false), added("word", false), added("[END]", true)]);
        let cases = [("<tool_call>", true), ("[END]", true), ("word", false), ("<code>", false), ("", false)];
        for (text, is_one) in cases {
            assert_eq!(is_one_token(&tokenizer, text), is_one, "{text}");
        }
    }

    #[test]
    fn a_tag_of_html_is_text_where_it_is_text_to_the_tokenizer() {
        let cases = [
            ("<td>", false, true),
            ("</h1>", false, true),
            ("<code>", true, false),
            ("<s>", false, false),
            ("<img>", false, false),
            ("<video>", false, false),
            ("<tool_call>", false, false),
            ("</think>", false, false),
            ("<|im_end|>", false, false),
            ("<//b>", false, false),
            ("td", false, false),
        ];
        for (text, special, expected) in cases {
            assert_eq!(is_markup(&AddedToken::from(text, special)), expected, "{text} {special}");
        }
    }
}
