//! What an install keeps as JSON lines: what an export writes and an import reads.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, Bytes, BytesMut};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::StateConfig;
use crate::state::values::{Entry, Facts, Import};
use crate::state::{Place, Refused};

/// Bytes of a line beside its value: names that are all escaped, numbers, times and words.
const OVERHEAD: u64 = 4 * 1024;
/// Bytes of one character in JSON at most, as `\u0000`, for one byte of a name.
const ESCAPED: u64 = 6;

/// One value, as a line of JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    namespace: String,
    key: String,
    /// Left out, as the times are: it is as if the value were put now.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    value_base64: String,
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    #[error("it has more than {0} bytes")]
    Long(u64),
    #[error("it is not as an export writes it: {0}")]
    Malformed(String),
    #[error("`value_base64` is no base64 with padding")]
    Base64,
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("it does not come after the line before it, by namespace and key")]
    Order,
}

/// Writes a value as a line.
pub(crate) fn write(entry: Entry) -> Vec<u8> {
    let line = Line {
        namespace: entry.namespace,
        key: entry.key,
        revision: Some(entry.revision),
        created_at: Some(entry.created_at),
        updated_at: Some(entry.updated_at),
        expires_at: entry.expires_at,
        value_base64: STANDARD.encode(&entry.value),
    };
    let mut json = serde_json::to_vec(&line).expect("it has string keys only");
    json.push(b'\n');
    json
}

/// Reads lines from pieces of a body, each of them checked.
pub(super) struct LineReader {
    limits: StateConfig,
    now: Timestamp,
    pending: BytesMut,
    /// Bytes of `pending` in which no line ends.
    searched: usize,
    number: u64,
    last: Option<Place>,
}

impl LineReader {
    pub(super) fn new(limits: StateConfig, now: Timestamp) -> Self {
        let (pending, searched) = (BytesMut::new(), 0);
        Self { limits, now, pending, searched, number: 0, last: None }
    }

    /// The number of the line that was read last, from 1.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn push(&mut self, piece: &Bytes) {
        self.pending.extend_from_slice(piece);
    }

    /// The next line, if all of it is here; with `is_end`, the last one needs no line feed.
    pub(super) fn next(&mut self, is_end: bool) -> Option<Result<Import, LineError>> {
        let found = memchr::memchr(b'\n', &self.pending[self.searched..]);
        let length = match found {
            Some(at) => self.searched + at,
            None if is_end && !self.pending.is_empty() => self.pending.len(),
            None => {
                self.searched = self.pending.len();
                // A line that never ends would fill the memory.
                if self.pending.len() as u64 <= self.longest() {
                    return None;
                }
                self.pending.len()
            }
        };
        self.number += 1;
        let line = self.pending.split_to(length);
        self.pending.advance(usize::from(found.is_some()));
        self.searched = 0;
        Some(self.check(&line))
    }

    fn check(&mut self, line: &[u8]) -> Result<Import, LineError> {
        if line.len() as u64 > self.longest() {
            return Err(LineError::Long(self.longest()));
        }
        let line: Line = serde_json::from_slice(line)
            .map_err(|error| LineError::Malformed(without_place(&error)))?;
        let value = STANDARD.decode(&line.value_base64).map_err(|_| LineError::Base64)?;
        let place = Place::new(line.namespace, line.key, &self.limits)?;
        // Also what keeps a place from being in it twice.
        if self.last.as_ref().is_some_and(|last| *last >= place) {
            return Err(LineError::Order);
        }
        self.last = Some(place.clone());
        let facts = Facts {
            revision: line.revision,
            created_at: line.created_at,
            updated_at: line.updated_at,
            expires_at: line.expires_at,
        };
        Ok(Import::new(place, value, facts, &self.limits, self.now)?)
    }

    fn longest(&self) -> u64 {
        let value = self.limits.max_value_bytes.div_ceil(3) * 4;
        // A namespace has 128 characters of at most four bytes each.
        value + ESCAPED * (self.limits.max_key_bytes + 4 * 128) + OVERHEAD
    }
}

/// The message without the line and column of its own: a line is all that was read.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((message, _)) => message.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader() -> LineReader {
        let limits = StateConfig { max_value_bytes: 1024, ..StateConfig::default() };
        LineReader::new(limits, Timestamp::UNIX_EPOCH)
    }

    /// What is wrong with the only line.
    fn problem(line: &str) -> String {
        let mut reader = reader();
        reader.push(&Bytes::copy_from_slice(line.as_bytes()));
        reader.next(true).unwrap().unwrap_err().to_string()
    }

    fn line(more: &str) -> String {
        format!(r#"{{"namespace":"n","key":"k","value_base64":"AAA="{more}}}"#)
    }

    #[test]
    fn what_is_written_is_read_however_it_is_cut_up() {
        let entry = |key: &str, size| Entry {
            namespace: "n".to_owned(),
            key: key.to_owned(),
            value: vec![7; size],
            revision: 3,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
            expires_at: None,
        };
        let written = [write(entry("\0\n\"", 0)), write(entry("k", 1024))].concat();

        for size in [1, 7, written.len()] {
            let (mut reader, mut keys) = (reader(), Vec::new());
            for piece in written.chunks(size) {
                reader.push(&Bytes::copy_from_slice(piece));
                while let Some(line) = reader.next(false) {
                    keys.push(line.unwrap().place().key().to_owned());
                }
            }
            assert_eq!(keys, ["\0\n\"", "k"]);
            assert!(reader.next(true).is_none());
        }
    }

    #[test]
    fn a_line_that_is_none_of_an_export_says_why() {
        assert!(problem("[]").contains("not as an export writes it"), "{}", problem("[]"));
        assert!(problem("\n").contains("EOF"), "{}", problem("\n"));
        assert!(problem(&line(r#","ttl":1"#)).contains("unknown field `ttl`"));
        assert!(problem(&line("").replace("AAA=", "AAA")).contains("base64"));
        assert!(problem(&line(r#","revision":0"#)).contains("a revision is"));
        assert!(problem(&line("").replace(r#""n""#, r#""""#)).contains("a namespace has"));
        assert!(problem(&line(r#","expires_at":"1970-02-01T00:00:00Z""#)).contains("30 days"));
        let large = STANDARD.encode([0; 1025]);
        assert!(problem(&line("").replace("AAA=", &large)).contains("at most 1024 bytes"));
    }

    #[test]
    fn a_place_that_comes_twice_or_late_is_refused() {
        for second in [r#""key":"k""#, r#""key":"a""#] {
            let mut reader = reader();
            let both = [line(""), line("").replace(r#""key":"k""#, second)].join("\n");
            reader.push(&Bytes::from(both));

            assert!(reader.next(true).unwrap().is_ok());
            assert!(matches!(reader.next(true), Some(Err(LineError::Order))));
            assert_eq!(reader.number(), 2);
        }
    }

    #[test]
    fn a_line_that_does_not_end_is_refused_before_it_fills_the_memory() {
        let mut reader = reader();
        let piece = Bytes::from(vec![b' '; 4096]);
        let read = (0..100).find_map(|count| {
            reader.push(&piece);
            reader.next(false).map(|line| (count, line))
        });

        let (count, line) = read.unwrap();
        assert!(count < 10, "{count}");
        assert!(matches!(line, Err(LineError::Long(_))));
    }
}
