//! What goes wrong while files come, what is tried again, and what of it is asked for.

use std::{fs, time::Duration};

use percept_models::{FileSource, HubError, ModelError};

use crate::{Counted, GRAPH, Machine, server::Fault, tiny};

/// A file of the server's comes as it should in spite of these faults; the ranges that it is asked for, and the waits.
async fn check(faults: Vec<Fault>, ranges: &[Option<usize>], waits: &[u128]) {
    let (server, machine) = (tiny(), Machine::new());
    let shown = format!("{faults:?}");
    for fault in faults {
        server.fault(GRAPH, fault);
    }
    let pulled = machine.pull(&server).await.unwrap_or_else(|error| panic!("{shown}: {error}"));
    assert!(fs::read(pulled.folder.join(GRAPH)).unwrap() == server.file(GRAPH), "{shown}");
    let asked: Vec<_> = ranges.iter().map(|from| from.map(|from| format!("bytes={from}-"))).collect();
    assert_eq!((server.ranges(GRAPH), machine.waits()), (asked, waits.to_vec()), "{shown}");
    assert!(
        !fs::read_dir(machine.shelf().join("blobs"))
            .unwrap()
            .flatten()
            .any(|entry| { entry.file_name().to_str().unwrap().ends_with(".incomplete") })
    );
}

/// A fault that stays is an error that says so, and what came until then is kept for the next time.
async fn check_always(fault: Fault, part: &str, kept: Option<usize>) -> ModelError {
    let (server, machine) = (tiny(), Machine::new());
    server.always(GRAPH, fault.clone());
    let error = machine.pull(&server).await.unwrap_err();
    let told = error.to_string();
    assert!(told.contains(part), "{fault:?}: {told}");
    // Others that were on their way may have left parts too.
    let part = machine.shelf().join("blobs").join(format!("{}.incomplete", server.sha256(GRAPH)));
    let there = fs::metadata(part).map_or(0, |metadata| metadata.len() as usize);
    assert_eq!(Some(there).filter(|bytes| *bytes > 0), kept, "{fault:?}");
    server.forgive();
    let pulled = machine.pull(&server).await.unwrap();
    assert!(fs::read(pulled.folder.join(GRAPH)).unwrap() == server.file(GRAPH), "{fault:?}");
    let last = kept.map(|from| format!("bytes={from}-"));
    assert_eq!(server.ranges(GRAPH).last().unwrap(), &last, "{fault:?}: only the rest is asked for");
    error
}

fn status(status: u16) -> Fault {
    Fault::Status(status, Vec::new(), "Not now.".into())
}

#[tokio::test]
async fn what_broke_off_is_taken_up_where_it_did() {
    let half = tiny().file(GRAPH).len() / 2;
    check(vec![Fault::Cut(half)], &[None, Some(half)], &[250]).await;
    check(vec![Fault::Short(half)], &[None, Some(half)], &[250]).await;
    // Waits begin anew where something came.
    let ranges = [None, None, Some(half), Some(half)];
    check(vec![Fault::Gone, Fault::Cut(half), Fault::Gone], &ranges, &[250, 250, 500]).await;
    check(
        vec![Fault::Cut(1), Fault::Cut(1), Fault::Short(9)],
        &[None, Some(1), Some(2), Some(11)],
        &[250; 3],
    )
    .await;
    // Attempts that bring something on are as many as it takes.
    let steps: Vec<_> = (0..12).map(|_| Fault::Cut(7)).collect();
    let ranges: Vec<_> = (0..13).map(|step| Some(step * 7).filter(|from| *from > 0)).collect();
    check(steps, &ranges, &[250; 12]).await;
    let error = check_always(Fault::Cut(0), "broke off", None).await;
    // What comes again and again, and is thrown away each time, brings nothing on.
    let (server, machine) = (tiny(), Machine::new());
    for _ in 0..9 {
        server.fault(GRAPH, Fault::Cut(half));
        server.fault(GRAPH, Fault::Status(416, Vec::new(), String::new()));
    }
    machine.pull(&server).await.unwrap_err();
    assert!(server.ranges(GRAPH).len() <= 8, "{:?}", server.ranges(GRAPH));
    assert!(matches!(error, ModelError::Hub(HubError::Cut { .. })), "{error:?}");
}

#[tokio::test]
async fn a_server_that_has_no_ranges_sends_it_all_again() {
    let half = tiny().file(GRAPH).len() / 2;
    check(vec![Fault::Cut(half), Fault::Whole], &[None, Some(half)], &[250]).await;
    check(vec![Fault::Cut(half), Fault::OtherRange], &[None, Some(half), None], &[250, 500]).await;
    check(
        vec![Fault::Cut(half), Fault::Status(416, Vec::new(), String::new())],
        &[None, Some(half), None],
        &[250, 0],
    )
    .await;
}

#[tokio::test]
async fn what_may_pass_is_asked_again() {
    check(vec![status(500), status(500)], &[None; 3], &[250, 500]).await;
    check(vec![status(503), status(502), status(504), status(408)], &[None; 5], &[250, 500, 1000, 2000])
        .await;
    let slow = |after: &str| Fault::Status(429, vec![("retry-after", after.into())], "Slow.".into());
    check(vec![slow("7"), slow("0")], &[None; 3], &[7000, 0]).await;
    check(vec![status(429)], &[None; 2], &[250]).await;
    let error = check_always(status(503), "can't answer now (503): Not now. Try again later", None).await;
    assert!(matches!(error, ModelError::Hub(HubError::Busy { .. })), "{error:?}");
    check_always(slow("3600"), "it wants to be left alone for 3600 s; Slow.", None).await;
}

