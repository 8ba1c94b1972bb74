//! Protocol buffers read field by field from a file, without loading it: what isn't asked for, weights of
//! gigabytes among it, is stepped over (<https://protobuf.dev/programming-guides/encoding/>).

use std::{
    io::{self, BufRead, Read, Seek},
    ops::Range,
};

/// A message's fields, one after another; `end` is where it ends, in bytes from the start of the file.
#[derive(Debug)]
pub struct Fields<R> {
    source: io::BufReader<R>,
    place: u64,
}

/// A field's value: a number, or that many bytes that follow and must be read or skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number of variable length.
    Number(u64),
    /// So many bytes: a text, a message, packed numbers, or a number of fixed length.
    Bytes(u64),
}

/// A field whose content was stepped over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its number in the message's definition.
    pub number: u64,
    /// Its value, if it is a number of variable length.
    pub value: Option<u64>,
    /// Where its bytes lie, from the start of the file; of a number of variable length nowhere.
    pub place: Range<u64>,
}

impl<R: Read + Seek> Fields<R> {
    /// Starts at the beginning of a file.
    pub fn new(source: R) -> Self {
        Self { source: io::BufReader::with_capacity(1 << 16, source), place: 0 }
    }

    /// The next field's number and value; `None` at the message's end.
    ///
    /// # Errors
    ///
    /// If the file ends early, or this is no protocol buffer.
    pub fn next(&mut self, end: u64) -> io::Result<Option<(u64, Value)>> {
        if self.place >= end {
            return Ok(None);
        }
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => Value::Bytes(8),
            2 => Value::Bytes(self.varint()?),
            5 => Value::Bytes(4),
            _ => return Err(self.nonsense()),
        };
        if let Value::Bytes(count) = value
            && count > end.saturating_sub(self.place)
        {
            return Err(short(end));
        }
        if key >> 3 == 0 {
            return Err(self.nonsense());
        }
        Ok(Some((key >> 3, value)))
    }

    /// Where a message that follows ends.
    ///
    /// # Errors
    ///
    /// If the value is a number.
    pub fn message(&self, value: Value) -> io::Result<u64> {
        match value {
            Value::Bytes(count) => Ok(self.place + count),
            Value::Number(_) => Err(self.nonsense()),
        }
    }

    /// Reads a text that follows.
    ///
    /// # Errors
    ///
    /// If the value is a number, or the file ends early.
    pub fn text(&mut self, value: Value) -> io::Result<String> {
        let Value::Bytes(count) = value else { return Err(self.nonsense()) };
        let mut bytes = vec![0; count as usize];
        self.source.read_exact(&mut bytes)?;
        self.place += count;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Steps over a value.
    ///
    /// # Errors
    ///
    /// If the file can't be sought.
    pub fn skip(&mut self, value: Value) -> io::Result<()> {
        if let Value::Bytes(count) = value {
            self.source.seek_relative(i64::try_from(count).map_err(|_| self.nonsense())?)?;
            self.place += count;
        }
        Ok(())
    }

    /// Every field of the message at this place, its content stepped over.
    ///
    /// # Errors
    ///
    /// As [`Fields::next`].
    pub fn all(&mut self, message: Range<u64>) -> io::Result<Vec<Field>> {
        self.go_to(message.start)?;
        let mut all = Vec::new();
        while let Some((number, value)) = self.next(message.end)? {
            let start = self.place;
            self.skip(value)?;
            let (value, place) = match value {
                Value::Number(number) => (Some(number), start..start),
                Value::Bytes(_) => (None, start..self.place),
            };
            all.push(Field { number, value, place });
        }
        Ok(all)
    }

    /// The bytes at this place.
    ///
    /// # Errors
    ///
    /// If the file ends early.
    pub fn read(&mut self, place: Range<u64>) -> io::Result<Vec<u8>> {
        self.go_to(place.start)?;
        let mut bytes = Vec::new();
        let count = place.end.saturating_sub(place.start);
        // Grows with what is there, whatever is promised.
        let found = self.source.by_ref().take(count).read_to_end(&mut bytes)? as u64;
        self.place += found;
        if found == count { Ok(bytes) } else { Err(short(self.place)) }
    }

    /// The numbers of variable length that are packed at this place.
    ///
    /// # Errors
    ///
    /// If the file ends early.
    pub fn packed(&mut self, place: Range<u64>) -> io::Result<Vec<u64>> {
        self.go_to(place.start)?;
        let mut numbers = Vec::new();
        while self.place < place.end {
            numbers.push(self.varint()?);
        }
        Ok(numbers)
    }

    fn go_to(&mut self, place: u64) -> io::Result<()> {
        let step = i128::from(place) - i128::from(self.place);
        // Keeps what is buffered where the step is small.
        self.source.seek_relative(i64::try_from(step).map_err(|_| self.nonsense())?)?;
        self.place = place;
        Ok(())
    }

    fn varint(&mut self) -> io::Result<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.source.fill_buf()?.first().ok_or_else(|| short(self.place))?;
            self.source.consume(1);
            self.place += 1;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(self.nonsense())
    }

    fn nonsense(&self) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, format!("byte {} can't be part of it", self.place))
    }
}

fn short(end: u64) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, format!("it ends in the middle, at byte {end}"))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn fields_are_found_where_they_lie_and_a_torn_message_is_told() {
        // 1: 300; 2: "ab"; 3: four bytes; 4: packed 1, 300
        let bytes = [0x08, 0xac, 0x02, 0x12, 2, b'a', b'b', 0x1d, 1, 2, 3, 4, 0x22, 3, 1, 0xac, 0x02];
        let mut fields = Fields::new(Cursor::new(bytes));
        let field = |number, value, place| Field { number, value, place };
        let expected =
            [field(1, Some(300), 3..3), field(2, None, 5..7), field(3, None, 8..12), field(4, None, 14..17)];
        assert_eq!(fields.all(0..17).unwrap(), expected);
        assert_eq!(fields.read(5..7).unwrap(), b"ab");
        assert_eq!(fields.packed(14..17).unwrap(), [1, 300]);
        assert_eq!(fields.all(0..3).unwrap(), expected[..1]);
        assert!(fields.read(15..99).is_err());
        for torn in [&bytes[..4], &bytes[..6], &bytes[..10], &[0x0b], &[0xff; 12], &[0x12, 0x7f, 1]] {
            let mut fields = Fields::new(Cursor::new(torn));
            assert!(fields.all(0..torn.len() as u64).is_err(), "{torn:?}");
        }
    }
}
