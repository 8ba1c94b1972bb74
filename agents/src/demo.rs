//! The demo: the bundled model logs in on a bundled page, in a real browser.

use std::{collections::BTreeMap, fs, path::Path};

use crate::{
    Choose, JournalError, Limits, Reflect, RunFolder, Task,
    task::{DEFAULT_MODEL, DoneChoice, PolicyChoice, ScreenChoice, ThinkingChoice, ToolChoice},
};

/// The page. Its names are filled in when it is written.
const PAGE: &str = include_str!("demo/login.html");
/// Its file in the run folder.
const PAGE_FILE: &str = "demo.html";

/// Who logs in, and with what; the seed chooses.
const PEOPLE: [(&str, &str); 6] = [
    ("ada", "lovelace"),
    ("grace", "hopper"),
    ("alan", "turing"),
    ("mary", "somerville"),
    ("carl", "gauss"),
    ("emmy", "noether"),
];

/// Writes the demo's page into a run folder, which is made if need be, and returns the task on it.
///
/// # Errors
///
/// [`JournalError::Occupied`] if the folder holds a run, [`JournalError::File`] if it can't be written.
pub fn prepare(folder: &Path, seed: u64) -> Result<Task, JournalError> {
    let (name, password) = PEOPLE[(seed % PEOPLE.len() as u64) as usize];
    let folder = RunFolder::create(folder)?;
    let path = folder.path().join(PAGE_FILE);
    let page = PAGE.replace("{{name}}", name).replace("{{password}}", password);
    fs::write(&path, page).map_err(JournalError::file(&path))?;
    let path = fs::canonicalize(&path).map_err(JournalError::file(&path))?;
    Ok(Task {
        task: format!(
            "Log in as \"{name}\" with the password \"{password}\", tick \"Remember me\" and press \"Sign in\"."
        ),
        model: percept_models::ModelAddress::Bundled {
            name: DEFAULT_MODEL.trim_start_matches("bundled:").into(),
            precision: None,
        },
        device: percept_runtime::Device::Auto,
        context: None,
        seed,
        screen: ScreenChoice::Browser {
            browser: path.display().to_string(),
            size: Some([160, 208]),
            scale: 1.0,
        },
        thinking: ThinkingChoice {
            style: None,
            plan: false,
            reflect: Reflect::OnFailure,
            votes: 1,
            choose: Choose::Majority,
            think: None,
            prompts: None,
            demonstrations: Vec::new(),
        },
        prices: None,
        limits: Limits::default(),
        tools: ToolChoice { allow: Some(["click", "type_text", "finish"].map(Into::into).to_vec()) },
        policy: PolicyChoice::default(),
        secrets: BTreeMap::new(),
        agents: BTreeMap::new(),
        memory: None,
        done: DoneChoice { text_visible: vec![format!("Welcome, {name}")], ..DoneChoice::default() },
    })
}
