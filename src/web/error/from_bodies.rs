//! Request bodies that find no room, as HTTP.

use axum::http::StatusCode;

use super::ApiError;
use crate::app::held_bodies::NoRoom;

impl From<NoRoom> for ApiError {
    fn from(error: NoRoom) -> Self {
        Self::client(StatusCode::SERVICE_UNAVAILABLE, "busy", error.to_string())
            .retry_after(1)
            .hint("`gateway.max_held_body_bytes` is how much that is")
    }
}
