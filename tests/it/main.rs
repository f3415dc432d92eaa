//! The integration tests: one binary, one file per flow.

mod config;
mod server;
