//! The body of a call: read before the guest runs, or handed on while it arrives.

use axum::body::{Body, Bytes};
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::runner::{RequestBody, Upload};
use crate::web::error::ApiError;

/// Bytes of a body that is not worth a stream.
pub(super) const SHORT_BODY_BYTES: u64 = 64 * 1024;

/// What is short, or goes to a world that does not stream, is read before a slot is taken.
pub(super) async fn read(body: Body, limit: u64, streams: bool) -> Result<RequestBody, ApiError> {
    check_announced(&body, limit)?;
    let is_short = body.size_hint().upper().is_some_and(|upper| upper <= SHORT_BODY_BYTES);
    if streams && !is_short {
        return Ok(RequestBody::Stream(Upload::new(body, limit)));
    }
    read_whole(body, limit).await.map(RequestBody::Whole)
}

fn check_announced(body: &Body, limit: u64) -> Result<(), ApiError> {
    let announced = body.size_hint().lower();
    if announced > limit {
        return Err(ApiError::too_large("the body", limit, Some(announced)));
    }
    Ok(())
}

pub(super) async fn read_whole(body: Body, limit: u64) -> Result<Bytes, ApiError> {
    check_announced(&body, limit)?;
    let limited = Limited::new(body, usize::try_from(limit).unwrap_or(usize::MAX));
    match limited.collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(ApiError::too_large("the body", limit, None))
        }
        Err(_) => Err(ApiError::malformed("the body broke off")),
    }
}
