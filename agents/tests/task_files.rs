//! Task files: what they mean, and what is said of every mistake.
#![allow(
    clippy::too_many_lines,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "what fails in a test's own helpers fails the test"
)]

use std::{fs, path::Path};

use percept::{
    AnswerCheck, AtLimit, Choose, ElementCheck, FileCheck, Grounds, Limits, Prices, Reflect, Rule, Style,
    Task, UrlCheck,
    models::ModelAddress,
    runtime::Device,
    task::{ScreenChoice, SecretChoice, SecretSource},
};
use serde_json::json;
use tempfile::TempDir;

/// A folder with what task files can refer to.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("page.html"), "<p>Hello").unwrap();
    fs::write(folder.path().join("shot.png"), "").unwrap();
    fs::write(folder.path().join("script.json"), "[]").unwrap();
    fs::create_dir(folder.path().join("model")).unwrap();
    folder
}

fn parse(text: &str, folder: &Path) -> Result<Task, percept::TaskError> {
    let path = folder.join("task.toml");
    fs::write(&path, text).unwrap();
    Task::read(&path)
}

#[test]
fn a_short_file_is_filled_in() {
    let folder = folder();
    let task = parse("task = \"Press OK.\"", folder.path()).unwrap();
    assert_eq!(task.model.to_string(), "bundled:glance");
    assert_eq!((task.device, task.seed, task.limits), (Device::Auto, 0, Limits::default()));
    assert_eq!(task.screen, ScreenChoice::Nothing {});
    assert_eq!((task.thinking.style, task.thinking.reflect), (None, Reflect::OnFailure));
    assert_eq!(task.tools.allow, None);
}

const WHOLE: &str = r#"
task   = "Log in as ada."
model  = "scripted:script.json"
device = "webgpu"
context = 4096
seed   = 7
[screen]
browser = "page.html"
size    = [332, 214]
scale   = 1.5
[thinking]
style   = "react"
plan    = true
reflect = "every-step"
votes   = 3
choose  = "judge"
[limits]
steps = 12
tokens = 4000
seconds = 60
cost = 0.5
at_limit = "ask"
[prices]
fresh = 2.5
cached = 0.25
output = 10
[tools]
allow = ["click", "type_text", "finish"]
[policy]
ask   = ["changes", { tool = "finish", argument = "answer", matches = "^[0-9]+$" }]
allow = ["click"]
refuse = [{ host = "*.example.net" }, "type_text"]
hosts = ["example.org"]
[secrets]
password = { env = "PORTAL_PASSWORD", hosts = ["example.org"] }
pin = { file = "shot.png" }
[done]
text_visible = ["Welcome, ada", "Sign out"]
url = { contains = "home" }
answer = { schema = { type = "integer" } }
element = { role = "checkbox", name = "News", checked = true }
file = [{ path = "order.json", contains = "17" }, { path = "log.txt" }]
judge = "Is ada welcomed?"
grounds = { certainty = 0.6, visible = true }
"#;

