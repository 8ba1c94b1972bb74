//! Standard output that nobody reads any more, as behind `| head`: the program ends, and has nothing to say about it.
#![cfg(unix)]

use std::{
    io::{Read, Write},
    net::TcpListener,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{call, percept, scene, text};

#[test]
fn a_command_whose_reader_left_ends_quietly_as_by_the_signal() {
    let folder = scene(&[call("finish", json!({ "answer": "42" }))], "");
    let written = percept(&["run", "task.toml", "--out", "before"], folder.path());
    assert_eq!(written.status.code(), Some(0), "{}", text(&written.stderr));
    let cases: [&[&str]; 9] = [
        &["tools", "list"],
        &["tools", "schema"],
        &["models", "list"],
        &["models", "list", "--json"],
        &["run", "task.toml", "--out", "r", "--json"],
        &["replay", "before"],
        &["report", "before"],
        &["memory", "add", "memory.db", "before"],
        // What failed says so on the other stream, with its own code.
        &["models", "inspect", "nowhere", "--json"],
    ];
    for arguments in cases {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let child = Command::new(env!("CARGO_BIN_EXE_percept"))
            .args(arguments)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.wait_with_output().unwrap();
        let said = text(&output.stderr);
        let failed = arguments.contains(&"nowhere");
        assert_eq!(output.status.code(), Some(if failed { 2 } else { 141 }), "{arguments:?}: {said}");
        assert_eq!(said.contains("error:"), failed, "{arguments:?}: {said}");
        assert!(!said.contains("ipe"), "{arguments:?}: {said}");
    }
    // The run itself was done and recorded.
    let output = percept(&["replay", "r"], folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

/// How long the server would go on with its reply.
const WHOLE: Duration = Duration::from_secs(20);

#[test]
fn an_answer_that_nobody_reads_on_isnt_written_to_its_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let model = format!("openai:http://{}/v1#small", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut request = [0; 1 << 12];
        assert!(connection.read(&mut request).unwrap() > 0);
        let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\n\r\n";
        let word = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"word \"}}]}\n\n";
        connection.write_all(head.as_bytes()).unwrap();
        let pause = Duration::from_millis(50);
        for _ in 0..WHOLE.as_millis() / pause.as_millis() {
            // Whoever asked went away.
            if connection.write_all(word.as_bytes()).is_err() {
                return;
            }
            thread::sleep(pause);
        }
    });
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let begun = Instant::now();
    let child = Command::new(env!("CARGO_BIN_EXE_percept"))
        .args(["ask", &model, "How many?"])
        .env("OPENAI_API_KEY", "none")
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(141), "{}", text(&output.stderr));
    assert!(begun.elapsed() < WHOLE / 2, "{:?}", begun.elapsed());
    server.join().unwrap();
}
