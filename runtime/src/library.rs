//! ONNX Runtime in this process: one library, loaded once, and one environment in it.

mod error;
mod report;
mod source;
mod variables;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ort::environment::Environment;
use percept_fetch::{Cache, FetchError, Progress};

pub use self::{
    error::LibraryError,
    report::{LibraryReport, LibrarySource},
};
use crate::{device::Device, ort_boundary, provider};

/// ONNX Runtime, loaded and started; a handle that is cheap to clone.
///
/// ```no_run
/// use percept_fetch::Silent;
/// use percept_runtime::{Device, Runtime};
///
/// let device: Device = "auto".parse()?;
/// let runtime = Runtime::start(&device, &Silent)?;
/// let choice = runtime.resolve(&device, &Silent)?;
/// println!("{}: {}", choice.device, choice.why);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Runtime {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    environment: Environment,
    library: LibraryReport,
    cache: Option<Cache>,
    /// The plugin libraries that were registered, by the name of their provider.
    plugins: Mutex<Vec<&'static str>>,
}

/// What was started, for as long as the process runs: ONNX Runtime allows one environment a process, and
/// leaving it to the exit spares the providers' threads a teardown in the wrong order.
static STARTED: Mutex<Option<Runtime>> = Mutex::new(None);

impl Runtime {
    /// Obtains the library and starts it, with its telemetry off before it exists. A second start in a process
    /// gives the same runtime. It blocks while it fetches; async code calls it on a thread of its own.
    ///
    /// The library is the file that `ORT_DYLIB_PATH` names, else one from the user's cache, fetched first if
    /// need be: the build with CUDA if the device asked for is NVIDIA's and the machine has a driver (or if
    /// that build is in the cache already and could be used), else the small build for the processor.
    ///
    /// # Errors
    ///
    /// [`LibraryError`] if no library can be had, or it doesn't load: what was tried, and what to do.
    pub fn start(device: &Device, progress: &dyn Progress) -> Result<Self, LibraryError> {
        // Whoever starts first fetches, and the others wait here.
        let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = &*started {
            return Ok(runtime.clone());
        }
        let cache = Cache::open().ok();
        ort_boundary::set_variables(variables::needed(cache.as_ref()));
        let mut library =
            source::obtain(cache.as_ref(), provider::cuda::wanted(device, cache.as_ref()), progress)?;
        let unusable = |reason: String| LibraryError::Unusable { path: library.path.clone(), reason };
        let environment = ort::init_from(&library.path)
            .map_err(|error| unusable(error.to_string()))?
            .with_name("percept")
            .with_telemetry(false)
            .build()
            .map_err(|error| unusable(error.to_string()))?;
        ort::info().clone_into(&mut library.build);
        // `ort` asks for every message and filters later; formatting them costs more than they are worth.
        environment.set_log_level(ort::logging::LogLevel::Warning);
        tracing::info!(path = %library.path.display(), source = ?library.source, "ONNX Runtime started");
        let runtime =
            Self { inner: Arc::new(Inner { environment, library, cache, plugins: Mutex::default() }) };
        *started = Some(runtime.clone());
        Ok(runtime)
    }

    /// The library that was loaded.
    pub fn library(&self) -> &LibraryReport {
        &self.inner.library
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.inner.environment
    }

    /// The user's cache.
    ///
    /// # Errors
    ///
    /// [`FetchError::NoCacheFolder`] on a machine that has no place for one.
    pub(crate) fn cache(&self) -> Result<&Cache, FetchError> {
        self.inner.cache.as_ref().ok_or(FetchError::NoCacheFolder)
    }

    /// The plugins registered so far, locked: while it is held, no other thread registers one.
    pub(crate) fn plugins(&self) -> MutexGuard<'_, Vec<&'static str>> {
        self.inner.plugins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
