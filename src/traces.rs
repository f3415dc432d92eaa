//! Traces: what each call took where, told to a collector of the operator.
//!
//! A [`Trace`] goes along with a call. It knows which trace the call belongs to, so that
//! servers and log lines can be told, and, if the call is recorded, it makes a [`Span`] of
//! the call and of each part of it. Ended spans wait in a queue with an end, and a task of
//! its own sends them: no call waits for that, and what does not fit is counted and
//! dropped. Without a collector and without a `traceparent` a trace is nothing at all.
//!
//! What is in a span is fixed here and by those who begin it: names, kinds, numbers and the
//! identity of an install; never a query, a body, a key, or a header's value.

mod exporter;
mod ids;
mod messages;
mod sender;
mod span;

pub use sender::{CollectorFault, TracesUnusable};
pub use span::{Kind, Span, Value};

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use self::exporter::Exporter;
use self::ids::Ids;
use self::sender::Sender;
use self::span::{Draft, Ended};
use crate::config::OtlpConfig;
use crate::model::{Clock, IncomingTrace, TraceContext, TraceId, TraceState};

/// Ended spans that wait for the exporter: some 4 MiB, and 16 at the very most.
const QUEUE_SPANS: usize = 4_096;
/// Spans of the parts of one call; what comes after them is counted.
const CHILDREN: u32 = 128;

/// Begins traces. One per process; cloning it is cheap.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<Inner>>);

struct Inner {
    ids: Ids,
    clock: Arc<dyn Clock>,
    ratio: f64,
    queue: mpsc::Sender<Ended>,
    flushes: mpsc::Sender<oneshot::Sender<()>>,
    /// Nothing is tried again once it is set: the appliance stops.
    hurry: CancellationToken,
    counts: Arc<Counts>,
}

/// What became of spans since the start.
#[derive(Debug, Default)]
struct Counts {
    exported: AtomicU64,
    /// There were too many in one call.
    over_limit: AtomicU64,
    /// Too many waited for the collector.
    queue_full: AtomicU64,
    /// The collector could not be reached, or did not take them.
    refused: AtomicU64,
}

/// What became of spans since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpanCounts {
    pub exported: u64,
    pub over_limit: u64,
    pub queue_full: u64,
    pub refused: u64,
}

/// The trace that one call belongs to, if any. Cloning it is cheap, and the span of the call
/// ends when the last of them is gone.
#[derive(Clone, Default)]
pub struct Trace(Option<Arc<Carried>>);

struct Carried {
    /// Of the call's own span if it is recorded, else of its caller's.
    context: TraceContext,
    state: Option<TraceState>,
    recording: Option<Recording>,
}

struct Recording {
    traces: Arc<Inner>,
    children: AtomicU32,
    call: Draft,
}

impl Traces {
    /// Begins to send to the collector that is set, if one is. Must be called where a runtime
    /// is: the exporter runs there.
    pub fn start(config: &OtlpConfig, clock: Arc<dyn Clock>) -> Result<Self, TracesUnusable> {
        if !config.is_set() {
            return Ok(Self::default());
        }
        let sender = Sender::new(config)?;
        let (queue, ended) = mpsc::channel(QUEUE_SPANS);
        let (flushes, asked) = mpsc::channel(1);
        let (hurry, counts) = (CancellationToken::new(), Arc::<Counts>::default());
        let exporter = Exporter::new(sender, ended, asked, hurry.clone(), Arc::clone(&counts));
        tokio::spawn(exporter.run());
        let (ids, ratio) = (Ids::new(), config.sample_ratio);
        Ok(Self(Some(Arc::new(Inner { ids, clock, ratio, queue, flushes, hurry, counts }))))
    }

    /// The trace of a call that says of itself `incoming`. `describe` names it, and is asked
    /// only if it is recorded.
    ///
    /// A caller who is known decides whether its call is recorded; anybody else would fill
    /// the collector by a header, so there only the ratio counts.
    pub fn begin(
        &self,
        incoming: Option<IncomingTrace>,
        is_known: bool,
        describe: impl FnOnce() -> Span,
    ) -> Trace {
        let parent = incoming.as_ref().map(|incoming| incoming.context);
        let is_recorded = |traces: &Inner| match parent {
            Some(parent) if is_known || !parent.is_sampled => parent.is_sampled,
            Some(_) | None => traces.ids.chance() < traces.ratio,
        };
        let recorder = self.0.as_ref().filter(|traces| is_recorded(traces));
        let Some(traces) = recorder else {
            let passed = |IncomingTrace { context, state }| {
                Arc::new(Carried { context, state, recording: None })
            };
            return Trace(incoming.map(passed));
        };
        let trace = parent.map_or_else(|| traces.ids.trace(), |parent| parent.trace);
        let context = TraceContext { trace, span: traces.ids.span(), is_sampled: true };
        let call =
            Draft::new(describe(), context, parent.map(|parent| parent.span), &*traces.clock);
        let (traces, children) = (Arc::clone(traces), AtomicU32::new(0));
        let state = incoming.and_then(|incoming| incoming.state);
        let recording = Some(Recording { traces, children, call });
        Trace(Some(Arc::new(Carried { context, state, recording })))
    }

