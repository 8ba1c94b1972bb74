//! A question about a screenshot, answered by a model on this machine.
//!
//! Without arguments it asks a tiny model with random weights, which answers nonsense; name a real one:
//!
//! ```text
//! cargo run -p percept-examples --bin ask_screenshot -- models/smolvlm shot.png "What does the button say?"
//! ```
#![allow(clippy::print_stdout)]

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use percept::{
    Silent,
    models::{
        ChatModel, Content, Conversation, Generate, GenerationEvent, LoadOptions, LoadedImage, LocalModel,
        Message, Role,
    },
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/data/llava-tiny");
    let folder = arguments.next().map_or(tiny, PathBuf::from);
    let image = arguments.next().map_or_else(|| folder.join("landscape.png"), PathBuf::from);
    let question = arguments.next().unwrap_or_else(|| "What is in the picture?".into());

    let model = LocalModel::load(&folder, LoadOptions::default(), Arc::new(Silent)).await?;
    let card = model.card();
    println!("{} ({}) on {}", card.name, card.family, card.device);

    let pixels = LoadedImage::open(&image)?.pixels;
    let asked =
        Message { role: Role::User, content: Vec::<Content>::new() }.with_image(pixels).with_text(question);
    let request = Generate { max_tokens: 24, ..Generate::default() };
    let mut reply = model.generate(&Conversation::from_iter([asked]), &request).await?;
    while let Some(event) = reply.next().await {
        match event? {
            GenerationEvent::Text(text) => {
                print!("{text}");
                std::io::stdout().flush()?;
            }
            GenerationEvent::Done(completion) => {
                println!(
                    "\n{} tokens in {:.0} ms",
                    completion.usage.output_tokens, completion.usage.stage.decode
                );
            }
            _ => {}
        }
    }
    Ok(())
}
