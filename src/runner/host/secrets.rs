//! `secrets`: no install has any yet.

use super::Host;
use crate::model::Capability;
use crate::runner::bindings::{secrets, types::SecretError};

impl secrets::Host for Host {
    async fn get(&mut self, _key: String) -> wasmtime::Result<Result<String, SecretError>> {
        let granted = self.admit(Capability::SecretsGet)?;
        Ok(Err(if granted { SecretError::Missing } else { SecretError::Denied }))
    }

    async fn list_keys(&mut self) -> wasmtime::Result<Vec<String>> {
        self.admit(Capability::SecretsGet)?;
        Ok(Vec::new())
    }
}
