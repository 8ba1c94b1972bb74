//! What goes wrong while the listing comes, before any file is asked for.

use percept_models::{HubError, ModelError};

use crate::{GRAPH, Machine, TOKEN, server::Fault, tiny};

/// What the path of a listing holds.
const LISTING: &str = "/api/models";

fn status(status: u16, headers: Vec<(&'static str, String)>) -> Fault {
    Fault::Status(status, headers, "Not now.".into())
}

/// The repository comes as it should in spite of these faults of its listing; the waits between.
async fn check(faults: Vec<Fault>, waits: &[u128]) {
    let (server, machine) = (tiny(), Machine::new());
    let (shown, count) = (format!("{faults:?}"), faults.len());
    for fault in faults {
        server.fault(LISTING, fault);
    }
    let pulled = machine.pull(&server).await.unwrap_or_else(|error| panic!("{shown}: {error}"));
    assert!(pulled.folder.join(GRAPH).is_file(), "{shown}");
    assert_eq!((server.ranges(LISTING), machine.waits()), (vec![None; count + 1], waits.to_vec()), "{shown}");
}

/// A fault that stays is this error after so many requests, and no file is asked for.
async fn check_always(fault: Fault, variables: &[(&str, &str)], times: usize, parts: &[&str]) -> HubError {
    let (server, machine) = (tiny(), Machine::new());
    server.always(LISTING, fault.clone());
    let hub = machine.hub(&server.endpoint(), variables);
    let error = hub.pull(&"test/model".parse().unwrap(), None, &machine.progress).await.unwrap_err();
    let told = error.to_string();
    for part in parts {
        assert!(told.contains(part), "{fault:?}: `{part}` isn't in: {told}");
    }
    assert!(!told.contains(TOKEN) && !format!("{error:?}").contains(TOKEN), "{told}");
    assert_eq!(server.ranges(LISTING), vec![None; times], "{fault:?}: {told}");
    assert_eq!(server.asked().len(), times, "{fault:?}: {told}");
    match error {
        ModelError::Hub(error) => error,
        other => panic!("{fault:?}: {other:?}"),
    }
}

#[tokio::test]
async fn what_may_pass_is_asked_again() {
    let slow = |after: &str| status(429, vec![("retry-after", after.into())]);
    for passing in [408, 429, 500, 502, 503, 504] {
        check(vec![status(passing, Vec::new())], &[250]).await;
    }
    check([500, 503, 429, 502].map(|passing| status(passing, Vec::new())).into(), &[250, 500, 1000, 2000])
        .await;
    check(vec![slow("7"), slow("0")], &[7000, 0]).await;
    check(vec![Fault::Gone, Fault::Cut(0), Fault::Cut(100)], &[250, 500, 1000]).await;
    let error = check_always(Fault::Gone, &[], 5, &["broke off"]).await;
    assert!(matches!(error, HubError::Cut { .. }), "{error:?}");
    let error = check_always(status(503, Vec::new()), &[], 5, &["can't answer now (503): Not now"]).await;
    assert!(matches!(error, HubError::Busy { .. }), "{error:?}");
    let error = check_always(slow("3600"), &[], 1, &["it wants to be left alone for 3600 s; Not now"]).await;
    assert!(matches!(error, HubError::Busy { .. }), "{error:?}");
    for bytes in [0, 100] {
        let error = check_always(Fault::Cut(bytes), &[], 5, &["broke off"]).await;
        assert!(matches!(error, HubError::Cut { .. }), "{error:?}");
        let error = check_always(Fault::Hang(bytes), &[("IMPATIENT", "1")], 5, &["127.0.0.1"]).await;
        assert!(matches!(error, HubError::Silent { .. }), "{error:?}");
    }
    // Without an announced length half of it looks like all.
    let error = check_always(Fault::Short(100), &[], 1, &["answers otherwise than the Hub does"]).await;
    assert!(matches!(error, HubError::Malformed { .. }), "{error:?}");
}

#[tokio::test]
async fn a_refusal_says_what_to_do() {
    let name = "Check the name and the revision, `test/model@main`; a model that isn't there and one that is private";
    let (unset, set) =
        ("Set HF_TOKEN to a token of an account", "Check that the token in HF_TOKEN is one of");
    let licence = "Its licence must be accepted on the model's page first";
    // The status and the Hub's code for it, whether there is a token, and what is told.
    let cases: [(u16, &str, bool, [&str; 2]); 9] = [
        // Private, misspelt, or with a token that ran out.
        (401, "RepoNotFound", false, [name, unset]),
        (401, "RepoNotFound", true, [name, set]),
        (401, "", false, [name, unset]),
        (401, "", true, [name, set]),
        (404, "RepoNotFound", true, [name, set]),
        (401, "GatedRepo", false, [licence, unset]),
        (403, "GatedRepo", true, [licence, set]),
        (403, "", true, [licence, set]),
        (400, "", false, ["(400)", "Asking the same again won't help"]),
    ];
    for (code, kind, has_token, parts) in cases {
        let headers = if kind.is_empty() { Vec::new() } else { vec![("x-error-code", kind.to_owned())] };
        // A server that is sent the token may echo it.
        let said = if has_token { format!(r#"{{"error":"No, {TOKEN}."}}"#) } else { String::new() };
        let token = [("HF_TOKEN", TOKEN)];
        let variables = if has_token { token.as_slice() } else { &[] };
        let error = check_always(Fault::Status(code, headers, said), variables, 1, &parts).await;
        assert!(matches!(&error, HubError::Refused { status, .. } if *status == code), "{error:?}");
        assert!(error.is_bad_input(), "{error:?}");
    }
}
