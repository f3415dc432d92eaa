//! How calls end, for whoever counts them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Answer, CallbackError, Interface};

/// Is told of every call once it has ended, whichever way, and how long it took.
pub type Observer = Arc<dyn Fn(Interface, Outcome, Duration) + Send + Sync>;

/// How a call ended, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With a status of success.
    Answered,
    /// With a status that says that the question was wrong, or not allowed.
    Rejected,
    /// With any other status.
    Failed,
    /// Not within its time.
    TimedOut,
    /// There was no connection, or not the one that was meant.
    Unreachable,
    /// The exchange broke off, or was more than is taken.
    Broken,
    /// Nobody waits for it any more.
    Abandoned,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 7] = [
        Self::Answered,
        Self::Rejected,
        Self::Failed,
        Self::TimedOut,
        Self::Unreachable,
        Self::Broken,
        Self::Abandoned,
    ];

    /// Its name where machines read.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Unreachable => "unreachable",
            Self::Broken => "broken",
            Self::Abandoned => "abandoned",
        }
    }

    fn of(answered: &Result<Answer, CallbackError>) -> Self {
        match answered {
            Ok(answer) if answer.status.is_success() => Self::Answered,
            Ok(answer) if answer.status.is_client_error() => Self::Rejected,
            Ok(_) => Self::Failed,
            Err(CallbackError::Timeout(_)) => Self::TimedOut,
            Err(CallbackError::Connect(_)) => Self::Unreachable,
            Err(CallbackError::Stopped) => Self::Abandoned,
            Err(
                CallbackError::Route
                | CallbackError::QuestionTooLarge(_)
                | CallbackError::AnswerTooLarge(_)
                | CallbackError::Broken(_),
            ) => Self::Broken,
        }
    }
}

/// A call that is under way. Dropped before its end, it was abandoned.
pub(super) struct UnderWay {
    observer: Observer,
    interface: Interface,
    outcome: Outcome,
    began: Instant,
}

impl UnderWay {
    pub(super) fn new(observer: &Observer, interface: Interface) -> Self {
        let (outcome, began) = (Outcome::Abandoned, Instant::now());
        Self { observer: Arc::clone(observer), interface, outcome, began }
    }

    pub(super) fn end(mut self, answered: &Result<Answer, CallbackError>) {
        self.outcome = Outcome::of(answered);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        (self.observer)(self.interface, self.outcome, self.began.elapsed());
    }
}
