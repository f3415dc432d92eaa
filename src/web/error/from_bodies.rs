//! Request bodies that find no room, as HTTP.

use axum::http::StatusCode;

use super::ApiError;
use crate::held_memory::NoRoom;

impl From<NoRoom> for ApiError {
    fn from(NoRoom { limit_bytes }: NoRoom) -> Self {
        let message = format!(
            "the bodies of other calls take the {limit_bytes} bytes that all together may have"
        );
        Self::client(StatusCode::SERVICE_UNAVAILABLE, "busy", message)
            .retry_after(1)
            .hint("`gateway.max_held_body_bytes` is how much that is")
    }
}
