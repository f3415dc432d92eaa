//! The errors of learn mode, as HTTP: every variant named.

use axum::http::StatusCode;

use super::ApiError;
use crate::app::egress::LearnError;

const UNPROCESSABLE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;

impl From<LearnError> for ApiError {
    fn from(error: LearnError) -> Self {
        let detail = error.to_string();
        let conflict = StatusCode::CONFLICT;
        match error {
            LearnError::Length(_) => Self::client(UNPROCESSABLE, "invalid_learning_time", detail)
                .hint("start it again when it has ended"),
            LearnError::CallsNothing(_) => Self::client(conflict, "calls_nothing", detail)
                .hint("grant it cap:http.fetch first, if its manifest asks for it"),
            LearnError::TooMany(_) => Self::client(conflict, "too_much_learning", detail)
                .hint("accept what others have learned"),
            LearnError::NotLearning(_) => Self::client(conflict, "not_learning", detail)
                .hint("`plugboard egress learn` starts it"),
            LearnError::NothingLearned(_) => Self::client(conflict, "nothing_learned", detail)
                .hint("start to learn, and use the extension meanwhile"),
            LearnError::Install(error) => error.into(),
            LearnError::Registry(cause) => cause.into(),
        }
    }
}
