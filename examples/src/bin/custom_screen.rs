//! A screen of one's own: anything that can be drawn and clicked. This one is a row of lamps.
//!
//! ```text
//! cargo run -p percept-examples --bin custom_screen
//! ```
#![allow(clippy::print_stdout)]

use std::sync::{Arc, Mutex, PoisonError};

use percept::models::{ScriptedModel, ScriptedReply};
use percept::tools::image::{Rgb, RgbImage};
use percept::tools::{Frame, Input, PixelSize, Screen, ScreenError, Screenshot, async_trait, builtin};
use percept::{Agent, Evidence, Outcome};
use serde_json::json;

/// Four lamps, 40 points wide each. A click switches one.
#[derive(Default)]
struct Lamps(Mutex<[bool; 4]>);

const SIZE: PixelSize = PixelSize { width: 160, height: 40 };

impl Lamps {
    fn lit(&self) -> std::sync::MutexGuard<'_, [bool; 4]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Screen for Lamps {
    async fn look(&self) -> Result<Screenshot, ScreenError> {
        let lit = *self.lit();
        let pixels = RgbImage::from_fn(SIZE.width, SIZE.height, |x, _| {
            if lit[x as usize / 40] { Rgb([250, 220, 90]) } else { Rgb([60, 60, 70]) }
        });
        let frame = Frame { size: SIZE, scale: 1.0 };
        Ok(Screenshot { pixels: Arc::new(pixels), frame, location: None, notes: Vec::new() })
    }

    async fn act(&self, input: &Input) -> Result<(), ScreenError> {
        let Input::Click { at, .. } = input else {
            return Err(ScreenError::Unsupported { what: format!("{}: it has only lamps", input.verb()) });
        };
        let mut lit = self.lit();
        let lamp = (at.x / 40.0) as usize;
        lit[lamp] = !lit[lamp];
        Ok(())
    }

    async fn visible_text(&self) -> Result<String, ScreenError> {
        Ok(format!("{} lamps are lit", self.lit().iter().filter(|lit| **lit).count()))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let screen: Arc<dyn Screen> = Arc::new(Lamps::default());
    let model = ScriptedModel::new(vec![
        ScriptedReply::call("click", json!({ "point": [20, 20] })),
        ScriptedReply::call("click", json!({ "point": [140, 20] })),
    ]);
    let toolbox = builtin::toolbox(&screen).only(&["click", "finish"])?;
    let done = Evidence { text_visible: vec!["2 lamps are lit".into()], ..Evidence::default() };
    let agent = Agent::builder(Arc::new(model), toolbox).screen(screen).done(done).build()?;
    let result = agent.run("Light two lamps.").outcome().await;
    println!("{}: {}", result.outcome.word(), result.reason);
    anyhow::ensure!(result.outcome == Outcome::Done, "{}", result.reason);
    Ok(())
}