    /// What became of spans; `None`: none are made.
    pub fn counts(&self) -> Option<SpanCounts> {
        let counts = &self.0.as_ref()?.counts;
        Some(SpanCounts {
            exported: counts.exported.load(Relaxed),
            over_limit: counts.over_limit.load(Relaxed),
            queue_full: counts.queue_full.load(Relaxed),
            refused: counts.refused.load(Relaxed),
        })
    }

    /// Waits until every span that has ended was sent or given up.
    pub async fn flush(&self) {
        let Some(traces) = &self.0 else { return };
        let (done, flushed) = oneshot::channel();
        if traces.flushes.send(done).await.is_ok() {
            // An error is the end of the exporter.
            flushed.await.ok();
        }
    }

    /// Sends what is left, each once, and waits no longer than `patience` for it.
    pub async fn finish(&self, patience: Duration) {
        if let Some(traces) = &self.0 {
            traces.hurry.cancel();
        }
        if tokio::time::timeout(patience, self.flush()).await.is_err() {
            tracing::warn!("The last spans did not reach the collector in {patience:?}");
        }
    }
}

impl Inner {
    fn push(&self, ended: Ended) {
        if self.queue.try_send(ended).is_err() {
            self.counts.queue_full.fetch_add(1, Relaxed);
        }
    }
}

impl Trace {
    /// The id of the trace, for log lines.
    pub fn id(&self) -> Option<TraceId> {
        self.0.as_ref().map(|carried| carried.context.trace)
    }

    /// What others who take part have to say to each other.
    pub fn state(&self) -> Option<&TraceState> {
        self.0.as_ref()?.state.as_ref()
    }

    /// Adds to what is known of the call itself.
    pub fn note(&self, note: impl FnOnce(&mut Span)) {
        if let Some(Carried { recording: Some(recording), .. }) = self.0.as_deref() {
            recording.call.note(note);
        }
    }

    /// Begins a part of the call, which ends when it is dropped. `describe` is asked only if
    /// it is recorded.
    pub fn part(&self, describe: impl FnOnce() -> Span) -> Part {
        let Some(carried) = &self.0 else { return Part(None) };
        let draft = carried.recording.as_ref().and_then(|recording| {
            if recording.children.fetch_add(1, Relaxed) >= CHILDREN {
                recording.traces.counts.over_limit.fetch_add(1, Relaxed);
                return None;
            }
            let traces = &recording.traces;
            let context = TraceContext { span: traces.ids.span(), ..carried.context };
            Some(Draft::new(describe(), context, Some(carried.context.span), &*traces.clock))
        });
        Part(Some(Begun { carried: Arc::clone(carried), draft }))
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        if let Some(recording) = &mut self.recording {
            let left_out = recording.children.load(Relaxed).saturating_sub(CHILDREN);
            if left_out > 0 {
                recording.call.note(|span| span.set("plugboard.spans_left_out", left_out));
            }
            recording.traces.push(recording.call.end());
        }
    }
}

/// A part of a call, until it is dropped.
#[derive(Default)]
pub struct Part(Option<Begun>);

struct Begun {
    carried: Arc<Carried>,
    draft: Option<Draft>,
}

impl Part {
    /// What a server that is called here has for its parent.
    pub fn context(&self) -> Option<TraceContext> {
        let begun = self.0.as_ref()?;
        Some(begun.draft.as_ref().map_or(begun.carried.context, |draft| draft.context))
    }

    /// Adds to what is known of it.
    pub fn note(&self, note: impl FnOnce(&mut Span)) {
        if let Some(Begun { draft: Some(draft), .. }) = &self.0 {
            draft.note(note);
        }
    }

    /// Notes a failure, if it is one and has a word, and ends.
    pub fn end<T, E, W: Into<Option<&'static str>>>(
        self,
        result: Result<T, E>,
        word: impl FnOnce(&E) -> W,
    ) -> Result<T, E> {
        if let Err(error) = &result
            && let Some(word) = word(error).into()
        {
            self.note(|span| span.fail(word));
        }
        result
    }

    /// Ends, and nothing is told of it.
    pub fn forget(mut self) {
        if let Some(begun) = &mut self.0 {
            begun.draft = None;
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let Some(Begun { carried, draft: Some(mut draft) }) = self.0.take() else { return };
        if let Some(recording) = &carried.recording {
            recording.traces.push(draft.end());
        }
    }
}

impl std::fmt::Debug for Trace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Trace").field(&self.id()).finish()
    }
}

/// Asks the collector that is set to take nothing, which every collector can.
pub async fn probe(config: &OtlpConfig) -> Result<(), CollectorFault> {
    Sender::new(config).map_err(CollectorFault::Unusable)?.send(Vec::new()).await.map(|_| ())
}

#[cfg(test)]
mod tests;
