//! The body of a call: read before the guest runs, or handed on while it arrives.

use axum::body::Body;
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::held_body::{Arriving, HeldBody};
use crate::app::App;
use crate::runner::{RequestBody, Upload};
use crate::web::error::ApiError;

/// Bytes of a body that is not worth a stream.
pub(super) const SHORT_BODY_BYTES: u64 = 64 * 1024;

/// What is short, or goes to a world that does not stream, is read before a slot is taken.
pub(super) async fn read(
    body: Body,
    limit: u64,
    streams: bool,
    app: &App,
) -> Result<RequestBody, ApiError> {
    check_announced(&body, limit)?;
    let is_short = body.size_hint().upper().is_some_and(|upper| upper <= SHORT_BODY_BYTES);
    if streams && !is_short {
        return Ok(RequestBody::Stream(Upload::new(body, limit)));
    }
    let whole = read_whole(body, limit, app).await?;
    Ok(RequestBody::Whole(whole.into_bytes()))
}

fn check_announced(body: &Body, limit: u64) -> Result<(), ApiError> {
    let announced = body.size_hint().lower();
    if announced > limit {
        return Err(ApiError::too_large("the body", limit, Some(announced)));
    }
    Ok(())
}

/// All of a body, of at most `limit` bytes.
pub(super) async fn read_whole(body: Body, limit: u64, app: &App) -> Result<HeldBody, ApiError> {
    check_announced(&body, limit)?;
    let mut body = Limited::new(body, usize::try_from(limit).unwrap_or(usize::MAX));
    let mut arriving = Arriving::new(&app.held_bodies, SHORT_BODY_BYTES);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| match error {
            error if error.is::<LengthLimitError>() => ApiError::too_large("the body", limit, None),
            _ => ApiError::malformed("the body broke off"),
        })?;
        if let Ok(piece) = frame.into_data() {
            arriving.push(piece).inspect_err(|_| app.count_body_without_room())?;
        }
    }
    Ok(arriving.end())
}
