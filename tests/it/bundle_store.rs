//! The bundle store: what is put comes back, and nothing else does.

mod cache;
mod encoded;
mod harness;
mod presigned;
mod quarantine;
mod refusals;
mod s3;
mod staging;
mod stored;
mod sweeping;
mod tampering;
mod uploads;
