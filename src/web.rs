//! (skeleton)

pub mod pages;
