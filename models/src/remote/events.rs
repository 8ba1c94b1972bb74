//! Server-sent events, read as their bytes come in.
//!
//! Follows the HTML standard's *Server-sent events* (9.2.6, parsing an event stream) as far as an API uses it: the
//! fields `event` and `data`, comments, a byte order mark, line ends of all three kinds. An event that the stream
//! breaks off in is none, as the standard says.

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ServerEvent {
    /// Its type; empty if it names none.
    pub(super) name: String,
    /// Its data, lines joined by a line feed.
    pub(super) data: String,
}

/// Takes bytes as they come, and gives the events that are whole.
#[derive(Debug, Default)]
pub(super) struct EventParser {
    /// A line that isn't over.
    line: Vec<u8>,
    /// Whether the last byte was a carriage return, which a line feed may follow that ends nothing more.
    after_return: bool,
    /// Whether anything was read before this line.
    begun: bool,
    event: ServerEvent,
    has_data: bool,
}

impl EventParser {
    /// Takes more bytes.
    ///
    /// # Errors
    ///
    /// In words: a line that isn't UTF-8.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<ServerEvent>, String> {
        let mut events = Vec::new();
        let mut rest = bytes;
        if self.after_return && !rest.is_empty() {
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
            self.after_return = false;
        }
        while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            self.line.extend_from_slice(&rest[..end]);
            let line = std::mem::take(&mut self.line);
            events.extend(self.take(&line)?);
            let after = &rest[end + 1..];
            rest = match rest[end] {
                b'\r' if after.is_empty() => {
                    self.after_return = true;
                    after
                }
                b'\r' => after.strip_prefix(b"\n").unwrap_or(after),
                _ => after,
            };
        }
        self.line.extend_from_slice(rest);
        Ok(events)
    }

    fn take(&mut self, line: &[u8]) -> Result<Option<ServerEvent>, String> {
        let line = std::str::from_utf8(line).map_err(|error| format!("a line isn't UTF-8: {error}"))?;
        let line = if self.begun { line } else { line.strip_prefix('\u{FEFF}').unwrap_or(line) };
        self.begun = true;
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return Ok(std::mem::take(&mut self.has_data).then_some(event));
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.name),
            "data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
                self.has_data = true;
            }
            _ => {}
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events of a stream, however it is cut into pieces: `name|data`.
    fn check(stream: &str, expected: &[&str]) {
        for size in 1..=stream.len() {
            let mut parser = EventParser::default();
            let events: Vec<String> = stream
                .as_bytes()
                .chunks(size)
                .flat_map(|bytes| parser.push(bytes).unwrap())
                .map(|event| format!("{}|{}", event.name, event.data))
                .collect();
            assert_eq!(events, expected, "{stream:?} by {size}");
        }
    }

    #[test]
    fn events_are_whole_however_the_bytes_come() {
        check("data: a\n\ndata:b\n\n", &["|a", "|b"]);
        check("event: ping\ndata: {}\n\n", &["ping|{}"]);
        check("data: a\r\n\r\ndata: b\r\rdata: c\n\n", &["|a", "|b", "|c"]);
        check("data: a\ndata: b\ndata\n\n", &["|a\nb\n"]);
        check(": keep-alive\n\nid: 7\nretry: 10\ndata:  é語\n\n", &["| é語"]);
        check("\u{FEFF}data: a\n\n", &["|a"]);
        check("event: nothing\n\ndata: a\n\n", &["|a"]);
        check("data: a\n\ndata: cut", &["|a"]);
    }

    #[test]
    fn a_line_that_is_no_text_is_an_error() {
        assert!(EventParser::default().push(b"data: \xff\n").unwrap_err().contains("isn't UTF-8"));
    }
}
