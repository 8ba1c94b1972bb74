//! Fetching with clients that are scripts of this test's own: what a good, a bad and an absent one lead to.
#![cfg(all(unix, target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

use std::{
    fs,
    io::{Cursor, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::{Barrier, Mutex},
    thread,
};

use percept_fetch::{
    Archive, Build, Cache, Checksum, Clients, FetchError, Form, Item, Part, Platform::LinuxX64, Progress,
    Registry, Silent,
};
use sha2::{Digest as _, Sha256, Sha512};

/// What the wheel's one file holds.
const LIBRARY: &[u8] = b"the library";

/// A machine of its own: a cache, and a folder of clients.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Adds a client that is a shell script; `$LAST` is its last argument, `$INTO` the folder to leave a file in.
    fn client(&self, name: &str, script: &str) -> &Self {
        let text = format!(
            "#!/bin/sh\nset -e\necho run >> '{runs}'\nfor word in \"$@\"; do\n  \
             case \"$before\" in --dest|--pack-destination) INTO=\"$word\";; esac\n  \
             before=\"$word\"; LAST=\"$word\"\ndone\n{script}\n",
            runs = self.path("runs").display()
        );
        let (draft, file) = (self.path("draft"), self.path("bin").join(name));
        fs::write(&draft, text).unwrap();
        // Copied by another process: had this one written the program, a test that forks at that moment would
        // hold it open, and running it would fail as busy.
        assert!(
            Command::new("install").args(["-m", "755"]).args([&draft, &file]).status().unwrap().success()
        );
        self
    }

    /// Adds a `python3` whose pip leaves this file.
    fn pip_leaves(&self, wheel: &[u8]) -> &Self {
        fs::write(self.path("served"), wheel).unwrap();
        self.client(
            "python3",
            &format!("cp '{}' \"$INTO/thing-1.0-py3-none-any.whl\"", self.path("served").display()),
        )
    }

    fn cache(&self) -> Cache {
        let clients = Clients::in_folders(&[self.path("bin")]).with_variable("PATH", "/usr/bin:/bin");
        Cache::at(self.path("cache"), clients)
    }

    /// How often a client was run.
    fn runs(&self) -> usize {
        fs::read_to_string(self.path("runs")).map_or(0, |runs| runs.lines().count())
    }

    /// The files in the cache, locks aside.
    fn left(&self) -> Vec<String> {
        fn walk(folder: &Path, from: &Path, found: &mut Vec<String>) {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    walk(&path, from, found);
                } else {
                    found.push(path.strip_prefix(from).unwrap().display().to_string());
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.path("cache"), &self.path("cache"), &mut found);
        found.retain(|path| !path.starts_with("locks/"));
        found.sort();
        found
    }
}

fn wheel(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn tarball(files: &[(&str, &[u8], u32)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content, mode) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(*mode);
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut compressed = Vec::new();
    brotli::CompressorWriter::new(&mut compressed, 4096, 5, 20).write_all(bytes).unwrap();
    compressed
}

/// A part with one file of a wheel, pinned to this wheel's checksum.
fn pinned(wheel: &[u8]) -> &'static Part {
    let sha256 = Sha256::digest(wheel).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    part(
        Registry::PyPi,
        Checksum::Sha256(sha256.leak()),
        "library",
        &["library"],
        &[Item::plain("thing/lib.so", "lib.so")],
    )
}

fn part(
    registry: Registry,
    checksum: Checksum,
    name: &'static str,
    parts: &'static [&'static str],
    items: &[Item],
) -> &'static Part {
    let builds = vec![Build { platform: LinuxX64, checksum, bytes: Some(100) }];
    let archive = Archive { registry, name: "thing", version: "1.0", builds: builds.leak(), parts };
    let items: &'static [Item] = items.to_vec().leak();
    Box::leak(Box::new(Part {
        archive: Box::leak(Box::new(archive)),
        name,
        items: vec![(LinuxX64, items)].leak(),
    }))
}

/// Remembers what it was told.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Progress for Told {
    fn start(&self, what: &str, bytes: Option<u64>) {
        self.0.lock().unwrap().push(format!("start {what} {bytes:?}"));
    }
    fn advance(&self, bytes: u64) {
        self.0.lock().unwrap().push(format!("advance {bytes}"));
    }
    fn finish(&self) {
        self.0.lock().unwrap().push("finish".to_owned());
    }
}

