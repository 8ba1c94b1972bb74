//! The Hub, against a server on this machine that speaks its protocol.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "what fails in a test's own helpers fails the test"
)]

mod cache;
mod faults;
mod layouts;
mod listing;
mod pulls;
mod refusals;
mod removing;
mod server;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use percept_models::{Hub, HubSettings, ModelError, Pace, Precision, Pulled};
use percept_runtime::Progress;
use tempfile::TempDir;

use server::Server;

/// What stands for a token.
const TOKEN: &str = "hf_lovelace_1843_analytical";
/// The graph that faults befall.
const GRAPH: &str = "onnx/decoder_model_merged.onnx_data";

/// A pace that doesn't wait, and remembers for how long it should have.
#[derive(Default)]
struct Steps {
    waits: Mutex<Vec<u128>>,
}

#[async_trait]
impl Pace for Steps {
    async fn wait(&self, duration: Duration) {
        self.waits.lock().unwrap().push(duration.as_millis());
    }

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn chance(&self) -> f64 {
        0.5
    }
}

/// What a bar would have shown.
#[derive(Default)]
struct Counted(Mutex<Vec<(String, u64, u64)>>);

impl Progress for Counted {
    fn start(&self, what: &str, bytes: Option<u64>) {
        self.0.lock().unwrap().push((what.into(), bytes.unwrap(), 0));
    }

    fn advance(&self, bytes: u64) {
        let mut stages = self.0.lock().unwrap();
        let stage = stages.last_mut().unwrap();
        assert!(bytes >= stage.2, "a bar goes back");
        stage.2 = bytes;
    }

    fn finish(&self) {}
}

/// The files of a tiny model that answers.
fn tiny() -> Server {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/llava-tiny");
    Server::of_folder(&folder, &[("README.md", b"# A model"), ("LICENSE", b"MIT")])
}

/// A machine with a cache of its own.
struct Machine {
    folder: TempDir,
    pace: Arc<Steps>,
    progress: Counted,
}

impl Machine {
    fn new() -> Self {
        let (pace, progress) = (Arc::default(), Counted::default());
        Self { folder: tempfile::tempdir().unwrap(), pace, progress }
    }

    /// The Hub at this server, by these variables.
    fn hub(&self, endpoint: &str, variables: &[(&str, &str)]) -> Hub {
        let mut all = BTreeMap::from([
            ("HF_ENDPOINT", endpoint.to_owned()),
            ("HF_HOME", self.folder.path().to_str().unwrap().to_owned()),
        ]);
        all.extend(variables.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let mut settings = HubSettings::of(&|name| all.get(name).cloned()).unwrap();
        settings.pace = self.pace.clone();
        settings.patience.idle =
            Duration::from_millis(if variables.contains(&("IMPATIENT", "1")) { 300 } else { 20_000 });
        Hub::new(settings).unwrap()
    }

    async fn pull(&self, server: &Server) -> Result<Pulled, ModelError> {
        self.pull_as(server, "test/model", None).await
    }

    async fn pull_as(
        &self,
        server: &Server,
        address: &str,
        precision: Option<&str>,
    ) -> Result<Pulled, ModelError> {
        let precision = precision.map(|name| Precision::named(name).unwrap());
        let hub = self.hub(&server.endpoint(), &[]);
        hub.pull(&address.parse().unwrap(), precision.as_ref(), &self.progress).await
    }

    fn waits(&self) -> Vec<u128> {
        self.pace.waits.lock().unwrap().clone()
    }

    /// The repository's folder in the cache.
    fn shelf(&self) -> std::path::PathBuf {
        self.folder.path().join("hub/models--test--model")
    }
}
