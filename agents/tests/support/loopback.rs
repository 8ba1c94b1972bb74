//! A server on this machine that answers as one compatible with OpenAI's does, one reply a request.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::{Value, json};

/// What it says to one request.
#[derive(Debug, Clone)]
pub(crate) enum Says {
    /// Text, a word at a time.
    Text(&'static str),
    /// A call of this function, after a thought.
    Call(&'static str, Value),
    /// An error with this status; the request's own `authorization` stands in its message.
    Echo(u16),
}

pub(crate) struct Loopback {
    /// `openai:http://127.0.0.1:PORT/v1#small`.
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Loopback {
    pub(crate) fn new(replies: Vec<Says>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("openai:http://{}/v1#small", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        thread::spawn(move || {
            for says in replies {
                let Ok((connection, _)) = listener.accept() else { return };
                serve(connection, &says, &heard);
            }
        });
        Self { address, asked }
    }

    /// The bodies of all requests.
    pub(crate) fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(mut connection: TcpStream, says: &Says, heard: &Mutex<Vec<Value>>) {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    let (mut length, mut key, mut line) = (0, String::new(), String::new());
    while reader.read_line(&mut line).unwrap() > 2 {
        let (name, value) = line.split_once(": ").unwrap_or_default();
        match name.to_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap(),
            "authorization" => value.trim().clone_into(&mut key),
            _ => {}
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    heard.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
    let (status, kind, answer) = match says {
        Says::Text(text) => {
            let deltas = text.split_inclusive(' ').map(|word| json!({ "content": word })).collect();
            (200, "text/event-stream", stream(deltas, "stop"))
        }
        Says::Call(function, arguments) => {
            let mut whole = json!({ "thought": "I see it." });
            whole.as_object_mut().unwrap().extend(arguments.as_object().unwrap().clone());
            let call = json!({ "name": function, "arguments": whole.to_string() });
            let call = json!({ "index": 0, "id": "call_1", "type": "function", "function": call });
            (200, "text/event-stream", stream(vec![json!({ "tool_calls": [call] })], "tool_calls"))
        }
        Says::Echo(status) => {
            let error = json!({ "error": { "message": format!("You said {key}") } });
            (*status, "application/json", error.to_string())
        }
    };
    let beginning = format!(
        "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
        answer.len()
    );
    // The client may have gone away.
    let _ = connection.write_all(format!("{beginning}{answer}").as_bytes());
}

fn stream(deltas: Vec<Value>, reason: &str) -> String {
    let mut text = String::new();
    let choices = deltas.into_iter().map(|delta| json!({ "choices": [{ "index": 0, "delta": delta }] }));
    let end = [
        json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": reason }] }),
        json!({ "choices": [], "usage": { "prompt_tokens": 30, "completion_tokens": 7,
                                          "prompt_tokens_details": { "cached_tokens": 10 } } }),
    ];
    for chunk in choices.chain(end) {
        text.extend(["data: ", &chunk.to_string(), "\n\n"]);
    }
    text + "data: [DONE]\n\n"
}
