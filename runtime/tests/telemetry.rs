//! ONNX Runtime's official builds report to their vendor unless told not to. That they don't here is looked up
//! from outside: what a process leaves in its home folder, and which sockets it asks the system for.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use percept_fetch::{Cache, Silent};
use percept_runtime::{Device, Runtime};

/// What build servers set, the world's most usual ones.
const BUILD_SERVERS: [&str; 8] = [
    "CI",
    "CONTINUOUS_INTEGRATION",
    "GITHUB_ACTIONS",
    "GITLAB_CI",
    "TF_BUILD",
    "BUILD_ID",
    "JENKINS_URL",
    "TEAMCITY_VERSION",
];

/// Runs one of this file's ignored tests in a process of its own, with an empty home folder, under `strace` if
/// the machine has it; gives what it left at home and which network sockets it asked for.
fn traces_of(test: &str) -> (Vec<PathBuf>, Option<Vec<String>>) {
    let library = Runtime::start(&Device::Cpu, &Silent).unwrap().library().path.clone();
    let folder = tempfile::tempdir().unwrap();
    let (home, trace) = (folder.path().join("home"), folder.path().join("trace"));
    fs::create_dir(&home).unwrap();
    let itself = env::current_exe().unwrap();
    let run = |mut command: Command| -> Output {
        // The library is quiet of its own accord where it takes the machine for a build server.
        for build_server in BUILD_SERVERS {
            command.env_remove(build_server);
        }
        command
            .args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"])
            .env("HOME", &home)
            .env("ORT_DYLIB_PATH", &library)
            .env("PERCEPT_CACHE", Cache::open().unwrap().root())
            .env_remove("XDG_CACHE_HOME")
            .env_remove("ORT_DISABLE_TELEMETRY")
            .output()
            .unwrap()
    };
    let traced = Command::new("strace").arg("-V").output().is_ok();
    let output = if traced {
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-e", "trace=socket", "-o"]).arg(&trace).arg(&itself);
        run(command)
    } else {
        run(Command::new(&itself))
    };
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("1 passed"), "{said}");
    let sockets = traced.then(|| {
        let trace = fs::read_to_string(&trace).unwrap();
        trace.lines().filter(|line| line.contains("AF_INET")).map(str::to_owned).collect()
    });
    let mut left = Vec::new();
    walk(&home, &mut left);
    (left, sockets)
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        found.push(entry.path());
        if entry.path().is_dir() {
            walk(&entry.path(), found);
        }
    }
}

/// The network sockets that this process holds now.
fn open_sockets() -> usize {
    let tables =
        ["tcp", "tcp6", "udp", "udp6"].map(|table| fs::read_to_string(format!("/proc/self/net/{table}")));
    let tables = tables.into_iter().flatten().collect::<String>();
    fs::read_dir("/proc/self/fd")
        .unwrap()
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .filter_map(|target| {
            let target = target.to_string_lossy().into_owned();
            Some(target.strip_prefix("socket:[")?.trim_end_matches(']').to_owned())
        })
        .filter(|inode| tables.split_whitespace().any(|word| word == inode))
        .count()
}

#[test]
fn a_started_runtime_leaves_no_file_and_asks_for_no_socket() {
    let (left, sockets) = traces_of("as_percept_starts_it");
    assert_eq!(left, Vec::<PathBuf>::new());
    if let Some(sockets) = sockets {
        assert_eq!(sockets, Vec::<String>::new());
    }
}

#[test]
fn without_our_variable_the_same_library_would() {
    let (left, _) = traces_of("as_its_vendor_starts_it");
    assert!(
        left.iter().any(|path| path.to_string_lossy().contains("Microsoft")),
        "the library changed its ways, and this test no longer shows anything: {left:?}"
    );
}

#[test]
fn a_process_that_asks_for_a_socket_is_noticed() {
    if let (_, Some(sockets)) = traces_of("as_one_that_reports") {
        assert_eq!(sockets.len(), 1, "{sockets:?}");
    }
}

#[test]
#[ignore = "the child of another test"]
fn as_percept_starts_it() {
    let runtime = Runtime::start(&Device::Cpu, &Silent).unwrap();
    runtime.resolve(&Device::WebGpu(0), &Silent).unwrap();
    assert_eq!(env::var("ORT_DISABLE_TELEMETRY").as_deref(), Ok("1"));
    // Long enough for a thread that would have reported.
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(open_sockets(), 0);
}

#[test]
#[ignore = "the child of another test"]
fn as_its_vendor_starts_it() {
    let environment = ort::init_from(env::var("ORT_DYLIB_PATH").unwrap()).unwrap().build().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    drop(environment);
}

#[test]
#[ignore = "the child of another test"]
fn as_one_that_reports() {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    assert_eq!(open_sockets(), 1);
    drop(socket);
}
