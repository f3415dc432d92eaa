//! Text of a stranger, made harmless to whoever reads it in a terminal or a log.

use std::borrow::Cow;

/// Writes out the characters that would forge a line, drive a terminal or turn
/// the direction of text. What is written out stays as it is.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_dangerous) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 32);
    for c in text.chars() {
        match c {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c if is_dangerous(c) => escaped.extend(c.escape_unicode()),
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_cannot_forge_another_or_drive_a_terminal() {
        let forged = "a\n{\"level\":\"audit\"}\u{1b}]0;x\u{7}\u{9b}31m\u{202e}b";

        let escaped = escape(forged);

        assert_eq!(escaped, "a\\n{\"level\":\"audit\"}\\u{1b}]0;x\\u{7}\\u{9b}31m\\u{202e}b");
        assert!(matches!(escape(&escaped), Cow::Borrowed(_)), "it is escaped twice");
        assert!(matches!(escape("Gr\u{fc}\u{df}e \u{20ac}"), Cow::Borrowed(_)));
    }
}
