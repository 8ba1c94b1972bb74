//! Templates that models were published with.

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
    fn variables(&self) -> BTreeMap<&str, Value> {
        let named = self.variables.iter().map(|(name, value)| (name.as_str(), Value::from_serialize(value)));
        let mut variables: BTreeMap<&str, Value> = named.collect();
        variables.extend([
            ("messages", Value::from_serialize(&self.messages)),
            ("tools", Value::from_serialize(&self.tools)),
            ("documents", Value::from(())),
            ("add_generation_prompt", Value::from(self.add_generation_prompt)),
        ]);
        variables
    }
}

/// Why a case isn't as transformers has it.
fn difference(folder: &Path, goldens: &Goldens, case: &Case) -> Option<String> {
    let text = std::fs::read_to_string(folder.join(&case.template)).unwrap();
    let now: jiff::civil::DateTime = goldens.now.parse().unwrap();
    let now = now.to_zoned(jiff::tz::TimeZone::UTC).unwrap();
    let template = match ChatTemplate::with_clock(&text, BTreeMap::new(), move || now.clone()) {
        Ok(template) => template,
        Err(error) => return Some(error.to_string()),
    };
    let rendered = template.render_with(goldens.conversations[&case.conversation].variables());
    match (rendered, &case.sha256, &case.refused) {
        (Ok(rendered), Some(sha256), None) => {
            let found = format!("{:x}", Sha256::digest(rendered.as_bytes()));
            let expected = case.bytes.unwrap();
            (found != *sha256).then(|| format!("{} bytes instead of {expected}:\n{rendered}", rendered.len()))
        }
        (Err(ModelError::Template(message)), None, Some(refused)) if message.contains(refused) => None,
        (Ok(rendered), ..) => Some(format!("it should be refused, but gave:\n{rendered}")),
        (Err(error), ..) => Some(error.to_string()),
    }
}

#[test]
fn published_templates_render_as_transformers_renders_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/templates/published");
    let text = std::fs::read_to_string(folder.join("golden.json")).unwrap();
    let goldens: Goldens = serde_json::from_str(&text).unwrap();
    let differences: Vec<String> = goldens
        .cases
        .iter()
        .filter_map(|case| {
            let difference = difference(&folder, &goldens, case)?;
            Some(format!("{}, {}: {difference}", case.template, case.conversation))
        })
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
    let templates: std::collections::BTreeSet<&str> =
        goldens.cases.iter().map(|case| case.template.as_str()).collect();
    assert!(templates.len() >= 20 && goldens.cases.iter().any(|case| case.sha256.is_some()));
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
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/templates/published");
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
