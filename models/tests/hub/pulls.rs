//! What a pull brings, and what of it is enough to open a model.

use std::fs;

use percept_models::{EncoderFolder, FileSource, ModelFolder, Precision};

use crate::{
    GRAPH, Machine, TOKEN,
    server::{COMMIT, Server},
    tiny,
};

#[tokio::test]
async fn a_pull_brings_what_a_model_needs_and_nothing_else() {
    let (server, machine) = (tiny(), Machine::new());
    server.put("video_preprocessor_config.json", b"{}", COMMIT);
    let pulled = machine.pull(&server).await.unwrap();
    assert_eq!(pulled.folder, machine.shelf().join("snapshots").join(COMMIT));
    let mut paths: Vec<_> = pulled.files.iter().map(|file| file.path.as_str()).collect();
    paths.sort_unstable();
    let expected = [
        "LICENSE",
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "onnx/decoder_model_merged.onnx",
        "onnx/decoder_model_merged.onnx_data",
        "onnx/embed_tokens.onnx",
        "onnx/vision_encoder.onnx",
        "preprocessor_config.json",
        "processor_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "video_preprocessor_config.json",
    ];
    // Beside them the folder has pictures, goldens and another decoder.
    assert_eq!(paths, expected);
    for file in &pulled.files {
        assert_eq!(
            fs::read(pulled.folder.join(&file.path)).unwrap(),
            server.file(&file.path),
            "{}",
            file.path
        );
        assert_eq!(file.source, FileSource::Fetched);
    }
    assert_eq!(fs::read_to_string(machine.shelf().join("refs/main")).unwrap(), COMMIT);
    assert_eq!(ModelFolder::open(&pulled.folder, None).unwrap().family.name(), "llava");
    for (what, all, seen) in machine.progress.0.lock().unwrap().iter() {
        assert!(what.ends_with("of hub:test/model") && all == seen, "{what}: {seen} of {all}");
    }

    let again = machine.pull(&server).await.unwrap();
    assert!(again.files.iter().all(|file| file.source == FileSource::Cached));
    assert_eq!(server.ranges("resolve").len(), pulled.files.len(), "nothing came twice");
}

#[tokio::test]
async fn a_revision_is_a_branch_a_tag_or_a_commit() {
    let server = tiny();
    for (address, reference) in [
        ("test/model@v1", Some("v1")),
        ("test/model@refs/pr/7", Some("refs/pr/7")),
        (&format!("test/model@{COMMIT}"), None),
    ] {
        let machine = Machine::new();
        let pulled = machine.pull_as(&server, address, None).await.unwrap();
        assert_eq!(pulled.commit, COMMIT);
        let refs = machine.shelf().join("refs");
        match reference {
            Some(name) => assert_eq!(fs::read_to_string(refs.join(name)).unwrap(), COMMIT),
            None => assert!(!refs.exists()),
        }
        let listed = machine.hub(&server.endpoint(), &[]).models();
        assert_eq!(listed.iter().map(ToString::to_string).collect::<Vec<_>>(), [format!("hub:{address}")]);
    }
}

#[tokio::test]
async fn only_the_graphs_of_one_precision_come() {
    let graph = |name: &str| format!("onnx/{name}_q4.onnx");
    let server = tiny();
    for name in ["vision_encoder", "decoder_model_merged"] {
        server.put(&graph(name), &server.file(&format!("onnx/{name}.onnx")), COMMIT);
    }
    for data in ["onnx/decoder_model_merged_q4.onnx_data", "onnx/decoder_model_merged_q4.onnx_data_1"] {
        server.put(data, data.as_bytes(), COMMIT);
    }
    let machine = Machine::new();
    let pulled = machine.pull_as(&server, "test/model", Some("q4")).await.unwrap();
    let graphs: Vec<_> =
        pulled.files.iter().map(|file| file.path.as_str()).filter(|path| path.contains("onnx/")).collect();
    assert_eq!(
        graphs,
        [
            "onnx/vision_encoder_q4.onnx",
            // There is no other of this session.
            "onnx/embed_tokens.onnx",
            "onnx/decoder_model_merged_q4.onnx",
            "onnx/decoder_model_merged_q4.onnx_data",
            "onnx/decoder_model_merged_q4.onnx_data_1",
            // The graph is a copy, which names the data of the other.
            "onnx/decoder_model_merged.onnx_data",
        ]
    );

    let error = machine.pull_as(&server, "test/model", Some("fp16")).await.unwrap_err().to_string();
    assert!(
        error.starts_with("hub:test/model: no session is there in `fp16`. There is fp32, plain, q4;"),
        "{error}"
    );

    // What is there is enough to open the model, unless another precision is asked for.
    let hub = machine.hub(&server.endpoint(), &[]);
    let before = server.asked().len();
    let address = "test/model".parse().unwrap();
    hub.obtain(&address, None, &machine.progress).await.unwrap();
    hub.obtain(&address, Some(&Precision::named("q4").unwrap()), &machine.progress).await.unwrap();
    assert_eq!(server.asked().len(), before, "nothing was asked");
    hub.obtain(&address, Some(&Precision::full()), &machine.progress).await.unwrap();
    assert_eq!(server.ranges(GRAPH), [None]);
}

