//! The integration tests: one binary, one file per flow.
#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod bundle_store;

mod registry_crashes;
mod config;
#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod examples;
#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod signatures;
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bundle_store;
mod examples;
mod hostile_archives;
mod registry_crashes;
mod signatures;
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod runner;
mod support;
#![expect(clippy::unwrap_used, reason = "a test stops where something is not as arranged")]

mod pages;
mod server;
