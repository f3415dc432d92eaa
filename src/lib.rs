//! Plugboard, the extension appliance: the map of its modules.
//!
//! `model` holds the nouns and `config` the settings. `bundle`, `trust`,
//! `registry`, `state`, `guest_logs`, `store`, `egress`, `callbacks` and `runner` are machines that
//! each do one thing. `app` says what the appliance can do; `web` and `cli` are the doors to it.
//! `traces` tells a collector what took how long.
//! `tls_client` says whom this program trusts, `memory_file` holds what was checked,
//! `redb_file` is what the files of `registry` and `state` have in common, `gcra` counts rates,
//! `held_memory` is memory that many share, `pieces` are bytes that come one after the other,
//! `allocator` gives memory back; `fail_point` is for tests and empty in a release.
//! Arrows point up this list only; `tests/it/architecture.rs` holds them.

pub mod allocator;
pub mod app;
pub mod bundle;
pub mod callbacks;
pub mod cli;
pub mod config;
pub mod egress;
pub mod fail_point;
pub mod gcra;
pub mod guest_logs;
pub mod held_memory;
pub mod memory_file;
pub mod model;
pub mod pieces;
pub mod redb_file;
pub mod registry;
pub mod runner;
pub mod state;
pub mod store;
pub mod telemetry;
pub mod tls_client;
pub mod traces;
pub mod trust;
pub mod web;
