//! `context`: who the guest is running for.

use wasmtime::bail;

use super::Host;
use crate::model::Capability;
use crate::runner::bindings::{context, types::ContextDataResult};
use crate::runner::invocation::ExecutionContext;

impl context::Host for Host {
    fn get_context(&mut self) -> wasmtime::Result<ContextDataResult> {
        // The interface has no word for "denied", and every install has this.
        if !self.admit(Capability::ContextRead)? {
            bail!("{} is not granted", Capability::ContextRead);
        }
        Ok(self.context().into())
    }
}

impl From<&ExecutionContext> for ContextDataResult {
    fn from(context: &ExecutionContext) -> Self {
        let install = &context.install;
        Self {
            request_id: Some(context.request_id.as_ref().to_owned()),
            tenant_id: install.tenant.as_str().to_owned(),
            extension_id: install.extension.as_str().to_owned(),
            install_id: Some(install.install_text().to_owned()),
            version_id: Some(install.version_text().to_owned()),
        }
    }
}
