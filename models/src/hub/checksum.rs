//! What a file of the Hub must hash to.
//!
//! A big file is stored beside git (Git LFS, <https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md>) and named by its
//! SHA-256; a small one is a blob of git, named by the SHA-1 of `blob `, its length, a zero byte and its content.

use std::{
    fmt::Write,
    fs::File,
    io::{self, Read},
    path::Path,
};

use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// A checksum in hexadecimal. It is the blob's name in the cache too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Checksum {
    /// Of the content.
    Sha256(String),
    /// Of git's object.
    Git(String),
}

impl Checksum {
    pub(super) fn sha256(text: &str) -> Option<Self> {
        is_hexadecimal(text, 64).then(|| Self::Sha256(text.to_owned()))
    }

    pub(super) fn git(text: &str) -> Option<Self> {
        is_hexadecimal(text, 40).then(|| Self::Git(text.to_owned()))
    }

    /// Its digits.
    pub(super) fn text(&self) -> &str {
        let (Self::Sha256(text) | Self::Git(text)) = self;
        text
    }

    /// Whether it still has the form that [`Checksum::sha256`] and [`Checksum::git`] ask for: one that was read from disk
    /// becomes a path again.
    pub(super) fn is_well_formed(&self) -> bool {
        match self {
            Self::Sha256(text) => is_hexadecimal(text, 64),
            Self::Git(text) => is_hexadecimal(text, 40),
        }
    }

    /// Whether a file has it.
    ///
    /// # Errors
    ///
    /// Whatever reading the file gives.
    pub(super) fn fits(&self, file: &Path) -> io::Result<bool> {
        let file = File::open(file)?;
        let found = match self {
            Self::Sha256(_) => digest(Sha256::new(), file)?,
            Self::Git(_) => {
                let length = file.metadata()?.len();
                digest(Sha1::new().chain_update(format!("blob {length}\0")), file)?
            }
        };
        Ok(found == self.text())
    }
}

fn is_hexadecimal(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn digest(mut digest: impl Digest, mut file: File) -> io::Result<String> {
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => {
                let mut text = String::new();
                for byte in digest.finalize() {
                    // Writing to a string can't fail.
                    let _ = write!(text, "{byte:02x}");
                }
                return Ok(text);
            }
            read => digest.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_programs_that_define_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        // `printf 'hello\n' | sha256sum`, `printf 'hello\n' | git hash-object --stdin`, and both of nothing.
        let cases = [
            (
                "hello\n",
                "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
                "ce013625030ba8dba906f756967f9e9ca394464a",
            ),
            (
                "",
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
            ),
        ];
        for (content, sha256, git) in cases {
            std::fs::write(&file, content).unwrap();
            assert!(Checksum::sha256(sha256).unwrap().fits(&file).unwrap());
            assert!(Checksum::git(git).unwrap().fits(&file).unwrap());
            assert!(!Checksum::git(&git.replace('1', "2").replace('e', "d")).unwrap().fits(&file).unwrap());
        }
        for text in ["", "../../etc", "CE013625030BA8DBA906F756967F9E9CA394464A"] {
            assert_eq!((Checksum::git(text), Checksum::sha256(text)), (None, None), "{text}");
        }
    }
}
