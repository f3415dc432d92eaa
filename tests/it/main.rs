//! The integration tests: one binary, one file per flow.

mod registry_crashes;
mod config;