#[test]
fn a_part_is_fetched_once_and_then_found() {
    let wheel = wheel(&[("thing/lib.so", LIBRARY), ("thing/unwanted.txt", b"no")]);
    let (machine, part, told) = (Machine::new(), pinned(&wheel), Told::default());
    let cache = machine.pip_leaves(&wheel).cache();
    assert_eq!(cache.existing(part), None);

    let folder = cache.obtain(part, &told).unwrap();
    assert_eq!(fs::read(folder.join("lib.so")).unwrap(), LIBRARY);
    assert_eq!(machine.left(), ["packages/thing-1.0/library/lib.so"]);
    // How often it is told how far it got depends on how long it took.
    let mut told = told.0.into_inner().unwrap();
    told.retain(|line| !line.starts_with("advance"));
    assert_eq!(told, ["start thing 1.0 Some(100)", "finish", "start unpacking thing 1.0 None", "finish"]);

    assert_eq!(cache.obtain(part, &Silent).unwrap(), folder);
    assert_eq!(cache.existing(part), Some(folder));
    assert_eq!(machine.runs(), 1);
}

#[test]
fn a_growing_download_is_told_of() {
    let wheel = wheel(&[("thing/lib.so", LIBRARY)]);
    let (machine, part, told) = (Machine::new(), pinned(&wheel), Told::default());
    machine.pip_leaves(&wheel);
    machine.client(
        "python3",
        &format!(
            "mkdir \"$TMPDIR/pip-unpack\"; printf 1234567 > \"$TMPDIR/pip-unpack/x\"; sleep 0.5\n\
             cp '{}' \"$INTO/thing-1.0-py3-none-any.whl\"",
            machine.path("served").display()
        ),
    );
    machine.cache().obtain(part, &told).unwrap();
    assert!(
        told.0.lock().unwrap().contains(&"advance 7".to_owned()),
        "{told:?}",
        told = told.0.lock().unwrap()
    );
}

#[test]
fn what_goes_wrong_is_said_with_a_remedy_and_leaves_nothing() {
    let good = wheel(&[("thing/lib.so", LIBRARY)]);
    let torn = &good[..good.len() / 2];
    let empty = wheel(&[("thing/other.so", LIBRARY)]);
    // What is served, what is pinned, and what the error says.
    let cases: [(&[u8], &[u8], &[&str]); 3] = [
        (torn, &good, &["thing 1.0 has the checksum", "nothing of it is used"]),
        (torn, torn, &["thing 1.0 can't be unpacked"]),
        (&empty, &empty, &["thing 1.0 can't be unpacked: thing/lib.so"]),
    ];
    for (served, pin, says) in cases {
        let machine = Machine::new();
        machine.pip_leaves(served);
        check_refused(&machine, pinned(pin), says);
    }
}

#[test]
fn a_client_that_fails_is_quoted() {
    let cases: [(&str, &[&str]); 6] = [
        (
            "echo 'ERROR: NewConnectionError: name resolution' >&2; exit 1",
            &["pip can't reach its registry", "name resolution", "proxy"],
        ),
        (
            "echo 'ERROR: [Errno 28] No space left on device' >&2; exit 1",
            &["no space left for thing 1.0", "PERCEPT_CACHE"],
        ),
        (
            "echo 'ERROR: No matching distribution found' >&2; exit 1",
            &["pip could not fetch thing 1.0", "No matching distribution"],
        ),
        ("exit 3", &["pip could not fetch thing 1.0: it said nothing"]),
        ("exit 0", &["left no .whl file"]),
        (
            "echo '/usr/bin/python3: No module named pip' >&2; exit 1",
            &["no pip was found", "apt install python3-pip"],
        ),
    ];
    for (script, says) in cases {
        let machine = Machine::new();
        machine.client("python3", script);
        check_refused(&machine, pinned(&wheel(&[])), says);
    }
}

#[test]
fn a_machine_without_clients_is_told_which_to_install() {
    let machine = Machine::new();
    check_refused(
        &machine,
        pinned(&wheel(&[])),
        &["no pip was found on the PATH", "apt install python3-pip"],
    );
    let npm = part(Registry::Npm, Checksum::Sha512(""), "library", &["library"], &[]);
    check_refused(&machine, npm, &["no npm was found on the PATH", "apt install npm"]);
}

