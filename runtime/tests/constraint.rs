//! What a grammar lets through, what it doesn't, and what it writes by itself.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "support/tokenizer.rs"]
mod tokenizer;

use std::sync::Arc;

use percept_runtime::{Form, Grammar, Marker, Prelude, Vocabulary};
use serde_json::{Value, json};
use tokenizer::{END, encode, merging, pieces};
use tokenizers::{AddedToken, Tokenizer};

const WORDS: [&str; 14] = [
    "{\"", "\":\"", "\",\"", "\"}", "]}", "\":[", "tool", "point", "click", "wait", " button", " the", "Act",
    "tion",
];

fn calls() -> Value {
    let bounded = |most: u32| json!({ "type": "integer", "minimum": 0, "maximum": most });
    json!({ "anyOf": [
        { "type": "object", "additionalProperties": false, "required": ["tool", "point"], "properties": {
            "tool": { "const": "click" },
            "point": { "type": "array", "prefixItems": [bounded(331), bounded(213)], "minItems": 2, "maxItems": 2 } } },
        { "type": "object", "additionalProperties": false, "required": ["tool", "text"], "properties": {
            "tool": { "const": "type_text" }, "text": { "type": "string", "maxLength": 20 } } },
        { "type": "object", "additionalProperties": false, "required": ["tool"], "properties": {
            "tool": { "const": "wait" } } },
    ]})
}

fn thinking(marker: Marker, max_tokens: usize) -> Grammar {
    Grammar { prelude: Prelude::FreeText { marker, max_tokens }, form: Form::Json(calls()) }
}

fn special(max_tokens: usize) -> Grammar {
    thinking(Marker::Special("<act>".to_owned()), max_tokens)
}

fn vocabulary(tokenizer: &Tokenizer, end_tokens: &[u32]) -> Arc<Vocabulary> {
    let size = tokenizer.get_vocab_size(true) + 7;
    Arc::new(Vocabulary::from_tokenizer(tokenizer, end_tokens, size).unwrap())
}

/// Has a reply written under a grammar: what it forces must be what the reply says, what it leaves open is taken
/// from the reply. Gives the number of forced tokens, or where the reply was refused.
fn write(tokenizer: &Tokenizer, grammar: &Grammar, reply: &str) -> Result<usize, String> {
    written(tokenizer, &vocabulary(tokenizer, &[END]), grammar, reply)
}

fn written(
    tokenizer: &Tokenizer,
    vocabulary: &Arc<Vocabulary>,
    grammar: &Grammar,
    reply: &str,
) -> Result<usize, String> {
    let mut constraint = grammar.compile(vocabulary).unwrap();
    let tokens = encode(tokenizer, reply);
    let said = |count: usize| tokenizer.decode(&tokens[..count], false).unwrap();
    let (mut place, mut forced_count) = (0, 0);
    loop {
        let forced = constraint.forced().unwrap();
        if !tokens[place..].starts_with(&forced) {
            let forced = tokenizer.decode(&forced, false).unwrap();
            return Err(format!("after {:?} it forces {forced:?}", said(place)));
        }
        place += forced.len();
        forced_count += forced.len();
        if constraint.finished() {
            break;
        }
        let Some(&token) = tokens.get(place) else {
            return Err(format!("after {:?} it wants more", said(place)));
        };
        if !constraint.mask().unwrap().allows(token) {
            return Err(format!(
                "after {:?} it refuses {:?}",
                said(place),
                tokenizer.decode(&[token], false).unwrap()
            ));
        }
        constraint.accept(token).unwrap();
        place += 1;
    }
    if place < tokens.len() {
        return Err(format!("after {:?} it is complete", said(place)));
    }
    Ok(forced_count)
}

fn check(grammar: &Grammar, cases: &[(&str, bool)]) {
    for (name, tokenizer) in [("merging", merging(&WORDS)), ("pieces", pieces())] {
        for (reply, allowed) in cases {
            let written = write(&tokenizer, grammar, reply);
            assert_eq!(written.is_ok(), *allowed, "{name}: {reply:?}: {written:?}");
        }
    }
}

