//! Signatures: the published vectors, and whole bundles through `verify`.

mod bundles;
mod vectors;
