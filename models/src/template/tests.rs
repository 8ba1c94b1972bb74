//! Templates against what transformers renders.

mod published;

use serde::Deserialize;

use super::*;

/// A template, what it is given, and what transformers renders.
#[derive(Deserialize)]
struct Golden {
    template: String,
    name: String,
    messages: serde_json::Value,
    tools: serde_json::Value,
    add_generation_prompt: bool,
    variables: BTreeMap<String, serde_json::Value>,
    now: String,
    rendered: Option<String>,
    refused: Option<String>,
}

fn check(golden: &Golden) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/templates");
    let text = std::fs::read_to_string(folder.join(&golden.template)).unwrap();
    let now: jiff::civil::DateTime = golden.now.parse().unwrap();
    let now = now.to_zoned(jiff::tz::TimeZone::UTC).unwrap();
    let template = ChatTemplate::with_clock(&text, BTreeMap::new(), move || now.clone()).unwrap();
    let mut variables = BTreeMap::from([
        ("messages", Value::from_serialize(&golden.messages)),
        ("tools", Value::from_serialize(&golden.tools)),
        ("documents", Value::from(())),
        ("add_generation_prompt", Value::from(golden.add_generation_prompt)),
    ]);
    variables
        .extend(golden.variables.iter().map(|(name, value)| (name.as_str(), Value::from_serialize(value))));
    let rendered = template.render_with(variables);
    let case = format!("{}: {}", golden.template, golden.name);
    match (&golden.rendered, &golden.refused, rendered) {
        (Some(expected), None, Ok(rendered)) => assert_eq!(rendered, *expected, "{case}"),
        (None, Some(refused), Err(ModelError::Template(message))) => {
            assert!(message.contains(refused), "{case}: {message}");
        }
        (_, _, other) => panic!("{case}: {other:?}"),
    }
}

#[test]
fn templates_render_as_transformers_renders_them() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/templates/golden.json");
    let goldens: Vec<Golden> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(goldens.len() > 20);
    goldens.iter().for_each(check);
}

#[test]
fn generation_tags_leave_what_they_mark() {
    let cases = [
        ("a{% generation %}b{% endgeneration %}c", "abc"),
        ("a {%- generation -%} b {%- endgeneration -%} c", "abc"),
        ("{% if add_generation_prompt %}x{% endif %}", "x"),
        ("{% for m in messages %}{%generation%}{{ m.role }}{%endgeneration%}{% endfor %}", "user"),
    ];
    for (text, expected) in cases {
        let template = ChatTemplate::new(text, BTreeMap::new()).unwrap();
        let message = TemplateMessage { role: "user".into(), content: Vec::new() };
        assert_eq!(template.render(&[message], "<image>", None).unwrap(), expected, "{text}");
    }
}

#[test]
fn a_template_that_knows_no_parts_gets_text() {
    let message = TemplateMessage {
        role: "user".into(),
        content: vec![TemplatePart::Image, TemplatePart::Text { text: "Hi".into() }],
    };
    let cases = [
        ("{{ messages[0].content }}", "<image>Hi"),
        (
            "{% for part in messages[0].content %}{{ part.text if part.type == 'text' else '[i]' }}{% endfor %}",
            "[i]Hi",
        ),
    ];
    for (text, expected) in cases {
        let template = ChatTemplate::new(text, BTreeMap::new()).unwrap();
        assert_eq!(template.render(std::slice::from_ref(&message), "<image>", None).unwrap(), expected);
    }
}

#[test]
fn what_isnt_a_template_is_an_error_with_its_line() {
    let error = ChatTemplate::new("a\n{% for %}", BTreeMap::new()).unwrap_err().to_string();
    assert!(error.starts_with("chat template:") && error.ends_with("(line 2)"), "{error}");
}
