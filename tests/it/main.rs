//! The integration tests: one binary, one file per flow.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bundle_store;
mod examples;
mod hostile_archives;
mod registry_crashes;
mod signatures;
mod support;
