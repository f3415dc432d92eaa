//! What the flows share.

pub(crate) mod bundle_builder;
pub(crate) mod guests;
pub(crate) mod raw_tar;
pub(crate) mod test_app;
