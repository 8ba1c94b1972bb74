//! What removing a model takes from a cache that other programs and other revisions use too.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use percept_models::{HubError, ModelError, Pulled};

use crate::{
    GRAPH, Machine,
    server::{COMMIT, Fault, Server},
    tiny,
};

const MOVED: &str = "beefbeefbeefbeefbeefbeefbeefbeefbeefbeef";

/// Every file below a folder, by its path from there.
fn below(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(below(&entry.path()).iter().map(|path| format!("{name}/{path}")));
        } else {
            found.insert(name);
        }
    }
    found
}

/// Removes, and says how many files and bytes went and what stays.
fn remove(machine: &Machine, server: &Server, address: &str) -> (usize, u64, Vec<String>) {
    let removal = machine.hub(&server.endpoint(), &[]).removal(&address.parse().unwrap()).unwrap();
    let told =
        (removal.files, removal.bytes, removal.stays.iter().map(ToString::to_string).collect::<Vec<_>>());
    removal.carry_out().unwrap();
    told
}

fn bytes(pulled: &Pulled) -> u64 {
    pulled.files.iter().map(|file| file.bytes).sum()
}

#[tokio::test]
async fn of_the_last_revision_nothing_stays() {
    let (server, machine) = (tiny(), Machine::new());
    let pulled = machine.pull(&server).await.unwrap();
    let hub = machine.hub(&server.endpoint(), &[]);
    // To be told what would go takes nothing away.
    hub.removal(&"test/model".parse().unwrap()).unwrap();
    assert_eq!(hub.models().len(), 1);
    // Two of its files are the same blob, so they count once.
    let contents: BTreeSet<Vec<u8>> = pulled.files.iter().map(|file| server.file(&file.path)).collect();
    let freed = contents.iter().map(|content| content.len() as u64).sum();
    assert_eq!(remove(&machine, &server, "test/model"), (contents.len(), freed, vec![]));
    assert!(!machine.shelf().exists(), "{:?}", below(&machine.shelf()));
    assert!(hub.models().is_empty());
    // It comes again whole.
    assert_eq!(bytes(&machine.pull(&server).await.unwrap()), bytes(&pulled));
}

#[tokio::test]
async fn what_another_revision_uses_stays() {
    let (server, machine) = (tiny(), Machine::new());
    machine.pull_as(&server, "test/model@v1", None).await.unwrap();
    let changed = [server.file("generation_config.json"), b" ".to_vec()].concat();
    server.put("generation_config.json", &changed, MOVED);
    let newer = machine.pull(&server).await.unwrap();
    let (files, freed, stays) = remove(&machine, &server, "test/model@v1");
    assert_eq!((files, freed), (1, changed.len() as u64 - 1), "the one file that differs");
    assert_eq!(stays, ["hub:test/model"]);
    let before = server.ranges("resolve").len();
    let hub = machine.hub(&server.endpoint(), &[]);
    let again = hub.obtain(&"test/model".parse().unwrap(), None, &machine.progress).await.unwrap();
    assert_eq!((again.folder, server.ranges("resolve").len()), (newer.folder, before), "nothing is missing");
    assert_eq!(hub.models().iter().map(ToString::to_string).collect::<Vec<_>>(), ["hub:test/model"]);
}

#[tokio::test]
async fn two_names_of_one_commit_share_it_until_the_last_goes() {
    let (server, machine) = (tiny(), Machine::new());
    let pulled = machine.pull(&server).await.unwrap();
    machine.pull_as(&server, "test/model@refs/pr/7", None).await.unwrap();
    assert_eq!(remove(&machine, &server, "test/model@refs/pr/7"), (0, 0, vec!["hub:test/model".to_owned()]));
    assert_eq!(below(&machine.shelf().join("refs")), BTreeSet::from(["main".to_owned()]));
    assert!(pulled.folder.join(GRAPH).is_file());
    // By its commit all names of it go.
    let (files, _, stays) = remove(&machine, &server, &format!("test/model@{COMMIT}"));
    assert!(files > 5 && stays.is_empty());
    assert!(!machine.shelf().exists());
}

