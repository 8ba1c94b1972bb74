//! Embeddings of pictures that were made before, kept on the disk so that a second search embeds only new ones.
//!
//! A file a model, named by [`LocalDualEncoder::identity`](super::LocalDualEncoder::identity): another model, another export
//! of it or another device has one of its own. In it a picture goes by the hash of its file's bytes, so one that was changed
//! is another one, and where it lies doesn't matter. Nothing in it can't be made again: a file that is damaged is
//! begun anew, and that is said.

use std::{
    collections::HashMap,
    fs,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use super::Embedding;
use crate::{ContentHash, ModelError};

/// What such a file begins with; the number is the form's.
const MAGIC: &[u8; 20] = b"percept-embeddings 1";
/// The bytes of a hash.
const HASH: usize = 32;
/// The most pictures that are kept; those that weren't asked for the longest go first. At 512 numbers each that is 200 MB.
const MOST: usize = 100_000;

/// A picture that was embedded before.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexedPicture {
    /// Its embedding.
    pub embedding: Embedding,
    /// What was said of its file.
    pub notes: Vec<String>,
}

/// What is known of pictures, for one model.
#[derive(Debug)]
pub struct EmbeddingIndex {
    path: PathBuf,
    /// Each with when it was asked for, in steps.
    pictures: HashMap<ContentHash, (u64, IndexedPicture)>,
    step: u64,
    has_news: bool,
    note: Option<String>,
}

impl EmbeddingIndex {
    /// That of a model in a folder; empty if there is none yet. One that can't be read is left aside, which
    /// [`EmbeddingIndex::note`] says.
    pub fn open(folder: &Path, model: ContentHash) -> Self {
        let path = folder.join(format!("{model}.index"));
        let (pictures, note) = match fs::read(&path) {
            Ok(bytes) => match parsed(&bytes) {
                Some(pictures) => (pictures, None),
                None => (Vec::new(), Some(format!("{} is damaged, so it is made anew", path.display()))),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => (Vec::new(), None),
            Err(error) => (Vec::new(), Some(format!("{} can't be read: {error}", path.display()))),
        };
        let step = pictures.len() as u64;
        let pictures = (0..).zip(pictures).map(|(step, (hash, picture))| (hash, (step, picture))).collect();
        Self { path, pictures, step, has_news: false, note }
    }

    /// What a user should know: that it was damaged.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// How many pictures it knows.
    pub fn len(&self) -> usize {
        self.pictures.len()
    }

    /// Whether it knows none.
    pub fn is_empty(&self) -> bool {
        self.pictures.is_empty()
    }

    /// What is known of a picture, by the hash of its file's bytes ([`ContentHash::of_bytes`]).
    pub fn get(&mut self, picture: ContentHash) -> Option<&IndexedPicture> {
        let (step, found) = self.pictures.get_mut(&picture)?;
        self.step += 1;
        *step = self.step;
        Some(found)
    }

    /// Notes a picture. Where twice the most that are kept are known, those that weren't asked for the longest are forgotten at
    /// once, so that memory has an end too.
    pub fn insert(&mut self, picture: ContentHash, known: IndexedPicture) {
        self.step += 1;
        self.has_news = true;
        self.pictures.insert(picture, (self.step, known));
        if self.pictures.len() > 2 * MOST {
            let mut steps: Vec<u64> = self.pictures.values().map(|(step, _)| *step).collect();
            let (_, oldest, _) = steps.select_nth_unstable(self.pictures.len() - MOST);
            self.pictures.retain(|_, (step, _)| *step >= *oldest);
        }
    }

    /// Writes it, if there is anything new. It is there as a whole or not at all; of two programs that write it at once
    /// the later one's stays.
    ///
    /// # Errors
    ///
    /// [`ModelError::Request`] naming the file that can't be written.
    pub fn save(&mut self) -> Result<(), ModelError> {
        if !self.has_news {
            return Ok(());
        }
        let cannot = |error: std::io::Error| {
            ModelError::Request(format!("{} can't be written: {error}", self.path.display()))
        };
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(cannot)?;
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(cannot)?;
        file.write_all(&self.written()).map_err(cannot)?;
        file.persist(&self.path).map_err(|error| cannot(error.error))?;
        self.has_news = false;
        Ok(())
    }

    /// The file's bytes: the mark, then for each picture its hash, its notes and its numbers, then the hash of all that.
    fn written(&self) -> Vec<u8> {
        let mut pictures: Vec<_> = self.pictures.iter().collect();
        pictures.sort_by_key(|(_, (step, _))| *step);
        let mut bytes = MAGIC.to_vec();
        for (hash, (_, picture)) in &pictures[pictures.len().saturating_sub(MOST)..] {
            bytes.extend(hash.0);
            put(&mut bytes, &picture.notes.join("\n").into_bytes());
            let numbers = picture.embedding.values().iter().flat_map(|value| value.to_le_bytes());
            put(&mut bytes, &numbers.collect::<Vec<_>>());
        }
        let seal = ContentHash::of_bytes(&bytes);
        bytes.extend(seal.0);
        bytes
    }
}

fn put(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend((part.len() as u64).to_le_bytes());
    bytes.extend(part);
}

/// What a file says; `None` if a byte of it isn't as it was written.
fn parsed(bytes: &[u8]) -> Option<Vec<(ContentHash, IndexedPicture)>> {
    let (sealed, seal) = bytes.split_at_checked(bytes.len().checked_sub(HASH)?)?;
    if ContentHash::of_bytes(sealed).0 != seal {
        return None;
    }
    let mut rest = sealed.strip_prefix(MAGIC)?;
    let mut pictures = Vec::new();
    while !rest.is_empty() {
        let (hash, after) = rest.split_first_chunk::<HASH>()?;
        rest = after;
        let notes = String::from_utf8(taken(&mut rest)?.to_vec()).ok()?;
        let notes = notes.split('\n').filter(|note| !note.is_empty()).map(str::to_owned).collect();
        let numbers = taken(&mut rest)?.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four));
        let embedding = Embedding::as_it_was(numbers.collect())?;
        pictures.push((ContentHash(*hash), IndexedPicture { embedding, notes }));
    }
    Some(pictures)
}

