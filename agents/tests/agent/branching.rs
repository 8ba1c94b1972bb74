//! Runs that are gone on from at an earlier step, in a folder of their own.

use std::fs;

use percept::{JournalError, Outcome, RunFolder, journal, replay};

use crate::survival::{DEPOSITS, Ledger, builder};

#[tokio::test]
async fn a_branch_goes_on_live_from_its_step_and_leaves_the_run_alone() {
    let root = tempfile::tempdir().unwrap();
    let (first, second) = (root.path().join("first"), root.path().join("second"));
    let ledger = Ledger::default();
    let record = RunFolder::create(&first).unwrap();
    let result =
        builder(&ledger).folder(record).name("first").build().unwrap().run("Pay in.").outcome().await;
    assert_eq!((result.outcome, result.steps), (Outcome::Done, DEPOSITS + 2), "{}", result.reason);
    let before = fs::read(first.join("journal.jsonl")).unwrap();

    // Three deposits were paid in by then, the refused one being the first step.
    journal::branch(&first, 5, &second).unwrap();
    ledger.lock().unwrap().truncate(3);
    let result = builder(&ledger).resume(&second, None).unwrap().outcome().await;
    assert_eq!((result.outcome, result.steps), (Outcome::Done, DEPOSITS + 2), "{}", result.reason);
    let keys = ledger.lock().unwrap().clone();
    assert_eq!(keys.len(), DEPOSITS, "only what comes after the branch is done: {keys:?}");
    assert!(keys[..3].iter().all(|key| key.starts_with("first/")), "{keys:?}");
    assert!(keys[3..].iter().all(|key| key.starts_with("second/")), "another run has other keys: {keys:?}");
    assert_eq!(fs::read(first.join("journal.jsonl")).unwrap(), before);
    for folder in [&first, &second] {
        assert_eq!(replay(folder).await.unwrap().divergence, None);
    }
}

#[tokio::test]
async fn a_step_that_isnt_there_or_a_folder_that_is_taken_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let run = root.path().join("run");
    let record = RunFolder::create(&run).unwrap();
    builder(&Ledger::default()).folder(record).build().unwrap().run("Pay in.").outcome().await;
    let error = journal::branch(&run, 40, &root.path().join("new")).unwrap_err();
    assert!(matches!(error, JournalError::NoStep { step: 40, last, .. } if last >= DEPOSITS + 2), "{error}");
    assert!(!root.path().join("new").exists(), "nothing is made for it");
    let error = journal::branch(&run, 2, &run).unwrap_err();
    assert!(matches!(error, JournalError::Occupied { .. }), "{error}");
    let from_the_start = root.path().join("anew");
    journal::branch(&run, 1, &from_the_start).unwrap();
    let result = builder(&Ledger::default()).resume(&from_the_start, None).unwrap().outcome().await;
    assert_eq!(result.outcome, Outcome::Done, "{}", result.reason);
}