#[test]
fn a_whole_file_means_what_it_says() {
    let folder = folder();
    let task = parse(WHOLE, folder.path()).unwrap();
    let here = fs::canonicalize(folder.path()).unwrap();
    assert_eq!(task.model, ModelAddress::Scripted(here.join("script.json")));
    assert_eq!((&task.device, task.seed), (&Device::WebGpu(0), 7));
    assert_eq!(task.context.map(std::num::NonZeroUsize::get), Some(4096));
    let browser = here.join("page.html").display().to_string();
    assert_eq!(task.screen, ScreenChoice::Browser { browser, size: Some([332, 214]), scale: 1.5 });
    assert_eq!((task.thinking.style, task.thinking.reflect), (Some(Style::React), Reflect::EveryStep));
    assert!(task.thinking.plan);
    assert_eq!((task.thinking.votes, task.thinking.choose), (3, Choose::Judge));
    let (cost, at_limit) = (Some(0.5), AtLimit::Ask);
    assert_eq!(
        task.limits,
        Limits { steps: 12, tokens: 4000, seconds: 60, cost, at_limit, ..Limits::default() }
    );
    assert_eq!(task.prices, Some(Prices { fresh: 2.5, cached: 0.25, output: 10.0 }));
    let answered = Rule {
        tool: Some("finish".into()),
        argument: Some("answer".into()),
        matches: Some("^[0-9]+$".into()),
        ..Rule::default()
    };
    assert_eq!(task.policy.ask, ["changes".into(), answered]);
    assert_eq!(task.policy.allow, ["click".into()]);
    let elsewhere = Rule { host: Some("*.example.net".into()), ..Rule::default() };
    assert_eq!(task.policy.refuse, [elsewhere, "type_text".into()]);
    let secret = |source, hosts: &[&str]| SecretChoice {
        source,
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
    };
    let password = secret(SecretSource::Env("PORTAL_PASSWORD".into()), &["example.org"]);
    assert_eq!(task.secrets["password"], password);
    assert_eq!(task.secrets["pin"], secret(SecretSource::File(here.join("shot.png")), &[]));
    let evidence = task.evidence();
    assert_eq!(evidence.text_visible, ["Welcome, ada", "Sign out"]);
    assert_eq!(evidence.url, Some(UrlCheck::Contains("home".into())));
    assert_eq!(evidence.answer, Some(AnswerCheck::Schema(json!({ "type": "integer" }))));
    let ticked = ElementCheck {
        role: Some("checkbox".into()),
        name: Some("News".into()),
        checked: Some(true),
        ..ElementCheck::default()
    };
    assert_eq!(evidence.elements, [ticked]);
    let order = folder.path().join("order.json");
    let order = FileCheck { path: order, contains: Some("17".into()), ..FileCheck::default() };
    let log = FileCheck { path: folder.path().join("log.txt"), ..FileCheck::default() };
    assert_eq!(evidence.files, [order, log]);
    assert_eq!(evidence.judge.as_deref(), Some("Is ada welcomed?"));
    let grounds = Grounds { certainty: Some(0.6), visible: true, seen_at: false };
    assert_eq!(evidence.grounds, Some(grounds));
}

#[test]
fn a_task_as_meant_is_a_task_file_that_means_the_same() {
    let folder = folder();
    for text in [WHOLE, "task = \"Press OK.\"", "task = \"Look.\"\n[screen]\nimage = \"shot.png\""] {
        let task = parse(text, folder.path()).unwrap();
        assert_eq!(parse(&task.to_toml().unwrap(), folder.path()).unwrap(), task);
    }
}

