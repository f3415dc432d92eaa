//! The HTTP door: it translates requests into use cases and decides nothing.
//!
//! `routes` is the one table of every route with who may call it; `guard`
//! enforces that column. `gateway` and `ext_ui` serve extensions, `api` serves
//! machines, `compat` the clients that were there before, `pages` serves people. `error` is the only place that turns errors
//! into HTTP.

pub mod access;
pub mod api;
pub mod audit_query;
mod bundle_form;
mod cache;
mod compat;
mod conditional;
mod confidential;
mod cookie;
mod digest;
pub mod error;
mod event_stream;
mod ext_ui;
mod extract;
mod filters;
mod gateway;
mod guard;
mod headers;
mod health;
pub mod log_query;
mod middleware;
mod multipart;
pub mod pages;
mod request_id;
pub mod routes;
pub mod server;
mod static_files;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;

use crate::app::App;
use error::ApiError;
use middleware::{Passage, PassageLayer};

/// Builds the router from the table: a route that is not in it does not exist.
pub fn router(app: Arc<App>) -> Router {
    build(app, routes::table())
}

/// Builds the router of the second address: extension pages and nothing else.
pub fn ext_ui_router(app: Arc<App>) -> Router {
    build(app, routes::ext_ui())
}

fn build(app: Arc<App>, table: Vec<routes::Route>) -> Router {
    let passage = PassageLayer(Arc::new(Passage::new(Arc::clone(&app), &table)));
    let mut router = Router::new();
    for route in table {
        router = router.route(route.path, route.handler);
    }
    router
        .fallback(|| async { ApiError::not_found("there is nothing at this address") })
        .method_not_allowed_fallback(|| async { ApiError::method_not_allowed() })
        .layer(passage)
        .with_state(app)
}

/// A request body for a call of the router in this process.
pub fn body(bytes: bytes::Bytes) -> Body {
    Body::from(bytes)
}
