//! Calling the routes in this process, when no server runs.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::failure::Failure;
use crate::app::App;
use crate::web;

/// The routes of an appliance, opened by who owns its data folder.
pub(super) struct Local {
    app: Arc<App>,
}

impl Local {
    pub(super) fn new(app: Arc<App>) -> Self {
        Self { app }
    }

    /// Runs one request through the router, as the admin socket would.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Option<Bytes>,
    ) -> Result<(u16, Bytes), Failure> {
        let uid = rustix::process::getuid().as_raw();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", content_type)
            .extension(web::server::Peer::Unix { uid })
            .body(web::body(body.unwrap_or_default()))
            .map_err(Failure::usage)?;
        let router = web::router(Arc::clone(&self.app));
        let response = match router.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let status = response.status().as_u16();
        let body = response.into_body().collect().await;
        let body = body.map_err(|error| Failure::unfinished(anyhow::Error::new(error)))?;
        Ok((status, body.to_bytes()))
    }
}
