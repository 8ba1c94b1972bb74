//! The tiny CLIP and SigLIP against goldens of transformers: tokens, pixels, embeddings, logits, probabilities.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]
#![allow(clippy::duplicate_mod, reason = "both kinds of goldens are compared with the same words")]

#[path = "support/pair.rs"]
mod pair;
#[path = "support/tiny.rs"]
mod support;

use std::{fs, path::Path, sync::Arc};

use pair::{data, golden, off, open};
use percept_models::{
    DualEncoder, EncoderFolder, EncoderLayout, ImageProcessor, LoadOptions, LocalDualEncoder, ModelError,
    Precision, Scoring, TemperatureSource, ZeroShot,
};
use percept_runtime::Silent;
use support::{change_json, copy};

const FOLDERS: [&str; 2] = ["clip-tiny", "siglip-tiny"];

/// What an embedding or a logit may differ by, as a share of the largest.
const TOLERANCE: f32 = 1e-5;

/// A copy without these files.
fn without(folder: &str, files: &[&str]) -> (tempfile::TempDir, std::path::PathBuf) {
    let (kept, path) = copy(folder);
    for file in files {
        fs::remove_file(path.join(file)).unwrap();
    }
    (kept, path)
}

const TOWERS: [&str; 2] = ["onnx/text_model.onnx", "onnx/vision_model.onnx"];

#[test]
fn pixels_are_the_references_to_the_bit() {
    for folder in FOLDERS {
        let golden = golden(folder);
        let text = fs::read_to_string(data(folder).join("preprocessor_config.json")).unwrap();
        let processor = ImageProcessor::from_json(&text).unwrap();
        for (image, golden) in golden.all_images(folder).iter().zip(&golden.images) {
            let found = processor.process(image).unwrap();
            assert_eq!([3, found.height, found.width], golden.pixel_values.shape);
            let bits: Vec<u32> = found.values.iter().map(|value| value.to_bits()).collect();
            assert_eq!(bits, golden.pixel_values.bits(), "{folder} {}", golden.file);
        }
    }
}

#[tokio::test]
async fn embeddings_and_logits_are_the_references_in_either_layout() {
    for folder in FOLDERS {
        let golden = golden(folder);
        let (_kept, joint) = without(folder, &TOWERS);
        for path in [data(folder), joint] {
            let case = path.display();
            let model = open(&path, "cpu").await.unwrap();
            let ids: Vec<Vec<u32>> = golden.texts.iter().map(|text| text.ids.clone()).collect();
            assert_eq!(model.token_ids(&golden.all_texts()).unwrap(), ids, "{case}");
            let embeddings = golden.embeddings_off(&model, folder).await;
            assert!(embeddings < TOLERANCE, "{case}: embeddings {embeddings:e} off");
            let temperature = model.temperature().await.unwrap();
            assert_eq!(temperature.source, TemperatureSource::JointGraph, "{case}");
            assert!(golden.temperature_off(&temperature) < TOLERANCE, "{case}: {temperature:?}");
            let logits = golden.logits_off(&model, folder).await;
            assert!(logits < TOLERANCE, "{case}: logits {logits:e} off");
        }
    }
}

