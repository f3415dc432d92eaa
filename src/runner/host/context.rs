//! `context`: who the guest is running for.

use wasmtime::bail;

use super::Host;
use crate::model::Capability;
use crate::runner::bindings::{context, types::ContextData};
use crate::runner::invocation::ExecutionContext;

impl context::Host for Host {
    fn get_context(&mut self) -> wasmtime::Result<ContextData> {
        // The interface has no word for "denied", and every install has this.
        if !self.admit(Capability::ContextRead)? {
            bail!("{} is not granted", Capability::ContextRead);
        }
        Ok(self.context().into())
    }
}

impl From<&ExecutionContext> for ContextData {
    fn from(context: &ExecutionContext) -> Self {
        Self {
            request_id: Some(context.request_id.clone()),
            tenant_id: context.tenant.as_str().to_owned(),
            extension_id: context.extension.as_str().to_owned(),
            install_id: Some(context.install.to_string()),
            version_id: Some(context.version.to_string()),
        }
    }
}
