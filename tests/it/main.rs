//! The integration tests: one binary, one file per flow.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod config;
mod server;