#[tokio::test]
async fn what_others_left_in_the_cache_is_left_alone() {
    let (server, machine) = (tiny(), Machine::new());
    machine.pull(&server).await.unwrap();
    let shelf = machine.shelf();
    // A download of another program that it gave up, its note of a file that isn't there, a link that leads elsewhere.
    fs::write(shelf.join("blobs/0123.incomplete"), "half").unwrap();
    fs::create_dir_all(shelf.join(".no_exist").join(COMMIT)).unwrap();
    fs::write(shelf.join(".no_exist").join(COMMIT).join("x.json"), "").unwrap();
    let mine = machine.folder.path().join("mine.txt");
    fs::write(&mine, "mine").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(&mine, shelf.join("snapshots").join(COMMIT).join("mine.txt")).unwrap();
    remove(&machine, &server, "test/model");
    // What never came whole is of no use to anybody once the last revision goes.
    assert!(!shelf.exists(), "{:?}", below(&shelf));
    assert_eq!(fs::read_to_string(&mine).unwrap(), "mine");
}

#[tokio::test]
async fn a_first_pull_that_broke_off_can_be_removed() {
    let (server, machine) = (tiny(), Machine::new());
    let shelf = machine.shelf();
    break_off(&machine, &server, GRAPH, "test/model").await;
    assert!(!shelf.join("refs").exists());
    let (files, freed, stays) = remove(&machine, &server, "test/model");
    assert!(files > 5 && freed > 100 && stays.is_empty(), "{files} {freed} {stays:?}");
    assert!(!shelf.exists(), "{:?}", below(&shelf));
}

