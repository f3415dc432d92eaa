//! What tests are made of.

pub(crate) mod bundle_builder;
pub(crate) mod raw_tar;
//! What the flows share.

pub(crate) mod guests;