#[tokio::test]
async fn the_data_that_a_graph_names_comes_whatever_it_is_called() {
    let server = tiny();
    // A graph in another precision that keeps its weights where the first has them.
    server.put("onnx/decoder_model_merged_fp16.onnx", &server.file("onnx/decoder_model_merged.onnx"), COMMIT);
    let machine = Machine::new();
    let pulled = machine.pull_as(&server, "test/model", Some("fp16")).await.unwrap();
    let count = |path: &str| pulled.files.iter().filter(|file| file.path == path).count();
    assert_eq!(count("onnx/decoder_model_merged_fp16.onnx"), 1);
    assert_eq!((count(GRAPH), count("onnx/decoder_model_merged.onnx")), (1, 0));
    let half = Precision::named("fp16").unwrap();
    ModelFolder::open(&pulled.folder, Some(&half)).unwrap();

    // Whoever puts a folder together by hand is told by the name of the file.
    fs::remove_file(pulled.folder.join(GRAPH)).unwrap();
    let error = ModelFolder::open(&pulled.folder, Some(&half)).err().unwrap().to_string();
    assert!(error.contains(GRAPH) && error.contains("it is missing"), "{error}");

    server.remove(GRAPH);
    let error = Machine::new().pull_as(&server, "test/model", Some("fp16")).await.unwrap_err().to_string();
    assert!(
        error.contains(&format!("its weights are in `{GRAPH}`, which the repository doesn't have")),
        "{error}"
    );
}

#[tokio::test]
async fn a_dual_encoder_brings_its_towers_and_what_tells_its_temperature() {
    for (name, joint) in [("clip-tiny", false), ("siglip-tiny", true)] {
        let folder = format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
        let (server, machine) = (Server::of_folder(folder.as_ref(), &[]), Machine::new());
        let pulled = machine.pull(&server).await.unwrap();
        let brought = |path: &str| pulled.files.iter().any(|file| file.path == path);
        assert!(brought("onnx/text_model.onnx") && brought("onnx/vision_model.onnx"), "{name}");
        assert_eq!(brought("onnx/model.onnx"), joint, "{name}");
        EncoderFolder::open(&pulled.folder, None).unwrap();
    }
}

#[tokio::test]
async fn a_token_goes_to_the_hub_and_not_to_where_it_sends_on() {
    let (server, storage, machine) = (tiny(), tiny(), Machine::new());
    server.keep_elsewhere(&storage.endpoint());
    let hub = machine.hub(&server.endpoint(), &[("HF_TOKEN", TOKEN)]);
    let pulled = hub.pull(&"test/model".parse().unwrap(), None, &machine.progress).await.unwrap();
    assert_eq!(storage.asked().len(), pulled.files.len());
    assert!(storage.asked().iter().all(|asked| asked.token.is_none()));
    let bearer = format!("Bearer {TOKEN}");
    assert!(server.asked().iter().all(|asked| asked.token.as_deref() == Some(bearer.as_str())));
}

#[tokio::test]
async fn a_listing_of_thousands_of_files_is_read() {
    let (server, machine) = (tiny(), Machine::new());
    for number in 0..5000 {
        server.put(&format!("shards/model-{number:05}.safetensors"), b"x", COMMIT);
    }
    let pulled = machine.pull(&server).await.unwrap();
    assert!(pulled.files.iter().all(|file| !file.path.starts_with("shards")));
}

#[tokio::test]
async fn of_a_branch_that_moved_only_what_is_new_comes() {
    let (server, machine) = (tiny(), Machine::new());
    let before = machine.pull(&server).await.unwrap();
    let moved = "beefbeefbeefbeefbeefbeefbeefbeefbeefbeef";
    let text = [server.file("generation_config.json"), b" ".to_vec()].concat();
    server.put("generation_config.json", &text, moved);

    // Opening takes what was pulled; pulling asks.
    let hub = machine.hub(&server.endpoint(), &[]);
    let opened = hub.obtain(&"test/model".parse().unwrap(), None, &machine.progress).await.unwrap();
    assert_eq!(opened.commit, before.commit);
    let after = machine.pull(&server).await.unwrap();
    let fetched: Vec<_> = after.files.iter().filter(|file| file.source == FileSource::Fetched).collect();
    assert_eq!(fetched.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["generation_config.json"]);
    assert_eq!(after.commit, moved);
    assert_eq!(fs::read(after.folder.join("generation_config.json")).unwrap(), text);
    assert_ne!(fs::read(before.folder.join("generation_config.json")).unwrap(), text);
}
