//! Replies on their way from guest threads to those that speak HTTP.
//!
//! Each reply wakes a thread that speaks HTTP, which comes before guests and takes the core: to
//! send one answer, and to give the core back. So replies wait for one another as long as
//! there is more to do, and arrive together.

use std::mem;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::runner::reply::Answered;

/// How many wait for one another at most.
const TOGETHER: usize = 8;
/// How long the first waits for others: less than it takes to notice, and some turns of a script
/// engine. It is looked at between turns and at each tick, so a turn that takes long is waited for.
const PATIENCE: Duration = Duration::from_millis(1);

/// What has not been delivered yet.
#[derive(Default)]
pub(in crate::runner) struct Outbox {
    held: Mutex<Held>,
    /// Where those are who wait for replies.
    runtime: OnceLock<Handle>,
}

#[derive(Default)]
struct Held {
    replies: Vec<Reply>,
    /// Since when there is one.
    since: Option<Instant>,
}

struct Reply {
    waiting: oneshot::Sender<Answered>,
    answered: Answered,
}

impl Reply {
    fn deliver(self) {
        // Nobody may be waiting any more: then nobody has to know.
        drop(self.waiting.send(self.answered));
    }
}

impl Outbox {
    /// Called by who begins to wait for a reply.
    pub(in crate::runner) fn expect_one(&self) {
        self.runtime.get_or_init(Handle::current);
    }

    /// Takes a reply of a turn on a guest thread, which looks after it when the turn is over.
    pub(in crate::runner) fn put(&self, waiting: oneshot::Sender<Answered>, answered: Answered) {
        let mut held = self.held();
        held.since.get_or_insert_with(Instant::now);
        held.replies.push(Reply { waiting, answered });
    }

    /// Delivers what there is, if there are enough, or the first has waited for long enough.
    pub(super) fn deliver_due(&self) {
        let held = self.held();
        let is_late = held.since.is_some_and(|since| since.elapsed() >= PATIENCE);
        if is_late || held.replies.len() >= TOGETHER {
            self.deliver_all(held);
        }
    }

    /// Wakes a thread of those who wait for replies, if one sleeps: to look after what the
    /// others should do.
    pub(super) fn wake_reader(&self) {
        if let Some(runtime) = self.runtime.get() {
            runtime.spawn(async {});
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held().replies.is_empty()
    }

    /// Delivers what there is.
    pub(super) fn deliver(&self) {
        self.deliver_all(self.held());
    }

    fn deliver_all(&self, mut held: MutexGuard<'_, Held>) {
        held.since = None;
        if held.replies.len() <= 1 {
            // What is held keeps its room for the next one.
            let only = held.replies.pop();
            drop(held);
            only.into_iter().for_each(Reply::deliver);
            return;
        }
        let replies = mem::take(&mut held.replies);
        drop(held);
        let deliver = move || replies.into_iter().for_each(Reply::deliver);
        match self.runtime.get() {
            // There it wakes those who wait without waking a thread for each.
            Some(runtime) => drop(runtime.spawn(async move { deliver() })),
            None => deliver(),
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;
    use crate::runner::error::ExecuteError;

    fn put(outbox: &Outbox) -> oneshot::Receiver<Answered> {
        let (waiting, reply) = oneshot::channel();
        outbox.expect_one();
        outbox.put(waiting, Err(ExecuteError::Stopped));
        reply
    }

    #[tokio::test]
    async fn replies_wait_for_others_and_arrive_together() {
        let outbox = Outbox::default();
        let mut first = put(&outbox);
        outbox.held().since = Some(Instant::now() + PATIENCE);
        outbox.deliver_due();
        assert!(first.try_recv().is_err());

        let more: Vec<_> = (2..TOGETHER).map(|_| put(&outbox)).collect();
        let last = put(&outbox);
        outbox.deliver_due();

        for reply in [first, last].into_iter().chain(more) {
            reply.await.unwrap().unwrap_err();
        }
        assert!(outbox.is_empty());
    }

    #[tokio::test]
    async fn the_first_does_not_wait_for_long() {
        let outbox = Outbox::default();
        let mut reply = put(&outbox);

        sleep(PATIENCE);
        outbox.deliver_due();

        assert!(reply.try_recv().is_ok());
    }

    #[tokio::test]
    async fn one_alone_is_delivered_at_once() {
        let outbox = Outbox::default();
        let mut reply = put(&outbox);

        outbox.deliver();

        assert!(reply.try_recv().is_ok());
    }
}
