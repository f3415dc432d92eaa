//! What the flows share.

pub(crate) mod guests;
