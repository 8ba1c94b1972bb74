//! Whatever is written under a dialect's grammar reads as a call inside the screenshot: a walk through the grammar's
//! tokens by chance, with no model.

use std::{fs, path::Path, sync::Arc};

use percept_runtime::{Constraint, Grammar, Marker, Vocabulary};
use serde_json::Value;
use tokenizers::{AddedToken, Tokenizer};

use super::{FolderSettings, offered::functions};
use crate::{
    Call, Dialect, Function, JsonDialect, Thought,
    dialect::{
        computer_use::ComputerUse,
        grid::{Grid, Scale},
        holo::Holo,
        smol::SmolOperator,
        ui_tars::UiTars,
    },
    processor::SmartSize,
};

pub(super) const SIZE: [u32; 2] = [1280, 720];

/// Walks that end within so many tokens, a thought's among them.
const LONGEST: usize = 4_000;
const THOUGHT: usize = 12;

/// The tokenizer of the tiny Qwen2.5-VL with the tokens that UI-TARS puts around boxes.
pub(super) fn tokenizer() -> Tokenizer {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/qwen2_5_vl-tiny/tokenizer.json");
    let mut tokenizer: Tokenizer = fs::read_to_string(path).unwrap().parse().unwrap();
    let boxes = ["<|box_start|>", "<|box_end|>"].map(|name| AddedToken::from(name, true));
    tokenizer.add_special_tokens(&boxes);
    tokenizer
}

/// What walks go over.
pub(super) struct Ground {
    pub(super) tokenizer: Tokenizer,
    pub(super) vocabulary: Arc<Vocabulary>,
    /// Tokens that may end a text.
    quotes: Vec<u32>,
}

impl Ground {
    pub(super) fn of(tokenizer: Tokenizer) -> Self {
        let size = tokenizer.get_vocab_size(true);
        let ends = [tokenizer.token_to_id("<|im_end|>").unwrap()];
        let vocabulary = Vocabulary::from_tokenizer(&tokenizer, &ends, size).unwrap();
        let is_quote = |token: &u32| tokenizer.decode(&[*token], true).unwrap().ends_with(['\'', '"']);
        let quotes = (0..size as u32).filter(is_quote).collect();
        Self { tokenizer, vocabulary: Arc::new(vocabulary), quotes }
    }
}

/// `SplitMix64` (Steele et al. 2014).
struct Chance(u64);

impl Chance {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) as usize % count
    }
}

/// Tokens by chance to the grammar's end.
fn walk(grammar: &Grammar, vocabulary: &Arc<Vocabulary>, quotes: &[u32], seed: u64) -> Vec<u32> {
    let mut constraint: Constraint = grammar.compile(vocabulary).unwrap();
    let (mut chance, mut tokens) = (Chance(seed), Vec::new());
    while !constraint.finished() {
        assert!(tokens.len() < LONGEST, "no end");
        let forced = constraint.forced().unwrap();
        if !forced.is_empty() {
            tokens.extend(forced);
            continue;
        }
        let mask = constraint.mask().unwrap();
        let allowed: Vec<u32> =
            (0..vocabulary.logits_size() as u32).filter(|token| mask.allows(*token)).collect();
        // A text should end some day: what ends it is taken a little more often than by chance.
        let ends: Vec<u32> = allowed.iter().filter(|token| quotes.contains(token)).copied().collect();
        let token = if !ends.is_empty() && chance.below(6) == 0 {
            ends[chance.below(ends.len())]
        } else {
            allowed[chance.below(allowed.len())]
        };
        if constraint.is_end(token) {
            break;
        }
        constraint.accept(token).unwrap();
        tokens.push(token);
    }
    tokens
}

/// Every number of a place lies within the screenshot.
fn inside(call: &Call, functions: &[Function]) -> bool {
    fn within(schema: &Value, value: &Value) -> bool {
        let [width, height] = SIZE.map(u64::from);
        if let Some(mark) = schema.get("x-percept") {
            let numbers: Vec<u64> = serde_json::from_value(value.clone()).unwrap();
            return match (mark["kind"].as_str(), numbers.as_slice()) {
                (Some("point"), [x, y]) => *x < width && *y < height,
                (Some("region"), [left, top, right, bottom]) => {
                    left < right && top < bottom && *right <= width && *bottom <= height
                }
                _ => false,
            };
        }
        match value {
            Value::Array(items) => items.iter().all(|item| within(&schema["items"], item)),
            Value::Object(entries) => {
                entries.iter().all(|(name, value)| within(&schema["properties"][name], value))
            }
            _ => true,
        }
    }
    let function = functions.iter().find(|function| function.name == call.function).unwrap();
    within(&function.schema, &call.arguments)
}

