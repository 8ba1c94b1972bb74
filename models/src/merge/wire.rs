//! Protocol buffers, read where they lie: each field's number and place, its content untouched.
//!
//! An ONNX file can be larger than memory allows; nothing is loaded but what is asked for.

use std::{
    io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom},
    ops::Range,
};

/// One field of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    /// Its number in the message's definition.
    pub(super) number: u64,
    /// What it holds.
    pub(super) value: Value,
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// A number of variable length.
    Varint(u64),
    /// A number of four or eight bytes, at this place.
    Fixed(Range<u64>),
    /// A text, a nested message or packed numbers, at this place.
    Bytes(Range<u64>),
}

impl Field {
    /// The place of a text, a message or packed numbers.
    pub(super) fn bytes(&self) -> Option<Range<u64>> {
        match &self.value {
            Value::Bytes(place) => Some(place.clone()),
            _ => None,
        }
    }

    /// A number of variable length.
    pub(super) fn varint(&self) -> Option<u64> {
        match self.value {
            Value::Varint(number) => Some(number),
            _ => None,
        }
    }
}

/// Reads messages from a file, or from anything like one.
pub(super) struct Wire<R: Read + Seek> {
    source: BufReader<R>,
    at: u64,
    length: u64,
}

impl<R: Read + Seek> Wire<R> {
    pub(super) fn new(mut source: R) -> io::Result<Self> {
        let length = source.seek(SeekFrom::End(0))?;
        source.rewind()?;
        Ok(Self { source: BufReader::new(source), at: 0, length })
    }

    /// The whole file.
    pub(super) fn whole(&self) -> Range<u64> {
        0..self.length
    }

    /// Every field of the message at this place.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidData`] where it isn't one, or is cut off.
    pub(super) fn fields(&mut self, place: Range<u64>) -> io::Result<Vec<Field>> {
        let mut fields = Vec::new();
        self.go_to(place.start)?;
        while self.at < place.end {
            let tag = self.varint()?;
            let value = match tag & 7 {
                0 => Value::Varint(self.varint()?),
                1 => Value::Fixed(self.skip(8)?),
                2 => {
                    let length = self.varint()?;
                    Value::Bytes(self.skip(length)?)
                }
                5 => Value::Fixed(self.skip(4)?),
                kind => {
                    return Err(malformed(format!("a field of the unknown kind {kind} at byte {}", self.at)));
                }
            };
            if self.at > place.end {
                return Err(malformed(format!("a field that goes beyond its message at byte {}", place.end)));
            }
            fields.push(Field { number: tag >> 3, value });
        }
        Ok(fields)
    }

    /// The content of this place.
    pub(super) fn read(&mut self, place: Range<u64>) -> io::Result<Vec<u8>> {
        self.go_to(place.start)?;
        let length = usize::try_from(place.end - place.start)
            .map_err(|_| malformed("more bytes than this machine can address".into()))?;
        let mut bytes = vec![0; length];
        self.source.read_exact(&mut bytes)?;
        self.at = place.end;
        Ok(bytes)
    }

    /// The text at this place.
    pub(super) fn text(&mut self, place: Range<u64>) -> io::Result<String> {
        let start = place.start;
        String::from_utf8(self.read(place)?).map_err(|_| malformed(format!("no text at byte {start}")))
    }

    /// The numbers of variable length that are packed at this place.
    pub(super) fn packed(&mut self, place: Range<u64>) -> io::Result<Vec<u64>> {
        self.go_to(place.start)?;
        let mut numbers = Vec::new();
        while self.at < place.end {
            numbers.push(self.varint()?);
        }
        Ok(numbers)
    }

    fn go_to(&mut self, place: u64) -> io::Result<()> {
        let step = i64::try_from(i128::from(place) - i128::from(self.at))
            .map_err(|_| malformed("a place beyond every file".into()))?;
        // Keeps what is buffered where the step is small.
        self.source.seek_relative(step)?;
        self.at = place;
        Ok(())
    }

    fn skip(&mut self, length: u64) -> io::Result<Range<u64>> {
        let start = self.at;
        let end = start.checked_add(length).filter(|end| *end <= self.length);
        let end = end.ok_or_else(|| {
            malformed(format!("a field of {length} bytes at byte {start}, beyond the end of the file"))
        })?;
        self.go_to(end)?;
        Ok(start..end)
    }

    fn varint(&mut self) -> io::Result<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            self.source.read_exact(&mut byte)?;
            self.at += 1;
            number |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(malformed(format!("a number without an end at byte {}", self.at)))
    }
}

fn malformed(problem: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, problem)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn fields_are_found_where_they_lie_and_a_torn_message_is_told() {
        // 1: 300; 2: "ab"; 3: four bytes; 4: packed 1, 300
        let bytes = [0x08, 0xac, 0x02, 0x12, 2, b'a', b'b', 0x1d, 1, 2, 3, 4, 0x22, 3, 1, 0xac, 0x02];
        let mut wire = Wire::new(Cursor::new(bytes)).unwrap();
        let fields = wire.fields(wire.whole()).unwrap();
        let expected = [
            (1, Value::Varint(300)),
            (2, Value::Bytes(5..7)),
            (3, Value::Fixed(8..12)),
            (4, Value::Bytes(14..17)),
        ];
        assert_eq!(fields.iter().map(|f| (f.number, f.value.clone())).collect::<Vec<_>>(), expected);
        assert_eq!(wire.text(5..7).unwrap(), "ab");
        assert_eq!(wire.packed(14..17).unwrap(), [1, 300]);
        for torn in [&bytes[..4], &bytes[..6], &bytes[..10], &[0x0b], &[0xff; 12], &[0x12, 0x7f, 1]] {
            let mut wire = Wire::new(Cursor::new(torn)).unwrap();
            assert!(wire.fields(wire.whole()).is_err(), "{torn:?}");
        }
    }
}
