//! The bundle format: reading what others packed, packing our own.
//!
//! `archive` is the strict reader of `bundle.tar.zst`; the same parser serves
//! verifying and unpacking, so the two cannot disagree. `pack` is the
//! reproducible writer. `component` says what a component imports and exports
//! and holds it against `wit/`. All of them report facts and judge nothing but
//! the format; `limits` is how much they put up with.

mod archive;
mod component;
mod limits;
mod pack;

pub use archive::{ArchiveError, ArchiveWarning, BundleContents, Reading, read, unpack};
pub use component::{ComponentError, ComponentFacts, inspect};
pub use limits::BundleLimits;
pub use pack::{PackError, PackProblem, Packed, pack};

/// Where the manifest lies in a bundle.
pub const MANIFEST_PATH: &str = "manifest.json";
