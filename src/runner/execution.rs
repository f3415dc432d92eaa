//! One execution from its slot to its last byte.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use async_task::Task;
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use wasmtime::{PoolConcurrencyLimitError, Store};

use super::counted_store::CountedStore;
use super::engine::Ticker;
use super::error::{self, CallError, ExecuteError};
use super::executors::Executors;
use super::host::Host;
use super::invocation::{GuestRequest, StreamLimits};
use super::limits;
use super::reply::{Answered, Reply};
use super::request_body::UploadWatch;
use super::response::{GuestResponse, Usage};
use super::slots::{CpuCharge, Slot};
use super::timekeeper::{Late, Timekeeper};
use super::worlds::Prepared;

/// An execution that has begun, and what its answer is waited for with.
pub(super) struct Awaited {
    work: Task<()>,
    time: Arc<Timekeeper>,
    until: UntilBegun,
    upload: Option<Arc<UploadWatch>>,
    answer: oneshot::Receiver<Answered>,
}

/// What the answer of an execution may take.
pub(super) struct AnswerLimits {
    pub(super) started: Instant,
    pub(super) deadline: Duration,
    pub(super) stream: StreamLimits,
    pub(super) max_bytes: u64,
    /// Bytes of the body that have gone out piece by piece.
    pub(super) sent: AtomicU64,
}

/// All that an execution holds, given back when it ends.
pub(super) struct Execution {
    pub(super) component: Arc<Prepared>,
    /// Before the charge and the slot: it is gone, and what that took is counted, when
    /// another may have its place.
    pub(super) store: CountedStore,
    pub(super) time: Arc<Timekeeper>,
    pub(super) limits: AnswerLimits,
    /// Taken from its install when it ends, whichever way.
    pub(super) charge: CpuCharge,
    pub(super) slot: Slot,
    /// It may outlive its runner by a tick, and without one never gives its thread back.
    pub(super) ticker: Arc<Ticker>,
}

impl Execution {
    /// Begins to answer a request. One that is expected to be quick may have its first turn
    /// here, before its deadline is looked at.
    pub(super) fn begin(mut self, request: Box<GuestRequest>, executors: &Executors) -> Awaited {
        let (there, upload) = request.body.extent();
        self.store.data_mut().watch(there, upload.clone());
        let (time, until) = (Arc::clone(&self.time), self.limits.until_begun());
        let quick = self.slot.quick_account();
        let (reply, answer) = Reply::new(executors.outbox());
        let work = executors.spawn(Arc::clone(&time), quick.is_some(), self.run(request, reply));
        if let Some(account) = quick {
            // It is over if it was taken here; else nothing has been counted yet.
            account.note_first_turn(time.spent());
        }
        Awaited { work, time, until, upload, answer }
    }

