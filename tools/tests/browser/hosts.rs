//! What pages may reach: a loopback server that counts who asked.

use std::sync::{Arc, Mutex};

use percept_tools::{Browser, BrowserOptions, Input, Screen, ScreenError};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};

use crate::{open, open_with};

/// A server that answers every path with HTML, and remembers the paths.
struct Server {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(html: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (seen, html) = (asked.clone(), Arc::new(html));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, html) = (seen.clone(), html.clone());
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    let mut first = String::new();
                    let mut line = String::new();
                    while stream.read_line(&mut line).await.is_ok_and(|n| n > 0) && line.trim() != "" {
                        if first.is_empty() {
                            first.clone_from(&line);
                        }
                        line.clear();
                    }
                    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
                    let body = html(&path);
                    seen.lock().unwrap().push(path);
                    let head = format!(
                        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nAccess-Control-Allow-Origin: *\r\nConnection: close\r\n\r\n",
                        body.len()
                    );
                    let _ = stream.write_all((head + &body).as_bytes()).await;
                });
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allowed_host_is_opened_and_one_that_is_not_is_refused_unasked() {
    let allowed = Server::start(|path| format!("you asked for {path}")).await;
    let other = Server::start(|_| "never".into()).await;
    let mut options = BrowserOptions::new(format!("http://{}/start", allowed.address));
    options.hosts = vec![allowed.address.clone()];
    let browser = Browser::open(options).await.unwrap();
    browser.look().await.unwrap();
    assert_eq!(browser.visible_text().await.unwrap(), "you asked for /start");

    browser.act(&Input::Navigate(format!("http://{}/next", allowed.address))).await.unwrap();
    assert_eq!(browser.look().await.unwrap().location, Some(format!("http://{}/next", allowed.address)));

    for address in
        [format!("http://{}/", other.address), "https://example.org/".into(), "chrome://crash".into()]
    {
        let error = browser.act(&Input::Navigate(address.clone())).await.unwrap_err();
        assert!(matches!(&error, ScreenError::Refused { reason } if reason.contains("allowed")), "{error}");
    }
    assert_eq!(browser.visible_text().await.unwrap(), "you asked for /next");
    assert_eq!(other.asked(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_whose_host_is_not_allowed_does_not_open() {
    let server = Server::start(|_| String::new()).await;
    let error = Browser::open(BrowserOptions::new(format!("http://{}/", server.address))).await.unwrap_err();
    assert!(
        error.to_string().ends_with(&format!("{} is not an allowed host: none is", server.address)),
        "{error}"
    );
    assert_eq!(server.asked(), Vec::<String>::new());
}

/// Everything that a page can reach out with, each to a path of its own.
const REACHING_OUT: &str = r#"
<img src="http://HOST/image"><iframe src="http://HOST/frame"></iframe>
<link rel=stylesheet href="http://HOST/style"><script src="http://HOST/script"></script>
<script>
const quietly = (attempt) => { try { Promise.resolve(attempt()).catch(() => {}); } catch {} };
quietly(() => fetch('http://HOST/fetch', { mode: 'no-cors' }));
quietly(() => navigator.sendBeacon('http://HOST/beacon'));
quietly(() => new EventSource('http://HOST/events'));
quietly(() => new WebSocket('ws://HOST/socket'));
quietly(() => new Worker(URL.createObjectURL(new Blob(["fetch('http://HOST/worker', { mode: 'no-cors' })"]))));
quietly(() => new SharedWorker('data:text/javascript,fetch("http://HOST/shared", { mode: "no-cors" })'));
quietly(() => window.open('http://HOST/window'));
</script>
<p id=webrtc></p><script>webrtc.textContent = typeof RTCPeerConnection</script>"#;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_page_tries_reaches_a_host_that_is_not_allowed() {
    let server = Server::start(|_| String::new()).await;
    let html = REACHING_OUT.replace("HOST", &server.address);
    // The second case allows the host, but another port of it: names alone are no wall there.
    for hosts in [vec![], vec!["127.0.0.1:9".to_owned()]] {
        let opened = open_with(&html, |options| options.hosts.clone_from(&hosts)).await;
        let shot = opened.look().await;
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        assert_eq!(server.asked(), Vec::<String>::new(), "{hosts:?}");
        let requests = shot.notes.iter().any(|note| note.starts_with("a request was blocked: 127.0.0.1:"));
        let sockets = shot.notes.iter().any(|note| note.starts_with("a web socket was blocked: 127.0.0.1:"));
        assert!(requests && sockets, "{:?}", shot.notes);
        assert_eq!(opened.text().await, "undefined", "there is no WebRTC");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_page_reaches_a_host_that_is_allowed() {
    let server = Server::start(|_| String::new()).await;
    let html = REACHING_OUT.replace("HOST", &server.address);
    let opened = open_with(&html, |options| options.hosts = vec![server.address.clone()]).await;
    opened.look().await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let asked = server.asked();
    for path in
        ["/image", "/frame", "/style", "/script", "/fetch", "/beacon", "/events", "/socket", "/worker"]
    {
        assert!(asked.iter().any(|a| a == path), "{path} is not among {asked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_a_host_that_is_not_allowed_leaves_the_page_in_place() {
    let html = "<a href='http://127.0.0.1:9/' style='position:fixed;inset:0'>away</a>";
    let opened = open(html).await;
    let before = opened.look().await;
    let click = Input::Click {
        at: percept_tools::ScreenPoint { x: 9.0, y: 9.0 },
        button: percept_tools::MouseButton::Left,
        count: 1,
    };
    opened.browser.act(&click).await.unwrap();
    let after = opened.look().await;
    assert_eq!(after.notes, ["a request was blocked: 127.0.0.1:9 is not an allowed host: none is"]);
    assert_eq!(after.location, before.location);
    assert_eq!(opened.text().await, "away");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_page_uses_the_files_of_its_folder_and_no_others() {
    let secret = tempfile::tempdir().unwrap();
    let outside = secret.path().join("secret.html");
    std::fs::write(&outside, "secret").unwrap();
    let html =
        format!("<iframe src='beside.html'></iframe><iframe src='file://{}'></iframe>", outside.display());
    let (folder, file) = crate::written(&html);
    std::fs::write(folder.path().join("beside.html"), "beside").unwrap();
    let browser = Browser::open(BrowserOptions::new(file.display().to_string())).await.unwrap();
    let shot = browser.look().await.unwrap();
    assert!(shot.notes.iter().any(|n| n.contains("secret.html is outside")), "{:?}", shot.notes);
    assert_eq!(browser.visible_text().await.unwrap(), "beside");
}
