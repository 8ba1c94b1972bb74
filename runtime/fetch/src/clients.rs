//! The user's own package clients: `pip` and `npm`, which know the mirror, proxy and certificates to use.

use std::{
    env,
    ffi::OsString,
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use crate::{Archive, Build, FetchError, Progress, Registry};

/// How often the growing file is looked at.
const GLANCE: Duration = Duration::from_millis(100);

/// What a client prints when no registry answered it; in lower case.
const UNREACHABLE: &[&str] = &[
    "enotfound",
    "eai_again",
    "econnrefused",
    "econnreset",
    "etimedout",
    "enetunreach",
    "newconnectionerror",
    "connection refused",
    "name resolution",
    "name or service not known",
    "network is unreachable",
    "max retries exceeded",
    "read timed out",
    "connection broken",
];

/// What a client prints when the disk is full; in lower case.
const DISK_FULL: &[&str] = &["enospc", "no space left on device"];

/// How much of a client's line is quoted, in characters.
const LONGEST_QUOTE: usize = 200;

/// The command lines that may speak to each registry, best first.
#[derive(Clone, Debug, Default)]
pub struct Clients {
    pip: Vec<Vec<OsString>>,
    npm: Vec<Vec<OsString>>,
    environment: Vec<(OsString, OsString)>,
}

impl Clients {
    /// The clients on this process's `PATH`.
    pub fn on_path() -> Self {
        let folders: Vec<PathBuf> =
            env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
        Self::in_folders(&folders)
    }

    /// The clients in these folders, in this order.
    pub fn in_folders(folders: &[PathBuf]) -> Self {
        let find = |name: &str| {
            let names = if cfg!(windows) {
                vec![format!("{name}.exe"), format!("{name}.cmd")]
            } else {
                vec![name.to_owned()]
            };
            folders.iter().flat_map(|folder| names.iter().map(|n| folder.join(n))).find(|file| file.is_file())
        };
        let with = |program: &str, arguments: &[&str]| {
            find(program).map(|file| {
                std::iter::once(file.into_os_string()).chain(arguments.iter().map(OsString::from)).collect()
            })
        };
        let pip = [
            with("python3", &["-m", "pip"]),
            with("python", &["-m", "pip"]),
            with("pip3", &[]),
            with("pip", &[]),
            with("py", &["-3", "-m", "pip"]),
        ];
        Self {
            pip: pip.into_iter().flatten().collect(),
            npm: with("npm", &[]).into_iter().collect(),
            environment: Vec::new(),
        }
    }

    /// Gives the clients a variable on top of this process's own environment.
    #[must_use]
    pub fn with_variable(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Brings the archive's file for this build into `folder`, which must be empty, and gives its path.
    ///
    /// What clients write on the way (temporary files, npm's cache) goes into `folder` too: it's on the
    /// cache's disk, it is seen growing, and it disappears with the folder.
    pub(crate) fn fetch(
        &self,
        archive: &Archive,
        build: &Build,
        folder: &Path,
        progress: &dyn Progress,
    ) -> Result<PathBuf, FetchError> {
        let (commands, client) = match archive.registry {
            Registry::PyPi => (&self.pip, "pip"),
            Registry::Npm => (&self.npm, "npm"),
        };
        for command in commands {
            let Some((program, arguments)) = command.split_first() else { continue };
            let mut command = Command::new(program);
            command.args(arguments);
            match archive.registry {
                Registry::PyPi => pip_arguments(&mut command, archive, build, folder),
                Registry::Npm => npm_arguments(&mut command, archive, folder),
            }
            command
                .envs(self.environment.iter().map(|(name, value)| (name, value)))
                .envs(["TMPDIR", "TEMP", "TMP"].map(|name| (name, folder)))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped());
            tracing::debug!(?command, "fetching {}", archive.title());
            let child = command.spawn().map_err(|error| FetchError::ClientFailed {
                package: archive.title(),
                client,
                said: error.to_string(),
            })?;
            progress.start(&archive.title(), build.bytes);
            let ended = watch(child, folder, progress);
            progress.finish();
            let (succeeded, said) = ended.map_err(|source| FetchError::Io {
                what: "waiting for a client in",
                path: folder.to_owned(),
                source,
            })?;
            if succeeded {
                return downloaded(archive, client, folder);
            }
            if said.contains("No module named pip") {
                continue;
            }
            return Err(sort(archive, client, folder, &said));
        }
        Err(FetchError::NoClient {
            package: archive.title(),
            registry: match archive.registry {
                Registry::PyPi => "the Python package index",
                Registry::Npm => "the npm registry",
            },
            client,
            remedy: match archive.registry {
                Registry::PyPi => "install Python's pip (Debian: apt install python3-pip)",
                Registry::Npm => "install Node's npm (Debian: apt install npm)",
            },
        })
    }
}

/// `pip download` for a fixed interpreter, so that every machine of a kind gets the one wheel that was pinned,
/// whichever Python it has.
fn pip_arguments(command: &mut Command, archive: &Archive, build: &Build, folder: &Path) {
    command.args(["download", "--no-deps", "--only-binary=:all:", "--no-cache-dir"]);
    command.args(["--disable-pip-version-check", "--no-input", "--quiet", "--progress-bar=off"]);
    command.args(["--implementation=cp", "--python-version=3.12", "--abi=cp312", "--abi=abi3", "--abi=none"]);
    command.args(build.platform.wheel_tags().iter().map(|tag| format!("--platform={tag}")));
    command.arg("--dest").arg(folder).arg(format!("{}=={}", archive.name, archive.version));
}

fn npm_arguments(command: &mut Command, archive: &Archive, folder: &Path) {
    command.args(["pack", "--loglevel=error", "--ignore-scripts", "--no-update-notifier"]);
    // Its own pauses add up to more than a minute before it says that there is no network.
    command.args(["--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"]);
    command.arg("--cache").arg(folder.join("npm"));
    command.arg("--pack-destination").arg(folder).arg(format!("{}@{}", archive.name, archive.version));
    // A package.json or an .npmrc of the caller's folder must not matter.
    command.current_dir(folder);
}

/// Waits for the client, telling how far the largest file in `folder` has grown; gives whether it succeeded
/// and what it said on stderr.
fn watch(mut child: Child, folder: &Path, progress: &dyn Progress) -> std::io::Result<(bool, String)> {
    let said = child.stderr.take().map(|mut stderr| {
        // Read beside the waiting, or a talkative client would block on a full pipe.
        thread::spawn(move || {
            let mut said = Vec::new();
            let _ = stderr.read_to_end(&mut said);
            String::from_utf8_lossy(&said).into_owned()
        })
    });
    let mut most = 0;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        let grown = largest(folder);
        if grown > most {
            most = grown;
            progress.advance(most);
        }
        thread::sleep(GLANCE);
    };
    let said = said.and_then(|reader| reader.join().ok()).unwrap_or_default();
    Ok((status.success(), said))
}

