//! Which browser is started: the one that was named, else one on this machine, else one that is fetched.

use std::{
    env,
    ffi::OsStr,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use percept_fetch::Progress;

use super::{BrowserOptions, package};
use crate::ScreenError;

/// The variable that names a browser, or is `fetched` to use the fetched one whatever else is there.
const VARIABLE: &str = "PERCEPT_BROWSER";

/// Names under which browsers of the Chromium family are installed.
const NAMES: [&str; 7] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "brave-browser",
    "microsoft-edge",
];

/// Where macOS keeps them instead.
const APPLICATIONS: [&str; 2] = [
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/// A browser that can be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Executable {
    pub(super) program: PathBuf,
    /// What it needs in its environment.
    pub(super) environment: Vec<(&'static str, PathBuf)>,
    /// Where its profile must lie, if not in the system's temporary folder.
    pub(super) profiles: Option<PathBuf>,
    /// Whether it came out of the package.
    pub(super) fetched: bool,
}

/// What the environment says, apart from it so that tests can say something else.
#[derive(Debug, Default)]
struct Surroundings {
    named: Option<PathBuf>,
    path: Vec<PathBuf>,
    home: Option<PathBuf>,
}

impl Surroundings {
    fn ours() -> Self {
        Self {
            named: env::var_os(VARIABLE).filter(|v| !v.is_empty()).map(PathBuf::from),
            path: env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default(),
            home: env::home_dir(),
        }
    }
}

/// Finds the browser to start, and fetches it if there is none.
///
/// # Errors
///
/// [`ScreenError::Missing`] if the one that was named isn't there, or none is and none can be fetched.
pub(super) async fn obtain(
    options: &BrowserOptions,
    progress: Arc<dyn Progress>,
) -> Result<Executable, ScreenError> {
    let surroundings = Surroundings::ours();
    let found = find(options.executable.as_deref(), &surroundings)?;
    if let Some(found) = found.filter(|found| !(options.visible && found.fetched)) {
        return Ok(found);
    }
    if options.visible {
        return Err(ScreenError::Missing {
            what: "no browser that can show a window was found, and the fetched one can't".into(),
            remedy: format!("Install chromium, or name a browser in {VARIABLE}."),
        });
    }
    package::obtain(progress).await
}

/// A browser on this machine; `None` if the package is to be used.
fn find(named: Option<&Path>, surroundings: &Surroundings) -> Result<Option<Executable>, ScreenError> {
    let named = named.or(surroundings.named.as_deref());
    if let Some(named) = named {
        if named == Path::new("fetched") {
            return Ok(None);
        }
        let program = if named.components().count() > 1 {
            Some(named.to_path_buf()).filter(|p| p.is_file())
        } else {
            on_path(named.as_os_str(), &surroundings.path)
        };
        let program = program.ok_or_else(|| ScreenError::Missing {
            what: format!("there is no browser {}", named.display()),
            remedy: format!("Name one that is there in {VARIABLE}, or `fetched` to have one fetched."),
        })?;
        return Ok(Some(installed(program, surroundings)));
    }
    let mut installed_ones = NAMES.iter().filter_map(|name| on_path(OsStr::new(name), &surroundings.path));
    let mut applications =
        APPLICATIONS.iter().map(PathBuf::from).filter(|p| cfg!(target_os = "macos") && p.is_file());
    Ok(installed_ones.next().or_else(|| applications.next()).map(|program| installed(program, surroundings)))
}

fn on_path(name: &OsStr, path: &[PathBuf]) -> Option<PathBuf> {
    path.iter().map(|folder| folder.join(name)).find(|file| is_executable(file))
}

#[cfg(unix)]
fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(file: &Path) -> bool {
    file.is_file()
}

fn installed(program: PathBuf, surroundings: &Surroundings) -> Executable {
    if let Some(package) = package::beside(&program) {
        return package;
    }
    // A snap sees no temporary folder of ours, and of the home folder only its own part.
    let profiles = match &surroundings.home {
        Some(home) if is_snap(&program) => Some(home.join("snap/chromium/common/percept")),
        _ => None,
    };
    Executable { program, environment: Vec::new(), profiles, fetched: false }
}

/// Whether a program is a snap, or the script that Ubuntu puts in front of one.
fn is_snap(program: &Path) -> bool {
    let real = program.canonicalize().unwrap_or_else(|_| program.to_path_buf());
    if real.starts_with("/snap") || real.file_name() == Some(OsStr::new("snap")) {
        return true;
    }
    let mut start = Vec::new();
    let outcome = File::open(&real).and_then(|file| file.take(4096).read_to_end(&mut start));
    outcome.is_ok() && start.starts_with(b"#!") && start.windows(6).any(|bytes| bytes == b"/snap/")
}

#[cfg(all(test, unix))]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[allow(clippy::unwrap_used, reason = "a test's helper")]
    fn put(folder: &Path, name: &str, content: &str, mode: u32) -> PathBuf {
        let file = folder.join(name);
        fs::write(&file, content).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn the_named_browser_is_used_and_otherwise_the_first_on_the_path() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        put(first.path(), "chromium", "not executable", 0o644);
        let chrome = put(first.path(), "google-chrome", "", 0o755);
        let chromium = put(second.path(), "chromium", "", 0o755);
        let path = vec![first.path().to_path_buf(), second.path().to_path_buf()];
        let cases = [
            (None, None, Some(&chromium)),
            (Some("google-chrome"), None, Some(&chrome)),
            (None, Some("google-chrome"), Some(&chrome)),
            (Some(chromium.to_str().unwrap()), Some("google-chrome"), Some(&chromium)),
            (None, Some("fetched"), None),
        ];
        for (named, variable, expected) in cases {
            let surroundings =
                Surroundings { named: variable.map(PathBuf::from), path: path.clone(), home: None };
            let found = find(named.map(Path::new), &surroundings).unwrap();
            assert_eq!(found.map(|e| e.program).as_ref(), expected, "{named:?} {variable:?}");
        }
    }

    #[test]
    fn a_named_browser_that_is_not_there_is_an_error_and_not_another_browser() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "chromium", "", 0o755);
        let surroundings = Surroundings { path: vec![folder.path().to_path_buf()], ..Default::default() };
        for named in ["firefox", "/no/such/chromium"] {
            let error = find(Some(Path::new(named)), &surroundings).unwrap_err().to_string();
            assert!(error.contains(&format!("there is no browser {named}. Name one")), "{error}");
        }
    }

    #[tokio::test]
    async fn a_window_isnt_asked_of_a_browser_that_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let program = put(folder.path(), "chromium", "", 0o755);
        fs::create_dir(folder.path().join("lib")).unwrap();
        put(&folder.path().join("lib"), "libnss3.so", "", 0o644);
        let mut options = BrowserOptions::new("page.html");
        options.executable = Some(program.clone());
        let found = obtain(&options, Arc::new(percept_fetch::Silent)).await.unwrap();
        assert!(found.fetched && found.program == program);
        for named in [program, PathBuf::from("fetched")] {
            let options = BrowserOptions { visible: true, executable: Some(named), ..options.clone() };
            let error = obtain(&options, Arc::new(percept_fetch::Silent)).await.unwrap_err().to_string();
            assert!(error.starts_with("no browser that can show a window was found"), "{error}");
        }
    }

    #[test]
    fn a_snap_gets_a_profile_that_it_can_see() {
        let folder = tempfile::tempdir().unwrap();
        let wrapper = "#!/bin/sh\nexec /snap/bin/chromium \"$@\"\n";
        let debian = "#!/bin/sh\nexec /usr/lib/chromium/chromium \"$@\"\n";
        let home = PathBuf::from("/home/ada");
        let expected = home.join("snap/chromium/common/percept");
        let surroundings = Surroundings { home: Some(home), ..Default::default() };
        for (content, profiles) in [(wrapper, Some(expected)), (debian, None)] {
            let program = put(folder.path(), "chromium-browser", content, 0o755);
            assert_eq!(installed(program, &surroundings).profiles, profiles);
        }
    }
}
