//! Tasks that are worked on many times, and scored.

use std::fs;

use serde_json::json;

use crate::{call, document, percept, scene, text};

#[test]
fn an_evaluation_scores_tasks_and_compares_two_settings() {
    let folder = scene(&[call("finish", json!({ "answer": "42" }))], "[done]\nanswer = \"42\"");
    let arguments = ["eval", "tasks", ".", "--episodes", "3", "--seed", "5", "--out", "e", "--json"];
    let against = [&arguments[..], &["--against", "done.answer = \"43\"\nlimits.steps = 1"]].concat();
    let output = percept(&against, folder.path());
    let told = document(&output);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!((&told["mean_success"], &told["against"]["mean_success"]), (&json!(1.0), &json!(0.0)));
    assert_eq!((&told["difference"]["won"], &told["difference"]["pairs"]), (&json!(3), &json!(3)));
    let score = &told["tasks"][0];
    assert_eq!((&score["task"], &score["successes"]), (&json!("task"), &json!(3)));
    let seeds: Vec<_> = told["episodes"].as_array().unwrap().iter().map(|episode| &episode["seed"]).collect();
    assert_eq!(seeds, [5, 6, 7]);
    let report = fs::read_to_string(folder.path().join("e/report.html")).unwrap();
    for part in ["What failed", "href=\"against/task-5/report.html\"", "+100 points"] {
        assert!(report.contains(part), "{part}");
    }
    let replays = percept(&["replay", "e/episodes/task-5", "e/against/task-7"], folder.path());
    assert_eq!(replays.status.code(), Some(0), "{}", text(&replays.stdout));

    for (arguments, problem) in [
        (vec!["eval", "tasks", "task.toml", "task.toml"], "two task files are named task"),
        (vec!["eval", "tasks", "e"], "there is no task file"),
        (vec!["eval", "tasks", "task.toml", "--against", "done.anser = 1"], "unknown key `anser`"),
        (vec!["eval", "tasks", "task.toml", "--against", "done."], "(what is set instead):1:6"),
        (vec!["eval", "tasks", "task.toml", "--episodes", "0"], "write 1 or more"),
    ] {
        let output = percept(&arguments, folder.path());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains(problem), "{arguments:?}: {}", text(&output.stderr));
    }
}

/// A page that keeps the protocol of MiniWoB++'s, written for this test: a button whose reward is given.
fn page(reward: f64) -> String {
    format!(
        "<!doctype html><body style='margin:0'><div id=wrap><div id=query></div><div id=area></div></div>\n\
         <div id=reward-display style='width:300px;height:300px'></div><script>\n\
         var WOB_TASK_READY = false, WOB_DONE_GLOBAL = false, WOB_RAW_REWARD_GLOBAL = 0;\n\
         Math.seedrandom = seed => {{ Math.random = () => (seed * 37 % 100) / 100; }};\n\
         var core = {{ getUtterance: () => document.getElementById('query').textContent.trim(),\n\
           startEpisodeReal() {{\n\
             document.getElementById('query').textContent = 'Click the button.';\n\
             const left = Math.floor(Math.random() * 100);\n\
             document.getElementById('area').innerHTML = `<button style='margin-left:${{left}}px'>Go</button>`;\n\
             document.querySelector('button').onclick = () => {{\n\
               WOB_RAW_REWARD_GLOBAL = {reward}; WOB_DONE_GLOBAL = true; }};\n\
             setTimeout(() => WOB_TASK_READY = true, 120);\n\
         }} }};</script>"
    )
}

#[test]
fn pages_that_score_themselves_are_worked_on() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("pages/miniwob");
    fs::create_dir_all(&pages).unwrap();
    fs::write(pages.join("whole.html"), page(1.0)).unwrap();
    fs::write(pages.join("half.html"), page(0.5)).unwrap();
    fs::write(pages.join("odd.html"), page(1.0).replace("Click the button.", "Do as you like.")).unwrap();
    let arguments = "eval miniwob --pages pages --tasks whole,half,odd --oracle --episodes 2 --json --out e";
    let output = percept(&arguments.split(' ').collect::<Vec<_>>(), folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let told = document(&output);
    let rows: Vec<_> = told["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (row["task"].as_str().unwrap(), row["success"].as_f64().unwrap(), row["reward"].as_f64().unwrap())
        })
        .collect();
    assert_eq!(rows, [("whole", 1.0, 1.0), ("half", 0.0, 0.5), ("odd", 0.0, 0.0)]);
    let points: Vec<_> = [0, 1]
        .map(|seed| {
            fs::read_to_string(folder.path().join(format!("e/episodes/whole-{seed}/journal.jsonl"))).unwrap()
        })
        .iter()
        .map(|journal| journal.split("\"point\":[").nth(1).unwrap().split(']').next().unwrap().to_owned())
        .collect();
    assert_ne!(points[0], points[1], "another seed is another page");
    assert!(
        told["episodes"][4]["result"]["reason"].as_str().unwrap().contains("no rule for: Do as you like.")
    );

    let output = percept(&["eval", "miniwob", "--pages", "pages", "--tasks", "whole,none"], folder.path());
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("none.html"), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("pip download miniwob"), "{}", text(&output.stderr));
}