#[tokio::test]
async fn neighbours_in_a_batch_change_nothing() {
    for folder in FOLDERS {
        let golden = golden(folder);
        let model = open(&data(folder), "cpu").await.unwrap();
        let (texts, images) = (golden.all_texts(), golden.all_images(folder));
        let together = model.embed_texts(&texts).await.unwrap();
        for (text, found) in texts.iter().zip(&together) {
            let alone = model.embed_texts(std::slice::from_ref(text)).await.unwrap();
            assert!(off(alone[0].embedding.values(), found.embedding.values()) < 1e-6, "{folder} {text}");
        }
        // More than one run takes.
        let many: Vec<_> = images.iter().cycle().take(2 * images.len() + 1).cloned().collect();
        let together = model.embed_images(&many).await.unwrap();
        assert_eq!(together.len(), many.len());
        for (place, found) in together.iter().enumerate() {
            let first = &together[place % images.len()];
            assert!(off(found.values(), first.values()) < 1e-6, "{folder} image {place}");
        }
        assert!(model.embed_texts(&[]).await.unwrap().is_empty());
        assert!(model.embed_images(&[]).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn neighbours_change_nothing_in_whole_numbers_either() {
    let folder = "clip-tiny";
    let golden = golden(folder);
    let options = LoadOptions {
        device: "cpu".parse().unwrap(),
        precision: Some(Precision::named("q8").unwrap()),
        ..LoadOptions::default()
    };
    let model = LocalDualEncoder::load(&data(folder), options, Arc::new(Silent)).await.unwrap();
    let notes = model.card().notes.join("\n");
    assert!(notes.contains("text_model is in quantized, not in full precision"), "{notes}");
    let images = golden.all_images(folder);
    let together = model.embed_images(&images).await.unwrap();
    for (image, found) in images.iter().zip(&together) {
        let alone = model.embed_images(std::slice::from_ref(image)).await.unwrap();
        assert_eq!(&alone[0], found);
    }
    // 8 bits in every layer of a tiny model: near, and not the same.
    let off = golden.embeddings_off(&model, folder).await;
    assert!(off > 1e-4 && off < 0.2, "{off}");
}

#[tokio::test]
async fn the_better_precision_decides_between_the_layouts() {
    let (_kept, path) = without("clip-tiny", &TOWERS);
    let named = |name: &str| Some(Precision::named(name).unwrap());
    for (precision, layout) in [(None, EncoderLayout::Joint), (named("q8"), EncoderLayout::Towers)] {
        let folder = EncoderFolder::open(&path, precision.as_ref()).unwrap();
        assert_eq!(folder.layout, layout, "{precision:?}");
    }
    let folder = EncoderFolder::open(&data("clip-tiny"), None).unwrap();
    assert_eq!((folder.layout, folder.notes.len()), (EncoderLayout::Towers, 0));
    let error = EncoderFolder::open(&path, named("fp16").as_ref()).err().unwrap().to_string();
    assert!(error.contains("`fp16`"), "{error}");
}

#[tokio::test]
async fn the_temperature_is_read_where_it_is_and_never_invented() {
    let joint = ["onnx/model.onnx"];
    let (_clip, clip) = without("clip-tiny", &joint);
    let model = open(&clip, "cpu").await.unwrap();
    let temperature = model.temperature().await.unwrap();
    assert_eq!(
        (temperature.scale.to_bits(), temperature.source),
        (100f32.to_bits(), TemperatureSource::Assumed)
    );
    let question = ZeroShot::ask(&model, &["cat".into(), "dog".into()], &[]).await.unwrap();
    assert!(question.notes()[0].contains("100 is assumed"), "{:?}", question.notes());

    let (_siglip, siglip) = without("siglip-tiny", &joint);
    let model = open(&siglip, "cpu").await.unwrap();
    assert!(model.embed_texts(&["cat".into()]).await.is_ok(), "embeddings need no temperature");
    let error = model.temperature().await.unwrap_err().to_string();
    assert!(error.contains("nothing says the temperature") && error.contains("[match]"), "{error}");

    fs::write(siglip.join("percept.toml"), "[match]\nscale = 21.75\nbias = -6.5").unwrap();
    let model = open(&siglip, "cpu").await.unwrap();
    let temperature = model.temperature().await.unwrap();
    assert_eq!((temperature.scoring, temperature.source), (Scoring::Sigmoid, TemperatureSource::Given));
    let off = golden("siglip-tiny").logits_off(&model, "siglip-tiny").await;
    assert!(off < TOLERANCE, "{off:e}");
    assert!(temperature.note().is_none());
}

#[tokio::test]
async fn what_is_cut_off_a_long_text_is_said() {
    for (folder, read) in FOLDERS.into_iter().zip([75, 63]) {
        let model = open(&data(folder), "cpu").await.unwrap();
        let text = golden(folder).all_texts().pop().unwrap();
        let embedded = model.embed_texts(&[text.clone(), "short".into()]).await.unwrap();
        let cut = embedded[0].cut.as_ref().unwrap();
        assert_eq!(cut.read, read, "{folder}");
        assert!(cut.tokens > read && text.trim_end().ends_with(&cut.left_out), "{folder}: {cut:?}");
        // What was read and what wasn't are the whole. A word in the middle of the cut is read otherwise when it ends there.
        let before = text.trim_end().strip_suffix(&cut.left_out).unwrap().to_owned();
        assert_eq!(
            (&model.embed_texts(std::slice::from_ref(&before)).await.unwrap()[0].cut, &embedded[1].cut),
            (&None, &None)
        );
        let ids = [text.clone(), before].map(|text| model.token_ids(&[text]).unwrap().swap_remove(0));
        assert_eq!(ids[0][..read - 4], ids[1][..read - 4], "{folder}");
        let labels = ["short".to_owned(), text];
        let question = ZeroShot::ask(&model, &labels, &[]).await.unwrap();
        assert!(question.notes().iter().any(|note| note.contains("left out is")), "{:?}", question.notes());
    }
}

#[tokio::test]
async fn a_text_that_names_a_special_token_is_read_as_text() {
    for (folder, token) in FOLDERS.into_iter().zip(["<|endoftext|>", "</s>"]) {
        let model = open(&data(folder), "cpu").await.unwrap();
        let text = |after: &str| format!("a cat {token} {after}");
        let ids = model.token_ids(&[text("on a mat")]).unwrap().swap_remove(0);
        let end = *ids.last().unwrap();
        let first = ids.iter().position(|id| *id == end).unwrap();
        assert!(ids[first..].iter().all(|id| *id == end), "{folder}: {ids:?}");
        let embedded = model.embed_texts(&[text("on a mat"), text("in the sea")]).await.unwrap();
        assert!(embedded[0].embedding.cosine(&embedded[1].embedding) < 0.999, "{folder}");
    }
}

#[tokio::test]
async fn labels_that_make_no_question_are_refused() {
    let clip = open(&data("clip-tiny"), "cpu").await.unwrap();
    let siglip = open(&data("siglip-tiny"), "cpu").await.unwrap();
    let cases: &[(&[&str], &[&str], &str)] = &[
        (&[], &[], "there is no label"),
        (&["cat", " "], &[], "a label is empty"),
        (&["cat", "dog", "Cat "], &[], "the labels \"cat\" and \"Cat \" are the same"),
        (&["cat"], &[], "the only label"),
        (&["cat", "dog"], &["a photo of a {}", "a photo"], "the template \"a photo\" has no {}"),
    ];
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    for (labels, templates, says) in cases {
        let error = ZeroShot::ask(&clip, &owned(labels), &owned(templates)).await.unwrap_err();
        assert!(matches!(error, ModelError::Request(_)) && error.to_string().contains(says), "{error}");
    }
    assert!(ZeroShot::ask(&siglip, &owned(&["cat"]), &[]).await.is_ok(), "a sigmoid needs no second label");
    let error = siglip.embed_texts(&["?!".into()]).await.unwrap_err();
    assert!(error.to_string().contains("nothing is left of \"?!\""), "{error}");
    assert!(clip.embed_texts(&["?!".into()]).await.is_ok());
    let error = clip.embed_texts(&["\t\n".into()]).await.unwrap_err();
    assert!(error.to_string().contains("a text is empty"), "{error}");
}

/// Damages a copy of a folder and expects an error about a file that says something.
async fn refused(folder: &str, damage: impl FnOnce(&Path), file: &str, says: &str) {
    let (_kept, path) = copy(folder);
    damage(&path);
    let error = open(&path, "cpu").await.unwrap_err();
    let message = error.to_string();
    let ModelError::Folder { path: found, remedy, .. } = error else { panic!("{message}") };
    assert!(found.ends_with(file), "{message} should be about {file}");
    assert!(message.contains(says), "{message} should say: {says}");
    assert!(!remedy.is_empty(), "{message}");
}

fn set(file: &'static str, key: &'static str, value: serde_json::Value) -> impl FnOnce(&Path) {
    move |folder| {
        change_json(&folder.join(file), |config| *config.pointer_mut(key).unwrap() = value);
    }
}

/// Makes a named dimension of a graph a number. What the name took is filled: a varint may be longer than it need be
/// (protobuf's encoding), and the dimension's denotation (`TensorShapeProto.Dimension`, field 3) may be empty.
fn fix(file: &'static str, name: &'static str, number: u8) -> impl FnOnce(&Path) {
    move |folder| {
        let path = folder.join(file);
        let mut bytes = fs::read(&path).unwrap();
        let named = [&[0x12, name.len() as u8], name.as_bytes()].concat();
        let mut fixed = vec![0x08, number | 0x80];
        while (named.len() - fixed.len()) % 2 == 0 {
            fixed.push(0x80);
        }
        fixed.push(0);
        while fixed.len() < named.len() {
            fixed.extend([0x1a, 0]);
        }
        let places: Vec<usize> =
            (0..bytes.len() - named.len()).filter(|place| bytes[*place..].starts_with(&named)).collect();
        assert!(places.len() > 1, "{places:?}");
        for place in places {
            bytes[place..place + fixed.len()].copy_from_slice(&fixed);
        }
        fs::write(path, bytes).unwrap();
    }
}

fn halve(file: &'static str) -> impl FnOnce(&Path) {
    move |folder| {
        let bytes = fs::read(folder.join(file)).unwrap();
        fs::write(folder.join(file), &bytes[..bytes.len() / 2]).unwrap();
    }
}

fn remove(files: &'static [&'static str]) -> impl FnOnce(&Path) {
    move |folder| {
        for file in files {
            fs::remove_file(folder.join(file)).unwrap();
        }
    }
}

#[tokio::test]
async fn bad_folders_are_refused_by_the_file_at_fault() {
    refused("llava-tiny", |_| (), "config.json", "`llava` isn't a model that puts images and texts").await;
    refused("clip-tiny", |folder| fs::remove_dir_all(folder).unwrap(), "clip-tiny", "no such folder").await;
    for file in ["config.json", "tokenizer.json", "tokenizer_config.json", "preprocessor_config.json"] {
        refused("clip-tiny", halve(file), file, "").await;
    }
    for file in ["config.json", "tokenizer.json", "preprocessor_config.json"] {
        refused("clip-tiny", |folder| fs::remove_file(folder.join(file)).unwrap(), file, "missing").await;
    }
    for file in TOWERS {
        refused("clip-tiny", halve(file), file, "no whole ONNX graph").await;
    }
    let all: &[&str] = &["onnx/model.onnx", "onnx/text_model.onnx", "onnx/vision_model.onnx"];
    refused("siglip-tiny", remove(all), "onnx", "neither `text_model.onnx`").await;
    refused("siglip-tiny", remove(&all[..2]), "text_model.onnx", "missing").await;
    let other = |folder: &Path| {
        fs::copy(data("siglip-tiny").join(TOWERS[0]), folder.join(TOWERS[0])).unwrap();
    };
    refused("clip-tiny", other, TOWERS[0], "no output `text_embeds`").await;
    let other = |folder: &Path| {
        fs::copy(data("clip-tiny").join("tokenizer.json"), folder.join("tokenizer.json")).unwrap();
    };
    refused("siglip-tiny", other, "tokenizer.json", "lacks the special token `</s>`").await;
    refused("clip-tiny", set("config.json", "/text_config/vocab_size", 300.into()), "tokenizer.json", "300")
        .await;
    let context = |most: i64| set("tokenizer_config.json", "/model_max_length", most.into());
    for most in [-7, 0, 1, 2] {
        for folder in FOLDERS {
            let says = format!("texts of {} tokens", most.max(0));
            refused(folder, context(most), "tokenizer_config.json", &says).await;
        }
    }
    let positions = set("config.json", "/text_config/max_position_embeddings", 2.into());
    refused("clip-tiny", positions, "config.json", "texts of 2 tokens").await;
    for (file, batch) in TOWERS.into_iter().zip(["text_batch_size", "image_batch_size"]) {
        refused("clip-tiny", fix(file, batch, 4), file, "takes 4 at once").await;
    }
    let unmarked = set("tokenizer.json", "/post_processor", serde_json::Value::Null);
    let says = "doesn't put `<|startoftext|>` before and `<|endoftext|>` after a text";
    refused("clip-tiny", unmarked, "tokenizer.json", says).await;
    let percept =
        |text: &'static str| move |folder: &Path| fs::write(folder.join("percept.toml"), text).unwrap();
    refused("clip-tiny", percept("[match]\nscale = 0"), "percept.toml", "greater than 0").await;
    refused("clip-tiny", percept("[match]\nbias = 1"), "percept.toml", "scale").await;
    refused("clip-tiny", percept("[images]\nbackend = 'opencv'"), "percept.toml", "opencv").await;
}

#[tokio::test]
async fn a_graph_whose_batch_is_fixed_at_one_works_one_by_one() {
    let golden = golden("clip-tiny");
    let (_kept, path) = copy("clip-tiny");
    fix(TOWERS[0], "text_batch_size", 1)(&path);
    fix(TOWERS[1], "image_batch_size", 1)(&path);
    let model = open(&path, "cpu").await.unwrap();
    assert!(golden.embeddings_off(&model, "clip-tiny").await < TOLERANCE);
    fix("onnx/model.onnx", "text_batch_size", 4)(&path);
    let error = open(&path, "cpu").await.unwrap().temperature().await.unwrap_err().to_string();
    assert!(error.contains("model.onnx") && error.contains("takes 4 at once"), "{error}");
}

#[tokio::test]
async fn a_joint_graph_that_is_torn_or_no_line_is_told_when_it_is_needed() {
    let (_kept, path) = copy("clip-tiny");
    halve("onnx/model.onnx")(&path);
    let model = open(&path, "cpu").await.unwrap();
    let error = model.temperature().await.unwrap_err().to_string();
    assert!(error.contains("model.onnx: it is no whole ONNX graph"), "{error}");
    // A bias where the family has none: its logits lie on no line through the origin.
    fs::copy(data("siglip-tiny").join("onnx/model.onnx"), path.join("onnx/model.onnx")).unwrap();
    let model = open(&path, "cpu").await.unwrap();
    assert!(model.temperature().await.is_err());
}

#[tokio::test]
async fn a_folder_can_ask_for_torchvisions_pixels() {
    let (_kept, path) = copy("clip-tiny");
    let golden = golden("clip-tiny");
    let images = golden.all_images("clip-tiny");
    let usual = open(&path, "cpu").await.unwrap().embed_images(&images).await.unwrap();
    fs::write(path.join("percept.toml"), "[images]\nbackend = \"torchvision\"").unwrap();
    let asked = open(&path, "cpu").await.unwrap().embed_images(&images).await.unwrap();
    fs::remove_file(path.join("percept.toml")).unwrap();
    let class = "CLIPImageProcessorFast".into();
    set("preprocessor_config.json", "/image_processor_type", class)(&path);
    let named = open(&path, "cpu").await.unwrap().embed_images(&images).await.unwrap();
    assert_eq!(asked, named);
    assert_ne!(asked, usual);
    let least = asked.iter().zip(&usual).map(|(a, b)| a.cosine(b)).fold(1.0, f32::min);
    assert!(least > 0.999, "{least}");
}

/// The ids of transformers' `Siglip2Tokenizer`, for a tokenizer that keeps capitals.
#[tokio::test]
async fn texts_of_siglip_2_are_read_in_lower_case() {
    let made = data("siglip2");
    let golden: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(made.join("golden.json")).unwrap()).unwrap();
    let texts = golden["texts"].as_array().unwrap();
    let words: Vec<String> = texts.iter().map(|text| text["text"].as_str().unwrap().to_owned()).collect();
    let ids: Vec<Vec<u32>> =
        texts.iter().map(|text| serde_json::from_value(text["ids"].clone()).unwrap()).collect();
    for (class, is_lowered) in [
        ("Siglip2Tokenizer", true),
        ("GemmaTokenizer", true),
        ("GemmaTokenizerFast", true),
        ("TokenizersBackend", false),
    ] {
        let (_kept, path) = copy("siglip-tiny");
        fs::copy(made.join("tokenizer.json"), path.join("tokenizer.json")).unwrap();
        let mut settings = golden["tokenizer"].clone();
        settings["tokenizer_class"] = class.into();
        fs::write(path.join("tokenizer_config.json"), settings.to_string()).unwrap();
        let found = open(&path, "cpu").await.unwrap().token_ids(&words).unwrap();
        assert_eq!(found == ids, is_lowered, "{class}: {found:?}");
    }
}
