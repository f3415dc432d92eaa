//! The body of a call: read before the guest runs, or handed on while it arrives.

use axum::body::{Body, Bytes};
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::held_memory::{Held, HeldMemory};
use crate::runner::{RequestBody, Upload};
use crate::web::error::ApiError;

/// Bytes of a body that is not worth a stream.
pub(super) const SHORT_BODY_BYTES: u64 = 64 * 1024;

/// What is short, or goes to a world that does not stream, is read before a slot is taken.
pub(super) async fn read(
    body: Body,
    limit: u64,
    streams: bool,
    memory: &HeldMemory,
) -> Result<RequestBody, ApiError> {
    check_announced(&body, limit)?;
    let is_short = body.size_hint().upper().is_some_and(|upper| upper <= SHORT_BODY_BYTES);
    if streams && !is_short {
        return Ok(RequestBody::Stream(Upload::new(body, limit)));
    }
    read_whole(body, limit, memory).await.map(RequestBody::Whole)
}

fn check_announced(body: &Body, limit: u64) -> Result<(), ApiError> {
    let announced = body.size_hint().lower();
    if announced > limit {
        return Err(ApiError::too_large("the body", limit, Some(announced)));
    }
    Ok(())
}

/// A body in memory, which has its part of it as long as anybody has its bytes.
struct HeldBody(Bytes, #[expect(dead_code, reason = "held")] Held);

impl AsRef<[u8]> for HeldBody {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

pub(super) async fn read_whole(
    body: Body,
    limit: u64,
    memory: &HeldMemory,
) -> Result<Bytes, ApiError> {
    check_announced(&body, limit)?;
    let mut body = Limited::new(body, usize::try_from(limit).unwrap_or(usize::MAX));
    let (mut pieces, mut held) = (Vec::new(), None);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| match error {
            error if error.is::<LengthLimitError>() => ApiError::too_large("the body", limit, None),
            _ => ApiError::malformed("the body broke off"),
        })?;
        if let Ok(piece) = frame.into_data() {
            let held = held.get_or_insert_with(|| memory.hold_nothing());
            held.grow(piece.len() as u64)?;
            pieces.push(piece);
        }
    }
    let Some(held) = held else { return Ok(Bytes::new()) };
    let whole = match &mut pieces[..] {
        [piece] => std::mem::take(piece),
        pieces => pieces.concat().into(),
    };
    Ok(Bytes::from_owner(HeldBody(whole, held)))
}
