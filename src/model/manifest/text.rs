//! Rules for text that people will see.

/// How long a text may be, and whether it has lines.
#[derive(Clone, Copy, Debug)]
pub(super) struct TextRule {
    max_chars: usize,
    has_lines: bool,
}

impl TextRule {
    /// A single line.
    pub(super) const fn line(max_chars: usize) -> Self {
        Self { max_chars, has_lines: false }
    }

    /// Several lines.
    pub(super) const fn lines(max_chars: usize) -> Self {
        Self { max_chars, has_lines: true }
    }

    /// The code and the end of a sentence that begins with the field's name, when `text` is not fit.
    pub(super) fn check(self, text: &str) -> Result<(), (&'static str, String)> {
        if text.trim().is_empty() {
            return Err(("blank", "is blank".to_owned()));
        }
        let count = text.chars().count();
        if count > self.max_chars {
            let max = self.max_chars;
            return Err(("too_long", format!("is {count} characters long; {max} are allowed")));
        }
        let fine =
            |c: char| !is_deceptive(c) || (self.has_lines && matches!(c, '\n' | '\r' | '\t'));
        match text.chars().find(|&c| !fine(c)) {
            None => Ok(()),
            Some(c) => Err((
                "forbidden_character",
                format!(
                    "has the character U+{:04X}, which is a control or not visible",
                    u32::from(c)
                ),
            )),
        }
    }
}

/// Characters that reorder, hide or forge what a reader sees, on a page or in a log.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}
