//! What an execution has read in confidence, taken out of what is logged of it.
//!
//! A net against accidents: the line that prints a whole configuration, the error that quotes
//! a header. A guest that means to give a value away can, in pieces or in base64, and needs
//! no log for it: it has an answer to write. So only what this execution has read is looked
//! for. A guest cannot print by accident what it never got, and one that has read no secret
//! pays for nothing. (What an earlier execution has put among its kept values, it has given
//! away already.)

use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Mutex, OnceLock, PoisonError};

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::model::{marked, places_of};

/// Shorter texts stand in innocent lines, too.
const MIN_BYTES: usize = 8;

/// The values an execution has read.
#[derive(Default)]
pub(super) struct KnownSecrets(OnceLock<Mutex<Vec<Zeroizing<String>>>>);

impl KnownSecrets {
    /// Takes a value out of everything that is logged from now on; each of its lines, too,
    /// since output is logged line by line, and escapes the ends of lines.
    pub(super) fn add(&self, value: &SecretString) {
        let value = value.expose_secret();
        let parts = [value].into_iter().chain(value.lines().map(str::trim));
        let mut known =
            self.0.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        for part in parts.filter(|part| part.len() >= MIN_BYTES) {
            if !known.iter().any(|old| old.as_str() == part) {
                known.push(Zeroizing::new(part.to_owned()));
            }
        }
    }

    /// The first `most` bytes of `text`, without the known values.
    pub(super) fn hide<'a>(&self, text: &'a str, most: usize) -> Cow<'a, str> {
        let head = &text[..text.floor_char_boundary(most)];
        let Some(known) = self.0.get() else { return Cow::Borrowed(head) };
        let known = known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = Vec::new();
        for value in known.iter() {
            found.extend(places_of(head.as_bytes(), value.as_bytes()));
            if head.len() < text.len() {
                found.extend(begun(head, value));
            }
        }
        if found.is_empty() {
            return Cow::Borrowed(head);
        }
        let hidden = String::from_utf8(marked(head.as_bytes(), found));
        Cow::Owned(hidden.expect("a text stands in another from character to character"))
    }
}

/// Where `value` begins at the end of a text that is cut off, and so does not end in it.
fn begun(text: &str, value: &str) -> Option<Range<usize>> {
    let (text_bytes, value) = (text.as_bytes(), value.as_bytes());
    let most = text_bytes.len().min(value.len() - 1);
    let length = (1..=most).rev().find(|length| text_bytes.ends_with(&value[..*length]))?;
    // Texts that are cut at a character end like a value only at one.
    Some(text.len() - length..text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: usize = usize::MAX;

    fn knowing(values: &[&str]) -> KnownSecrets {
        let known = KnownSecrets::default();
        for value in values {
            known.add(&SecretString::from(*value));
        }
        known
    }

    #[test]
    fn a_known_value_is_replaced_wherever_it_stands() {
        let known = knowing(&["hunter2hunter2", "Grüße123"]);

        assert_eq!(known.hide("key=hunter2hunter2;", ALL), "key=[secret];");
        assert_eq!(known.hide("hunter2hunter2Grüße123", ALL), "[secret][secret]");
        assert_eq!(known.hide("hunter2hunter2hunter2", ALL), "[secret]");
        assert_eq!(known.hide("nothing here", ALL), "nothing here");
    }

    #[test]
    fn a_short_value_and_one_that_was_not_read_stay() {
        let known = knowing(&["1234567"]);

        assert_eq!(known.hide("1234567 hunter2hunter2", ALL), "1234567 hunter2hunter2");
        assert_eq!(KnownSecrets::default().hide("hunter2hunter2", ALL), "hunter2hunter2");
    }

    #[test]
    fn values_that_overlap_leave_nothing_of_each_other() {
        let known = knowing(&["abcdefghij", "hijklmnopq", "efgh5678"]);

        assert_eq!(known.hide("<abcdefghijklmnopq>", ALL), "<[secret]>");
        assert_eq!(known.hide("<abcdefgh5678>", ALL), "<abcd[secret]>");
    }

    #[test]
    fn each_line_of_a_value_is_known_too() {
        let known = knowing(&["-----BEGIN KEY-----\r\nMC4CAQAwBQ\r\nab\r\n"]);

        assert_eq!(known.hide("MC4CAQAwBQ", ALL), "[secret]");
        assert_eq!(
            known.hide(r"-----BEGIN KEY-----\nMC4CAQAwBQ\nab", ALL),
            r"[secret]\n[secret]\nab"
        );
    }

    #[test]
    fn a_value_that_the_end_of_a_line_cuts_off_does_not_show_its_beginning() {
        let known = knowing(&["hunter2hunter2"]);

        assert_eq!(known.hide("x hunter2hunter2", 9), "x [secret]");
        assert_eq!(known.hide("x hunter2hunter2", 15), "x [secret]");
        assert_eq!(known.hide("x hunter2", 9), "x hunter2", "it is whole, and no value");
    }
}
