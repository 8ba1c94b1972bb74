//! The cache as other programs leave it, and without the Hub.

use std::fs;

use percept_models::{FileSource, HubError, ModelError, ModelFolder};

use crate::{
    GRAPH, Machine,
    server::{COMMIT, Fault},
    tiny,
};

const OFFLINE: &[(&str, &str)] = &[("HF_HUB_OFFLINE", "1")];

#[tokio::test]
#[cfg(unix)]
async fn a_snapshot_is_relative_links_to_blobs() {
    let (server, machine) = (tiny(), Machine::new());
    let pulled = machine.pull(&server).await.unwrap();
    for (path, up) in [("config.json", "../../blobs/"), (GRAPH, "../../../blobs/")] {
        let link = fs::read_link(pulled.folder.join(path)).unwrap();
        assert!(link.to_str().unwrap().starts_with(up), "{}", link.display());
    }
    // A cache can be moved.
    let elsewhere = machine.folder.path().join("moved");
    fs::rename(machine.folder.path().join("hub"), &elsewhere).unwrap();
    let folder = elsewhere.join("models--test--model/snapshots").join(COMMIT);
    assert_eq!(ModelFolder::open(&folder, None).unwrap().sessions.len(), 3);
}

#[tokio::test]
async fn what_another_program_fetched_is_used() {
    let (server, theirs, ours) = (tiny(), Machine::new(), Machine::new());
    theirs.pull(&server).await.unwrap();
    // They keep no listings.
    fs::remove_dir_all(theirs.shelf().join(".percept")).unwrap();
    fs::rename(theirs.folder.path().join("hub"), ours.folder.path().join("hub")).unwrap();
    let before = server.ranges("resolve").len();
    let pulled = ours.pull(&server).await.unwrap();
    assert!(pulled.files.iter().all(|file| file.source == FileSource::Cached));
    assert_eq!(server.ranges("resolve").len(), before);
}

#[tokio::test]
async fn opening_what_another_program_fetched_keeps_its_commit() {
    let (server, machine) = (tiny(), Machine::new());
    machine.pull(&server).await.unwrap();
    fs::remove_dir_all(machine.shelf().join(".percept")).unwrap();
    let hub = machine.hub(&server.endpoint(), &[]);
    let opened = hub.obtain(&"test/model".parse().unwrap(), None, &machine.progress).await.unwrap();
    assert_eq!(opened.commit, COMMIT);
    let asked = server.asked().pop().unwrap().path;
    assert!(asked.contains(&format!("/revision/{COMMIT}")), "the branch may be another by now: {asked}");
}

#[tokio::test]
async fn opening_what_is_there_writes_nothing() {
    let (server, machine) = (tiny(), Machine::new());
    machine.pull(&server).await.unwrap();
    let notes =
        [machine.shelf().join("refs/main"), machine.shelf().join(".percept").join(format!("{COMMIT}.json"))];
    let written = || notes.each_ref().map(|path| fs::metadata(path).unwrap().modified().unwrap());
    let before = written();
    std::thread::sleep(std::time::Duration::from_millis(20));
    for variables in [&[][..], OFFLINE] {
        let hub = machine.hub(&server.endpoint(), variables);
        hub.obtain(&"test/model".parse().unwrap(), None, &machine.progress).await.unwrap();
    }
    assert_eq!(written(), before, "a cache may be one that can only be read");
}

#[tokio::test]
async fn an_answer_about_another_commit_is_none() {
    let (server, machine) = (tiny(), Machine::new());
    let other = "beefbeefbeefbeefbeefbeefbeefbeefbeefbeef";
    let mut listing = serde_json::json!({ "sha": other, "siblings": [] });
    listing["siblings"] =
        serde_json::json!([{ "rfilename": "config.json", "size": 2, "blobId": "0".repeat(40) }]);
    server.list(listing);
    let error =
        machine.pull_as(&server, &format!("test/model@{COMMIT}"), None).await.unwrap_err().to_string();
    assert!(
        error.contains(&format!("it answers with the commit {other} where {COMMIT} is asked for")),
        "{error}"
    );
}

#[tokio::test]
async fn files_without_blobs_are_used_where_they_are() {
    // Where a system has no links, some programs put a file into the snapshot and keep no blob.
    let (server, machine) = (tiny(), Machine::new());
    let pulled = machine.pull(&server).await.unwrap();
    for file in &pulled.files {
        let path = pulled.folder.join(&file.path);
        let content = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, content).unwrap();
    }
    fs::remove_dir_all(machine.shelf().join("blobs")).unwrap();
    let again = machine.pull(&server).await.unwrap();
    assert!(again.files.iter().all(|file| file.source == FileSource::Cached));
    // One that lost a byte is fetched again.
    fs::write(pulled.folder.join(GRAPH), &server.file(GRAPH)[1..]).unwrap();
    let again = machine.pull(&server).await.unwrap();
    let fetched: Vec<_> = again.files.iter().filter(|file| file.source == FileSource::Fetched).collect();
    assert_eq!(fetched.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), [GRAPH]);
    assert!(fs::read(pulled.folder.join(GRAPH)).unwrap() == server.file(GRAPH));
}

