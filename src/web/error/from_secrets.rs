//! The errors of secrets and of the key they are sealed with, as HTTP: every variant named.

use axum::http::StatusCode;

use super::ApiError;
use crate::app::secret_keys::RotateError;
use crate::app::secrets::{BindingError, SecretError};
use crate::state::secrets::{MAX_SECRET_BYTES, SecretsError};

const UNPROCESSABLE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;

impl From<SecretsError> for ApiError {
    fn from(error: SecretsError) -> Self {
        match error {
            SecretsError::OtherKey { .. } => {
                Self::client(StatusCode::CONFLICT, "other_master_key", error.to_string()).hint(
                    "put that key back and start again; or remove all secrets of the install and \
                     set them anew",
                )
            }
            SecretsError::Broken(_) => Self::internal(error),
            SecretsError::State(cause) => cause.into(),
        }
    }
}

impl From<SecretError> for ApiError {
    fn from(error: SecretError) -> Self {
        let detail = error.to_string();
        match error {
            SecretError::Name(_) => Self::client(UNPROCESSABLE, "invalid_secret_name", detail)
                .hint("take the name that the extension asks for, as api_key"),
            SecretError::Empty => Self::client(UNPROCESSABLE, "invalid_secret", detail)
                .hint("to take a secret away, remove it"),
            SecretError::TooLarge(found) => {
                Self::too_large("a secret", MAX_SECRET_BYTES as u64, Some(found as u64))
                    .hint("give the extension a key, and keep what it opens elsewhere")
            }
            SecretError::Past { .. } => Self::client(UNPROCESSABLE, "invalid_secret", detail)
                .hint("name a later day, or none"),
            SecretError::Binding(error) => {
                Self::client(UNPROCESSABLE, "invalid_secret_hosts", detail).hint(binding(&error))
            }
            SecretError::TooMany { .. } => {
                Self::client(StatusCode::CONFLICT, "too_many_secrets", detail)
                    .hint("remove one that the extension no longer reads")
            }
            SecretError::Unknown { .. } => {
                Self::not_found(detail).hint("`plugboard secret list` shows the names")
            }
            SecretError::Install(error) => error.into(),
            SecretError::Sealing(error) => error.into(),
            SecretError::State(cause) => cause.into(),
            SecretError::Registry(cause) => cause.into(),
        }
    }
}

fn binding(error: &BindingError) -> &'static str {
    match error {
        BindingError::Host { .. } => "name hosts as api.example.com or *.example.com:8443",
        BindingError::TooManyHosts(_) => "name them with `*.`, or set a second secret",
        BindingError::InClear(_) => {
            "name the host with https, or ask who runs the appliance for \
             `egress.secrets_in_clear`"
        }
        BindingError::Header(_) => "write `authorization: Bearer {secret}`, or only a name",
        BindingError::HeaderWithoutHosts => "name the hosts that it goes to, too",
        BindingError::NotForHeaders => "set it without hosts for the extension to read it",
    }
}

impl From<RotateError> for ApiError {
    fn from(error: RotateError) -> Self {
        let detail = error.to_string();
        match error {
            RotateError::Given(_) => Self::client(StatusCode::CONFLICT, "master_key_given", detail)
                .hint(
                    "put a new key in its place, name the old one as \
                     `server.previous_master_key_file`, and start again",
                ),
            RotateError::Unfinished => {
                Self::client(StatusCode::CONFLICT, "rotation_unfinished", detail)
                    .hint("start the appliance again: a start ends it, one way or the other")
            }
            RotateError::Key(cause) => Self::internal(cause),
            RotateError::Secrets(error) => error.into(),
            RotateError::Registry(cause) => cause.into(),
            RotateError::Stopped => Self::internal(error),
        }
    }
}
