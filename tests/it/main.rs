//! The integration tests: one binary, one file per flow.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod hostile_archives;
mod signatures;
mod support;
