//! A question about images, with votes, places and abstaining.
#![allow(
    clippy::type_complexity,
    clippy::unwrap_used,
    clippy::panic,
    reason = "what fails in a test's own helpers fails the test, and a row of a table has many parts"
)]

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use futures::stream;
use image::RgbImage;
use percept::{
    Inquiry,
    models::{
        Call, ChatModel, Completion, Conversation, Found, Generate, Generation, GenerationEvent, Located,
        Message, ModelCard, ModelError, Reply, Role, StopReason, TokenRecord, Usage,
    },
    tools::{PixelRegion, async_trait},
};
use serde_json::{Value, json};

/// A model that says its lines, each token of them with a probability, and then points somewhere.
struct Witness {
    card: ModelCard,
    lines: Mutex<VecDeque<(&'static str, Option<f32>)>>,
    points: Value,
    asked: Mutex<Vec<(usize, Generate)>>,
}

impl Witness {
    fn new(lines: &[(&'static str, Option<f32>)], points: Value) -> Self {
        let card = ModelCard {
            name: "witness".into(),
            family: "scripted".into(),
            device: "nowhere".into(),
            context: 4096,
            max_images: None,
            screen: None,
            thinks: false,
            tells_probabilities: true,
            notes: Vec::new(),
        };
        Self { card, lines: Mutex::new(lines.iter().copied().collect()), points, asked: Mutex::default() }
    }
}

#[async_trait]
impl ChatModel for Witness {
    fn card(&self) -> &ModelCard {
        &self.card
    }

    /// It has a token for places, and what it names fills the image, if it names anything.
    fn located(&self, _asked: &str, reply: &str, [width, height]: [u32; 2]) -> Option<Located> {
        if reply == "<loc>" {
            return Some(Located { found: Vec::new(), unread: Vec::new() });
        }
        if reply.starts_with("<loc?>") {
            return Some(Located { found: Vec::new(), unread: vec![reply.into()] });
        }
        let label = reply.strip_prefix("<loc>")?.into();
        Some(Located {
            found: vec![Found { label, corners: [0, 0, width, height], outlines: Vec::new() }],
            unread: Vec::new(),
        })
    }

    async fn generate(
        &self,
        conversation: &Conversation,
        options: &Generate,
    ) -> Result<Generation, ModelError> {
        self.asked.lock().unwrap().push((conversation.messages().len(), options.clone()));
        let (text, probability, call) = if let Reply::Call { functions, .. } = &options.reply {
            if self.points.is_null() {
                return Err(ModelError::Request("it takes one turn".into()));
            }
            let call = Call { function: functions[0].name.clone(), arguments: self.points.clone() };
            (String::new(), None, Some(Ok(call)))
        } else {
            let (text, probability) = self.lines.lock().unwrap().pop_front().unwrap();
            (text.to_owned(), probability, None)
        };
        let token = |probability: f32| TokenRecord {
            id: 7,
            text: text.clone(),
            log_probability: probability.ln(),
            forced: false,
            thought: false,
        };
        let completion = Completion {
            thought: String::new(),
            text: text.clone(),
            call,
            unconfirmed: None,
            stop: StopReason::End,
            usage: Usage { fresh_tokens: 10, output_tokens: 1, ..Usage::default() },
            tokens: probability.map(token).into_iter().collect(),
            log_probabilities: Vec::new(),
        };
        let events = [GenerationEvent::Text(text), GenerationEvent::Done(Box::new(completion))];
        Ok(Generation::new(stream::iter(events.map(Ok))))
    }
}

fn question(images: usize) -> Conversation {
    let mut message = Message { role: Role::User, content: Vec::new() };
    for _ in 0..images {
        message = message.with_image(Arc::new(RgbImage::new(100, 50)));
    }
    [message.with_text("How many mails are there?")].into_iter().collect()
}

#[tokio::test]
async fn an_answer_comes_with_its_certainty_or_not_at_all() {
    let sure = |text| (text, Some(0.9));
    #[rustfmt::skip]
    let cases: [(&[(&'static str, Option<f32>)], Option<f64>, Option<&str>, usize, Option<f64>); 8] = [
        (&[sure("3")], None, Some("3"), 1, Some(0.9)),
        (&[("3", Some(0.5))], Some(0.6), None, 1, Some(0.5)),
        (&[sure("3")], Some(0.6), Some("3"), 1, Some(0.9)),
        (&[("3", None)], None, Some("3"), 1, None),
        (&[sure("4"), sure("3"), sure("Three.")], None, Some("3"), 2, Some(2.0 / 3.0)),
        (&[sure("4"), sure("3"), sure("three")], Some(0.6), Some("3"), 2, Some(2.0 / 3.0)),
        (&[sure("4"), sure("3"), sure("5")], Some(0.5), None, 1, Some(1.0 / 3.0)),
        (&[("4", None), ("4", None)], Some(1.0), Some("4"), 2, Some(1.0)),
    ];
    for (lines, least_certainty, text, supporters, certainty) in cases {
        let model = Witness::new(lines, json!({}));
        let inquiry = Inquiry { votes: lines.len(), least_certainty, ..Inquiry::about(question(1)) };
        let mut told = String::new();
        let answer = inquiry.put(&model, &mut |piece| told.push_str(piece)).await.unwrap();
        assert_eq!((answer.text.as_deref(), answer.supporters), (text, supporters), "{lines:?}");
        let near = |one: Option<f64>, other: Option<f64>| match (one, other) {
            (Some(one), Some(other)) => (one - other).abs() < 1e-6,
            (one, other) => one == other,
        };
        assert!(near(answer.certainty(), certainty), "{:?} of {lines:?}", answer.certainty());
        assert_eq!(told, lines[0].0, "only the first reply is told as it comes");
        assert_eq!(answer.usage.output_tokens, lines.len());
        let asked = model.asked.lock().unwrap();
        let temperatures: Vec<_> = asked.iter().map(|(_, options)| options.sampling.temperature).collect();
        let expected: Vec<_> = (0..lines.len()).map(|vote| if vote == 0 { 0.0f32 } else { 0.7 }).collect();
        assert_eq!(temperatures, expected);
        let mut seeds: Vec<_> = asked.iter().map(|(_, options)| options.sampling.seed).collect();
        seeds.dedup();
        assert_eq!(seeds.len(), lines.len(), "each reply has a seed of its own");
    }
}

#[tokio::test]
async fn where_an_answer_is_seen_lies_in_the_image_or_is_not_told() {
    let region = |left, top, right, bottom| PixelRegion { left, top, right, bottom };
    let cases = [
        (json!([[1, 2, 30, 40]]), 1, Some(vec![region(1, 2, 30, 40)]), ""),
        (
            json!([[1, 2, 30, 40], [0, 0, 100, 50]]),
            1,
            Some(vec![region(1, 2, 30, 40), region(0, 0, 100, 50)]),
            "",
        ),
        (json!([]), 1, Some(Vec::new()), ""),
        (json!([[1, 2, 101, 40]]), 1, None, "right is 101, the screen is 100 wide"),
        (json!([[1, 2, 30, 40]]), 2, Some(vec![region(1, 2, 30, 40)]), "the last image alone"),
    ];
    for (regions, images, seen_at, note) in cases {
        let model = Witness::new(&[("3", Some(0.9))], json!({ "regions": regions }));
        let inquiry = Inquiry { boxes: true, ..Inquiry::about(question(images)) };
        let answer = inquiry.put(&model, &mut |_| ()).await.unwrap();
        assert_eq!(answer.seen_at, seen_at, "{regions}");
        assert!(answer.notes.concat().contains(note), "{:?}", answer.notes);
        assert_eq!(
            model.asked.lock().unwrap()[1].0,
            3,
            "the answer is part of the question where it is seen"
        );
    }
    // Who abstains points nowhere.
    let model = Witness::new(&[("3", Some(0.1))], json!({ "regions": [] }));
    let inquiry = Inquiry { boxes: true, least_certainty: Some(0.5), ..Inquiry::about(question(1)) };
    let answer = inquiry.put(&model, &mut |_| ()).await.unwrap();
    assert_eq!((answer.text, answer.seen_at, model.asked.lock().unwrap().len()), (None, None, 1));
}

#[tokio::test]
async fn an_answer_that_names_its_places_is_not_asked_for_them() {
    let model = Witness::new(&[("<loc>cat", None)], json!({ "regions": [[1, 2, 3, 4]] }));
    let inquiry = Inquiry { boxes: true, ..Inquiry::about(question(1)) };
    let answer = inquiry.put(&model, &mut |_| ()).await.unwrap();
    let found = &answer.located.unwrap().found[0];
    assert_eq!((found.label.as_str(), found.corners), ("cat", [0, 0, 100, 50]));
    assert_eq!((answer.seen_at, model.asked.lock().unwrap().len()), (None, 1));
}

#[tokio::test]
async fn an_answer_stays_where_nothing_can_be_asked_about_it() {
    for (line, asked, note) in [
        ("3", 2, "the model couldn't be asked where it is seen: it takes one turn"),
        ("<loc?>cat", 2, "couldn't be asked"),
        ("<loc>", 1, ""),
    ] {
        let model = Witness::new(&[(line, None)], Value::Null);
        let inquiry = Inquiry { boxes: true, ..Inquiry::about(question(1)) };
        let answer = inquiry.put(&model, &mut |_| ()).await.unwrap();
        assert_eq!((answer.text.as_deref(), answer.seen_at), (Some(line), None));
        assert_eq!(model.asked.lock().unwrap().len(), asked, "{line}");
        assert!(
            answer.notes.concat().contains(note) && answer.notes.len() == asked - 1,
            "{:?}",
            answer.notes
        );
    }
}

#[tokio::test]
async fn an_answer_whose_places_cannot_be_read_is_asked_for_them() {
    let model = Witness::new(&[("<loc?>cat", None)], json!({ "regions": [[1, 2, 3, 4]] }));
    let inquiry = Inquiry { boxes: true, ..Inquiry::about(question(1)) };
    let answer = inquiry.put(&model, &mut |_| ()).await.unwrap();
    assert_eq!(answer.located.unwrap().unread, ["<loc?>cat"]);
    assert_eq!((answer.seen_at.unwrap().len(), model.asked.lock().unwrap().len()), (1, 2));
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused() {
    let about = |images| Inquiry::about(question(images));
    let cases = [
        (Inquiry { votes: 0, ..about(1) }, "ask for at least one"),
        (Inquiry { least_certainty: Some(1.5), ..about(1) }, "between 0 and 1"),
        (Inquiry { least_certainty: Some(f64::NAN), ..about(1) }, "between 0 and 1"),
        (Inquiry { least_certainty: Some(0.5), ..about(1) }, "doesn't tell how likely its words are"),
        (Inquiry { boxes: true, ..about(0) }, "no image"),
    ];
    for (inquiry, problem) in cases {
        let model = Witness::new(&[("3", None)], json!({}));
        let error = inquiry.put(&model, &mut |_| ()).await.unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
}