#[tokio::test]
async fn offline_the_cache_is_all_there_is() {
    let (server, machine) = (tiny(), Machine::new());
    let address = "test/model".parse().unwrap();
    let hub = machine.hub(&server.endpoint(), OFFLINE);
    let error = hub.pull(&address, None, &machine.progress).await.unwrap_err();
    assert!(matches!(error, ModelError::Hub(HubError::Offline { .. })), "{error:?}");
    assert_eq!(
        error.to_string(),
        "hub:test/model isn't in the cache, and HF_HUB_OFFLINE is set. Unset it to fetch, or name a model that is there: \
         `percept models list`"
    );
    assert!(hub.models().is_empty() && server.asked().is_empty());

    let pulled = machine.pull(&server).await.unwrap();
    let asked = server.asked().len();
    for address in ["test/model", &format!("test/model@{COMMIT}")] {
        let again = hub.pull(&address.parse().unwrap(), None, &machine.progress).await.unwrap();
        assert_eq!((again.folder, again.commit.as_str()), (pulled.folder.clone(), COMMIT));
    }
    let q4 = percept_models::Precision::named("q4").unwrap();
    let error = hub.pull(&address, Some(&q4), &machine.progress).await.unwrap_err().to_string();
    assert!(error.contains("no session is there in `q4`"), "{error}");
    let blob = fs::canonicalize(pulled.folder.join(GRAPH)).unwrap();
    fs::remove_file(blob).unwrap();
    let error = hub.pull(&address, None, &machine.progress).await.unwrap_err().to_string();
    assert!(error.contains(GRAPH) && error.contains("isn't in the cache"), "{error}");

    // Without a listing it is taken as it is.
    fs::remove_dir_all(machine.shelf().join(".percept")).unwrap();
    let as_it_is = hub.obtain(&address, None, &machine.progress).await.unwrap();
    assert_eq!((as_it_is.folder, as_it_is.files.len()), (pulled.folder, 0));
    assert_eq!(server.asked().len(), asked, "the Hub wasn't asked");
}

#[tokio::test]
async fn a_cache_that_was_tampered_with_leads_nowhere() {
    let (server, machine) = (tiny(), Machine::new());
    machine.pull(&server).await.unwrap();
    let kept = machine.shelf().join(".percept").join(format!("{COMMIT}.json"));
    let text = fs::read_to_string(&kept).unwrap().replace("tokenizer_config.json", "../../../../x.json");
    fs::write(&kept, text).unwrap();
    fs::write(machine.shelf().join("refs/v1"), "../../../somewhere").unwrap();
    // Neither is believed: the Hub is asked.
    let before = server.asked().len();
    let hub = machine.hub(&server.endpoint(), &[]);
    for address in ["test/model", "test/model@v1"] {
        let found = hub.obtain(&address.parse().unwrap(), None, &machine.progress).await.unwrap();
        assert_eq!(found.commit, COMMIT);
    }
    assert_eq!(server.asked().len(), before + 2);
}

#[tokio::test]
#[cfg(unix)]
async fn a_cache_that_cant_be_written_says_so() {
    let (server, machine) = (tiny(), Machine::new());
    fs::write(machine.folder.path().join("hub"), "a file").unwrap();
    let error = machine.pull(&server).await.unwrap_err();
    assert!(matches!(error, ModelError::Hub(HubError::Disk { .. })), "{error:?}");
    assert!(error.to_string().contains("HF_HUB_CACHE"), "{error}");
}

#[tokio::test]
async fn a_precision_that_is_half_there_isnt_taken_for_one() {
    let (server, machine) = (tiny(), Machine::new());
    for name in ["vision_encoder", "embed_tokens", "decoder_model_merged"] {
        server.put(&format!("onnx/{name}_q4.onnx"), &server.file(&format!("onnx/{name}.onnx")), COMMIT);
    }
    server.put("onnx/decoder_model_merged_q4.onnx_data", &server.file(GRAPH), COMMIT);
    machine.pull_as(&server, "test/model", Some("q4")).await.unwrap();
    // The full precision is begun and breaks off: its graphs are those of q4 here, so only new ones can be told apart.
    server.put("onnx/vision_encoder.onnx", b"another", COMMIT);
    server.put(GRAPH, b"another one", "beefbeefbeefbeefbeefbeefbeefbeefbeefbeef");
    server.always(GRAPH, Fault::Cut(0));
    machine.pull_as(&server, "test/model", Some("fp32")).await.unwrap_err();
    let hub = machine.hub(&server.endpoint(), &[]);
    let opened = hub.obtain(&"test/model".parse().unwrap(), None, &machine.progress).await.unwrap();
    let graphs: Vec<_> = opened.files.iter().filter(|file| file.path.contains(".onnx")).collect();
    // The decoder is a copy, which names the data of the first.
    let is_of_q4 = |path: &str| path.contains("_q4.onnx") || path == GRAPH;
    assert!(graphs.iter().all(|file| is_of_q4(&file.path)), "{graphs:?}");
}
