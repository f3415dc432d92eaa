//! `http`: the egress allowlist is empty, so no server may be called.

use super::Host;
use crate::model::Capability;
use crate::runner::bindings::{
    http,
    types::{HttpError, HttpRequestResult, HttpResponse},
};

impl http::Host for Host {
    async fn fetch(
        &mut self,
        _request: HttpRequestResult,
    ) -> wasmtime::Result<Result<HttpResponse, HttpError>> {
        self.admit(Capability::HttpFetch)?;
        Ok(Err(HttpError::NotAllowed))
    }
}
