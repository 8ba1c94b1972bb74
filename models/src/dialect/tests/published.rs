//! Replies in the forms that were published, fed to the grammar and read. Each row says where its form is from, and what of it
//! is ours. What is taken for granted is only where a thought ends.

use percept_runtime::Marker;
use serde_json::{Value, json};

use super::{
    offered::functions,
    trained::{THOUGHT, feed},
    written::{Ground, tokenizer},
};
use crate::{
    Call, Dialect, Thought,
    dialect::{computer_use::ComputerUse, grid::Scale, smol::SmolOperator, ui_tars::UiTars},
    processor::SmartSize,
};

/// A reply, its thought, and the call that it means.
struct Published {
    dialect: Box<dyn Dialect>,
    screen: [u32; 2],
    reply: &'static str,
    thought: &'static str,
    call: (&'static str, Value),
}

fn published() -> Vec<Published> {
    let resized = Scale::Resized(SmartSize { factor: 28, least: 56 * 56, most: 28 * 28 * 12_800 });
    vec![
        // `SmolVLM2`'s recipe for agents of screens (Hugging Face's blog, *Smol2Operator*), a sample of its training data.
        Published {
            dialect: Box::new(SmolOperator::new(Scale::Fractions, |_| false)),
            screen: [1000, 500],
            reply: "<think>\nClick on the link labeled 'Judith Lauand: Brazilian 1922-2022' to explore more about her career \
                    and exhibitions.\n</think>\n<code>\nclick(x=0.41, y=0.178)\n</code>",
            thought: "Click on the link labeled 'Judith Lauand: Brazilian 1922-2022' to explore more about her career and \
                      exhibitions.",
            call: ("click", json!({ "point": [410, 89] })),
        },
        // Two of the same recipe's unified actions, within the tags of that sample; the thoughts are ours.
        Published {
            dialect: Box::new(SmolOperator::new(Scale::Fractions, |_| false)),
            screen: [1000, 500],
            reply: "<think>\nI am done.\n</think>\n<code>\nfinal_answer('success')\n</code>",
            thought: "I am done.",
            call: ("finish", json!({ "answer": "success" })),
        },
        Published {
            dialect: Box::new(SmolOperator::new(Scale::Fractions, |_| false)),
            screen: [1000, 500],
            reply: "<think>\nCopy it.\n</think>\n<code>\npress(keys=['ctrl', 'c'])\n</code>",
            thought: "Copy it.",
            call: ("press_key", json!({ "key": "Control+c" })),
        },
        // UI-TARS 1.5's guide to coordinates (`README_coordinates.md`).
        Published {
            dialect: Box::new(UiTars::new(resized, |_| false)),
            screen: [1920, 1080],
            reply: "Thought: xxx\nAction: click(start_box='(197,525)')",
            thought: "xxx",
            call: ("click", json!({ "point": [196, 519] })),
        },
        // The tests of UI-TARS' parser (`action_parser_test.py`).
        Published {
            dialect: Box::new(UiTars::new(Scale::THOUSANDTHS, |_| true)),
            screen: [1001, 1001],
            reply: "Thought: test\nAction: click(start_box='<|box_start|>(112,224)<|box_end|>')",
            thought: "test",
            call: ("click", json!({ "point": [112, 224] })),
        },
        // What Qwen2.5-VL writes in its cookbook (`mobile_agent.ipynb`), as `computer_use` has it: Jedi's answers, trained on it.
        Published {
            dialect: Box::new(ComputerUse::qwen(resized, |_| false)),
            screen: [1932, 1092],
            reply: "\n<tool_call>\n{\"name\": \"computer_use\", \"arguments\": {\"action\": \"left_click\", \"coordinate\": [453, 258]}}\n\
                    </tool_call>",
            thought: "",
            call: ("click", json!({ "point": [453, 258] })),
        },
        // Fara's form of a call: a thought, then what Qwen's library for agents has (`FN_CALL_TEMPLATE`).
        Published {
            dialect: Box::new(ComputerUse::fara(resized, |_| false)),
            screen: [1428, 896],
            reply: "I need to navigate to the HuggingFace models page.\n<tool_call>\n{\"name\": \"computer_use\", \"arguments\": \
                    {\"action\": \"visit_url\", \"url\": \"https://huggingface.co/models\"}}\n</tool_call>",
            thought: "I need to navigate to the HuggingFace models page.",
            call: ("navigate", json!({ "url": "https://huggingface.co/models" })),
        },
        // The example of Qwen3-Coder's and Qwen3.5's templates, with a call in place of its placeholders.
        Published {
            dialect: Box::new(ComputerUse::tagged(Scale::THOUSANDTHS, |_| false)),
            screen: [1001, 1001],
            reply: "I see.\n\n<tool_call>\n<function=computer_use>\n<parameter=action>\nleft_click\n</parameter>\n\
                    <parameter=coordinate>\n[500, 300]\n</parameter>\n</function>\n</tool_call>",
            thought: "I see.",
            call: ("click", json!({ "point": [500, 300] })),
        },
    ]
}

#[test]
fn a_published_reply_gets_through_the_grammar_and_is_the_call_that_it_was() {
    let ground = Ground::of(tokenizer());
    for Published { dialect, screen, reply, thought, call: (function, arguments) } in published() {
        let functions = functions(screen);
        let grammar = dialect.grammar(&functions, Thought::Free, THOUGHT).unwrap();
        assert_eq!(feed(&ground.tokenizer, &ground.vocabulary, &grammar, reply), Ok(()), "{reply}");
        let Some(Marker::Text(marker) | Marker::Special(marker)) = dialect.marker() else {
            panic!("{dialect:?} has no marker");
        };
        let (before, text) = reply.split_once(marker.as_str()).unwrap();
        assert_eq!(dialect.thought(before, text), thought, "{reply}");
        assert_eq!(
            dialect.read(text, &functions),
            Ok(Call { function: function.into(), arguments }),
            "{reply}"
        );
    }
}
