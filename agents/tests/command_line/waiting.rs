//! Questions to a person that wait on the disk, and answers that are withheld.

use serde_json::json;

use crate::{call, document, percept, scene, text};

#[test]
fn a_question_waits_on_the_disk_until_somebody_answers() {
    let folder = scene(&[call("finish", json!({ "answer": "42" }))], "[policy]\nask = [\"finish\"]");
    for (run, word, code, outcome) in [
        ("a", ["--approve"].as_slice(), 0, "done"),
        ("b", ["--deny", "not today"].as_slice(), 4, "refused"),
        ("c", [].as_slice(), 6, "waiting"),
    ] {
        let output = percept(&["run", "task.toml", "--json", "--out", run], folder.path());
        assert_eq!(output.status.code(), Some(6), "{}", text(&output.stderr));
        let output = percept(&[&["resume", run, "--json"], word].concat(), folder.path());
        let result = document(&output);
        assert_eq!((output.status.code(), &result["outcome"]), (Some(code), &json!(outcome)), "{result}");
        assert_eq!(result["reason"].as_str().unwrap().contains("not today"), run == "b", "{result}");
    }
    let over = percept(&["resume", "a", "--approve"], folder.path());
    assert_eq!(over.status.code(), Some(2));
    assert!(text(&over.stderr).contains("nothing in this run waits"), "{}", text(&over.stderr));
}

#[test]
fn what_a_models_vendor_wants_confirmed_waits_on_the_disk_where_the_task_asks_and_else_is_refused() {
    let mut concern = call("finish", json!({ "answer": "41" }));
    concern["concern"] = json!("It ends the run");
    let script = [concern, call("finish", json!({ "answer": "42" }))];
    // Whoever asks about anything asks about that too.
    for lines in ["confirm = true", "ask = [\"wait\"]"] {
        let folder = scene(&script, &format!("[policy]\n{lines}\n[thinking]\nreflect = \"never\""));
        let output = percept(&["run", "task.toml", "--json", "--out", "a"], folder.path());
        assert_eq!(output.status.code(), Some(6), "{}", text(&output.stderr));
        let result = document(&percept(&["resume", "a", "--json", "--approve"], folder.path()));
        assert_eq!((&result["outcome"], &result["answer"]), (&json!("done"), &json!("41")), "{result}");
    }
    let folder = scene(&script, "[thinking]\nreflect = \"never\"");
    let result = document(&percept(&["run", "task.toml", "--json", "--out", "a"], folder.path()));
    assert_eq!((&result["outcome"], &result["answer"]), (&json!("done"), &json!("42")), "{result}");
    let journal = std::fs::read_to_string(folder.path().join("a/journal.jsonl")).unwrap();
    assert!(journal.contains("wants a person to confirm this first (It ends the run)"), "{journal}");
}

#[test]
fn a_limit_that_asks_waits_on_the_disk_too() {
    let wait = || call("wait", json!({ "seconds": 0 }));
    let script = [wait(), wait(), call("finish", json!({ "answer": "42" }))];
    let folder = scene(&script, "[limits]\nsteps = 2\nat_limit = \"ask\"");
    for (run, word, code, outcome) in
        [("a", ["--approve"].as_slice(), 0, "done"), ("b", ["--deny"].as_slice(), 3, "limit")]
    {
        let output = percept(&["run", "task.toml", "--json", "--out", run], folder.path());
        let result = document(&output);
        let reason =
            "2 steps were taken, and more waits for a person's word: resume with --approve or --deny";
        assert_eq!((output.status.code(), &result["reason"]), (Some(6), &json!(reason)));
        let output = percept(&[&["resume", run, "--json"], word].concat(), folder.path());
        let result = document(&output);
        assert_eq!((output.status.code(), &result["outcome"]), (Some(code), &json!(outcome)), "{result}");
    }
}

#[test]
fn a_question_is_answered_by_the_majority_or_not_at_all() {
    let says = |text: &str| json!({ "text": text });
    let folder = scene(&[says("Three."), says("4"), says("3")], "");
    let ask = |least: &str| {
        let asked = ["ask", "scripted:script.json", "How many?", "--votes", "3", "--least", least, "--json"];
        percept(&asked, folder.path())
    };
    for (least, code, answer) in [("0.6", 0, json!("Three.")), ("0.7", 1, json!(null))] {
        let output = ask(least);
        let said = document(&output);
        assert_eq!((output.status.code(), &said["text"]), (Some(code), &answer), "{said}");
        assert_eq!((&said["agreeing"], &said["abstained"]), (&json!(2), &json!(answer.is_null())));
    }
    let wrong = ask("2");
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("a certainty lies between 0 and 1"), "{}", text(&wrong.stderr));
}
