//! `ui-proxy`: no host application is configured.

use super::Host;
use crate::model::Capability;
use crate::runner::bindings::{types::ProxyError, ui_proxy};

impl ui_proxy::Host for Host {
    async fn call_route(
        &mut self,
        _route: String,
        _payload: Option<Vec<u8>>,
    ) -> wasmtime::Result<Result<Vec<u8>, ProxyError>> {
        let granted = self.admit(Capability::UiProxy)?;
        Ok(Err(if granted { ProxyError::RouteNotFound } else { ProxyError::Denied }))
    }
}