/// Walks through a dialect's grammars, and gives the names of the functions that were called.
fn check(ground: &Ground, dialect: &dyn Dialect, functions: &[Function], walks: u64) -> Vec<String> {
    let Ground { tokenizer, vocabulary, quotes } = ground;
    let text = |tokens: &[u32], plain: bool| tokenizer.decode(tokens, plain).unwrap();
    let mut called = Vec::new();
    for thought in [Thought::Free, Thought::None] {
        let grammar = dialect.grammar(functions, thought, THOUGHT).unwrap();
        for seed in 0..walks {
            let tokens = walk(&grammar, vocabulary, quotes, seed);
            let reply = text(&tokens, true);
            let (before, after) = match dialect.marker().filter(|_| thought == Thought::Free) {
                Some(Marker::Text(marker)) => reply.split_once(marker.as_str()).unwrap(),
                _ => ("", reply.as_str()),
            };
            match dialect.read(after, functions) {
                Ok(call) => {
                    assert!(inside(&call, functions), "{reply}\n{call:?}");
                    // As it is shown to the model later, it is the same call.
                    let said = dialect.said(&dialect.thought(before, after), after);
                    let plain = said.replace("<|box_start|>", "").replace("<|box_end|>", "");
                    assert!(plain.contains(after.trim()), "{said}\n{after}");
                    called.push(call.function);
                }
                // A region's end before its beginning is what no grammar forbids; giving up is what none may.
                Err(why) => {
                    let is_known = ["end before its beginning", "gives the task up"];
                    assert!(is_known.iter().any(|known| why.contains(known)), "{why}\n{reply}");
                }
            }
        }
    }
    called.sort();
    called.dedup();
    called
}

/// Every dialect of local models but the one with tags, on the scales that it is used with.
pub(super) fn dialects() -> Vec<Box<dyn Dialect>> {
    let resized = Scale::Resized(SmartSize { factor: 28, least: 56 * 56, most: 28 * 28 * 1280 });
    let settings = FolderSettings { grid: Some([40, 52]), ..FolderSettings::default() };
    vec![
        Box::new(JsonDialect::new(&settings, |_| false)),
        Box::new(ComputerUse::qwen(resized, |_| false)),
        Box::new(ComputerUse::qwen(Scale::THOUSANDTHS, |_| false)),
        Box::new(ComputerUse::fara(resized, |_| false)),
        Box::new(UiTars::new(Scale::THOUSANDTHS, |_| true)),
        Box::new(UiTars::new(resized, |_| false)),
        Box::new(SmolOperator::new(Scale::Fractions, |_| false)),
        Box::new(SmolOperator::new(Scale::Grid(Grid { columns: 40, rows: 52 }), |_| false)),
        Box::new(Holo::new(Scale::THOUSANDTHS)),
    ]
}

#[test]
fn whatever_is_written_under_a_grammar_reads_as_a_call_inside_the_screenshot() {
    let (ground, functions) = (Ground::of(tokenizer()), functions(SIZE));
    for dialect in dialects() {
        check(&ground, dialect.as_ref(), &functions, 30);
        // Each alone, so that none is missed.
        for function in &functions {
            let called = check(&ground, dialect.as_ref(), std::slice::from_ref(function), 4);
            assert_eq!(called, [function.name.as_str()], "{dialect:?}");
        }
    }
}

#[test]
fn whatever_is_written_between_tags_reads_as_a_call_inside_the_screenshot() {
    let (ground, mut functions) = (Ground::of(tokenizer()), functions(SIZE));
    let dialect = ComputerUse::tagged(Scale::THOUSANDTHS, |_| false);
    // A walk by chance doesn't find the many tokens that end a text; [`super::trained`] has them.
    let speaks = ["type_text", "answer", "finish", "navigate"];
    functions.retain(|function| !speaks.contains(&function.name.as_str()));
    check(&ground, &dialect, &functions, 30);
    for function in &functions {
        let called = check(&ground, &dialect, std::slice::from_ref(function), 4);
        assert_eq!(called, [function.name.as_str()]);
    }
}
