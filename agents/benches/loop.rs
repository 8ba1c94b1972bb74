//! What the loop adds to a step: a scripted model and a still image take no time of their own, the journal
//! goes to the disk. A step must cost less than 2 ms over model and screen.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "what fails in a test's own helpers fails the test"
)]

use std::sync::Arc;

use percept::{
    Agent, Limits, RunFolder,
    models::{ScriptedModel, ScriptedReply},
    tools::{
        JsonSchema, Observation, Screen, StillImage, Tool, ToolCard, ToolContext, ToolError, Toolbox,
        async_trait, image::RgbImage, serde,
    },
};

/// Steps of one run; its beginning and end are shared out among them.
const STEPS: usize = 50;

fn main() {
    divan::main();
}

/// A tool that does nothing, but counts as a change, so that its calls are synced to the disk.
struct Touch;

#[derive(serde::Deserialize, JsonSchema)]
#[serde(crate = "percept::tools::serde")]
struct TouchArgs {}

#[async_trait]
impl Tool for Touch {
    type Args = TouchArgs;

    fn card(&self) -> ToolCard {
        ToolCard::changes("touch", "Touches the screen.", true)
    }

    async fn call(&self, _: TouchArgs, _: &ToolContext) -> Result<Observation, ToolError> {
        Ok(Observation::note("touched"))
    }
}

/// A run of 50 steps on a screen of this size, recorded or not.
fn run(size: (u32, u32), recorded: bool) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let replies = vec![ScriptedReply::call("touch", serde_json::json!({})); STEPS];
        let screen: Arc<dyn Screen> = Arc::new(StillImage::new(RgbImage::new(size.0, size.1)));
        let mut toolbox = Toolbox::new();
        toolbox.add(Touch).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits { steps: STEPS, stalls: STEPS + 1, rounds: STEPS + 1, ..Limits::default() };
        let thinking = percept::Thinking { reflect: percept::Reflect::Never, ..percept::Thinking::default() };
        let mut agent = Agent::builder(Arc::new(ScriptedModel::new(replies)), toolbox)
            .screen(screen)
            .limits(limits)
            .thinking(thinking);
        if recorded {
            agent = agent.folder(RunFolder::create(folder.path()).unwrap());
        }
        let result = agent.build().unwrap().run("Touch it.").outcome().await;
        assert_eq!(result.steps, STEPS, "{}", result.reason);
    });
}

#[divan::bench(args = [(160, 208), (1280, 800)], sample_count = 10, sample_size = 1)]
fn fifty_steps_recorded(size: (u32, u32)) {
    run(size, true);
}

#[divan::bench(args = [(160, 208), (1280, 800)], sample_count = 10, sample_size = 1)]
fn fifty_steps_unrecorded(size: (u32, u32)) {
    run(size, false);
}
