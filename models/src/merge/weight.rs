//! One weight of two: read in pieces, merged, and written into the copy of the first model's file.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
};

use sha2::{Digest, Sha256};

use super::{
    Merge, PIECE,
    copies::Copies,
    method::Piece,
    numbers::Numbers,
    regions::Regions,
    tensor::{Place, Weight, kind_name},
};
use crate::{ModelError, folder::bad};

impl Merge {
    /// Merges one weight with the second model's, and the base's; `false` if it is the same in all.
    pub(super) fn weight_into(
        &self,
        copies: &mut Copies,
        regions: &mut Regions,
        weight: &Weight,
        others: &[&Weight],
    ) -> Result<bool, ModelError> {
        if others.iter().any(|other| other.place.length() != weight.place.length()) {
            return Err(refused(weight, "isn't whole"));
        }
        let mut target = Target { copies, weight, twin: regions.claim(weight)? };
        if target.twin.is_none() && Numbers::of(weight.kind).is_none() {
            // They are the same, or this wouldn't have begun.
            return Ok(false);
        }
        let parts = || weight.place.parts(PIECE);
        let mut differs = false;
        for part in parts() {
            self.go_on()?;
            differs = !is_equal(weight, others, &part)?;
            if differs {
                break;
            }
        }
        if !differs {
            parts().try_for_each(|part| target.leave(&part))?;
            return Ok(false);
        }
        let Some(form) = Numbers::of(weight.kind) else {
            return Err(refused(weight, &format!("is {}", kind_name(weight.kind))));
        };
        // A hostile shape may say more than any memory holds.
        let count = weight.shape.iter().try_fold(1u64, |count, side| count.checked_mul(*side));
        let Some(count) =
            count.filter(|count| count.checked_mul(form.bytes()) == Some(weight.place.length()))
        else {
            return Err(refused(weight, "isn't whole"));
        };
        let pieces = |see: &mut dyn FnMut(&Piece)| {
            parts().try_for_each(|part| {
                self.go_on()?;
                see(&piece(form, weight, others, &part)?);
                Ok::<_, ModelError>(())
            })
        };
        let mut merging = self.method.begin(self.weight, count, stream(&weight.place), pieces)?;
        for part in parts() {
            self.go_on()?;
            if self.method.keeps_equals() && is_equal(weight, others, &part)? {
                target.leave(&part)?;
                continue;
            }
            let numbers = merging.merge(&piece(form, weight, others, &part)?, part.start / form.bytes());
            let merged = form.write(&numbers);
            if form.read(&merged).is_none_or(|merged| merged.iter().any(|number| !number.is_finite())) {
                let kind = kind_name(weight.kind);
                return Err(refused(weight, &format!("comes to a number that is too large for {kind}")));
            }
            target.put(&part, &merged)?;
        }
        Ok(true)
    }

    fn go_on(&self) -> Result<(), ModelError> {
        if self.cancel.is_cancelled() { Err(ModelError::Interrupted) } else { Ok(()) }
    }
}

/// Where a weight's numbers go.
struct Target<'a> {
    copies: &'a mut Copies,
    weight: &'a Weight,
    /// Another weight that is the same bytes in the first model, and was merged before.
    twin: Option<String>,
}

impl Target<'_> {
    /// These numbers are what they were.
    fn leave(&mut self, part: &Range<u64>) -> Result<(), ModelError> {
        if self.twin.is_none() {
            return Ok(());
        }
        self.put(part, &numbers_at(&self.weight.place, part)?)
    }

    /// These numbers are others now; or must be those that the twin has come to.
    fn put(&mut self, part: &Range<u64>, merged: &[u8]) -> Result<(), ModelError> {
        let Place { file, bytes } = &self.weight.place;
        let Some(twin) = &self.twin else { return self.copies.put(file, bytes.start + part.start, merged) };
        if self.copies.get(file, bytes.start + part.start..bytes.start + part.end)? == merged {
            return Ok(());
        }
        Err(ModelError::Folder {
            path: file.clone(),
            problem: format!(
                "`{twin}` and `{}` are one tensor in the first model, and two that differ in another",
                self.weight.name
            ),
            remedy: "Export all with these two tied, or the first one with them apart".into(),
        })
    }
}

/// A weight that can't be merged.
pub(super) fn refused(weight: &Weight, problem: &str) -> ModelError {
    ModelError::Folder {
        path: weight.place.file.clone(),
        problem: format!("the weight `{}` {problem}", weight.name),
        remedy:
            "Merge files in full or half precision (--precision fp32, fp16), and quantise what comes of it"
                .into(),
    }
}

/// Whether a part of a weight has the same bytes in all models.
pub(super) fn is_equal(weight: &Weight, others: &[&Weight], part: &Range<u64>) -> Result<bool, ModelError> {
    let own = numbers_at(&weight.place, part)?;
    for other in others {
        if numbers_at(&other.place, part)? != own {
            return Ok(false);
        }
    }
    Ok(true)
}

fn piece(form: Numbers, weight: &Weight, others: &[&Weight], part: &Range<u64>) -> Result<Piece, ModelError> {
    let read = |of: &Weight| {
        let numbers = form.read(&numbers_at(&of.place, part)?).ok_or_else(|| refused(of, "isn't whole"))?;
        if numbers.iter().any(|number| !number.is_finite()) {
            return Err(refused(of, "holds a number that isn't finite"));
        }
        Ok(numbers)
    };
    let other = |index: usize| others.get(index).map_or(Ok(Vec::new()), |other| read(other));
    Ok(Piece { a: read(weight)?, b: other(0)?, base: other(1)? })
}

/// What is random about a weight is drawn by where it lies, so that two that are one tensor get the same.
fn stream(place: &Place) -> u64 {
    let name = place.file.file_name().unwrap_or_default().as_encoded_bytes();
    let mut digest = Sha256::new();
    digest.update(name);
    digest.update(place.bytes.start.to_le_bytes());
    digest.finalize().iter().take(8).fold(0, |stream, byte| stream << 8 | u64::from(*byte))
}

/// Some of the bytes of a weight's numbers.
fn numbers_at(place: &Place, part: &Range<u64>) -> Result<Vec<u8>, ModelError> {
    let read = || -> io::Result<Vec<u8>> {
        let mut source = File::open(&place.file)?;
        source.seek(SeekFrom::Start(place.bytes.start + part.start))?;
        let mut numbers = Vec::new();
        source.take(part.end - part.start).read_to_end(&mut numbers)?;
        Ok(numbers)
    };
    read().map_err(|error| bad(&place.file, error.to_string()))
}
