//! (skeleton)

pub mod server;
