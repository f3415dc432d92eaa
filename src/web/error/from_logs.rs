//! The errors of reading and following lines, as HTTP: every variant named.

use axum::http::StatusCode;

use super::ApiError;
use crate::app::logs::LogsError;

/// Seconds after which a seat may be free.
const RETRY_AFTER_S: u64 = 10;

impl From<LogsError> for ApiError {
    fn from(error: LogsError) -> Self {
        let detail = error.to_string();
        match error {
            LogsError::Install(error) => error.into(),
            LogsError::TooMany(_) => {
                Self::client(StatusCode::TOO_MANY_REQUESTS, "too_many_followers", detail)
                    .retry_after(RETRY_AFTER_S)
                    .hint("close one, or raise `logs.followers` and `logs.followers_per_tenant`")
            }
            LogsError::Read(cause) => Self::internal(cause),
        }
    }
}
