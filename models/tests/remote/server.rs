//! A server on this machine that says what it is told to, and remembers what it was asked.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use percept_models::{ModelAddress, Pace, Patience, RemoteModel, RemoteOptions};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Notify, mpsc},
};

/// What stands for each API's key.
pub(crate) const SECRET: &str = "sk-lovelace-1843-analytical";

/// One answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    end: End,
    /// From which byte on it comes only when somebody says so.
    held: Option<(usize, Arc<Notify>)>,
}

/// What happens after the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    /// The connection is torn down before the announced length is reached.
    Cut,
    /// Nothing more comes, and the connection stays.
    Hang,
}

impl Answer {
    pub(crate) fn new(status: u16, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".into(), kind.into())];
        Self { status, headers, body: body.into(), end: End::Whole, held: None }
    }

    pub(crate) fn stream(body: impl Into<Vec<u8>>) -> Self {
        Self::new(200, "text/event-stream; charset=utf-8", body)
    }

    /// A file under `tests/data/remote`.
    pub(crate) fn file(name: &str) -> Self {
        let path = format!("{}/tests/data/remote/{name}.sse", env!("CARGO_MANIFEST_DIR"));
        Self::stream(std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}")))
    }

    pub(crate) fn error(status: u16, body: &str) -> Self {
        Self::new(status, "application/json", body)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// A connection that is torn down before a word was said.
    pub(crate) fn none() -> Self {
        Self::new(0, "", "")
    }

    /// Only what stands before this text, then a connection that is torn down.
    pub(crate) fn cut(self, before: &str) -> Self {
        Self { body: self.until(before), end: End::Cut, ..self }
    }

    /// All of it, then a connection that is torn down before its announced end.
    pub(crate) fn torn(self) -> Self {
        Self { end: End::Cut, ..self }
    }

    /// Only what stands before this text, then nothing.
    pub(crate) fn hanging(self, before: &str) -> Self {
        Self { body: self.until(before), end: End::Hang, ..self }
    }

    /// All of it, then nothing, although more was announced.
    pub(crate) fn silent(self) -> Self {
        Self { end: End::Hang, ..self }
    }

    /// Only the events that are whole before this text.
    pub(crate) fn events_before(self, text: &str) -> Self {
        let before = self.until(text);
        let end = before.windows(2).rposition(|window| window == b"\n\n").map_or(0, |at| at + 2);
        Self { body: before[..end].to_vec(), ..self }
    }

    /// And then this.
    pub(crate) fn and(mut self, more: &str) -> Self {
        self.body.extend_from_slice(more.as_bytes());
        self
    }

    /// What comes after so many bytes waits for a word.
    pub(crate) fn held(self, after: usize, word: Arc<Notify>) -> Self {
        Self { held: Some((after, word)), ..self }
    }

    /// How many bytes its body has.
    pub(crate) fn bytes(&self) -> usize {
        self.body.len()
    }

    fn until(&self, text: &str) -> Vec<u8> {
        let at = self.body.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
        self.body[..at].to_vec()
    }
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: serde_json::Value,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

pub(crate) struct Server {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// Told whenever a client goes away from an answer that hangs.
    pub(crate) gone: mpsc::UnboundedReceiver<()>,
}

impl Server {
    /// Gives these answers, one a request; then the last one again.
    pub(crate) async fn new(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (tell, gone) = mpsc::unbounded_channel();
        let heard = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let Ok((connection, _)) = listener.accept().await else { return };
                let (heard, tell, answers) = (Arc::clone(&heard), tell.clone(), answers.clone());
                tokio::spawn(async move { serve(connection, &answers, &heard, &tell).await });
            }
        });
        Self { port, asked, gone }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The address of a model on this server. `responses` is OpenAI's too, for a model with its tool for computer use.
    pub(crate) fn address(&self, api: &str) -> String {
        match api {
            "openai" => format!("openai:http://127.0.0.1:{}/v1#model", self.port),
            "responses" => format!("{}?computer=computer", self.address("openai")),
            api => format!("{api}:http://127.0.0.1:{}#model", self.port),
        }
    }
}

async fn serve(
    mut connection: TcpStream,
    answers: &[Answer],
    heard: &Mutex<Vec<Asked>>,
    gone: &mpsc::UnboundedSender<()>,
) {
    let Some(asked) = read(&mut connection).await else { return };
    let number = {
        let mut heard = heard.lock().unwrap();
        heard.push(asked);
        heard.len() - 1
    };
    let answer = answers[number.min(answers.len() - 1)].clone();
    if answer.status == 0 {
        return;
    }
    let length = answer.body.len() + usize::from(answer.end != End::Whole);
    let mut beginning =
        format!("HTTP/1.1 {} X\r\nconnection: close\r\ncontent-length: {length}\r\n", answer.status);
    for (name, value) in &answer.headers {
        beginning.extend([name, ": ", value, "\r\n"]);
    }
    // A client may go away at any time; that isn't this server's mistake.
    let _ = connection.write_all(format!("{beginning}\r\n").as_bytes()).await;
    let (at_once, later) = match &answer.held {
        Some((at, _)) => answer.body.split_at(*at),
        None => (answer.body.as_slice(), [].as_slice()),
    };
    let _ = connection.write_all(at_once).await;
    if let Some((_, word)) = &answer.held {
        word.notified().await;
    }
    let _ = connection.write_all(later).await;
    if answer.end == End::Hang {
        let _ = connection.read(&mut [0; 16]).await;
        let _ = gone.send(());
    }
}

async fn read(connection: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 65_536];
    loop {
        let count = connection.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
        // A client that begins with a TLS handshake.
        if bytes[0] == 0x16 {
            let _ = connection.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            return None;
        }
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let mut lines = head.lines();
        let line = lines.next().unwrap().to_owned();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let length =
            headers.iter().find(|(name, _)| name == "content-length").unwrap().1.parse::<usize>().unwrap();
        if bytes.len() < end + 4 + length {
            continue;
        }
        let body = serde_json::from_slice(&bytes[end + 4..]).unwrap();
        return Some(Asked { line, headers, body });
    }
}

/// A pace that doesn't wait, and remembers for how long it should have.
#[derive(Default)]
pub(crate) struct Steps {
    pub(crate) waits: Mutex<Vec<u128>>,
}

#[async_trait]
impl Pace for Steps {
    async fn wait(&self, duration: Duration) {
        self.waits.lock().unwrap().push(duration.as_millis());
    }

    fn now(&self) -> SystemTime {
        // Sun, 06 Nov 1994 08:49:37 GMT
        SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)
    }

    fn chance(&self) -> f64 {
        0.5
    }
}

/// A model whose every key is the secret.
pub(crate) fn model(address: &str, pace: Arc<dyn Pace>, idle: Duration) -> RemoteModel {
    let ModelAddress::Remote(address) = address.parse().unwrap() else { panic!("{address} isn't remote") };
    let patience = Patience { idle, ..Patience::default() };
    let environment = |name: &str| name.ends_with("_API_KEY").then(|| SECRET.to_owned());
    RemoteModel::open(&address, RemoteOptions { patience, pace, environment, ..RemoteOptions::default() })
        .unwrap()
}

/// The same, patient.
pub(crate) fn patient(address: &str) -> RemoteModel {
    model(address, Arc::new(Steps::default()), Duration::from_secs(30))
}
