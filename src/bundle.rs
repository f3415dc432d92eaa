//! The bundle format: reading what others packed, packing our own.
//!
//! `archive` is the strict reader of `bundle.tar.zst`; the same parser serves
//! verifying and unpacking, so the two cannot disagree. `pack` is the
//! reproducible writer. `component` says what a component imports and exports
//! and holds it against `wit/`.

pub mod archive;
pub mod component;
mod limit_reader;
pub mod pack;
