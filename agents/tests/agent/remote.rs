//! The loop with a remote model: what it calls, and where its points land.

use std::sync::Arc;

use percept::{
    Agent, Outcome,
    models::{ModelAddress, RemoteModel, RemoteOptions},
    tools::{Input, Screen, builtin},
};
use serde_json::json;

use crate::{
    loopback::{Loopback, Says},
    played,
    stage::{Manner, Pages},
    welcome,
};

#[tokio::test]
async fn a_remote_model_works_through_pages_until_the_evidence_holds() {
    let click = |x: u32, y: u32| Says::Call("click", json!({ "point": { "x": x, "y": y } }));
    let server =
        Loopback::new(vec![click(160, 3), Says::Text("Further left."), click(20, 30), click(159, 207)]);
    let ModelAddress::Remote(address) = server.address.parse().unwrap() else { panic!("not remote") };
    let model =
        RemoteModel::open(&address, RemoteOptions { environment: |_| None, ..RemoteOptions::default() });
    let pages = Pages::new(Manner::Turns, &["Sign in", "Password", "Welcome, ada"]);
    let screen: Arc<dyn Screen> = pages.clone();
    let toolbox = builtin::toolbox(&screen).only(&["click", "finish"]).unwrap();
    let agent =
        Agent::builder(Arc::new(model.unwrap()), toolbox).screen(screen).done(welcome()).build().unwrap();
    let (_, result) = played(agent.run("Log in.")).await;
    assert_eq!((result.outcome, result.verified), (Outcome::Done, Some(true)), "{}", result.reason);
    // The first point lies outside: nothing was done, and the text is what the model learnt from it.
    let clicks: Vec<_> = pages
        .inputs
        .lock()
        .unwrap()
        .iter()
        .filter_map(|input| match input {
            Input::Click { at, .. } => Some([at.x as u32, at.y as u32]),
            _ => None,
        })
        .collect();
    assert_eq!(clicks, [[20, 30], [159, 207]]);
    assert_eq!(
        (result.usage.fresh_tokens, result.usage.cached_tokens, result.usage.output_tokens),
        (80, 40, 28)
    );
    let second = server.asked()[1]["messages"].to_string();
    assert!(second.contains("x is 160, the screenshot is 160 wide"), "{second}");
    assert!(result.notes.iter().any(|note| note.contains("its seed has 31 bits")), "{:?}", result.notes);
}
