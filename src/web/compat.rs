//! The routes of existing clients, which work unchanged (docs/API.md, "Existing clients").
//!
//! They translate to the same use cases as our own API. Only here are errors
//! written in other shapes: `envelope` makes them of the same `ApiError`; and
//! only here is a caller known by its `api_key`. One file per route:
//! `upload_proxy`, `finalize`, `abort`, `initiate` with the address it gives out
//! in `signed_address`, `installs`, and `debug_stream`. They share how a body is read
//! (`json_body`), how a bundle is received (`receiving`) and what an upload is
//! called (`staging_key`).

mod abort;
pub(super) mod api_key;
mod debug_stream;
mod envelope;
mod finalize;
mod initiate;
mod installs;
mod json_body;
mod receiving;
pub(super) mod signed_address;
mod staging_key;
mod upload_proxy;

pub(super) use abort::abort_bundle;
pub(super) use debug_stream::{poll_debug_events, stream_debug_events};
pub(super) use envelope::{Family, family_of, status_of};
pub(super) use finalize::finalize_bundle;
pub(super) use initiate::initiate_bundle;
pub(super) use installs::{install_extension, uninstall_extension, update_extension};
pub(super) use signed_address::send_bundle;
pub(super) use upload_proxy::proxy_bundle;
