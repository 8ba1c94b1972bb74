//! Pulls of folders that aren't the community's: onnxruntime-genai's, those with a manifest, and folders in a repository.

use std::{collections::BTreeMap, fs, path::Path};

use percept_models::{LayoutKind, ModelFolder, Precision};

use crate::{Machine, server::Server};

const INSIDE: &str = "cpu_and_mobile/cpu-int4-rtn-block-32";

fn data(path: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(path)).unwrap()
}

/// Qwen2.5-VL as onnxruntime-genai has it, in a folder of its repository.
fn genai(folder: &str) -> Server {
    let mut files = BTreeMap::from([
        ("LICENSE".to_owned(), b"MIT".to_vec()),
        ("README.md".to_owned(), b"# A model".to_vec()),
        ("gpu/gpu-int4-rtn-block-32/genai_config.json".to_owned(), b"{}".to_vec()),
    ]);
    let own = ["chat_template.jinja", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json"];
    let mut put = |path: &str, content| files.insert(format!("{folder}{path}"), content);
    for name in own {
        put(name, data(&format!("qwen2_5_vl-tiny/{name}")));
    }
    for name in ["genai_config.json", "embedding.onnx", "text/model.onnx"] {
        put(name, data(&format!("genai/{name}")));
    }
    put("vision.onnx", data("qwen2_5_vl-tiny/onnx/vision_encoder.onnx"));
    put("another.onnx", b"not named by anything".to_vec());
    Server::new(files)
}

/// LLaVA with its graphs anywhere; the decoder's weights are in a file whose name only the decoder tells.
fn manifest() -> Server {
    let mut files = BTreeMap::new();
    let own = [
        "chat_template.jinja",
        "preprocessor_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "config.json",
    ];
    for name in own.into_iter().chain(["onnx/vision_encoder.onnx", "onnx/decoder_model_merged.onnx"]) {
        files.insert(name.to_owned(), data(&format!("llava-tiny/{name}")));
    }
    files.insert("parts/table.onnx".into(), data("llava-tiny/onnx/embed_tokens.onnx"));
    files.insert("parts/lm.onnx".into(), data("llava-tiny/onnx/decoder_model_merged.onnx"));
    let weights = "decoder_model_merged.onnx_data";
    files.insert(format!("parts/{weights}"), data(&format!("llava-tiny/onnx/{weights}")));
    let text = "[sessions]\nembed_tokens = \"parts/table.onnx\"\ndecoder_model_merged = \"parts/lm.onnx\"\n";
    files.insert("percept.toml".into(), text.into());
    Server::new(files)
}

async fn refused(server: &Server, address: &str, precision: Option<&str>, says: &str) {
    let error = Machine::new().pull_as(server, address, precision).await.unwrap_err().to_string();
    assert!(error.contains(says), "{error}");
}

#[tokio::test]
async fn a_genai_folder_comes_with_the_graphs_that_it_names() {
    for folder in ["", INSIDE] {
        let (above, name) = match folder {
            "" => (String::new(), "test/model".to_owned()),
            folder => (format!("{folder}/"), format!("test/model/{folder}")),
        };
        let (server, machine) = (genai(&above), Machine::new());
        let pulled = machine.pull_as(&server, &name, None).await.unwrap();
        let mut paths: Vec<_> = pulled.files.iter().map(|file| file.path.as_str()).collect();
        paths.sort_unstable();
        let inside = [
            "chat_template.jinja",
            "embedding.onnx",
            "genai_config.json",
            "preprocessor_config.json",
            "text/model.onnx",
            "tokenizer.json",
            "tokenizer_config.json",
            "vision.onnx",
        ];
        let expected = [&["LICENSE".to_owned()][..], &inside.map(|path| format!("{above}{path}"))].concat();
        assert_eq!(paths, expected);
        let opened = ModelFolder::open(&pulled.folder, None).unwrap();
        assert_eq!((opened.layout, opened.sessions.len()), (LayoutKind::Genai, 3));
        // It is listed by the address by which it opens, without the Hub.
        let hub = machine.hub(&server.endpoint(), &[("HF_HUB_OFFLINE", "1")]);
        let models = hub.models();
        assert_eq!(models.iter().map(ToString::to_string).collect::<Vec<_>>(), [format!("hub:{name}")]);
        let again = hub.obtain(&models[0], None, &machine.progress).await.unwrap();
        assert_eq!(again.folder, pulled.folder);
    }
}

#[tokio::test]
async fn a_manifests_graphs_come_with_the_weights_that_they_name() {
    let (server, machine) = (manifest(), Machine::new());
    let pulled = machine.pull(&server).await.unwrap();
    let graphs: Vec<_> =
        pulled.files.iter().map(|file| file.path.as_str()).filter(|path| path.contains(".onnx")).collect();
    assert_eq!(
        graphs,
        [
            "parts/table.onnx",
            "parts/lm.onnx",
            "onnx/vision_encoder.onnx",
            "parts/decoder_model_merged.onnx_data"
        ]
    );
    let opened = ModelFolder::open(&pulled.folder, None).unwrap();
    assert_eq!((opened.layout, opened.sessions.len()), (LayoutKind::Manifest, 3));
    let again = machine.pull(&server).await.unwrap();
    assert_eq!(again.files.len(), pulled.files.len());
}

#[tokio::test]
async fn a_repository_of_several_folders_names_them() {
    refused(
        &genai(&format!("{INSIDE}/")),
        "test/model",
        None,
        "hub:test/model: it has no `config.json` and no `genai_config.json`. Folders in it have: name \
         hub:test/model/cpu_and_mobile/cpu-int4-rtn-block-32 or hub:test/model/gpu/gpu-int4-rtn-block-32",
    )
    .await;
    refused(&genai(&format!("{INSIDE}/")), "test/model/cpu_and", None, "no `genai_config.json`").await;
}

#[tokio::test]
async fn what_a_layout_names_and_the_repository_lacks_is_named() {
    let server = genai("");
    let config = String::from_utf8(server.file("genai_config.json")).unwrap();
    let put = |text: &str| server.put("genai_config.json", text.as_bytes(), crate::server::COMMIT);
    put(&config.replace("vision.onnx", "gone.onnx"));
    refused(&server, "test/model", None, "it has no `gone.onnx`").await;
    put(&config.replace("vision.onnx", "../vision.onnx"));
    refused(&server, "test/model", None, "outside of the model's folder").await;
    put(&config);
    refused(&server, "test/model", Some("q4"), "no session is there in `q4`").await;
    let machine = Machine::new();
    let full = Precision::full().to_string();
    assert!(machine.pull_as(&server, "test/model", Some(&full)).await.is_ok());
    let server = manifest();
    server.remove("parts/decoder_model_merged.onnx_data");
    refused(
        &server,
        "test/model",
        None,
        "its weights are in `parts/decoder_model_merged.onnx_data`, which the repository doesn't have",
    )
    .await;
}
