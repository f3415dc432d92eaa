//! The errors of who may do what and who did it, as HTTP: operators, tenants, tokens,
//! trusted keys and the audit record; every variant named.

use axum::http::StatusCode;

use super::ApiError;
use crate::app::audit::AuditError;
use crate::app::operators::OperatorError;
use crate::app::setup::SetupError;
use crate::app::sign_in::{PasswordError, SignInError};
use crate::app::tenants::TenantError;
use crate::app::tokens::TokenError;
use crate::app::trust::TrustError;

const UNPROCESSABLE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;

impl From<PasswordError> for ApiError {
    fn from(error: PasswordError) -> Self {
        let detail = error.to_string();
        match error {
            PasswordError::TooShort(_) | PasswordError::TooLong | PasswordError::TooCommon => {
                Self::client(UNPROCESSABLE, "weak_password", detail)
                    .hint("take four or more words that nobody would put together")
            }
            PasswordError::Busy => {
                Self::client(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail).retry_after(2)
            }
            PasswordError::Hash => Self::internal(error),
            PasswordError::Cancelled(cause) => Self::internal(cause),
        }
    }
}

impl From<SignInError> for ApiError {
    fn from(error: SignInError) -> Self {
        let detail = error.to_string();
        match error {
            SignInError::Wrong => Self::unauthenticated(detail),
            SignInError::TooManyTries { retry_after_s } => {
                Self::client(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail)
                    .retry_after(retry_after_s)
            }
            SignInError::Password(error) => error.into(),
            SignInError::Registry(cause) => cause.into(),
        }
    }
}

impl From<SetupError> for ApiError {
    fn from(error: SetupError) -> Self {
        let detail = error.to_string();
        match error {
            SetupError::Done => Self::client(StatusCode::CONFLICT, "already_set_up", detail)
                .hint("sign in instead"),
            SetupError::WrongToken => Self::unauthenticated(detail)
                .hint("the token is in the log and in `setup-token` in the data folder; a restart makes a new one"),
            SetupError::Password(error) => error.into(),
            SetupError::File(cause) => Self::internal(cause),
            SetupError::Registry(cause) => cause.into(),
        }
    }
}

impl From<OperatorError> for ApiError {
    fn from(error: OperatorError) -> Self {
        let detail = error.to_string();
        match error {
            OperatorError::Exists(_) => {
                Self::client(StatusCode::CONFLICT, "operator_exists", detail)
            }
            OperatorError::Password(error) => error.into(),
            OperatorError::Registry(cause) => cause.into(),
        }
    }
}

impl From<TenantError> for ApiError {
    fn from(error: TenantError) -> Self {
        let detail = error.to_string();
        match error {
            TenantError::Exists(_) => Self::client(StatusCode::CONFLICT, "tenant_exists", detail),
            TenantError::Unknown(_) => Self::not_found(detail),
            TenantError::Registry(cause) => cause.into(),
        }
    }
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        let detail = error.to_string();
        match error {
            TokenError::NoScope
            | TokenError::BadName
            | TokenError::BadLifetime { .. }
            | TokenError::User(_)
            | TokenError::UserWithoutCalls => {
                Self::client(UNPROCESSABLE, "invalid_token_request", detail)
            }
            TokenError::Escalation(_) => Self::forbidden(detail),
            TokenError::Unknown(_) => Self::not_found(detail),
            TokenError::Tenant(error) => error.into(),
            TokenError::Registry(cause) => cause.into(),
        }
    }
}

impl From<TrustError> for ApiError {
    fn from(error: TrustError) -> Self {
        let detail = error.to_string();
        match error {
            TrustError::Key(_) => Self::client(UNPROCESSABLE, "invalid_key", detail)
                .hint("send the public key as `plugboard keygen` wrote it: a PEM block `PUBLIC KEY`, Ed25519"),
            TrustError::NoScope | TrustError::BadName => {
                Self::client(UNPROCESSABLE, "invalid_key_request", detail)
            }
            TrustError::Unknown(_) => Self::not_found(detail)
                .hint("keys of the trust bundle are removed in SIGNING_TRUST_BUNDLE"),
            TrustError::Denied(denied) => denied.into(),
            TrustError::Registry(cause) => cause.into(),
        }
    }
}

impl From<AuditError> for ApiError {
    fn from(error: AuditError) -> Self {
        let detail = error.to_string();
        match error {
            AuditError::Denied(denied) => denied.into(),
            AuditError::OtherTenant(_) => Self::forbidden(detail)
                .hint("leave `tenant` away, or ask an operator: they see every tenant's"),
            AuditError::Registry(cause) => cause.into(),
        }
    }
}
