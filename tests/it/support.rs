//! What tests are made of.

pub(crate) mod bundle_builder;
pub(crate) mod raw_tar;
