//! Graphs made by hand, and folders of them.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A protocol buffer's field: a number, or bytes.
pub(crate) fn number(field: u8, value: u8) -> Vec<u8> {
    vec![field << 3, value]
}

pub(crate) fn bytes(field: u8, content: &[u8]) -> Vec<u8> {
    let mut written = vec![field << 3 | 2];
    let mut length = content.len();
    while length >= 0x80 {
        written.push((length & 0x7f | 0x80) as u8);
        length >>= 7;
    }
    written.push(length as u8);
    written.extend_from_slice(content);
    written
}

pub(crate) fn node(operator: &str, output: &str) -> Vec<u8> {
    let attribute = bytes(5, &[bytes(1, b"axis"), number(3, 1), vec![0xa0, 0x01, 2]].concat());
    node_of(operator, &["x"], output, &attribute)
}

pub(crate) fn node_of(operator: &str, inputs: &[&str], output: &str, attribute: &[u8]) -> Vec<u8> {
    let inputs: Vec<u8> = inputs.iter().flat_map(|input| bytes(1, input.as_bytes())).collect();
    let rest = [bytes(2, output.as_bytes()), bytes(4, operator.as_bytes()), attribute.to_vec()];
    bytes(1, &[inputs, rest.concat()].concat())
}

pub(crate) fn weight(name: &str, kind: u8, raw: &[u8]) -> Vec<u8> {
    let shape = number(1, 2);
    bytes(5, &[shape, number(2, kind), bytes(8, name.as_bytes()), bytes(9, raw)].concat())
}

pub(crate) fn floats(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Half floats as `onnx.helper` writes them: numbers of variable length.
pub(crate) fn halves_in_a_list(numbers: &[u8]) -> Vec<u8> {
    bytes(5, &[number(1, 2), number(2, 10), bytes(8, b"h"), bytes(5, numbers)].concat())
}

/// A weight that lies in another file.
pub(crate) fn elsewhere(name: &str, entries: &[(&str, &str)]) -> Vec<u8> {
    let entry = |(key, value): &(&str, &str)| {
        bytes(13, &[bytes(1, key.as_bytes()), bytes(2, value.as_bytes())].concat())
    };
    let entries: Vec<u8> = entries.iter().flat_map(entry).collect();
    bytes(5, &[number(1, 2), number(2, 1), bytes(8, name.as_bytes()), entries, number(14, 1)].concat())
}

/// A node with a graph in it, with a node with a graph in it, and so on.
pub(crate) fn nested(depth: usize) -> Vec<u8> {
    let within = if depth == 0 { node("Add", "y") } else { nested(depth - 1) };
    let attribute = bytes(5, &[bytes(1, b"body"), bytes(6, &within)].concat());
    bytes(1, &[bytes(2, b"y"), bytes(4, b"Loop"), attribute].concat())
}

/// A tokenizer of these words, with what else its file says.
pub(crate) fn words(words: &[&str], rest: &str) -> String {
    let vocabulary: Vec<_> = words.iter().enumerate().map(|(id, word)| format!("\"{word}\": {id}")).collect();
    let model = format!(
        "{{\"type\": \"WordLevel\", \"vocab\": {{{}}}, \"unk_token\": \"a\"}}",
        vocabulary.join(", ")
    );
    format!("{{\"version\": \"1.0\", \"added_tokens\": [], \"model\": {model}{rest}}}")
}

/// A file with one graph of these parts.
pub(crate) fn graph(folder: &Path, name: &str, parts: &[Vec<u8>]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, [number(1, 8), bytes(7, &parts.concat())].concat()).unwrap();
    path
}

/// The numbers of the four bytes each that the file ends with.
pub(crate) fn last(path: &Path, count: usize) -> Vec<f32> {
    let file = fs::read(path).unwrap();
    let chunks = file[file.len() - 4 * count..].chunks_exact(4);
    chunks.map(|chunk| f32::from_le_bytes(chunk.try_into().unwrap())).collect()
}

/// A model's folder whose graphs are at these paths, each with a weight of its own.
pub(crate) fn folder_of(root: &Path, name: &str, graphs: &[&str], number: f32) -> PathBuf {
    let folder = root.join(name);
    for path in graphs {
        let path = folder.join(path);
        let (home, name) = (path.parent().unwrap(), path.file_name().unwrap().to_str().unwrap());
        fs::create_dir_all(home).unwrap();
        graph(home, name, &[node("Add", "y"), weight("w", 1, &floats(&[number, number]))]);
    }
    folder
}
