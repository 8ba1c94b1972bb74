//! Protocol buffers read field by field from a file, without loading it: what isn't asked for, weights of
//! gigabytes among it, is stepped over (<https://protobuf.dev/programming-guides/encoding/>).

use std::io::{self, BufRead, Read, Seek};

/// A message's fields, one after another; `end` is where it ends, in bytes from the start of the file.
pub(crate) struct Fields<R> {
    source: io::BufReader<R>,
    place: u64,
}

/// A field's value: a number, or that many bytes that follow and must be read or skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Number(u64),
    Bytes(u64),
}

impl<R: Read + Seek> Fields<R> {
    /// Starts at the beginning of a file.
    pub(crate) fn new(source: R) -> Self {
        Self { source: io::BufReader::with_capacity(1 << 16, source), place: 0 }
    }

    /// The next field's number and value; `None` at the message's end.
    ///
    /// # Errors
    ///
    /// If the file ends early, or this is no protocol buffer.
    pub(crate) fn next(&mut self, end: u64) -> io::Result<Option<(u64, Value)>> {
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
    pub(crate) fn message(&self, value: Value) -> io::Result<u64> {
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
    pub(crate) fn text(&mut self, value: Value) -> io::Result<String> {
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
    pub(crate) fn skip(&mut self, value: Value) -> io::Result<()> {
        if let Value::Bytes(count) = value {
            self.source.seek_relative(i64::try_from(count).map_err(|_| self.nonsense())?)?;
            self.place += count;
        }
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
