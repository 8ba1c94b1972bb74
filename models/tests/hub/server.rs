//! A server on this machine that speaks as much of the Hub's protocol as a pull needs, and fails as it is told to.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The first state of every repository.
pub(crate) const COMMIT: &str = "f00df00df00df00df00df00df00df00df00df00d";

/// What goes wrong with one request.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// The connection is torn down before a word was said.
    Gone,
    /// The connection is torn down after this many bytes of the body, although more were announced.
    Cut(usize),
    /// Nothing more comes after this many bytes, and the connection stays.
    Hang(usize),
    /// The body ends after this many bytes as if that were all: its length isn't announced.
    Short(usize),
    /// The first byte of the body is another one.
    Wrong,
    /// The whole file, whatever was asked for.
    Whole,
    /// The range that is sent isn't the one that was asked for.
    OtherRange,
    /// As many bytes more than the listing names.
    Longer(usize),
    /// Another status, with headers and a body.
    Status(u16, Vec<(&'static str, String)>, String),
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) range: Option<String>,
    pub(crate) token: Option<String>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    /// What the listing is instead.
    listing: Option<Value>,
    commit: String,
    asked: Vec<Asked>,
    /// Each is for the next request whose path holds its text; `true`: for every one.
    faults: Vec<(String, Fault, bool)>,
    /// Where files are kept; elsewhere they are sent on.
    elsewhere: Option<String>,
}

/// A Hub with one repository, `test/model`.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) port: u16,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub(crate) fn new(files: BTreeMap<String, Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State { files, commit: COMMIT.into(), ..State::default() }));
        let server = Self { port, state };
        let serving = server.clone();
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let serving = serving.clone();
                thread::spawn(move || serving.answer(connection));
            }
        });
        server
    }

    /// One that has the files of a folder, and these beside.
    pub(crate) fn of_folder(folder: &Path, others: &[(&str, &[u8])]) -> Self {
        let mut files = BTreeMap::new();
        read(folder, "", &mut files);
        files.extend(others.iter().map(|(path, content)| ((*path).to_owned(), content.to_vec())));
        Self::new(files)
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn fault(&self, path: &str, fault: Fault) {
        self.state().faults.push((path.into(), fault, false));
    }

    pub(crate) fn always(&self, path: &str, fault: Fault) {
        self.state().faults.push((path.into(), fault, true));
    }

    pub(crate) fn forgive(&self) {
        self.state().faults.clear();
    }

    /// Sends every file on to another host.
    pub(crate) fn keep_elsewhere(&self, base: &str) {
        self.state().elsewhere = Some(base.into());
    }

    pub(crate) fn put(&self, path: &str, content: &[u8], commit: &str) {
        let mut state = self.state();
        state.files.insert(path.into(), content.to_vec());
        state.commit = commit.into();
    }

    pub(crate) fn remove(&self, path: &str) {
        self.state().files.remove(path).unwrap();
    }

    pub(crate) fn list(&self, listing: Value) {
        self.state().listing = Some(listing);
    }

    pub(crate) fn file(&self, path: &str) -> Vec<u8> {
        self.state().files[path].clone()
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.state().files.keys().cloned().collect()
    }

    pub(crate) fn sha256(&self, path: &str) -> String {
        hexadecimal(&Sha256::digest(self.file(path)))
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.state().asked.clone()
    }

    /// The requests for files whose path holds this text, and for what of them.
    pub(crate) fn ranges(&self, path: &str) -> Vec<Option<String>> {
        let asked = self.asked();
        asked.into_iter().filter(|asked| asked.path.contains(path)).map(|asked| asked.range).collect()
    }

    fn answer(&self, mut connection: TcpStream) -> Option<()> {
        let asked = hear(&mut connection)?;
        let (found, fault) = {
            let mut state = self.state();
            state.asked.push(asked.clone());
            let fault = state.faults.iter().position(|(path, ..)| asked.path.contains(path.as_str()));
            let fault = fault.map(|at| {
                let (_, fault, stays) = state.faults[at].clone();
                if !stays {
                    state.faults.remove(at);
                }
                fault
            });
            (state.find(&asked.path), fault)
        };
        if let Some(Fault::Gone) = fault {
            return None;
        }
        if let Some(Fault::Status(status, headers, body)) = fault {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.clone())).collect();
            return say(&mut connection, status, &headers, body.as_bytes());
        }
        let mut body = match found {
            Found::File(body) => body,
            Found::Elsewhere(to) => return say(&mut connection, 302, &[("location", to)], b""),
            Found::Nothing(code) => {
                let error = json!({ "error": "Not found." }).to_string();
                return say(&mut connection, 404, &[("x-error-code", code.into())], error.as_bytes());
            }
        };
        let whole = body.len();
        let from = asked
            .range
            .as_deref()
            .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
        let from = from.filter(|_: &usize| !matches!(fault, Some(Fault::Whole)));
        let mut headers = Vec::new();
        let mut status = 200;
        if let Some(from) = from {
            if from >= whole {
                return say(&mut connection, 416, &[("content-range", format!("bytes */{whole}"))], b"");
            }
            let shown = if matches!(fault, Some(Fault::OtherRange)) { from - 1 } else { from };
            status = 206;
            headers.push(("content-range", format!("bytes {shown}-{}/{whole}", whole - 1)));
            body.drain(..from);
        }
        match fault {
            Some(Fault::Cut(bytes)) => {
                headers.push(("content-length", body.len().to_string()));
                body.truncate(bytes);
                send(&mut connection, status, &headers, &body)
            }
            Some(Fault::Hang(bytes)) => {
                headers.push(("content-length", body.len().to_string()));
                body.truncate(bytes);
                send(&mut connection, status, &headers, &body)?;
                // Until the other side goes away.
                let _ = connection.set_read_timeout(Some(Duration::from_secs(30)));
                let _ = connection.read(&mut [0]);
                Some(())
            }
            Some(Fault::Short(bytes)) => {
                body.truncate(bytes);
                send(&mut connection, status, &headers, &body)
            }
            Some(Fault::Longer(bytes)) => {
                body.resize(body.len() + bytes, b'x');
                send(&mut connection, status, &headers, &body)
            }
            Some(Fault::Wrong) => {
                body[0] ^= 1;
                say(&mut connection, status, &headers, &body)
            }
            _ => say(&mut connection, status, &headers, &body),
        }
    }
}