/// The size of the largest file under `folder`; files may vanish while this looks.
fn largest(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .filter_map(|entry| {
            let kind = entry.file_type().ok()?;
            if kind.is_dir() { Some(largest(&entry.path())) } else { entry.metadata().ok().map(|m| m.len()) }
        })
        .max()
        .unwrap_or(0)
}

/// The one archive that the client left in `folder`.
fn downloaded(archive: &Archive, client: &'static str, folder: &Path) -> Result<PathBuf, FetchError> {
    let extension = match archive.registry {
        Registry::PyPi => "whl",
        Registry::Npm => "tgz",
    };
    fs::read_dir(folder)
        .map_err(|source| FetchError::Io { what: "reading", path: folder.to_owned(), source })?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|found| found == extension))
        .ok_or_else(|| FetchError::ClientFailed {
            package: archive.title(),
            client,
            said: format!("it ended well, and left no .{extension} file"),
        })
}

fn sort(archive: &Archive, client: &'static str, folder: &Path, said: &str) -> FetchError {
    let package = archive.title();
    let line_with = |signs: &[&str]| {
        said.lines().find(|line| {
            let line = line.to_lowercase();
            signs.iter().any(|sign| line.contains(sign))
        })
    };
    if line_with(DISK_FULL).is_some() {
        FetchError::DiskFull { package, path: folder.parent().unwrap_or(folder).to_owned() }
    } else if let Some(line) = line_with(UNREACHABLE) {
        FetchError::NoNetwork { package, client, said: line.trim().chars().take(LONGEST_QUOTE).collect() }
    } else {
        FetchError::ClientFailed { package, client, said: last_lines(said) }
    }
}

/// The last few lines that say something, on one line.
fn last_lines(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        return "it said nothing".to_owned();
    }
    lines[lines.len().saturating_sub(3)..].join(" / ")
}
