//! `secrets`: what the operator has given the install in confidence.

use secrecy::ExposeSecret;

use super::Host;
use crate::model::{Capability, SecretName};
use crate::runner::bindings::{secrets, types::SecretError};
use crate::runner::invocation::ExecutionContext;
use crate::state::secrets::{Lookup, SecretsError};

impl secrets::Host for Host {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<String, SecretError>> {
        if !self.admit(Capability::SecretsGet)? {
            return Ok(Err(SecretError::Denied));
        }
        // What cannot be a name is the name of nothing.
        let (Some(secrets), Ok(name)) = (&self.secrets, key.parse::<SecretName>()) else {
            return Ok(Err(SecretError::Missing));
        };
        let part = self.part("secrets.get");
        let found = match secrets.get(name).await {
            Ok(Lookup::Found(value)) => {
                self.log.keep_out(&value);
                Ok(value.expose_secret().to_owned())
            }
            Ok(Lookup::Bound) => Err(SecretError::Denied),
            Ok(Lookup::Expired) => Err(SecretError::Expired),
            Ok(Lookup::Missing) => Err(SecretError::Missing),
            Err(error) => Err(self.no_secret(&error)),
        };
        Ok(part.end(found, |error| word(*error)))
    }

    async fn list_keys(&mut self) -> wasmtime::Result<Vec<String>> {
        let granted = self.admit(Capability::SecretsGet)?;
        let Some(secrets) = self.secrets.as_ref().filter(|_| granted) else {
            return Ok(Vec::new());
        };
        let _part = self.part("secrets.list-keys");
        // The contract has no error here.
        let names = secrets.names().await.unwrap_or_else(|error| {
            self.no_secret(&error.into());
            Vec::new()
        });
        Ok(names.into_iter().map(String::from).collect())
    }
}

/// The case of an error, in a trace. What is not there is an answer.
const fn word(error: SecretError) -> Option<&'static str> {
    match error {
        SecretError::Missing | SecretError::Expired => None,
        SecretError::Denied => Some("denied"),
        SecretError::Internal => Some("internal"),
    }
}

impl Host {
    /// The guest learns that it failed, the operator why.
    pub(super) fn no_secret(&self, error: &SecretsError) -> SecretError {
        unreadable(&self.context, error);
        SecretError::Internal
    }
}

/// Tells the operator why a secret was not read.
pub(super) fn unreadable(context: &ExecutionContext, error: &SecretsError) {
    let install = &*context.install;
    tracing::error!(
        request.id = &*context.request_id,
        tenant.id = install.tenant.as_str(),
        extension.name = install.extension.as_str(),
        install.id = install.install_text(),
        "A secret could not be read: {error}"
    );
}
