//! `/api/v1`: the JSON door for the command line, pipelines and scripts.

pub(super) mod attachments;
pub(super) mod audit;
pub(super) mod bundles;
pub(super) mod downloads;
pub(super) mod egress;
pub(super) mod extensions;
pub(super) mod installs;
pub(super) mod learning;
pub(super) mod limits;
pub(super) mod logs;
pub(super) mod operators;
pub(super) mod quarantine;
pub(super) mod removal;
pub(super) mod schema;
pub(super) mod secrets;
pub(super) mod setup;
pub(super) mod state;
pub(super) mod tenants;
pub(super) mod tokens;
pub(super) mod trust_keys;
pub(super) mod uploads;
pub(super) mod usage;
