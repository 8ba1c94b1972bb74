//! A model of one's own: anything that answers a conversation. This one has no weights: it clicks the brightest spot
//! of the newest picture until the picture is dark.
//!
//! ```text
//! cargo run -p percept-examples --bin custom_model
//! ```
#![allow(clippy::print_stdout)]

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::ensure;
use futures::stream;
use percept::models::{
    Call, ChatModel, Completion, Content, Conversation, Generate, Generation, GenerationEvent, ModelCard,
    ModelError, StopReason, Usage,
};
use percept::tools::image::{Rgb, RgbImage};
use percept::tools::{Frame, Input, PixelSize, Screen, ScreenError, Screenshot, async_trait, builtin};
use percept::{Agent, Outcome};
use serde_json::json;

/// Looks for light.
struct Moth(ModelCard);

#[async_trait]
impl ChatModel for Moth {
    fn card(&self) -> &ModelCard {
        &self.0
    }

    async fn generate(&self, conversation: &Conversation, _: &Generate) -> Result<Generation, ModelError> {
        let images = conversation.messages().iter().flat_map(|message| &message.content);
        let mut newest = images.filter_map(|content| match content {
            Content::Image(image) => Some(Arc::clone(image.pixels())),
            _ => None,
        });
        let picture =
            newest.next_back().ok_or_else(|| ModelError::Conversation("there is no picture in it".into()))?;
        let spot = picture.enumerate_pixels().max_by_key(|(_, _, Rgb([red, ..]))| *red);
        let call = match spot {
            Some((x, y, Rgb([red, ..]))) if *red > 100 => {
                Call { function: "click".into(), arguments: json!({ "point": [x, y] }) }
            }
            _ => Call { function: "finish".into(), arguments: json!({ "answer": "dark" }) },
        };
        let completion = Completion {
            thought: String::new(),
            text: format!("{} {}", call.function, call.arguments),
            call: Some(Ok(call)),
            unconfirmed: None,
            stop: StopReason::End,
            usage: Usage::default(),
            tokens: Vec::new(),
            log_probabilities: Vec::new(),
        };
        Ok(Generation::new(stream::iter([Ok(GenerationEvent::Done(Box::new(completion)))])))
    }
}

/// Two lights that go out when they are touched.
struct Lights(Mutex<[bool; 2]>);

#[async_trait]
impl Screen for Lights {
    async fn look(&self) -> Result<Screenshot, ScreenError> {
        let lit = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let size = PixelSize { width: 80, height: 40 };
        let shade = |x: u32| if lit[x as usize / 40] { Rgb([250, 220, 90]) } else { Rgb([30, 30, 40]) };
        let pixels = Arc::new(RgbImage::from_fn(size.width, size.height, |x, _| shade(x)));
        Ok(Screenshot { pixels, frame: Frame { size, scale: 1.0 }, location: None, notes: Vec::new() })
    }

    async fn act(&self, input: &Input) -> Result<(), ScreenError> {
        let Input::Click { at, .. } = input else {
            return Err(ScreenError::Unsupported { what: input.verb().into() });
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[(at.x / 40.0) as usize] = false;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let card = ModelCard {
        name: "moth".into(),
        family: "own".into(),
        device: "none".into(),
        context: 4096,
        max_images: Some(1),
        screen: None,
        thinks: false,
        tells_probabilities: false,
        notes: Vec::new(),
    };
    let screen: Arc<dyn Screen> = Arc::new(Lights(Mutex::new([true; 2])));
    let agent = Agent::builder(Arc::new(Moth(card)), builtin::toolbox(&screen)).screen(screen);
    let result = agent.build()?.run("Put out the lights.").outcome().await;
    println!("{} after {} steps: {:?}", result.outcome.word(), result.steps, result.answer);
    ensure!(result.outcome == Outcome::Done && result.steps == 3, "{}", result.reason);
    Ok(())
}
