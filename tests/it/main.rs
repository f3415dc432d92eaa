//! The integration tests: one binary, one file per flow.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod runner;
mod support;
