//! The spans that an app's tracing sees.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests, their helpers too"
)]

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Arc, Mutex},
};

use percept::{
    Agent, Outcome,
    models::{ScriptedModel, ScriptedReply},
    tools::{Screen, StillImage, builtin, image::RgbImage},
};
use serde_json::json;
use tracing::{
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
};

/// A span's fields, and the `otel.name` of the one around it.
type Seen = BTreeMap<String, String>;

#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Vec<(u64, Seen)>>>);

struct Fields<'a>(&'a mut Seen);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().into(), format!("{value:?}").trim_matches('"').into());
    }
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Ear {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut seen = Seen::new();
        attributes.record(&mut Fields(&mut seen));
        if let Some(parent) = context.span(id).and_then(|span| span.parent()) {
            seen.insert("parent".into(), parent.name().into());
        }
        self.0.lock().unwrap().push((id.into_u64(), seen));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let mut all = self.0.lock().unwrap();
        let (_, seen) = all.iter_mut().rev().find(|(own, _)| *own == id.into_u64()).unwrap();
        values.record(&mut Fields(seen));
    }
}

#[tokio::test]
async fn a_run_its_questions_and_its_calls_are_spans_without_contents() {
    let ear = Ear::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(ear.clone()));
    let replies = [
        ScriptedReply::thought_and_call("SECRET THOUGHT", "zoom", json!({ "region": [0, 0, 4, 4] })),
        ScriptedReply::call("finish", json!({ "answer": "SECRET ANSWER" })),
    ];
    let screen: Arc<dyn Screen> = Arc::new(StillImage::new(RgbImage::new(8, 8)));
    let toolbox = builtin::toolbox(&screen).only(&["zoom", "finish"]).unwrap();
    let agent = Agent::builder(Arc::new(ScriptedModel::new(replies.to_vec())), toolbox).screen(screen);
    let result = agent.name("traced").build().unwrap().run("SECRET TASK").outcome().await;
    assert_eq!(result.outcome, Outcome::Done, "{}", result.reason);

    let all = ear.0.lock().unwrap();
    let ours: Vec<_> =
        all.iter().map(|(_, seen)| seen).filter(|seen| seen.contains_key("gen_ai.operation.name")).collect();
    let names: Vec<_> = ours.iter().map(|seen| seen["otel.name"].as_str()).collect();
    let expected = [
        "invoke_agent percept",
        "chat scripted",
        "execute_tool zoom",
        "chat scripted",
        "execute_tool finish",
    ];
    assert_eq!(names, expected);
    let run = ours[0];
    assert_eq!((run["gen_ai.conversation.id"].as_str(), run["percept.outcome"].as_str()), ("traced", "done"));
    assert_eq!(run["percept.steps"], "2");
    for inner in &ours[1..] {
        assert_eq!(inner["parent"], "invoke_agent");
    }
    assert!(ours[1].contains_key("gen_ai.usage.output_tokens"), "{:?}", ours[1]);
    assert_eq!(ours[1]["gen_ai.response.finish_reasons"], "stop");
    assert_eq!(ours[2]["gen_ai.tool.call.id"].split('/').next(), Some("traced"));
    assert!(!format!("{all:?}").contains("SECRET"), "no span has a content");
}
