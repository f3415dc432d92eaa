//! The errors of publishing, and of the machines below every use case, as HTTP: every
//! variant named, so that the compiler asks for a status when one is added.

use axum::http::StatusCode;

use super::{ApiError, FREE_DISK};
use crate::app::Denied;
use crate::app::publish::PublishError;
use crate::app::quarantine::QuarantineError;
use crate::app::upload::ReceiveError;
use crate::registry::RegistryError;
use crate::state::StateError;
use crate::store::StoreError;
use crate::trust::{Check, Report};

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        let kind = denied.kind.as_str();
        let scope = match &denied.name {
            Some(name) => format!("{kind}:{name}"),
            None => kind.to_owned(),
        };
        Self::lacks_scope(&scope, denied.to_string())
    }
}

impl From<RegistryError> for ApiError {
    fn from(cause: RegistryError) -> Self {
        if cause.is_disk_full() { Self::disk_full(cause) } else { Self::internal(cause) }
    }
}

impl From<StateError> for ApiError {
    fn from(cause: StateError) -> Self {
        if matches!(cause, StateError::Busy) {
            return Self::client(StatusCode::SERVICE_UNAVAILABLE, "busy", cause.to_string())
                .retry_after(5)
                .hint("send it again in a few seconds");
        }
        if cause.is_disk_full() { Self::disk_full(cause) } else { Self::internal(cause) }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::TooLarge { limit, received } => {
                Self::too_large("a bundle", limit, Some(received)).hint(
                    "ask an operator to raise `store.max_bundle_bytes`, or make the bundle smaller",
                )
            }
            StoreError::StagedFull { .. } => {
                Self::client(StatusCode::INSUFFICIENT_STORAGE, "disk_full", error.to_string()).hint(
                    "delete or decide about quarantined bundles, or raise `store.max_staged_bytes`",
                )
            }
            StoreError::DiskFull { .. } => {
                Self::client(StatusCode::INSUFFICIENT_STORAGE, "disk_full", error.to_string())
                    .hint(FREE_DISK)
            }
            StoreError::Busy { .. } => {
                Self::client(StatusCode::SERVICE_UNAVAILABLE, "busy", error.to_string())
                    .retry_after(5)
                    .hint("send it again in a few seconds")
            }
            StoreError::Integrity { .. } => {
                let detail = "a stored object does not have the content it was stored with";
                Self::server(StatusCode::BAD_GATEWAY, "integrity", detail, error)
            }
            StoreError::NotFound { .. } => {
                let detail = "a stored object is missing";
                Self::server(StatusCode::BAD_GATEWAY, "integrity", detail, error)
            }
            StoreError::InvalidBase { .. } => Self::internal(error),
            StoreError::Unavailable { .. } => {
                let detail = "the bundle store cannot be reached";
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Self::server(status, "storage_unavailable", detail, error).retry_after(5)
            }
        }
    }
}

impl From<ReceiveError> for ApiError {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Broken(_) => Self::malformed(error.to_string()),
            ReceiveError::NotAdmitted(error) => error.into(),
            ReceiveError::Store(error) => error.into(),
        }
    }
}

impl From<PublishError> for ApiError {
    fn from(error: PublishError) -> Self {
        let detail = error.to_string();
        match error {
            PublishError::Rejected(report) => rejected(&report),
            PublishError::NotChecked(report) => {
                let detail = "the bundle could not be checked to the end; nothing was kept";
                Self::client(StatusCode::SERVICE_UNAVAILABLE, "not_checked", detail)
                    .retry_after(5)
                    .hint("send the same bundle again")
                    .extra("report", report)
            }
            PublishError::VersionTaken { .. } => {
                Self::client(StatusCode::CONFLICT, "version_taken", detail)
                    .hint("raise the version in manifest.json; a published version never changes")
            }
            PublishError::ManifestMismatch => {
                Self::client(StatusCode::BAD_REQUEST, "manifest_mismatch", detail)
                    .hint("send the manifest that is in the bundle, or none")
            }
            PublishError::ManifestText(_) => Self::malformed(detail),
            PublishError::VersionRemoved { .. } => {
                Self::client(StatusCode::CONFLICT, "version_removed", detail)
                    .hint("raise the version in manifest.json")
            }
            PublishError::TooManySignatures(_) => {
                Self::client(StatusCode::CONFLICT, "too_many_signatures", detail)
                    .hint("trust the key of this one first, or delete the bundle and send it again")
            }
            PublishError::Denied(denied) => denied.into(),
            PublishError::Store(error) => error.into(),
            PublishError::Registry(cause) => cause.into(),
            PublishError::Cancelled(cause) => Self::internal(cause),
        }
    }
}

/// A bad signature is someone's attempt (403); everything else is a bad bundle (422).
fn rejected(report: &Report) -> ApiError {
    let failed = report.failures().next();
    let check = failed.map(|row| row.check);
    let (status, code) = match check {
        Some(Check::Signature | Check::Trust) => (StatusCode::FORBIDDEN, "bad_signature"),
        Some(
            Check::Transport
            | Check::Integrity
            | Check::Archive
            | Check::Manifest
            | Check::Component
            | Check::Policy,
        )
        | None => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_bundle"),
    };
    let found = failed.and_then(|row| row.found.as_deref()).unwrap_or_default();
    let expected = failed.and_then(|row| row.expected.as_deref());
    let expected = expected.map(|text| format!("; expected: {text}")).unwrap_or_default();
    let detail = format!("the bundle is refused: {found}{expected}");
    let error = ApiError::client(status, code, detail).extra("report", report);
    match failed.and_then(|row| row.hint.clone()) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

impl From<QuarantineError> for ApiError {
    fn from(error: QuarantineError) -> Self {
        let detail = error.to_string();
        match error {
            QuarantineError::Unknown(_) => Self::not_found(detail),
            QuarantineError::NoReason => Self::malformed(detail),
            QuarantineError::Denied(denied) => denied.into(),
            QuarantineError::Publish(error) => error.into(),
            QuarantineError::Store(error) => error.into(),
            QuarantineError::Registry(cause) => cause.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waited_for_other_uploads_is_told_how_many_and_to_come_back() {
        let error = ApiError::from(StoreError::Busy { limit: 64 });

        assert_eq!((error.status, error.code), (StatusCode::SERVICE_UNAVAILABLE, "busy"));
        assert!(error.detail.starts_with("64 uploads are being received"), "{}", error.detail);
        assert_eq!(error.hint.as_deref(), Some("send it again in a few seconds"));
    }

    #[test]
    fn who_finds_the_writer_of_the_state_busy_is_told_to_come_back() {
        let error = ApiError::from(StateError::Busy);

        assert_eq!((error.status, error.code), (StatusCode::SERVICE_UNAVAILABLE, "busy"));
        assert_eq!(error.hint.as_deref(), Some("send it again in a few seconds"));
    }
}
