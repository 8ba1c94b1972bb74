//! README's own lines that ask a model about pictures, run as they stand there. `models/clip` and its like are the small
//! random instances of this repository, so what they answer means nothing; that the lines run does.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use image::{Delay, Frame, Rgb, RgbImage, codecs::gif::GifEncoder};

/// What the lines begin with, and how many there are of each at least.
const COMMANDS: [(&str, usize); 4] = [("ask", 5), ("classify", 1), ("nearest", 1), ("draw", 2)];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// The words of a line as a shell would give them: quotes hold words together, `#` begins what isn't said.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quoted) = (Vec::new(), false);
    let mut word: Option<String> = None;
    for character in line.chars() {
        match character {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            '#' if !quoted && word.is_none() => break,
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

/// The lines in README's blocks of shell that work with a model's folder, as words.
fn lines() -> Vec<Vec<String>> {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let blocks = readme.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("sh\n"));
    let lines = blocks.flat_map(str::lines).map(words);
    lines
        .filter(|words| words.first().is_some_and(|word| word == "percept"))
        .filter(|words| words.get(2).is_some_and(|word| word.starts_with("models/")))
        .collect()
}

fn picture(shade: u8) -> RgbImage {
    RgbImage::from_fn(160, 208, |x, y| Rgb([shade, (x % 256) as u8, (y % 256) as u8]))
}

/// A folder in which README's lines find what they name.
fn scene(lines: &[Vec<String>]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("shots")).unwrap();
    fs::create_dir_all(at("models")).unwrap();
    for model in lines.iter().map(|words| &words[2]) {
        let tiny = root().join("models/tests/data").join(format!("{}-tiny", &model["models/".len()..]));
        assert!(tiny.is_dir(), "{model} is {}, which isn't there", tiny.display());
        if !at(model).exists() {
            copy(&tiny, &at(model));
        }
    }
    for (name, shade) in [("shot", 0), ("new", 40), ("a", 80), ("b", 120), ("shots/1", 160), ("shots/2", 200)]
    {
        picture(shade).save(at(&format!("{name}.png"))).unwrap();
    }
    let mut frames = GifEncoder::new(File::create(at("run.gif")).unwrap());
    for shade in [0, 80, 160, 240] {
        let frame = image::DynamicImage::from(picture(shade)).to_rgba8();
        frames.encode_frame(Frame::from_parts(frame, 0, 0, Delay::from_numer_denom_ms(500, 1))).unwrap();
    }
    folder
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (source, target) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if source.is_dir() {
            copy(&source, &target);
        } else {
            fs::copy(source, target).unwrap();
        }
    }
}

#[test]
fn what_the_readme_says_about_pictures_runs_as_it_stands() {
    let lines = lines();
    for (command, least) in COMMANDS {
        let found = lines.iter().filter(|words| words[1] == command).count();
        assert!(found >= least, "{found} lines with `percept {command}`");
    }
    let folder = scene(&lines);
    for words in &lines {
        let output = Command::new(env!("CARGO_BIN_EXE_percept"))
            .args(&words[1..])
            .args(match (words[1].as_str(), words[2].as_str()) {
                ("nearest", _) => &["--no-index"][..],
                // Its usual picture is longer than the instance's context.
                ("draw", "models/emu3") => &["--area", "1024"],
                _ => &[],
            })
            .args(["--device", "cpu"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let [stdout, stderr] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        assert_eq!(output.status.code(), Some(0), "{words:?}\n{stdout}\n{stderr}");
        if words.iter().any(|word| word == "--json") {
            let document: serde_json::Value = serde_json::from_str(&stdout).unwrap();
            assert!(document.get("error").is_none(), "{words:?}: {document}");
        }
        let written = words.iter().position(|word| word == "-o").map(|at| folder.path().join(&words[at + 1]));
        assert!(written.is_none_or(|file| image::open(file).is_ok()), "{words:?} wrote no picture");
    }
}
