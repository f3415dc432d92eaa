//! The errors of what is kept and taken away, as HTTP: every variant named.

use axum::http::StatusCode;

use super::ApiError;
use crate::app::attachments::AttachmentError;
use crate::app::downloads::DownloadError;
use crate::app::removal::RemovalError;
use crate::app::state::{ImportError, LineProblem};

impl From<DownloadError> for ApiError {
    fn from(error: DownloadError) -> Self {
        let detail = error.to_string();
        match error {
            DownloadError::UnknownVersion { .. } | DownloadError::UnknownSignature { .. } => {
                Self::not_found(detail)
            }
            DownloadError::BadSignature(failed) => {
                let detail = format!("{detail} ({})", failed.code);
                let error = Self::client(StatusCode::FORBIDDEN, "bad_signature", detail);
                match failed.hint {
                    Some(hint) => error.hint(hint),
                    None => error,
                }
            }
            DownloadError::TooManySignatures { .. } => {
                Self::client(StatusCode::CONFLICT, "too_many_signatures", detail)
                    .hint("what is signed once by a trusted key needs no more")
            }
            DownloadError::Denied(denied) => denied.into(),
            DownloadError::Store(error) => error.into(),
            DownloadError::Registry(cause) => cause.into(),
        }
    }
}

impl From<AttachmentError> for ApiError {
    fn from(error: AttachmentError) -> Self {
        let detail = error.to_string();
        match error {
            AttachmentError::Unknown { .. } => Self::not_found(detail),
            AttachmentError::OfTheBundle(_) => {
                Self::client(StatusCode::CONFLICT, "attachment_of_bundle", detail)
                    .hint("publish a version with another file")
            }
            AttachmentError::Invalid { .. } => {
                Self::client(StatusCode::UNPROCESSABLE_ENTITY, "invalid_attachment", detail)
                    .hint("send the JSON document as the tool that made it wrote it")
            }
            AttachmentError::Publish(error) => error.into(),
            AttachmentError::Download(error) => error.into(),
            AttachmentError::Denied(denied) => denied.into(),
            AttachmentError::Store(error) => error.into(),
            AttachmentError::Registry(cause) => cause.into(),
            AttachmentError::Cancelled(cause) => Self::internal(cause),
        }
    }
}

impl From<RemovalError> for ApiError {
    fn from(error: RemovalError) -> Self {
        let detail = error.to_string();
        match error {
            RemovalError::InUse { .. } => {
                Self::client(StatusCode::CONFLICT, "version_in_use", detail).hint(
                    "uninstall or upgrade it first; the version before an upgrade is free after \
                     `ext_ui.previous_version_hours`. `plugboard yank` only forbids new installs",
                )
            }
            RemovalError::LongReason(_) => Self::malformed(detail),
            RemovalError::Download(error) => error.into(),
            RemovalError::Denied(denied) => denied.into(),
            RemovalError::Registry(cause) => cause.into(),
        }
    }
}

impl From<ImportError> for ApiError {
    fn from(error: ImportError) -> Self {
        let detail = error.to_string();
        match error {
            ImportError::Line { problem, .. } => of_line(&problem, detail),
            ImportError::Broken { .. } => {
                Self::malformed(detail).hint("send it again: what is there already is no conflict")
            }
            ImportError::Keeping(error) => error.into(),
            ImportError::State(cause) => cause.into(),
            ImportError::Registry(cause) => cause.into(),
        }
    }
}

fn of_line(problem: &LineProblem, detail: String) -> ApiError {
    match problem {
        LineProblem::Line(_) => {
            ApiError::client(StatusCode::UNPROCESSABLE_ENTITY, "import_refused", detail)
                .hint("correct the line and send all of it again")
        }
        LineProblem::Taken => ApiError::client(StatusCode::CONFLICT, "already_kept", detail).hint(
            "send it with `replace=true` (`--replace` on the command line) to put it over what is \
             there",
        ),
        LineProblem::Full => ApiError::client(StatusCode::CONFLICT, "state_full", detail)
            .hint("remove something, or raise `state.max_keys`, `max_namespaces` or `max_bytes`"),
        LineProblem::Gone => ApiError::client(StatusCode::NOT_FOUND, "not_installed", detail),
    }
}
