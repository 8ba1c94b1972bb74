//! Small byte-level tokenizers, made here: one that merges, one that knows whole pieces.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(dead_code, reason = "each test file uses its own part of this")]

use serde_json::{Map, Value, json};
use tokenizers::Tokenizer;

/// Ids of the special tokens in both.
pub(crate) const PAD: u32 = 0;
pub(crate) const END: u32 = 1;
pub(crate) const THINK: u32 = 2;
pub(crate) const ACT: u32 = 3;

const SPECIALS: [&str; 4] = ["<pad>", "<eos>", "<think>", "<act>"];

/// The character by which a byte-level vocabulary writes a byte (GPT-2's table).
fn letter(byte: u8) -> char {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    if printable(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|&byte| !printable(byte)).count() as u32;
    char::from_u32(256 + before).unwrap()
}

fn letters(text: &str) -> Vec<String> {
    text.bytes().map(|byte| letter(byte).to_string()).collect()
}

fn build(
    vocabulary: &Map<String, Value>,
    merges: &[Value],
    ignore_merges: bool,
    pre_tokenizer: &Value,
) -> Tokenizer {
    let added: Vec<Value> = SPECIALS
        .iter()
        .enumerate()
        .map(|(id, content)| {
            json!({ "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
                    "normalized": false, "special": true })
        })
        .collect();
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
        "pre_tokenizer": pre_tokenizer, "post_processor": null,
        "decoder": { "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true },
        "model": { "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                   "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
                   "ignore_merges": ignore_merges, "vocab": vocabulary, "merges": merges },
    });
    Tokenizer::from_bytes(file.to_string()).unwrap()
}

fn bytes_and_specials() -> Map<String, Value> {
    let mut vocabulary = Map::new();
    let bytes = (0..=255).map(|byte| letter(byte).to_string());
    for (id, token) in SPECIALS.iter().map(|&name| name.to_owned()).chain(bytes).enumerate() {
        vocabulary.insert(token, json!(id));
    }
    vocabulary
}

/// A tokenizer that merges letters into these words, from the left; GPT-2's pre-tokenizer.
pub(crate) fn merging(words: &[&str]) -> Tokenizer {
    let mut vocabulary = bytes_and_specials();
    let mut merges: Vec<Value> = Vec::new();
    for word in words {
        let parts = letters(word);
        let mut joined = parts[0].clone();
        for part in &parts[1..] {
            let merge = json!([joined.clone(), part]);
            joined.push_str(part);
            if !vocabulary.contains_key(&joined) {
                let id = vocabulary.len();
                vocabulary.insert(joined.clone(), json!(id));
                merges.push(merge);
            }
        }
    }
    let pre =
        json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true });
    build(&vocabulary, &merges, false, &pre)
}

/// A tokenizer that merges nothing and knows whole pieces, which its pre-tokenizer cuts out of JSON by what stands
/// around them: the form of the bundled model's.
pub(crate) fn pieces() -> Tokenizer {
    let mut vocabulary = bytes_and_specials();
    let mut pieces: Vec<String> = [
        "{\"tool\":\"",
        "\",\"point\":[",
        "\",\"text\":\"",
        "\"}",
        "]}",
        "click",
        "type_text",
        "Click",
        " the",
        " button",
    ]
    .map(str::to_owned)
    .to_vec();
    pieces.extend((10..52).map(|number| number.to_string()));
    for piece in pieces {
        let id = vocabulary.len();
        vocabulary.entry(letters(&piece).concat()).or_insert(json!(id));
    }
    let cut = "\\{\\\"tool\\\":\\\"|\\\",\\\"point\\\":\\[|\\\",\\\"text\\\":\\\"|\\\"\\}|\\]\\}|\
               (?<=\\{\\\"tool\\\":\\\")[a-z_]+|(?<=[\\[,])\\d+|\
               (?> ?[A-Za-z]+)(?=[^\"]*(?:\"[^\"]*\"[^\"]*)*\\z)|[\\s\\S]";
    let pre = json!({ "type": "Sequence", "pretokenizers": [
        { "type": "Split", "pattern": { "Regex": cut }, "behavior": "Isolated", "invert": false },
        { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false },
    ]});
    build(&vocabulary, &[], true, &pre)
}

pub(crate) fn encode(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    tokenizer.encode(text, false).unwrap().get_ids().to_vec()
}

/// A tokenizer of so many tokens that merges nothing: bytes, JSON's punctuation, numbers, and words of syllables,
/// with and without a space before them, in about the proportions of an English vocabulary.
pub(crate) fn large(size: usize) -> Tokenizer {
    const SYLLABLES: [&str; 40] = [
        "the", "but", "ton", "is", "in", "box", "text", "and", "so", "next", "blue", "com", "es", "on", "er",
        "ing", "re", "con", "ment", "able", "al", "ly", "un", "pre", "or", "ed", "tion", "ous", "ver", "ter",
        "per", "man", "for", "est", "ic", "ab", "act", "ex", "um", "ary",
    ];
    let mut vocabulary = bytes_and_specials();
    let add = |vocabulary: &mut Map<String, Value>, text: &str| {
        let id = vocabulary.len();
        if id < size {
            vocabulary.entry(letters(text).concat()).or_insert(json!(id));
        }
    };
    for text in [
        "{\"", "\":", "\":\"", "\",\"", "\",", "\"}", "]}", "\":[", "},{", "[\"", "\"]", "();", "\n\n", "  ",
        "    ", "...",
    ] {
        add(&mut vocabulary, text);
    }
    for number in 10..1000 {
        add(&mut vocabulary, &number.to_string());
    }
    for parts in 1..=4u32 {
        for place in 0..SYLLABLES.len().pow(parts) {
            let word: String = (0..parts)
                .map(|part| SYLLABLES[place / SYLLABLES.len().pow(part) % SYLLABLES.len()])
                .collect();
            let mut capital = word.clone();
            capital[..1].make_ascii_uppercase();
            for form in [format!(" {word}"), word, format!(" {capital}"), capital] {
                add(&mut vocabulary, &form);
            }
            if vocabulary.len() >= size {
                break;
            }
        }
    }
    let pre =
        json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true });
    build(&vocabulary, &[], true, &pre)
}