fn taken<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<8>()?;
    let (part, after) = after.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    *rest = after;
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(values: &[f32], notes: &[&str]) -> IndexedPicture {
        let notes = notes.iter().map(|note| (*note).to_owned()).collect();
        IndexedPicture { embedding: Embedding::new(values.to_vec()).unwrap(), notes }
    }

    #[test]
    fn what_was_saved_is_there_to_the_bit_and_for_that_model_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (model, other) = (ContentHash::of_bytes(b"model"), ContentHash::of_bytes(b"other"));
        let pictures =
            [picture(&[0.3, -0.1, 7.0], &[]), picture(&[1.0, 2.0, 3.0], &["turned", "laid on white"])];
        let mut index = EmbeddingIndex::open(folder.path(), model);
        assert!(index.is_empty() && index.note().is_none());
        for (name, picture) in [b"a", b"b"].into_iter().zip(&pictures) {
            index.insert(ContentHash::of_bytes(name), picture.clone());
        }
        index.save().unwrap();
        let mut again = EmbeddingIndex::open(folder.path(), model);
        assert_eq!((again.len(), again.note()), (2, None));
        for (name, picture) in [b"a", b"b"].into_iter().zip(&pictures) {
            assert_eq!(again.get(ContentHash::of_bytes(name)), Some(picture));
        }
        assert_eq!(again.get(ContentHash::of_bytes(b"c")), None);
        assert!(EmbeddingIndex::open(folder.path(), other).is_empty());
    }

    #[test]
    fn a_file_with_one_other_byte_or_cut_anywhere_is_begun_anew_and_said() {
        let folder = tempfile::tempdir().unwrap();
        let model = ContentHash::of_bytes(b"model");
        let mut index = EmbeddingIndex::open(folder.path(), model);
        index.insert(ContentHash::of_bytes(b"a"), picture(&[1.0, 2.0], &["turned"]));
        index.save().unwrap();
        let path = folder.path().join(format!("{model}.index"));
        let whole = fs::read(&path).unwrap();
        let changed = (0..whole.len()).map(|at| {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            bytes
        });
        for bytes in changed.chain((0..whole.len()).map(|length| whole[..length].to_vec())) {
            fs::write(&path, &bytes).unwrap();
            let opened = EmbeddingIndex::open(folder.path(), model);
            assert!(opened.is_empty());
            assert!(opened.note().unwrap().ends_with("is damaged, so it is made anew"));
        }
    }

    #[test]
    fn of_too_many_those_that_werent_asked_for_the_longest_go() {
        let folder = tempfile::tempdir().unwrap();
        let model = ContentHash::of_bytes(b"model");
        let name = |number: usize| ContentHash::of_bytes(&number.to_le_bytes());
        let mut index = EmbeddingIndex::open(folder.path(), model);
        for number in 0..MOST {
            index.insert(name(number), picture(&[1.0], &[]));
        }
        index.get(name(0));
        index.insert(name(MOST), picture(&[1.0], &[]));
        index.save().unwrap();
        let mut again = EmbeddingIndex::open(folder.path(), model);
        assert_eq!(again.len(), MOST);
        assert!(again.get(name(0)).is_some() && again.get(name(1)).is_none() && again.get(name(2)).is_some());
        for number in MOST..2 * MOST {
            index.insert(name(number), picture(&[1.0], &[]));
        }
        index.get(name(0));
        assert_eq!(index.len(), 2 * MOST);
        index.insert(name(2 * MOST), picture(&[1.0], &[]));
        assert_eq!(index.len(), MOST, "in memory too");
        assert!(index.get(name(0)).is_some() && index.get(name(MOST)).is_none());
    }

    #[test]
    fn nothing_new_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut index =
            EmbeddingIndex::open(&folder.path().join("not there"), ContentHash::of_bytes(b"model"));
        index.save().unwrap();
        assert!(!folder.path().join("not there").exists());
    }
}
