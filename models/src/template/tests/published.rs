//! Templates that models were published with.

use std::{collections::BTreeSet, path::PathBuf};

use sha2::{Digest, Sha256};

use super::*;

#[derive(Deserialize)]
struct Goldens {
    now: String,
    conversations: BTreeMap<String, Given>,
    cases: Vec<Case>,
}

/// What a template is given.
#[derive(Deserialize)]
struct Given {
    messages: serde_json::Value,
    tools: serde_json::Value,
    add_generation_prompt: bool,
    variables: BTreeMap<String, serde_json::Value>,
}

/// What comes out of it, or what it says instead.
#[derive(Deserialize)]
struct Case {
    template: String,
    conversation: String,
    bytes: Option<usize>,
    sha256: Option<String>,
    refused: Option<String>,
}

impl Given {
    fn variables(&self, messages: &serde_json::Value) -> BTreeMap<&str, Value> {
        let named = self.variables.iter().map(|(name, value)| (name.as_str(), Value::from_serialize(value)));
        let mut variables: BTreeMap<&str, Value> = named.collect();
        variables.extend([
            ("messages", Value::from_serialize(messages)),
            ("tools", Value::from_serialize(&self.tools)),
            ("documents", Value::from(())),
            ("add_generation_prompt", Value::from(self.add_generation_prompt)),
        ]);
        variables
    }

    fn without_images(&self) -> serde_json::Value {
        let mut messages = self.messages.clone();
        for message in messages.as_array_mut().unwrap() {
            if let Some(parts) = message["content"].as_array_mut() {
                parts.retain(|part| part["type"] != "image");
            }
        }
        messages
    }
}

impl Goldens {
    fn of(folder: &Path) -> Self {
        serde_json::from_str(&std::fs::read_to_string(folder.join("golden.json")).unwrap()).unwrap()
    }

    /// What comes of a case's template, with the images of its conversation or without.
    fn render(&self, folder: &Path, case: &Case, images: bool) -> Result<String, ModelError> {
        let text = std::fs::read_to_string(folder.join(&case.template)).unwrap();
        let now: jiff::civil::DateTime = self.now.parse().unwrap();
        let now = now.to_zoned(jiff::tz::TimeZone::UTC).unwrap();
        let template = ChatTemplate::with_clock(&text, BTreeMap::new(), move || now.clone())?;
        let given = &self.conversations[&case.conversation];
        let messages = if images { given.messages.clone() } else { given.without_images() };
        template.render_with(given.variables(&messages))
    }

    /// Why a case isn't as transformers has it.
    fn difference(&self, folder: &Path, case: &Case) -> Option<String> {
        match (self.render(folder, case, true), &case.sha256, &case.refused) {
            (Ok(rendered), Some(sha256), None) => {
                let found = format!("{:x}", Sha256::digest(rendered.as_bytes()));
                let expected = case.bytes.unwrap();
                (found != *sha256)
                    .then(|| format!("{} bytes instead of {expected}:\n{rendered}", rendered.len()))
            }
            (Err(ModelError::Template(message)), None, Some(refused)) if message.contains(refused) => None,
            (Ok(rendered), ..) => Some(format!("it should be refused, but gave:\n{rendered}")),
            (Err(error), ..) => Some(error.to_string()),
        }
    }

    /// Whether a template has a form for images: without them it gives another text, and none that is the list of parts as
    /// Python or JSON prints it.
    fn shows_images(&self, folder: &Path, case: &Case) -> bool {
        let Ok(rendered) = self.render(folder, case, true) else { return false };
        let is_printed = ["'type': ", "\"type\": \"text\""].iter().any(|printed| rendered.contains(printed));
        !is_printed && self.render(folder, case, false).is_ok_and(|without| without != rendered)
    }
}

fn published() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/templates/published")
}

#[test]
fn published_templates_render_as_transformers_renders_them() {
    let folder = published();
    let goldens = Goldens::of(&folder);
    let differences: Vec<String> = goldens
        .cases
        .iter()
        .filter_map(|case| {
            let difference = goldens.difference(&folder, case)?;
            Some(format!("{}, {}: {difference}", case.template, case.conversation))
        })
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

/// A conversation that Python fails on with a template leaves no case: as many as there are is said here.
#[test]
fn as_many_templates_are_held_to_each_conversation_as_the_readme_says() {
    let folder = published();
    let goldens = Goldens::of(&folder);
    // How many render it, refuse it, and show its images.
    let expected = [
        ("question", [42, 0, 0]),
        ("system", [41, 0, 0]),
        ("an answer to go on with", [41, 0, 0]),
        ("no thinking", [41, 0, 0]),
        ("thinking", [41, 0, 0]),
        ("tools", [41, 0, 0]),
        ("a call and its result", [39, 0, 0]),
        ("calls", [39, 0, 0]),
        ("pictures", [26, 1, 20]),
        ("pictures in parts", [25, 1, 19]),
        ("pictures and tools", [24, 1, 16]),
    ];
    let mut found: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    let (mut templates, mut showing) = (BTreeSet::new(), BTreeSet::new());
    for case in &goldens.cases {
        let [rendered, refused, shows] = found.entry(&case.conversation).or_default();
        templates.insert(&case.template);
        *rendered += usize::from(case.sha256.is_some());
        *refused += usize::from(case.refused.is_some());
        if goldens.shows_images(&folder, case) {
            *shows += 1;
            showing.insert(&case.template);
        }
    }
    assert_eq!(found, BTreeMap::from(expected));
    assert_eq!((templates.len(), showing.len()), (42, 21), "{showing:?}");
}

#[test]
fn a_thought_is_opened_where_a_template_has_the_switch() {
    let cases = [
        ("Qwen-Qwen3-0.6B", Some("<think>\n")),
        ("Qwen3.5-4B", Some("")),
        ("GLM-4.6", Some("\n<think>")),
        ("GLM-4.7-Flash", Some("")),
        ("HuggingFaceTB-SmolLM3-3B", Some("<think>\n")),
        ("Qwen-QwQ-32B", Some("")),
        ("deepseek-ai-DeepSeek-R1-Distill-Qwen-32B", Some("")),
        ("Bielik-11B-v3.0-Instruct", Some("")),
        ("llama-cpp-rwkv-world", Some("")),
        // Its own switch is `thinking`; this copy takes the usual one too.
        ("deepseek-ai-DeepSeek-V3.1", Some("")),
        // Another switch, or none.
        ("ibm-granite-granite-4.0", None),
    ];
    let folder = published();
    let text = TemplatePart::Text { text: "Hi".into() };
    let messages = [TemplateMessage { role: "user".into(), content: vec![text] }];
    for (name, expected) in cases {
        let text = std::fs::read_to_string(folder.join(format!("{name}.jinja"))).unwrap();
        let template = ChatTemplate::new(&text, BTreeMap::new()).unwrap();
        let [on, off] = [true, false].map(|thinking| template.render(&messages, "", Some(thinking)).unwrap());
        let found = crate::inner_speech::opening(&on, &off);
        assert_eq!(found.as_deref(), expected, "{name}: {on:?} {off:?}");
        // With it the reply is inside a thought, and without a thought it isn't.
        assert_eq!(
            crate::inner_speech::is_open(&(on + found.as_deref().unwrap_or_default())),
            expected.is_some()
        );
        assert!(!crate::inner_speech::is_open(&off), "{name}");
    }
}
