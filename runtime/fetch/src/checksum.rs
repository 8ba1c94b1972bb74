//! What a pinned file must hash to.

use std::{
    fmt::{self, Write as _},
    fs::File,
    io::{self, Read},
    path::Path,
};

use sha2::{Digest, Sha256, Sha512};

/// A checksum in the form in which its registry publishes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// SHA-256 in hexadecimal, as the Python package index lists it.
    Sha256(&'static str),
    /// SHA-512 in base64, as npm lists it (without the `sha512-` prefix).
    Sha512(&'static str),
}

impl Checksum {
    /// What the file hashes to, in this checksum's own form; equal to it when the file is the pinned one.
    ///
    /// # Errors
    ///
    /// Whatever reading the file gives.
    pub(crate) fn found(self, file: &Path) -> io::Result<String> {
        Ok(match self {
            Self::Sha256(_) => hexadecimal(&digest::<Sha256>(file)?),
            Self::Sha512(_) => base64(&digest::<Sha512>(file)?),
        })
    }

    /// The pinned text.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Sha256(text) | Self::Sha512(text) => text,
        }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

fn digest<D: Digest>(file: &Path) -> io::Result<Vec<u8>> {
    let mut reader = File::open(file)?;
    let mut digest = D::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(digest.finalize().to_vec()),
            read => digest.update(&buffer[..read]),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// RFC 4648 with padding: the one use that this crate has for it doesn't merit a dependency.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let word =
            three.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= three.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_hashes_to_what_its_registry_lists() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("abc");
        std::fs::write(&file, "abc").unwrap();
        // The examples of FIPS 180-2.
        let cases = [
            Checksum::Sha256("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            Checksum::Sha512(
                "3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qmslPpUyknw==",
            ),
        ];
        for checksum in cases {
            assert_eq!(checksum.found(&file).unwrap(), checksum.text());
        }
    }

    #[test]
    fn base64_pads_what_is_left_over() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
