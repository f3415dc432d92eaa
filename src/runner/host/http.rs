//! `http`: calls to servers, as far as the lists allow.

use super::Host;
use crate::model::Capability;
use crate::runner::bindings::{
    http,
    types::{HttpError, HttpRequestResult, HttpResponse},
};

impl http::Host for Host {
    async fn fetch(
        &mut self,
        request: HttpRequestResult,
    ) -> wasmtime::Result<Result<HttpResponse, HttpError>> {
        if !self.admit(Capability::HttpFetch)? {
            return Ok(Err(HttpError::NotAllowed));
        }
        Ok(self.outgoing.fetch(request).await)
    }
}
