//! The integration tests: one binary, one file per flow.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test names the cases it is about")]

mod access;
mod access_lines;
mod architecture;
mod attachments;
mod audit;
mod browser;
mod bundle_store;
mod callbacks;
mod cli;
mod compat;
mod components;
mod config;
#[cfg(feature = "fail-points")]
mod crash_loop;
mod downloads;
mod egress;
mod examples;
mod ext_ui;
mod failures;
mod gateway;
mod histories;
mod hostile_archives;
mod installs;
mod isolation;
mod logs;
mod metrics;
mod pages;
mod publish;
mod quarantine;
mod readme;
mod registry_crashes;
mod removal;
mod runbook;
mod runner;
mod secrets;
mod server;
mod setup;
mod sign_in;
mod signatures;
mod state;
mod storage;
mod support;
mod tokens;
mod toolchains;
mod traces;
mod trusted_keys;
mod uploads;
mod usage;