/// A pull that ends when 60 bytes of a file are there.
async fn break_off(machine: &Machine, server: &Server, path: &str, address: &str) {
    server.fault(&format!("/{path}"), Fault::Hang(60));
    let (whole, blobs) = (server.file(path), machine.shelf().join("blobs"));
    let is_it = |part: &Path| fs::read(part).is_ok_and(|part| part.len() == 60 && whole.starts_with(&part));
    let arrived = async {
        while !fs::read_dir(&blobs).into_iter().flatten().flatten().any(|entry| is_it(&entry.path())) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        _ = machine.pull_as(server, address, None) => panic!("it hangs"),
        () = arrived => {}
    }
    // What was being written when the pull ended is written to its end.
    let hub = machine.hub(&server.endpoint(), &[]);
    let removal = || hub.removal(&address.parse().unwrap());
    while matches!(removal(), Err(ModelError::Hub(HubError::InUse { .. }))) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_first_pull_that_broke_off_before_anything_had_a_place_can_be_removed() {
    for address in ["test/model", "test/model@v1", &format!("test/model@{COMMIT}")] {
        let (server, machine) = (tiny(), Machine::new());
        let shelf = machine.shelf();
        break_off(&machine, &server, "config.json", address).await;
        assert!(!shelf.join("snapshots").exists() && !shelf.join("refs").exists());
        let hub = machine.hub(&server.endpoint(), &[]);
        let removal = hub.removal(&address.parse().unwrap()).unwrap();
        assert_eq!((&removal.commit, removal.is_name_alone()), (&None, false), "{address}");
        let (files, freed, stays) = remove(&machine, &server, address);
        assert!(files > 0 && freed >= 60 && stays.is_empty(), "{address}: {files} {freed} {stays:?}");
        assert!(!shelf.exists(), "{address}: {:?}", below(&shelf));
        let again = hub.removal(&address.parse().unwrap()).unwrap_err().to_string();
        assert!(again.contains("it isn't in the cache"), "{again}");
        machine.pull_as(&server, address, None).await.unwrap();
    }
}

#[tokio::test]
async fn settings_that_no_graph_came_after_can_be_removed() {
    let (server, machine) = (tiny(), Machine::new());
    for graph in server.paths().iter().filter(|path| path.contains(".onnx")) {
        server.remove(graph);
    }
    let error = machine.pull(&server).await.unwrap_err().to_string();
    assert!(error.contains("exported to ONNX"), "{error}");
    let hub = machine.hub(&server.endpoint(), &[]);
    assert!(hub.models().is_empty() && machine.shelf().join("snapshots").join(COMMIT).is_dir());
    let (files, freed, stays) = remove(&machine, &server, "test/model");
    assert!(files > 5 && freed > 100 && stays.is_empty(), "{files} {freed} {stays:?}");
    assert!(!machine.shelf().exists(), "{:?}", below(&machine.shelf()));
}

#[tokio::test]
async fn what_was_fetched_by_its_commit_alone_goes_by_that_alone() {
    let (server, machine) = (tiny(), Machine::new());
    machine.pull_as(&server, &format!("test/model@{COMMIT}"), None).await.unwrap();
    // Another program keeps no listing.
    fs::remove_dir_all(machine.shelf().join(".percept")).unwrap();
    let hub = machine.hub(&server.endpoint(), &[]);
    let refused = hub.removal(&"test/model".parse().unwrap()).unwrap_err().to_string();
    assert!(refused.contains("it isn't in the cache"), "{refused}");
    let (files, ..) = remove(&machine, &server, &format!("test/model@{COMMIT}"));
    assert!(files > 5 && !machine.shelf().exists());
}

#[tokio::test]
async fn while_more_of_a_revision_is_fetched_nothing_of_it_goes() {
    let (server, machine) = (tiny(), Machine::new());
    machine.pull(&server).await.unwrap();
    let changed = [server.file(GRAPH), b" ".to_vec()].concat();
    server.put(GRAPH, &changed, MOVED);
    server.always(GRAPH, Fault::Hang(10));
    let hub = machine.hub(&server.endpoint(), &[]);
    let early = hub.removal(&"test/model".parse().unwrap()).unwrap();
    let look = async {
        // The pull is on its way as soon as it asks for the graph.
        while server.ranges(GRAPH).len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Of the graph that is fetched the older revision has nothing, yet they share everything else.
        for error in [
            hub.removal(&"test/model".parse().unwrap()).unwrap_err().to_string(),
            early.carry_out().unwrap_err().to_string(),
        ] {
            assert!(error.contains("hub:test/model is being fetched"), "{error}");
        }
    };
    tokio::select! {
        _ = machine.pull(&server) => panic!("it hangs"),
        () = look => {}
    }
}

#[tokio::test]
async fn what_was_pulled_since_a_removal_was_told_is_left_alone() {
    let (server, machine) = (tiny(), Machine::new());
    machine.pull(&server).await.unwrap();
    let hub = machine.hub(&server.endpoint(), &[]);
    let early = hub.removal(&"test/model".parse().unwrap()).unwrap();
    server.put(GRAPH, &[server.file(GRAPH), b" ".to_vec()].concat(), MOVED);
    let newer = machine.pull(&server).await.unwrap();
    let error = early.carry_out().unwrap_err().to_string();
    assert!(error.contains("has changed since that was told"), "{error}");
    assert!(newer.folder.join(GRAPH).is_file() && machine.shelf().join("refs/main").is_file());
}

#[tokio::test]
async fn a_removal_that_broke_off_is_finished_by_the_next() {
    let (server, machine) = (tiny(), Machine::new());
    let pulled = machine.pull(&server).await.unwrap();
    let blob = fs::canonicalize(pulled.folder.join(GRAPH)).unwrap();
    fs::remove_file(blob).unwrap();
    remove(&machine, &server, "test/model");
    assert!(!machine.shelf().exists(), "{:?}", below(&machine.shelf()));
}

#[tokio::test]
async fn what_isnt_there_or_is_just_coming_isnt_removed() {
    let (server, machine) = (tiny(), Machine::new());
    let hub = machine.hub(&server.endpoint(), &[]);
    let refused = |address: &str| hub.removal(&address.parse().unwrap()).unwrap_err();
    assert!(refused("test/model").to_string().contains("hub:test/model: it isn't in the cache"));
    let pulled = machine.pull(&server).await.unwrap();
    for (address, says) in [
        ("test/model@v2", "hub:test/model@v2: it isn't in the cache. `percept models list`"),
        ("test/other", "hub:test/other: it isn't in the cache"),
        (
            "test/model/onnx",
            "`onnx` is a part of what was fetched, and a revision goes as a whole. Name it without: hub:test/model",
        ),
    ] {
        let error = refused(address).to_string();
        assert!(error.contains(says), "{error}");
    }
    let blob = fs::canonicalize(pulled.folder.join(GRAPH)).unwrap();
    let name = format!("{}.lock", blob.file_name().unwrap().to_str().unwrap());
    let lock = machine.folder.path().join("hub/.locks/models--test--model").join(name);
    let held = fs::File::options().write(true).open(lock).unwrap();
    held.lock().unwrap();
    let error = refused("test/model");
    assert!(matches!(error, ModelError::Hub(HubError::InUse { .. })), "{error}");
    drop(held);
    remove(&machine, &server, "test/model");
}