#[test]
fn json_is_compact_in_order_and_inside_its_bounds() {
    check(
        &Grammar::of(Form::Json(calls())),
        &[
            (r#"{"tool":"click","point":[12,200]}"#, true),
            (r#"{"tool":"click","point":[0,0]}"#, true),
            (r#"{"tool":"click","point":[331,213]}"#, true),
            (r#"{"tool":"wait"}"#, true),
            (r#"{"tool":"type_text","text":"Ada \"L\" é"}"#, true),
            (r#"{"tool":"click","point":[332,0]}"#, false),
            (r#"{"tool":"click","point":[0,214]}"#, false),
            (r#"{"tool":"click","point":[-1,0]}"#, false),
            (r#"{"tool":"click","point":[01,0]}"#, false),
            (r#"{"tool":"click","point":[1.5,0]}"#, false),
            (r#"{"tool":"click","point":[1]}"#, false),
            (r#"{"tool":"click","point":[1,2,3]}"#, false),
            (r#"{"tool": "click","point":[1,2]}"#, false),
            (r#"{"tool":"click","point":[1, 2]}"#, false),
            (r#"{"point":[1,2],"tool":"click"}"#, false),
            (r#"{"tool":"click","point":[1,2],"why":1}"#, false),
            (r#"{"tool":"erase"}"#, false),
            (r#"{"tool":"wait"} and so on"#, false),
            (r#"{"tool":"wait""#, false),
            (r#"{"tool":"type_text","text":"more than twenty characters"}"#, false),
            ("Sure! {\"tool\":\"wait\"}", false),
            ("", false),
        ],
    );
}

#[test]
fn a_thought_is_any_text_up_to_its_special_token() {
    check(
        &special(60),
        &[
            ("The button is blue.<act>{\"tool\":\"click\",\"point\":[1,2]}", true),
            ("<act>{\"tool\":\"wait\"}", true),
            ("\"quoted\"\n{braces} é\u{1F600} <b>bold</b><act>{\"tool\":\"wait\"}", true),
            ("Click<act>{\"tool\":\"click\",\"point\":[999,2]}", false),
            ("{\"tool\":\"wait\"}", false),
            ("I give up<eos>", false),
            ("a<think>b<act>{\"tool\":\"wait\"}", false),
            ("a<pad>b<act>{\"tool\":\"wait\"}", false),
            ("a<act><act>{\"tool\":\"wait\"}", false),
        ],
    );
}

#[test]
fn a_thought_is_any_text_up_to_its_words() {
    check(
        &thinking(Marker::Text("\nAction: ".to_owned()), 60),
        &[
            ("The button is blue.\nAction: {\"tool\":\"click\",\"point\":[1,2]}", true),
            ("\nAction: {\"tool\":\"wait\"}", true),
            ("Action, then?\n\nAction: {\"tool\":\"wait\"}", true),
            ("\nAction: now\nAction: {\"tool\":\"wait\"}", false),
            ("The button<eos>", false),
            ("a<act>b\nAction: {\"tool\":\"wait\"}", false),
        ],
    );
}

#[test]
fn a_mask_that_was_kept_is_the_one_that_would_be_worked_out() {
    let markers = [Marker::Special("<act>".to_owned()), Marker::Text("\nAct ion: ".to_owned())];
    let texts =
        ["The Act is\nAct", "a\nAct ion", "\n\nAct\nAct io", "\u{e9}\u{20ac}\u{1f600}\nA", "a\nAct ion:x"];
    for tokenizer in [merging(&WORDS), pieces()] {
        let vocabulary = vocabulary(&tokenizer, &[END]);
        for marker in &markers {
            let grammar = thinking(marker.clone(), 60);
            for text in texts {
                let tokens = encode(&tokenizer, text);
                // One that is asked at every step, and so keeps what it can; and a new one at each.
                let mut keeping = grammar.compile(&vocabulary).unwrap();
                for (place, token) in tokens.iter().enumerate() {
                    let mut new = grammar.compile(&vocabulary).unwrap();
                    for token in &tokens[..place] {
                        new.accept(*token).unwrap();
                    }
                    assert_eq!(keeping.mask().unwrap(), new.mask().unwrap(), "{text:?} at {place}");
                    keeping.accept(*token).unwrap();
                }
            }
        }
    }
}

#[test]
fn forms_are_put_together() {
    let call = Form::Sequence(vec![
        Form::Special("<act>".to_owned()),
        Form::Text("click(start_box='(".to_owned()),
        Form::Regex("[0-9]{1,3},[0-9]{1,3}".to_owned()),
        Form::Text(")')".to_owned()),
    ]);
    let choice = Form::Choice(vec![
        call,
        Form::Text("finished()\n/* \"done\" */".to_owned()),
        Form::Json(json!({ "const": 1 })),
    ]);
    check(
        &Grammar::of(choice),
        &[
            ("<act>click(start_box='(12,340)')", true),
            ("finished()\n/* \"done\" */", true),
            ("1", true),
            ("<act>click(start_box='(12,3400)')", false),
            ("click(start_box='(12,340)')", false),
            ("finished()", false),
        ],
    );
    check(&Grammar::of(Form::Lark("start: \"a\" B*\nB: /b/".to_owned())), &[("c", false)]);
}

#[test]
fn a_text_goes_up_to_the_first_end() {
    let tag = |shortest, longest| {
        Grammar::of(Form::Sequence(vec![
            Form::Text("<t>".to_owned()),
            Form::UpTo { end: "\n</t>\n".to_owned(), shortest, longest },
            Form::Text("!".to_owned()),
        ]))
    };
    check(
        &tag(0, None),
        &[
            ("<t>hello\n</t>\n!", true),
            ("<t>hello\n\n</t>\n!", true),
            ("<t>\n</t>\n!", true),
            ("<t>a < b\n</t\n</t>\n!", true),
            ("<t></t>\n</t>\n!", true),
            ("<t>\u{e9} /.*[x]\\\n</t>\n!", true),
            ("<t>a\n</t>\n\n</t>\n!", false),
            ("<t>a</t>\n!", false),
            ("<t>a<act>\n</t>\n!", false),
        ],
    );
    check(
        &tag(2, Some(4)),
        &[
            ("<t>12\n</t>\n!", true),
            ("<t>1\n\n</t>\n!", true),
            ("<t>123<\n</t>\n!", true),
            ("<t>\u{e9}\u{20ac}\u{1f600}4\n</t>\n!", true),
            ("<t>1\n</t>\n!", false),
            ("<t>12345\n</t>\n!", false),
        ],
    );
    check(
        &tag(5, None),
        &[
            ("<t>12345\n</t>\n!", true),
            ("<t>1\n</t>\n!", false),
            ("<t>1\n</t>\n23\n</t>\n!", false),
            ("<t>1\n</t>23\n</t>\n!", true),
        ],
    );
    // Why it is a form of its own: an expression takes the beginning of what follows it, and never gives it back.
    let apart = Form::Sequence(vec![
        Form::Text("<t>".to_owned()),
        Form::Regex("([^<]|<+[^</])*".to_owned()),
        Form::Text("\n</t>\n!".to_owned()),
    ]);
    check(&Grammar::of(apart), &[("<t>hello\n</t>\n!", false), ("<t>\n</t>\n!", true)]);
    // An end that is a token, and one that has a token in it.
    for (before, behind) in [("", ""), ("\n", "\n")] {
        let end = format!("{before}<act>{behind}");
        for (shortest, longest, text, allowed) in [
            (0, None, "", true),
            (0, None, "a\n<ac\n", true),
            (0, Some(0), "", true),
            (0, Some(0), "a", false),
            (0, Some(2), "ab", true),
            (2, None, "a", false),
            (2, Some(2), "ab", true),
            (2, Some(2), "abc", false),
        ] {
            let text_and_end = Form::Sequence(vec![
                Form::UpTo { end: end.clone(), shortest, longest },
                Form::Text("!".into()),
            ]);
            check(&Grammar::of(text_and_end), &[(&format!("{text}{end}!"), allowed)]);
        }
    }
}

#[test]
fn what_is_certain_is_forced_as_the_tokenizer_would_write_it() {
    let reply = "<act>{\"tool\":\"click\",\"point\":[12,20]}";
    // Open: the thought's end, the tool, each number's digits, and where a number ends. The rest is forced.
    for (name, tokenizer, expected) in [("merging", merging(&WORDS), (6, 14)), ("pieces", pieces(), (2, 8))] {
        let total = encode(&tokenizer, reply).len();
        assert_eq!((write(&tokenizer, &special(60), reply).unwrap(), total), expected, "{name}");
    }
}

/// Qwen's tags: added tokens that are text to the tokenizer, and single tokens to a grammar.
#[test]
fn a_text_with_tokens_in_it_is_written_with_them() {
    for mut tokenizer in [merging(&WORDS), pieces()] {
        let tags = ["<tool_call>", "</tool_call>"].map(|tag| AddedToken::from(tag, false));
        tokenizer.add_tokens(&tags);
        let form = Form::Sequence(vec![
            Form::Text("\n".to_owned()),
            Form::Json(calls()),
            Form::Text("\n</tool_call>".to_owned()),
        ]);
        let marker = Marker::Special("<tool_call>".to_owned());
        let thought = Grammar { prelude: Prelude::FreeText { marker, max_tokens: 60 }, form: form.clone() };
        let call = "<tool_call>\n{\"tool\":\"wait\"}\n</tool_call>";
        assert!(write(&tokenizer, &thought, &format!("It moves.{call}")).is_ok());
        // Opened by a text that is nothing but the token, and with tokens in the middle of one.
        let opened = Form::Sequence(vec![Form::Text("<tool_call>".to_owned()), form]);
        assert!(write(&tokenizer, &Grammar::of(opened), call).is_ok());
        let twice = "a</tool_call>b<tool_call><tool_call>c";
        assert!(write(&tokenizer, &Grammar::of(Form::Text(twice.to_owned())), twice).is_ok());
    }
}

/// Gemma 3's tokenizer has a token for images, and models that read text alone no score for it; `Phi-4-mini`'s ids leave some out.
#[test]
fn tokens_without_a_score_and_ids_without_a_token_leave_a_model_its_calls() {
    let grammar = special(60);
    let reply = "The button <hole> is \u{10fffd}262.<act>{\"tool\":\"click\",\"point\":[12,200]}";
    for (name, tokenizer) in [("merging", merging(&WORDS)), ("pieces", pieces())] {
        let count = tokenizer.get_vocab_size(true);
        let expected = write(&tokenizer, &grammar, reply).unwrap();
        let mut unscored = tokenizer.clone();
        unscored.add_tokens(&[AddedToken::from("<image>", true), AddedToken::from("<audio>", true)]);
        let vocabulary = Arc::new(Vocabulary::from_tokenizer(&unscored, &[END], count).unwrap());
        assert_eq!(written(&unscored, &vocabulary, &grammar, reply), Ok(expected), "{name}");
        // It is read as the letters that the model can write, and never as the token.
        let text = Grammar::of(Form::Text("<image>".to_owned()));
        assert_eq!(text.compile(&vocabulary).unwrap().forced().unwrap(), encode(&tokenizer, "<image>"));
        let named = Grammar::of(Form::Special("<image>".to_owned())).compile(&vocabulary).err();
        assert!(named.unwrap().to_string().contains("no special token <image>"), "{name}");
        let more = AddedToken::from("more", false);
        unscored.add_tokens(&[more]);
        let error = Vocabulary::from_tokenizer(&unscored, &[END], count).unwrap_err().to_string();
        assert!(
            error.contains(&format!("it has {} tokens, but the model scores {count}", count + 3)),
            "{error}"
        );

        let holed = with_holes(&tokenizer, &[7, 100, 101, 102]);
        let vocabulary = Arc::new(Vocabulary::from_tokenizer(&holed, &[END], count + 9).unwrap());
        assert_eq!(written(&holed, &vocabulary, &grammar, reply), Ok(expected), "{name}");
        for hole in [7, 100, 101, 102] {
            let mut constraint = grammar.compile(&vocabulary).unwrap();
            assert!(!constraint.mask().unwrap().allows(hole), "{name}: {hole}");
        }
    }
}

/// The same tokenizer, whose ids leave these out.
fn with_holes(tokenizer: &Tokenizer, holes: &[u32]) -> Tokenizer {
    let mut file: Value = serde_json::from_str(&tokenizer.to_string(false).unwrap()).unwrap();
    let moved = |id: &Value| {
        holes.iter().fold(id.as_u64().unwrap(), |id, hole| id + u64::from(id >= u64::from(*hole)))
    };
    for id in file["model"]["vocab"].as_object_mut().unwrap().values_mut() {
        *id = moved(id).into();
    }
    Tokenizer::from_bytes(file.to_string()).unwrap()
}

#[test]
fn a_thought_that_is_too_long_is_brought_to_its_point() {
    let markers = [Marker::Special("<act>".to_owned()), Marker::Text("\nAction: ".to_owned())];
    for tokenizer in [merging(&WORDS), pieces()] {
        for marker in &markers {
            for limit in [0, 1, 5] {
                let vocabulary = vocabulary(&tokenizer, &[END]);
                let mut constraint = thinking(marker.clone(), limit).compile(&vocabulary).unwrap();
                let letter = encode(&tokenizer, "e")[0];
                let mut written = Vec::new();
                for _ in 0..limit {
                    assert!(constraint.forced().unwrap().is_empty());
                    constraint.accept(letter).unwrap();
                    written.push(letter);
                }
                written.extend(constraint.forced().unwrap());
                let text = tokenizer.decode(&written, false).unwrap();
                let words = match marker {
                    Marker::Special(name) => name,
                    Marker::Text(words) => words,
                };
                assert!(text.starts_with(&format!("{}{words}", "e".repeat(limit))), "{text:?}");
                assert!(text.len() > limit + words.len(), "the form's beginning is forced with it: {text:?}");
            }
        }
    }
}

#[test]
fn a_model_without_an_end_token_still_ends_where_its_grammar_does() {
    let tokenizer = pieces();
    let vocabulary = vocabulary(&tokenizer, &[]);
    let grammar = Grammar::of(Form::Lark("start: \"a\" B*\nB: /b/".to_owned()));
    let mut constraint = grammar.compile(&vocabulary).unwrap();
    assert_eq!(constraint.forced().unwrap(), encode(&tokenizer, "a"));
    let mask = constraint.mask().unwrap();
    let end = vocabulary.logits_size() as u32;
    assert!(constraint.is_end(end) && mask.allows(end));
    assert_eq!(mask.count(), 2);
}

#[test]
fn behind_a_bounded_thought_everything_may_come() {
    let tokenizer = pieces();
    let vocabulary = vocabulary(&tokenizer, &[END]);
    for marker in [Marker::Special("<act>".to_owned()), Marker::Text("Act:".to_owned())] {
        let prelude = Prelude::FreeText { marker: marker.clone(), max_tokens: 2 };
        let mut constraint = Grammar { prelude, form: Form::Free }.compile(&vocabulary).unwrap();
        for token in encode(&tokenizer, "hm") {
            assert!(constraint.forced().unwrap().is_empty());
            let mask = constraint.mask().unwrap();
            // Nor may the reply end before its thought.
            assert!(mask.allows(token) && !mask.allows(END), "{marker:?}");
            constraint.accept(token).unwrap();
            assert!(!constraint.is_free());
        }
        let (Marker::Special(text) | Marker::Text(text)) = &marker;
        assert_eq!(constraint.forced().unwrap(), encode(&tokenizer, text), "{marker:?}");
        assert!(constraint.is_free() && !constraint.finished(), "{marker:?}");
    }
}

#[test]
fn a_grammar_that_cant_be_laid_over_the_tokenizer_says_why() {
    let tokenizer = pieces();
    let laid = vocabulary(&tokenizer, &[END]);
    let free = |marker| Prelude::FreeText { marker, max_tokens: 5 };
    let text = Form::Text("x".to_owned());
    let up_to = |end: &str, shortest| Form::UpTo { end: end.to_owned(), shortest, longest: Some(2) };
    let cases = [
        (Grammar::of(Form::Special("<nope>".to_owned())), "no special token <nope>"),
        (
            Grammar { prelude: free(Marker::Special("<nope>".to_owned())), form: text.clone() },
            "no special token <nope>",
        ),
        (Grammar { prelude: free(Marker::Text(String::new())), form: text }, "needs a marker"),
        (
            Grammar {
                prelude: free(Marker::Text("x".to_owned())),
                form: Form::Lark("start: \"a\"".to_owned()),
            },
            "alone",
        ),
        (Grammar::of(Form::Lark("start: (".to_owned())), "doesn't compile"),
        (Grammar::of(Form::Json(json!({ "type": "nonsense" }))), "doesn't compile"),
        (Grammar::of(Form::Json(json!(true))), "a JSON schema is an object"),
        (Grammar::of(Form::Choice(vec![])), "something to choose from"),
        (Grammar::of(up_to("", 0)), "a text needs an end"),
        (Grammar::of(up_to("x", 3)), "longest is shorter than its shortest"),
        (Grammar::of(Form::Free), "nothing before it binds nothing"),
        (Grammar::of(Form::Sequence(vec![Form::Free])), "a free form stands alone"),
    ];
    for (grammar, expected) in cases {
        let error = grammar.compile(&laid).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} doesn't say {expected:?}");
    }
    for (ends, size, expected) in
        [(vec![END], 200, "the model scores 200"), (vec![5000], 400, "end token 5000")]
    {
        let error = Vocabulary::from_tokenizer(&tokenizer, &ends, size).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} doesn't say {expected:?}");
    }
}
