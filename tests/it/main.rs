//! The integration tests: one binary, one file per flow.
#![expect(clippy::unwrap_used, reason = "a test stops where something is not as arranged")]

mod pages;