    async fn run(mut self, request: Box<GuestRequest>, mut reply: Reply) {
        let call = self.component.call(&mut self.store, request, &self.limits, &mut reply);
        let called = self.time.counted(pin!(call)).await;
        // What it says in its last turn counts only if somebody is told.
        let late = if reply.has_begun() { None } else { self.time.settle() };
        let usage = Usage {
            response_bytes: match &called {
                Ok(Some(whole)) => whole.whole_bytes(),
                Ok(None) | Err(_) => self.limits.sent.load(Relaxed),
            },
            ..self.store.data_mut().close()
        };
        let outcome = match late {
            Some(late) => Err(late.into()),
            None => called.map_err(|error| blame(&self.store, &self.time, error)),
        };
        self.store.data_mut().tell(&usage, outcome.as_ref().err(), reply.has_begun());
        if let Err(error) = &outcome
            && reply.has_begun()
        {
            self.tell(error);
        }
        let Self { component, store, charge, slot, ticker, .. } = self;
        drop((store, component));
        drop(charge);
        // Without a whole body that is long it is given back here.
        let whole = |response: GuestResponse| response.using(usage).holding(slot);
        reply.end(outcome.map(|response| response.map(whole)));
        drop(ticker);
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

impl Awaited {
    /// The answer. What has begun to answer goes on by itself, until its reader goes.
    ///
    /// The deadline is kept here and not by the thread of the guest, which may be busy with
    /// others: the caller learns in time, and the guest ends at its next turn.
    pub(super) async fn answered(self) -> Answered {
        let Self { work, time, until, upload, mut answer } = self;
        let answered = match until.wait(upload.as_deref(), &time, &mut answer).await {
            Ok(answered) => answered,
            Err(late) if time.expire(late) => {
                answer.close();
                // A head may have gone out just now.
                let Ok(head) = answer.try_recv() else { return Err(late.into()) };
                Some(head)
            }
            // It was over before, and is counted as answered.
            Err(_) => answer.await.ok(),
        };
        // Without a reader it ends by itself.
        work.detach();
        answered.unwrap_or(Err(ExecuteError::Stopped))
    }
}

impl AnswerLimits {
    /// Hands a piece of the body on, and counts it.
    pub(super) async fn send(
        &self,
        pieces: &mpsc::Sender<Bytes>,
        piece: Bytes,
    ) -> Result<(), CallError> {
        let length = piece.len() as u64;
        pieces.send(piece).await.map_err(|_| CallError::Gone)?;
        self.sent.fetch_add(length, Relaxed);
        Ok(())
    }

    fn until_begun(&self) -> UntilBegun {
        let Self { started, deadline, stream, .. } = *self;
        UntilBegun { started, deadline, most: stream.total }
    }
}

/// How long to wait for an answer to begin.
struct UntilBegun {
    started: Instant,
    deadline: Duration,
    most: Duration,
}

impl UntilBegun {
    /// The answer, or why there is none yet.
    ///
    /// What the client takes to send its body does not count, up to the time that a whole
    /// streaming execution has.
    async fn wait(
        self,
        upload: Option<&UploadWatch>,
        time: &Timekeeper,
        answer: &mut oneshot::Receiver<Answered>,
    ) -> Result<Option<Answered>, Late> {
        if !limits::ENFORCED {
            return Ok(answer.await.ok());
        }
        let mut allowed = self.deadline;
        loop {
            if let Ok(answered) = timeout_at(self.started + allowed, &mut *answer).await {
                return Ok(answered.ok());
            }
            let waited = upload.map_or(Duration::ZERO, UploadWatch::waited);
            // Who computes does not wait, whatever it has asked for before.
            let waited = waited.min(allowed.saturating_sub(time.spent()));
            let longer = (self.deadline + waited).min(self.most);
            if longer <= allowed {
                return Err(self.late(allowed, waited));
            }
            allowed = longer;
        }
    }

    /// Whose doing it is that `allowed` has passed, of which the guest has waited for its client
    /// for `waited`: the client's if the guest had time left and took less of it than the client.
    fn late(&self, allowed: Duration, waited: Duration) -> Late {
        let own = allowed.saturating_sub(waited);
        if own < self.deadline && own < waited {
            Late::Client(allowed)
        } else {
            Late::Guest(allowed)
        }
    }
}

/// Which limit or which fault ended an execution.
fn blame(store: &Store<Host>, time: &Timekeeper, error: CallError) -> ExecuteError {
    match error {
        CallError::BadResponse(reason) => ExecuteError::BadResponse(store.data().discreet(reason)),
        CallError::TooLarge { limit } => ExecuteError::ResponseTooLarge { limit },
        CallError::Deadline(limit) => ExecuteError::Deadline(limit),
        CallError::Idle(limit) => ExecuteError::Idle(limit),
        CallError::Gone => ExecuteError::Gone,
        CallError::Upload(fault) => fault.into(),
        CallError::Guest(error) if error.is::<PoolConcurrencyLimitError>() => ExecuteError::Busy,
        CallError::Guest(_) if time.is_over() => ExecuteError::Cpu(time.cpu_limit()),
        CallError::Guest(error) => {
            let discreet = |text| store.data().discreet(text);
            let trapped = || ExecuteError::Trap(error::describe_trap(&error, discreet));
            store.data().limits.refused().map_or_else(trapped, ExecuteError::Memory)
        }
    }
}

#[cfg(test)]
mod tests;