#[test]
fn a_python_without_pip_gives_way_to_the_next() {
    let wheel = wheel(&[("thing/lib.so", LIBRARY)]);
    let machine = Machine::new();
    machine.pip_leaves(&wheel);
    fs::rename(machine.path("bin/python3"), machine.path("bin/pip3")).unwrap();
    machine.client("python3", "echo 'python3: No module named pip' >&2; exit 1");
    machine.cache().obtain(pinned(&wheel), &Silent).unwrap();
    assert_eq!(machine.runs(), 2);
}

fn check_refused(machine: &Machine, part: &'static Part, says: &[&str]) {
    let error = machine.cache().obtain(part, &Silent).unwrap_err().to_string();
    for words in says {
        assert!(error.contains(words), "{error:?} lacks {words:?}");
    }
    assert_eq!(machine.left(), [""; 0], "after {error}");
    assert_eq!(machine.cache().existing(part), None);
}

#[test]
fn a_cache_that_cant_be_written_is_named() {
    let wheel = wheel(&[("thing/lib.so", LIBRARY)]);
    let machine = Machine::new();
    machine.pip_leaves(&wheel);
    // A file where the cache's folder should be: that holds for root too, unlike a missing permission.
    fs::write(machine.path("cache"), "").unwrap();
    let error = machine.cache().obtain(pinned(&wheel), &Silent).unwrap_err();
    assert!(matches!(error, FetchError::CacheNotWritable { .. }), "{error:?}");
    let error = error.to_string();
    assert!(error.contains(&machine.path("cache").display().to_string()), "{error}");
    assert!(error.contains("PERCEPT_CACHE"), "{error}");
}

#[test]
fn of_many_that_want_a_part_one_fetches_and_all_get_it() {
    let wheel = wheel(&[("thing/lib.so", LIBRARY)]);
    let (machine, part) = (Machine::new(), pinned(&wheel));
    machine.pip_leaves(&wheel);
    machine.client(
        "python3",
        &format!("sleep 0.3; cp '{}' \"$INTO/thing-1.0-py3-none-any.whl\"", machine.path("served").display()),
    );
    let (barrier, told) = (Barrier::new(4), Told::default());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                // Each its own cache, as in processes of their own.
                let cache = machine.cache();
                barrier.wait();
                let folder = cache.obtain(part, &told).unwrap();
                assert_eq!(fs::read(folder.join("lib.so")).unwrap(), LIBRARY);
            });
        }
    });
    let told = told.0.into_inner().unwrap();
    let said = |what: &str| told.iter().filter(|line| line.starts_with(what)).count();
    assert_eq!(said("start thing 1.0"), 1, "{told:?}");
    assert_eq!(said("start waiting for another process to fetch thing 1.0"), 3, "{told:?}");
    assert_eq!(machine.runs(), 1);
}

#[test]
fn what_a_killed_fetch_left_is_swept_away() {
    let wheel = wheel(&[("thing/lib.so", LIBRARY)]);
    let machine = Machine::new();
    machine.pip_leaves(&wheel);
    let stale = machine.path("cache/staging/thing-1.0-killed/unpacked");
    fs::create_dir_all(&stale).unwrap();
    fs::write(stale.join("lib.so"), "half").unwrap();
    let folder = machine.cache().obtain(pinned(&wheel), &Silent).unwrap();
    assert_eq!(fs::read(folder.join("lib.so")).unwrap(), LIBRARY);
    assert_eq!(machine.left(), ["packages/thing-1.0/library/lib.so"]);
}