enum Found {
    File(Vec<u8>),
    Elsewhere(String),
    Nothing(&'static str),
}

impl State {
    fn find(&self, path: &str) -> Found {
        if let Some(path) = path.strip_prefix("/elsewhere/") {
            return self
                .files
                .get(path)
                .map_or(Found::Nothing("EntryNotFound"), |file| Found::File(file.clone()));
        }
        if let Some(revision) = path.strip_prefix("/api/models/test/model/revision/") {
            let revision = revision.strip_suffix("?blobs=true").unwrap();
            if !["main", "v1", "refs%2Fpr%2F7", &self.commit].contains(&revision) {
                return Found::Nothing("RevisionNotFound");
            }
            let listing = self.listing.clone().unwrap_or_else(|| self.listed());
            return Found::File(listing.to_string().into_bytes());
        }
        let Some(path) = path.strip_prefix(&format!("/test/model/resolve/{}/", self.commit)) else {
            return Found::Nothing("RepoNotFound");
        };
        match (self.files.get(path), &self.elsewhere) {
            (Some(_), Some(elsewhere)) => Found::Elsewhere(format!("{elsewhere}/elsewhere/{path}")),
            (Some(file), None) => Found::File(file.clone()),
            (None, _) => Found::Nothing("EntryNotFound"),
        }
    }

    fn listed(&self) -> Value {
        let files = self.files.iter().map(|(path, content)| {
            let blob = hexadecimal(&Sha1::digest(
                [format!("blob {}\0", content.len()).as_bytes(), content].concat(),
            ));
            let mut file = json!({ "rfilename": path, "size": content.len(), "blobId": blob });
            if path.contains(".onnx") {
                let sha256 = hexadecimal(&Sha256::digest(content));
                file["lfs"] = json!({ "size": content.len(), "sha256": sha256, "pointerSize": 130 });
            }
            file
        });
        json!({ "id": "test/model", "sha": self.commit, "siblings": files.collect::<Vec<_>>() })
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn read(folder: &Path, before: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let name = format!("{before}{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            read(&entry.path(), &format!("{name}/"), files);
        } else {
            files.insert(name, std::fs::read(entry.path()).unwrap());
        }
    }
}

fn hear(connection: &mut TcpStream) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        connection.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let header = |name: &str| {
        let named = head.lines().filter_map(|line| line.split_once(": "));
        named
            .into_iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
    };
    let path = head.split(' ').nth(1).unwrap().to_owned();
    Some(Asked { path, range: header("range"), token: header("authorization") })
}

fn say(connection: &mut TcpStream, status: u16, headers: &[(&str, String)], body: &[u8]) -> Option<()> {
    let length = [("content-length", body.len().to_string())];
    send(connection, status, &[headers, &length].concat(), body)
}

/// A client may go away at any time; that isn't this server's mistake.
fn send(connection: &mut TcpStream, status: u16, headers: &[(&str, String)], body: &[u8]) -> Option<()> {
    let mut head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    connection.write_all(format!("{head}\r\n").as_bytes()).ok()?;
    connection.write_all(body).ok()
}