#[tokio::test]
async fn a_wrong_content_is_fetched_once_more_and_then_refused() {
    check(vec![Fault::Wrong], &[None, None], &[]).await;
    let error = check_always(Fault::Wrong, "came twice with another content", None).await;
    assert!(matches!(error, ModelError::Hub(HubError::Corrupt { .. })), "{error:?}");
    // A small file has git's checksum.
    let (server, machine) = (tiny(), Machine::new());
    server.always("config.json", Fault::Wrong);
    let error = machine.pull(&server).await.unwrap_err().to_string();
    // Several files have that in their names, and come at once.
    assert!(error.contains("config.json` of hub:test/model came twice"), "{error}");
}

#[tokio::test]
async fn a_size_that_isnt_the_listings_is_refused() {
    check_always(Fault::Longer(3), "is longer than the", None).await;
    let (server, machine) = (tiny(), Machine::new());
    server.fault(GRAPH, Fault::Status(200, Vec::new(), "<html>".into()));
    let error = machine.pull(&server).await.unwrap_err().to_string();
    assert!(error.contains("bytes in its listing, and after 0 another 6 are sent"), "{error}");
}

#[tokio::test]
async fn a_silent_server_isnt_waited_for_forever() {
    let (server, machine) = (tiny(), Machine::new());
    let hub = machine.hub(&server.endpoint(), &[("IMPATIENT", "1")]);
    let address = "test/model".parse().unwrap();
    server.always(GRAPH, Fault::Hang(0));
    let error = hub.pull(&address, None, &machine.progress).await.unwrap_err();
    assert!(matches!(error, ModelError::Hub(HubError::Silent { .. })), "{error:?}");
    assert_eq!(server.ranges(GRAPH), vec![None; 5]);
    server.forgive();
    server.fault(GRAPH, Fault::Hang(1000));
    hub.pull(&address, None, &machine.progress).await.unwrap();
    assert_eq!(server.ranges(GRAPH)[5..], [None, Some("bytes=1000-".into())]);
}

#[tokio::test]
async fn a_pull_that_is_killed_goes_on_where_it_was() {
    let (server, machine) = (tiny(), Machine::new());
    let half = server.file(GRAPH).len() / 2;
    server.fault(GRAPH, Fault::Hang(half));
    let hub = machine.hub(&server.endpoint(), &[]);
    let address = "test/model".parse().unwrap();
    let incomplete = machine.shelf().join("blobs").join(format!("{}.incomplete", server.sha256(GRAPH)));
    let arrived = async {
        while fs::metadata(&incomplete).map_or(0, |metadata| metadata.len()) < half as u64 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        _ = hub.pull(&address, None, &machine.progress) => panic!("it hangs"),
        () = arrived => {}
    }
    assert!(!machine.shelf().join("refs").exists(), "no revision names what isn't there");
    let pulled = machine.pull(&server).await.unwrap();
    assert_eq!(server.ranges(GRAPH), [None, Some(format!("bytes={half}-"))]);
    assert!(fs::read(pulled.folder.join(GRAPH)).unwrap() == server.file(GRAPH));
}

#[tokio::test]
async fn whatever_another_program_left_is_taken_up_or_thrown_away() {
    let (content, name) = (tiny().file(GRAPH), tiny().sha256(GRAPH));
    let longer = [content.clone(), b"x".to_vec()].concat();
    let cases: [(&[u8], &[Option<usize>]); 5] = [
        // Killed at the first byte, in the middle, before the last, and before it was checked.
        (&content[..1], &[Some(1)]),
        (&content[..content.len() - 1], &[Some(content.len() - 1)]),
        (&content, &[]),
        // Of another content, and longer than it can be.
        (&[7; 1000], &[Some(1000), None]),
        (&longer, &[None]),
    ];
    for (left, ranges) in cases {
        let (server, machine) = (tiny(), Machine::new());
        let blobs = machine.shelf().join("blobs");
        fs::create_dir_all(&blobs).unwrap();
        fs::write(blobs.join(format!("{name}.incomplete")), left).unwrap();
        let pulled = machine.pull(&server).await.unwrap();
        let asked: Vec<_> = ranges.iter().map(|from| from.map(|from| format!("bytes={from}-"))).collect();
        assert_eq!(server.ranges(GRAPH), asked, "{} bytes were left", left.len());
        assert!(fs::read(pulled.folder.join(GRAPH)).unwrap() == content);
    }
}

#[tokio::test]
async fn two_pulls_at_once_fetch_each_file_once() {
    let (server, machine) = (tiny(), Machine::new());
    let (hub, progress) = (machine.hub(&server.endpoint(), &[]), Counted::default());
    let address = "test/model".parse().unwrap();
    let both = futures::future::join(machine.pull(&server), hub.pull(&address, None, &progress)).await;
    let (one, other) = (both.0.unwrap(), both.1.unwrap());
    assert_eq!(one.folder, other.folder);
    let fetched = |pulled: &percept_models::Pulled| {
        pulled.files.iter().filter(|file| file.source == FileSource::Fetched).count()
    };
    assert_eq!(fetched(&one) + fetched(&other), one.files.len());
    assert_eq!(server.ranges("resolve"), vec![None; one.files.len()]);
}