#[test]
fn an_archive_is_kept_until_its_last_part_was_taken_out() {
    let inner = tarball(&[("fonts/a.ttf", b"font", 0o644), ("lib/run", b"run", 0o755)]);
    let tgz = gzip(&tarball(&[
        ("package/bin/program.br", &brotli(b"program"), 0o644),
        ("package/bin/files.tar.br", &brotli(&inner), 0o644),
    ]));
    let checksum = Checksum::Sha512(base64(&Sha512::digest(&tgz)).leak());
    let program = Item { from: "package/bin/program.br", to: "program", form: Form::BrotliProgram };
    let files = Item { from: "package/bin/files.tar.br", to: "", form: Form::BrotliTarball };
    let both: &'static [&'static str] = &["first", "second"];
    let first = part(Registry::Npm, checksum, "first", both, &[program]);
    let second = part(Registry::Npm, checksum, "second", both, &[files]);

    let machine = Machine::new();
    fs::write(machine.path("served"), &tgz).unwrap();
    machine.client("npm", &format!("cp '{}' \"$INTO/thing-1.0.tgz\"", machine.path("served").display()));
    let is_program = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o111 != 0;

    let folder = machine.cache().obtain(first, &Silent).unwrap();
    assert_eq!(fs::read(folder.join("program")).unwrap(), b"program");
    assert!(is_program(folder.join("program")));
    assert_eq!(machine.left(), ["archives/thing-1.0", "packages/thing-1.0/first/program"]);

    let folder = machine.cache().obtain(second, &Silent).unwrap();
    assert!(is_program(folder.join("lib/run")));
    assert!(!is_program(folder.join("fonts/a.ttf")));
    assert_eq!(
        machine.left(),
        [
            "packages/thing-1.0/first/program",
            "packages/thing-1.0/second/fonts/a.ttf",
            "packages/thing-1.0/second/lib/run"
        ]
    );
    assert_eq!(machine.runs(), 1);
}

#[test]
fn a_kept_archive_that_was_damaged_is_fetched_again() {
    let tgz = gzip(&tarball(&[("package/a.br", &brotli(b"a"), 0o644)]));
    let checksum = Checksum::Sha512(base64(&Sha512::digest(&tgz)).leak());
    let item = Item { from: "package/a.br", to: "a", form: Form::BrotliProgram };
    let part = part(Registry::Npm, checksum, "first", &["first", "second"], &[item]);
    let machine = Machine::new();
    fs::write(machine.path("served"), &tgz).unwrap();
    machine.client("npm", &format!("cp '{}' \"$INTO/thing-1.0.tgz\"", machine.path("served").display()));
    fs::create_dir_all(machine.path("cache/archives")).unwrap();
    fs::write(machine.path("cache/archives/thing-1.0"), &tgz[..tgz.len() / 2]).unwrap();
    let folder = machine.cache().obtain(part, &Silent).unwrap();
    assert_eq!(fs::read(folder.join("a")).unwrap(), b"a");
    assert_eq!(fs::read(machine.path("cache/archives/thing-1.0")).unwrap(), tgz);
}

#[test]
fn a_tarball_that_leads_out_of_its_folder_is_refused() {
    // `tar` refuses to write such a path, so it is written over a harmless one of the same length.
    let mut inner = tarball(&[("aa/escape", b"out", 0o644)]);
    inner[..9].copy_from_slice(b"../escape");
    let sum: u32 = inner[..512]
        .iter()
        .enumerate()
        .map(|(i, b)| if (148..156).contains(&i) { 32 } else { u32::from(*b) })
        .sum();
    inner[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let tgz = gzip(&tarball(&[("package/files.tar.br", &brotli(&inner), 0o644)]));
    let checksum = Checksum::Sha512(base64(&Sha512::digest(&tgz)).leak());
    let files = Item { from: "package/files.tar.br", to: "", form: Form::BrotliTarball };
    let machine = Machine::new();
    fs::write(machine.path("served"), &tgz).unwrap();
    machine.client("npm", &format!("cp '{}' \"$INTO/thing-1.0.tgz\"", machine.path("served").display()));
    check_refused(
        &machine,
        part(Registry::Npm, checksum, "first", &["first"], &[files]),
        &["../escape leads out of the archive"],
    );
}

#[test]
fn a_package_for_other_machines_is_refused_by_name() {
    let archive =
        Archive { registry: Registry::PyPi, name: "thing", version: "1.0", builds: &[], parts: &["library"] };
    let part =
        Box::leak(Box::new(Part { archive: Box::leak(Box::new(archive)), name: "library", items: &[] }));
    check_refused(&Machine::new(), part, &["thing 1.0 is not pinned for Linux x86_64"]);
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    // A SHA-512 leaves one byte over, so its last group is two letters and two paddings.
    assert_eq!(bytes.len() % 3, 1);
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let word = three.iter().fold(0, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..=three.len() {
            text.push(char::from(LETTERS[(word >> (18 - 6 * place)) as usize % 64]));
        }
    }
    text + "=="
}
