//! How an execution ended, said once to whoever counts.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::error::ExecuteError;
use super::response::Usage;
use crate::traces::{Span, Trace};

/// How an execution ended, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The guest answered, whatever it said.
    Answered,
    /// It had begun to answer, and was ended at the time that a stream may take.
    CutOff,
    Trap,
    Memory,
    Deadline,
    BadResponse,
    /// Whoever asked gave up, sent what cannot be read, or took too long to send it.
    Caller,
    /// The appliance had no room for it, or stops.
    Refused,
}

/// What is known of an execution that is over.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    pub usage: &'a Usage,
    pub outcome: Outcome,
    /// In words, unless it answered or was dropped.
    pub error: Option<&'a ExecuteError>,
}

/// Is told of an execution when it ends, once, whichever way it ends; also if it found no slot.
///
/// It is called on the thread of the execution: it must not wait.
#[derive(Clone, Default)]
pub struct Observer {
    tell: Option<Arc<Tell>>,
    mark: u64,
}

type Tell = dyn Fn(&Ended<'_>, u64) + Send + Sync;

impl Outcome {
    /// Every outcome, in the order of their indices.
    pub const ALL: [Self; 8] = [
        Self::Answered,
        Self::CutOff,
        Self::Trap,
        Self::Memory,
        Self::Deadline,
        Self::BadResponse,
        Self::Caller,
        Self::Refused,
    ];

    /// The word in metrics and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::CutOff => "cut_off",
            Self::Trap => "trap",
            Self::Memory => "memory",
            Self::Deadline => "deadline",
            Self::BadResponse => "bad_response",
            Self::Caller => "caller",
            Self::Refused => "refused",
        }
    }

    /// Whether the extension is to blame.
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Trap | Self::Memory | Self::Deadline | Self::BadResponse)
    }

    /// Whether it says that the extension works.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Answered | Self::CutOff)
    }

    /// `begun`: part of the answer had gone out.
    pub(super) fn of(error: &ExecuteError, begun: bool) -> Self {
        match error {
            // How a stream without an end of its own ends.
            ExecuteError::Deadline(_) | ExecuteError::Idle(_) if begun => Self::CutOff,
            ExecuteError::Deadline(_) | ExecuteError::Idle(_) | ExecuteError::Cpu(_) => {
                Self::Deadline
            }
            ExecuteError::Memory(_) => Self::Memory,
            ExecuteError::Trap(_) => Self::Trap,
            ExecuteError::BadResponse(_) | ExecuteError::ResponseTooLarge { .. } => {
                Self::BadResponse
            }
            ExecuteError::RequestTooLarge { .. }
            | ExecuteError::RequestBrokeOff(_)
            | ExecuteError::RequestTooSlow(_)
            | ExecuteError::Gone => Self::Caller,
            ExecuteError::Busy
            | ExecuteError::TenantBusy
            | ExecuteError::InstallBusy
            | ExecuteError::CpuSpent { .. }
            | ExecuteError::NotPrepared
            | ExecuteError::Stopped => Self::Refused,
        }
    }
}

/// Tells the trace of an execution how it ended and what it took.
pub(super) fn note_end(trace: &Trace, ended: &Ended<'_>) {
    trace.note(|span| {
        let Ended { usage, outcome, .. } = *ended;
        span.set("plugboard.outcome", outcome.as_str());
        span.set("plugboard.cpu_us", micros(usage.cpu));
        span.set("plugboard.memory_bytes", usage.peak_memory_bytes);
        span.set("plugboard.host_calls", usage.host_calls);
        span.set("plugboard.response_bytes", usage.response_bytes);
        if outcome.is_failure() {
            span.fail(outcome.as_str());
        }
    });
}

/// Tells the span of a call that found no slot.
pub(super) fn note_refusal(span: &mut Span, error: &ExecuteError) {
    let outcome = Outcome::of(error, false).as_str();
    span.set("plugboard.outcome", outcome);
    span.fail(outcome);
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl Observer {
    /// Calls `tell` with the end of every execution that has this observer, and its mark.
    pub fn new(tell: impl Fn(&Ended<'_>, u64) + Send + Sync + 'static) -> Self {
        Self { tell: Some(Arc::new(tell)), mark: 0 }
    }

    /// The same with a mark, by which one execution is known from others.
    #[must_use]
    pub fn marked(self, mark: u64) -> Self {
        Self { mark, ..self }
    }

    /// Tells the end of one execution; a second call tells nothing.
    pub(super) fn tell(&mut self, ended: &Ended<'_>) {
        if let Some(tell) = self.tell.take() {
            tell(ended, self.mark);
        }
    }

    /// Tells that an execution was not begun, and gives back why.
    pub(super) fn refuse(&mut self, error: ExecuteError) -> ExecuteError {
        let usage = Usage::default();
        self.tell(&Ended { usage: &usage, outcome: Outcome::Refused, error: Some(&error) });
        error
    }

    /// Whether the end is told already, or nobody wants to know.
    pub(super) fn is_told(&self) -> bool {
        self.tell.is_none()
    }
}

/// The observer of an execution that stands in line: a caller who leaves there is told, too.
pub(super) struct InLine(Observer);

impl InLine {
    pub(super) fn new(observer: Observer) -> Self {
        Self(observer)
    }

    /// It has its slot.
    pub(super) fn begin(mut self) -> Observer {
        std::mem::take(&mut self.0)
    }

    /// It gets none.
    pub(super) fn refuse(mut self, error: ExecuteError) -> ExecuteError {
        self.0.refuse(error)
    }
}

impl Drop for InLine {
    fn drop(&mut self) {
        let usage = Usage::default();
        self.0.tell(&Ended { usage: &usage, outcome: Outcome::Caller, error: None });
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_told() { "Observer(nobody)" } else { "Observer" })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// An observer, and what it was told.
    fn observed() -> (InLine, Arc<Mutex<Vec<Outcome>>>) {
        let told = Arc::<Mutex<Vec<_>>>::default();
        let tells = Arc::clone(&told);
        let observer = Observer::new(move |ended, _mark| tells.lock().unwrap().push(ended.outcome));
        (InLine::new(observer), told)
    }

    #[test]
    fn who_leaves_the_line_is_told_once_and_who_leaves_it_for_a_slot_later() {
        let (left, told) = observed();
        drop(left);
        assert_eq!(*told.lock().unwrap(), [Outcome::Caller]);

        let (refused, told) = observed();
        let _: ExecuteError = refused.refuse(ExecuteError::Busy);
        assert_eq!(*told.lock().unwrap(), [Outcome::Refused]);

        let (begun, told) = observed();
        let observer = begun.begin();
        assert!(told.lock().unwrap().is_empty() && !observer.is_told());
    }
}