#[test]
fn every_mistake_is_named_with_its_line_and_a_remedy() {
    let folder = folder();
    let cases = [
        (
            "percept = \"99.1\"\ntask = \"x\"\nnew = 3",
            "1:11: this file is for Percept 99.1, and this is Percept ",
            "bring Percept up to date",
        ),
        ("percept = \"new\"\ntask = \"x\"", "1:11: `new` is no version", "write percept = \""),
        (
            "task = \"x\"\n[limits]\ncost = 0.5",
            "3:8: a limit on cost needs the prices of the model's tokens",
            "add prices = { fresh",
        ),
        (
            "task = \"x\"\nprices = { fresh = 1, cached = 1, output = 1 }\n[limits]\ncost = 0.0",
            "4:8: a run that may cost nothing would end before it begins",
            "write more than 0",
        ),
        (
            "task = \"x\"\nprices = { fresh = 1, cached = 1, output = -1 }",
            "2:10: the price of output tokens is -1",
            "write what a million tokens cost",
        ),
        ("task = \"x\"\nprices = { fresh = 1 }", "2:10: the key `cached` is missing", ""),
        ("task = \"x\"\n[limits]\nat_limit = \"asks\"", "3:12: unknown value `asks`", "did you mean `ask`?"),
        (
            "task = \"x\"\n[done]\ngrounds = { visible = true }",
            "3:11: `visible` can't be checked: only a page has it",
            "add a browser",
        ),
        (
            "task = \"x\"\n[done]\ngrounds = { seen_at = true }",
            "3:11: `seen_at` can't be checked: there is no screen",
            "add a browser or an image",
        ),
        (
            "task = \"x\"\n[done]\ngrounds = { certainty = 2 }",
            "3:11: the answer is certain to at least 2 can't be checked: a certainty lies above 0",
            "write { certainty = 0.6",
        ),
        (
            "task = \"x\"\n[done]\ngrounds = {}",
            "3:11: an answer's grounds can't be checked: they ask for nothing",
            "",
        ),
        ("modle = 3", "1:1: unknown key `modle`", "did you mean `model`?"),
        (
            "seed = 3",
            "1:1: the key `task` is missing",
            "say what is to be done: task = \"Click the OK button.\"",
        ),
        ("task = \"  \"", "1:8: the task is empty", "say what is to be done, in words"),
        ("task = 3", "1:8: this is an integer 3, not a string", "write a string"),
        (
            "task = \"x\"\nseed = \"seven\"",
            "2:8: this is a string \"seven\", not a whole number, 0 or more",
            "write a whole number, 0 or more",
        ),
        ("task = \"x\"\nseed = -1", "2:8: integer `-1` is out of range", "write a whole number, 0 or more"),
        ("task = \"x", "1:10: invalid basic string", "the file is written in TOML"),
        ("task = \"x\"\ncontext = 0", "2:11: a context of no tokens", "write 1 or more"),
        ("task = \"x\"\ndevice = \"gpu\"", "2:10: no device is named `gpu`", "there are: auto, cpu, cuda:N"),
        (
            "task = \"x\"\nmodel = \"bundled:glans\"",
            "2:9: no model named `glans` comes with this program",
            "there is glance",
        ),
        (
            "task = \"x\"\nmodel = \"hub:name\"",
            "2:9: `name`: no organisation and name of a model",
            "name bundled:glance",
        ),
        ("task = \"x\"\nmodel = \"nowhere\"", "2:9: ", "paths are relative to the task file"),
        (
            "task = \"x\"\n[screen]\nbrowser = \"nowhere.html\"",
            "3:11: ",
            "paths are relative to the task file",
        ),
        (
            "task = \"x\"\n[screen]\ndesktop = \":99\"",
            "3:11: a desktop as a screen isn't in this version of Percept",
            "leave it out",
        ),
        (
            "task = \"x\"\n[screen]\nbrowser = \"page.html\"\nimage = \"shot.png\"",
            "4:9: a screen is either a browser or an image, not both",
            "leave one of them out",
        ),
        (
            "task = \"x\"\n[screen]\nbrowser = \"page.html\"\nsize = [0, 9]",
            "4:8: a screen of 0×9 can't be shown",
            "write two numbers",
        ),
        (
            "task = \"x\"\n[screen]\nbrowser = \"page.html\"\nsize = [9]",
            "4:8: ",
            "write two numbers: [width, height]",
        ),
        (
            "task = \"x\"\n[screen]\nbrowser = \"page.html\"\nscale = 0.0",
            "4:9: a scale of 0 can't be shown",
            "write a number from 0.25 to 4",
        ),
        (
            "task = \"x\"\n[screen]\nsize = [9, 9]",
            "3:8: a size or scale needs a browser",
            "add browser = \"page.html\"",
        ),
        (
            "task = \"x\"\n[screen]\nbrowser = \"https://example.org\"",
            "3:11: the page is on example.org, and this task may reach no host",
            "allow it: [policy] hosts = [\"example.org\"]",
        ),
        (
            "task = \"x\"\n[thinking]\nvotes = 16",
            "3:9: 16 votes can't be held",
            "write a number from 1 to 15",
        ),
        (
            "task = \"x\"\n[thinking]\nstyle = \"reakt\"",
            "3:9: unknown value `reakt`",
            "did you mean `react`?",
        ),
        (
            "task = \"x\"\n[tools]\nplugins = [{ wasm = \"w.wasm\" }]",
            "3:11: `plugins` isn't in this version of Percept",
            "leave it out",
        ),
        (
            "task = \"x\"\n[tools]\nallow = [\"click\", \"clik\"]",
            "3:19: no tool is named `clik`",
            "did you mean `click`?",
        ),
        (
            "task = \"x\"\n[tools]\nallow = []",
            "3:9: no tool is allowed, so nothing could be done",
            "name at least one tool",
        ),
        ("task = \"x\"\n[tools]\nalow = []", "3:1: unknown key `alow`", "did you mean `allow`?"),
        (
            "task = \"x\"\n[policy]\nask = [\"change\"]",
            "3:8: no tool is named `change`",
            "did you mean `changes`?",
        ),
        (
            "task = \"x\"\n[policy]\nrefuse = [{ tol = \"click\" }]",
            "3:13: unknown key `tol`",
            "did you mean `tool`?",
        ),
        (
            "task = \"x\"\n[policy]\nrefuse = [{ matches = \"(\" }]",
            "3:11: `(` is no regular expression",
            "see “Rights” in the README",
        ),
        (
            "task = \"x\"\n[secrets]\npin = { env = \"A\", file = \"b\" }",
            "3:7: `pin` must say what holds its value, and in one way",
            "write { env = \"NAME\" }",
        ),
        (
            "task = \"x\"\n[screen]\nbrowser = \"page.html\"\n[done]\nelement = { checked = true }",
            "5:11: an element is ticked can't be checked: it has neither a role nor a name",
            "say its role or its name",
        ),
        (
            "task = \"x\"\n[done]\njudge = \"Is it so?\"",
            "3:9: `judge` can't be checked: only a page has it",
            "add a browser",
        ),
        (
            "task = \"x\"\n[limits]\nsteps = 0",
            "3:9: a limit of zero would end the run before it begins",
            "write 1 or more",
        ),
        (
            "task = \"x\"\n[limits]\nmemory = 3",
            "3:1: unknown key `memory`",
            "known here: steps, tokens, seconds",
        ),
        (
            "task = \"x\"\n[done]\ntext_visible = \"y\"",
            "3:16: `text_visible` can't be checked: only a page has it",
            "add a browser to [screen]",
        ),
        (
            "task = \"x\"\n[screen]\nbrowser = \"page.html\"\n[done]\ntext_visible = \" \"",
            "5:16: an empty text is always visible",
            "name a text that proves something",
        ),
        (
            "task = \"x\"\n[screen]\nbrowser = \"page.html\"\n[done]\ntext_visible = 3",
            "5:16: this is an integer 3, not one value or a list of them",
            "",
        ),
        (
            "task = \"x\"\n[done]\nanswer = { schema = { type = \"numbr\" } }",
            "3:10: ",
            "see https://json-schema.org",
        ),
    ];
    for (text, problem, remedy) in cases {
        let error = parse(text, folder.path()).expect_err(text);
        let said = error.to_string();
        let (_, said) = said.split_once("task.toml:").expect(text);
        assert!(said.starts_with(problem), "{text}\nsays: {said}\nnot:  {problem}");
        assert!(error.remedy.starts_with(remedy), "{text}\nhelp: {}\nnot:  {remedy}", error.remedy);
        let place = error.place.unwrap();
        assert_eq!(Some(place.text.as_str()), text.lines().nth(place.line - 1), "{text}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = folder();
    fs::write(folder.path().join("binary.toml"), [0xff, 0xfe]).unwrap();
    let cases = [
        ("missing.toml", "there is no such file"),
        ("model", "this is a folder, not a file"),
        ("binary.toml", "this is not a text file in UTF-8"),
    ];
    for (name, problem) in cases {
        let path = folder.path().join(name);
        let error = Task::read(&path).unwrap_err();
        assert_eq!(error.to_string(), format!("{}: {problem}", path.display()));
    }
}
