//! Why a question had no answer. Nothing of the question, the answer or the token is in it.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::tls_client::CaFileError;

/// The application was not asked, or gave no answer that counts.
#[derive(Debug, thiserror::Error)]
pub enum CallbackError {
    #[error("the route is no path")]
    Route,
    #[error("the question has more than {0} bytes")]
    QuestionTooLarge(usize),
    #[error("the answer has more than {0} bytes")]
    AnswerTooLarge(usize),
    #[error("no answer in {} ms", .0.as_millis())]
    Timeout(Duration),
    #[error("no connection: {0}")]
    Connect(Cause),
    #[error("the connection broke: {0}")]
    Broken(Cause),
    #[error("the appliance is stopping")]
    Stopped,
}

impl CallbackError {
    /// The error in one word, for metrics and traces.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::QuestionTooLarge(_) => "request_too_large",
            Self::AnswerTooLarge(_) => "response_too_large",
            Self::Timeout(_) => "timeout",
            Self::Connect(_) => "connect",
            Self::Broken(_) => "broken",
            Self::Stopped => "stopped",
        }
    }
}

/// The application cannot be called as it is set.
#[derive(Debug, thiserror::Error)]
pub enum CallbacksUnusable {
    #[error("host_callbacks: a URL has no server")]
    Url,
    #[error("host_callbacks.token: it cannot be the value of a header")]
    Token,
    #[error("host_callbacks.ca_file: {0}")]
    CaFile(CaFileError),
}

/// An error that is shown with those behind it.
#[derive(Debug)]
pub struct Cause(Box<dyn Error + Send + Sync>);

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for Cause {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
