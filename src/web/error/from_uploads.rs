//! What can happen to an upload in parts and to who sends too often, as HTTP.

use axum::http::{HeaderName, StatusCode};

use super::ApiError;
use crate::app::rate_limits::RateLimited;
use crate::app::uploads::{CONTENT_TYPES, FinishError, UploadError};

/// After so many seconds an upload that is under way may have ended.
const UNDER_WAY_S: u64 = 5;

const OFFSET: HeaderName = HeaderName::from_static("upload-offset");

impl From<UploadError> for ApiError {
    fn from(error: UploadError) -> Self {
        let detail = error.to_string();
        match error {
            UploadError::Unknown(_) => {
                Self::not_found(detail).hint("begin a new one: unfinished uploads expire")
            }
            UploadError::Busy(_) => Self::client(StatusCode::LOCKED, "upload_busy", detail)
                .retry_after(1)
                .hint("send one part after the other"),
            UploadError::Lost(_) => Self::client(StatusCode::GONE, "gone", detail)
                .hint("send the bundle again with a new upload"),
            UploadError::OffsetMismatch { found, .. } => {
                Self::client(StatusCode::CONFLICT, "offset_mismatch", detail)
                    .header(OFFSET, &found.to_string())
                    .hint("ask for the offset with HEAD, and go on from there")
                    .extra("offset", found)
            }
            UploadError::ChecksumMismatch => Self::client(checksum_mismatch(), CHECKSUM, detail)
                .hint("send the part again from the same offset"),
            UploadError::Overrun { length, received } => {
                Self::client(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
                    .extra("limit_bytes", length)
                    .extra("received_bytes", received)
            }
            UploadError::Empty => Self::malformed(detail),
            UploadError::ContentType(_) => {
                Self::client(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
                    .hint(format!("send one of {}", CONTENT_TYPES.join(", ")))
            }
            UploadError::TooMany { limit, unfinished } => {
                Self::client(StatusCode::TOO_MANY_REQUESTS, "too_many_uploads", detail)
                    .retry_after(UNDER_WAY_S)
                    .hint("wait for one to end, or abort one: `plugboard uploads list`")
                    .extra("limit", limit)
                    .extra("unfinished", unfinished)
            }
            UploadError::TooManyBytes { limit, held, length } => {
                Self::client(StatusCode::TOO_MANY_REQUESTS, "too_many_upload_bytes", detail)
                    .retry_after(UNDER_WAY_S)
                    .hint("wait for one to end, or abort one: `plugboard uploads list`")
                    .extra("limit_bytes", limit)
                    .extra("held_bytes", held)
                    .extra("received_bytes", length)
            }
            UploadError::Broken { offset, .. } => {
                Self::malformed(detail).header(OFFSET, &offset.to_string()).extra("offset", offset)
            }
            UploadError::SentToStore(_) => {
                Self::client(StatusCode::CONFLICT, "sent_to_store", detail)
                    .hint("send them to the addresses of the upload, or begin one without")
            }
            UploadError::NoAddresses => Self::client(StatusCode::CONFLICT, "no_addresses", detail)
                .hint("send the bundle in parts at /api/v1/uploads; an operator can set `store.s3.public_endpoint`"),
            UploadError::NotInParts(_) => {
                Self::client(StatusCode::CONFLICT, "not_in_parts", detail)
                    .hint("begin one at /api/v1/uploads/presigned")
            }
            UploadError::NoSuchPart { count, .. } => {
                Self::client(StatusCode::UNPROCESSABLE_ENTITY, "no_such_part", detail)
                    .hint("the bundle is as long as was said when the upload began")
                    .extra("part_count", count)
            }
            UploadError::OtherLength { length, found } => {
                Self::client(StatusCode::BAD_REQUEST, "length_mismatch", detail)
                    .hint("begin a new upload with the right length")
                    .extra("length", length)
                    .extra("received_bytes", found)
            }
            UploadError::Store(error) => error.into(),
            UploadError::Registry(cause) => cause.into(),
            UploadError::Cancelled(cause) => Self::internal(cause),
        }
    }
}

impl From<FinishError> for ApiError {
    fn from(error: FinishError) -> Self {
        let detail = error.to_string();
        match error {
            FinishError::Incomplete { offset, length } => {
                Self::client(StatusCode::CONFLICT, "upload_incomplete", detail)
                    .header(OFFSET, &offset.to_string())
                    .hint("send the rest with PATCH first")
                    .extra("offset", offset)
                    .extra("length", length)
            }
            FinishError::PartsMissing { missing, count } => {
                Self::client(StatusCode::CONFLICT, "upload_incomplete", detail)
                    .hint("send the missing parts to their addresses first")
                    .extra("missing_parts", missing)
                    .extra("part_count", count)
            }
            FinishError::Gone(_) => Self::client(StatusCode::GONE, "gone", detail)
                .hint("send the bundle again with a new upload"),
            FinishError::Upload(error) => error.into(),
            FinishError::Publish(error) => error.into(),
        }
    }
}

impl From<RateLimited> for ApiError {
    fn from(error: RateLimited) -> Self {
        let detail = error.to_string();
        Self::client(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail)
            .retry_after(error.retry_after_s)
            .hint(format!("wait {} seconds", error.retry_after_s))
            .extra("limit_per_minute", error.limit_per_minute)
    }
}

const CHECKSUM: &str = "checksum_mismatch";

/// A status of the tus protocol that HTTP itself does not have.
fn checksum_mismatch() -> StatusCode {
    StatusCode::from_u16(460).expect("460 is within the range of status codes")
}
