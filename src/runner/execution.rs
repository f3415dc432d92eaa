//! One execution from its slot to its last byte.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use wasmtime::{PoolConcurrencyLimitError, Store};

use super::error::{self, CallError, ExecuteError};
use super::host::Host;
use super::invocation::{GuestRequest, StreamLimits};
use super::reply::{Answered, Reply};
use super::request_body::UploadWatch;
use super::response::Usage;
use super::slots::Slot;
use super::worlds::Prepared;

/// What the answer of an execution may take.
pub(super) struct AnswerLimits {
    pub(super) started: Instant,
    pub(super) deadline: Duration,
    pub(super) stream: StreamLimits,
    pub(super) max_bytes: u64,
}

/// All that an execution holds, given back when it ends.
pub(super) struct Execution {
    pub(super) component: Arc<Prepared>,
    /// Before the slot: it is gone when another may have its place.
    pub(super) store: Store<Host>,
    pub(super) limits: AnswerLimits,
    pub(super) slot: Slot,
}

impl Execution {
    /// Answers a request. What has begun to answer goes on by itself, until its reader goes.
    pub(super) async fn answer(self, request: GuestRequest) -> Answered {
        let (reply, mut answer) = Reply::new();
        let mut work = Box::pin(self.run(request, reply));
        // Nearly every answer is complete when the guest first waits: no task is made for it.
        let answered = tokio::select! {
            biased;
            () = &mut work => answer.try_recv().ok(),
            answered = &mut answer => {
                tokio::spawn(work);
                answered.ok()
            }
        };
        answered.unwrap_or(Err(ExecuteError::Stopped))
    }

    async fn run(mut self, request: GuestRequest, mut reply: Reply) {
        let called = self.component.call(&mut self.store, request, &self.limits, &mut reply).await;
        let log = self.store.data_mut().close();
        let usage = Usage { duration: self.limits.started.elapsed(), ..log };
        let outcome = called.map_err(|error| blame(&self.store, error));
        if let Err(error) = &outcome
            && reply.has_begun()
        {
            self.tell(error);
        }
        let Self { store, slot, .. } = self;
        drop(store);
        drop(slot);
        reply.end(outcome.map(|whole| whole.map(|response| response.using(usage))));
    }

    /// Whoever reads the answer sees only that it broke off.
    fn tell(&self, error: &ExecuteError) {
        let context = self.store.data().context();
        let extension = context.install.extension.as_str();
        let request = &*context.request_id;
        if matches!(error, ExecuteError::Gone) {
            tracing::debug!(request.id = request, extension.name = extension, "{error}");
        } else if matches!(error, ExecuteError::Deadline(_) | ExecuteError::Idle(_)) {
            // How a stream without an end of its own ends.
            tracing::info!(request.id = request, extension.name = extension, "cut off: {error}");
        } else {
            tracing::warn!(request.id = request, extension.name = extension, "broke off: {error}");
        }
    }
}

impl AnswerLimits {
    /// Waits for an answer to begin, but not for ever.
    ///
    /// What the client takes to send its body does not count, up to the time that a whole
    /// streaming execution has.
    pub(super) async fn until_begun<T>(
        &self,
        upload: Option<&UploadWatch>,
        answer: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        let mut answer = pin!(answer);
        let mut allowed = self.deadline;
        loop {
            if let Ok(begun) = timeout_at(self.started + allowed, answer.as_mut()).await {
                return begun;
            }
            let waited = upload.map_or(Duration::ZERO, UploadWatch::waited);
            let longer = (self.deadline + waited).min(self.stream.total);
            if longer <= allowed {
                return Err(CallError::Deadline(allowed));
            }
            allowed = longer;
        }
    }
}

/// Which limit or which fault ended an execution.
fn blame(store: &Store<Host>, error: CallError) -> ExecuteError {
    match error {
        CallError::BadResponse(reason) => ExecuteError::BadResponse(reason),
        CallError::TooLarge { limit } => ExecuteError::ResponseTooLarge { limit },
        CallError::Deadline(limit) => ExecuteError::Deadline(limit),
        CallError::Idle(limit) => ExecuteError::Idle(limit),
        CallError::Gone => ExecuteError::Gone,
        CallError::Upload(fault) => fault.into(),
        CallError::Guest(error) if error.is::<PoolConcurrencyLimitError>() => ExecuteError::Busy,
        CallError::Guest(error) => match store.data().limits.refused() {
            Some(refused) => ExecuteError::Memory(refused),
            None => ExecuteError::Trap(error::describe_trap(&error)),
        },
    }
}
