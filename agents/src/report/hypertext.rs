//! HTML being written, in a way that can't forget to escape: markup is what the source code says, and
//! everything else is text.

use std::fmt::{Display, Write};

/// HTML so far.
#[derive(Debug, Default)]
pub(super) struct Hypertext(String);

impl Hypertext {
    /// Markup, as it stands in this program. It can't be made at run time.
    pub(super) fn markup(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text or an attribute's value, escaped.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // Browsers turn a null byte into a replacement character with a warning; do it for them.
                '\0' => self.0.push('\u{fffd}'),
                other => self.0.push(other),
            }
        }
        self
    }

    /// Anything that can be shown, escaped.
    pub(super) fn show(&mut self, value: impl Display) -> &mut Self {
        self.text(&value.to_string())
    }

    /// A number, for a coordinate or a size.
    pub(super) fn number(&mut self, number: f64) -> &mut Self {
        // Writing to a string can't fail.
        let _ = write!(self.0, "{}", (number * 100.0).round() / 100.0);
        self
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Hypertext;

    #[test]
    fn text_can_neither_open_a_tag_nor_leave_an_attribute() {
        let mut html = Hypertext::default();
        html.markup("<p title=\"")
            .text("\" onload='x' a=\"")
            .markup("\">")
            .text("<script>&\0")
            .markup("</p>");
        assert_eq!(
            html.into_string(),
            "<p title=\"&quot; onload=&#39;x&#39; a=&quot;\">&lt;script&gt;&amp;\u{fffd}</p>"
        );
    }
}
