//! Every family's places: which scale a click is written in, and that it is read back to the pixel that was meant.

use std::{collections::BTreeSet, path::Path};

use serde_json::{Map, Value, json};

use super::*;
use crate::{Call, Dialect, DialectKind, Function, ModelFolder, dialect};

/// The screenshot's width and height, and the pixel that is clicked.
const SIZE: [u32; 2] = [160, 208];
const PIXEL: [u32; 2] = [80, 104];

/// The click in Percept's JSON, and as `computer_use`, in the model's own numbers.
fn in_json([x, y]: [u32; 2]) -> String {
    format!(r#"{{"tool":"click","point":[{x},{y}]}}"#)
}

fn in_qwens([x, y]: [u32; 2]) -> String {
    format!(
        "\n{{\"name\": \"computer_use\", \"arguments\": {{\"action\": \"left_click\", \"coordinate\": [{x}, {y}]}}}}\n</tool_call>"
    )
}

fn in_tags([x, y]: [u32; 2]) -> String {
    format!(
        "\n<function=computer_use>\n<parameter=action>\nleft_click\n</parameter>\n<parameter=coordinate>\n[{x}, {y}]\n\
         </parameter>\n</function>\n</tool_call>"
    )
}

/// The pixel in thousandths, and in pixels of the 168×196 that Qwen2.5-VL's published processor makes of the screenshot.
const THOUSANDTHS: [u32; 2] = [503, 502];
const RESIZED: [u32; 2] = [84, 98];

/// The settings of that processor: the tiny folder's own makes 24×40 pixels of the screenshot, which no pixel survives.
fn published() -> Map<String, Value> {
    let size = json!({ "shortest_edge": 56 * 56, "longest_edge": 28 * 28 * 12_800 });
    Map::from_iter([("patch_size".to_owned(), json!(14)), ("size".to_owned(), size)])
}

fn open(folder: &str, processor: &Map<String, Value>) -> ModelFolder {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(format!("{folder}-tiny"));
    ModelFolder::open_with(&path, None, processor).unwrap_or_else(|error| panic!("{folder}: {error}"))
}

/// A click of this folder's dialect is written so, and read back to the pixel.
fn check(folder: &ModelFolder, expected: &str) {
    let mark = json!({ "kind": "point", "width": SIZE[0], "height": SIZE[1] });
    let point = json!({ "type": "array", "items": { "type": "integer" }, "x-percept": mark });
    let functions = [Function {
        name: "click".into(),
        description: "Clicks.".into(),
        schema: json!({ "type": "object", "properties": { "point": point }, "required": ["point"] }),
    }];
    let dialect: Box<dyn Dialect> = dialect::of_folder(folder, |_| false);
    let call = Call { function: "click".into(), arguments: json!({ "point": PIXEL }) };
    let (family, kind) = (folder.family.name(), folder.dialect.kind.name());
    assert_eq!(dialect.write(&call, &functions), Some(Ok(expected.into())), "{family}, {kind}");
    assert_eq!(dialect.read(expected, &functions), Ok(call), "{family}, {kind}");
}

#[test]
fn each_family_clicks_in_the_scale_that_it_was_trained_on() {
    let none = Map::new();
    let cases: [(&[&str], &str, String); 26] = [
        (&["smolvlm", "idefics3"], "smolvlm", in_json(THOUSANDTHS)),
        (&["llava"], "llava", in_json(THOUSANDTHS)),
        (&["llava_next"], "llava_next", in_json(THOUSANDTHS)),
        (&["llava_onevision"], "llava_onevision", in_json(THOUSANDTHS)),
        (&["internvl"], "internvl", in_json(THOUSANDTHS)),
        (&["blip-2"], "blip_2", in_json(THOUSANDTHS)),
        (&["idefics"], "idefics", in_json(THOUSANDTHS)),
        (&["lfm2_vl"], "lfm2_vl", in_json(THOUSANDTHS)),
        (&["qwen2_vl"], "qwen2_vl", in_json(THOUSANDTHS)),
        (&["qwen2_5_vl"], "qwen2_5_vl", in_qwens(RESIZED)),
        (&["qwen3_vl"], "qwen3_vl", in_qwens(THOUSANDTHS)),
        (&["qwen3_vl_moe"], "qwen3_vl_moe", in_qwens(THOUSANDTHS)),
        (&["qwen3_5"], "qwen3_5", in_tags(THOUSANDTHS)),
        (&["paligemma"], "paligemma", in_json(THOUSANDTHS)),
        (&["gemma3"], "gemma3", in_json(THOUSANDTHS)),
        (&["florence2"], "florence2", in_json(THOUSANDTHS)),
        (&["phi3_v"], "phi3_v", in_json(THOUSANDTHS)),
        (&["chameleon"], "chameleon", in_json(THOUSANDTHS)),
        (&["emu3"], "emu3", in_json(THOUSANDTHS)),
        (&["janus"], "janus", in_json(THOUSANDTHS)),
        (&["llama"], "llama", in_json(THOUSANDTHS)),
        (&["mistral"], "mistral", in_json(THOUSANDTHS)),
        (&["phi3"], "phi3", in_json(THOUSANDTHS)),
        (&["qwen2"], "qwen2", in_json(THOUSANDTHS)),
        (&["qwen3"], "qwen3", in_json(THOUSANDTHS)),
        (&["gemma3_text"], "gemma3_text", in_json(THOUSANDTHS)),
    ];
    let published = published();
    let mut held = BTreeSet::new();
    for (names, folder, click) in cases {
        let folder = open(folder, if folder == "qwen2_5_vl" { &published } else { &none });
        assert!(names.contains(&folder.family.name()), "{names:?}: {}", folder.family.name());
        check(&folder, &click);
        held.extend(names.iter().copied());
    }
    let words = ["and", "which", "read", "text", "alone", ""];
    let known = KNOWN.split([',', ';', ' ']).filter(|word| !words.contains(word));
    assert_eq!(known.collect::<BTreeSet<_>>(), held, "each family that is hosted has a row");
}

#[test]
fn each_dialect_clicks_in_the_scale_of_the_family_that_speaks_it() {
    let plain = Map::from_iter([("do_resize".to_owned(), json!(false))]);
    let in_ui_tars = |[x, y]: [u32; 2]| format!(" click(start_box='({x},{y})')");
    let in_holos =
        |[x, y]: [u32; 2]| format!(r#"{{"tool_call": {{"tool_name": "click", "x": {x}, "y": {y}}}}}"#);
    let in_smols = || "\nclick(x=0.5031, y=0.5024)\n</code>".to_owned();
    let folders = [
        ("qwen2_vl", published(), None, THOUSANDTHS),
        ("qwen3_vl", Map::new(), None, THOUSANDTHS),
        ("qwen2_5_vl", published(), None, RESIZED),
        // As it is shown, and in a grid of the folder's own.
        ("qwen2_5_vl", plain, None, PIXEL),
        ("qwen2_5_vl", published(), Some([320, 416]), [161, 209]),
    ];
    for (name, processor, grid, at) in folders {
        let mut folder = open(name, &processor);
        folder.settings.grid = grid;
        let cases = [
            (DialectKind::Json, in_json(at)),
            (DialectKind::Qwen, in_qwens(at)),
            (DialectKind::QwenTags, in_tags(at)),
            (DialectKind::Fara, in_qwens(at)),
            (DialectKind::UiTars, in_ui_tars(at)),
            (DialectKind::Holo, in_holos(at)),
            // Fractions, but in a grid of the folder's own.
            (
                DialectKind::Smol,
                if grid.is_none() {
                    in_smols()
                } else {
                    format!("\nclick(x={}, y={})\n</code>", at[0], at[1])
                },
            ),
        ];
        for (kind, click) in cases {
            folder.dialect.kind = kind;
            check(&folder, &click);
        }
    }
}

#[test]
fn only_families_with_tokens_for_places_find_any_in_a_reply() {
    let replies = [
        ("paligemma", "detect cat", "<loc0512><loc0512><loc1023><loc1023> cat", [80, 104, 160, 208]),
        ("florence2", "<OD>", "cat<loc_500><loc_500><loc_999><loc_999>", [80, 104, 159, 207]),
    ];
    for (own, asked, reply, corners) in replies {
        let located = open(own, &Map::new()).family.located(asked, reply, SIZE).unwrap();
        assert_eq!(located.found.iter().map(|found| found.corners).collect::<Vec<_>>(), [corners], "{own}");
        for other in ["gemma3", "smolvlm", "qwen2_5_vl", "qwen3_vl", "llava", "phi3_v"] {
            assert_eq!(open(other, &Map::new()).family.located(asked, reply, SIZE), None, "{other}: {reply}");
        }
    }
}
