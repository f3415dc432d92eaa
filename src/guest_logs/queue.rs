//! Lines on their way to the writer: bounded in bytes, and never waited for.
//!
//! A lock and not a channel: the writer takes all that waits at once, what found no room is
//! counted under the same lock and so exactly, and a guest wakes the writer only when it
//! sleeps.

use std::collections::HashMap;
use std::io;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::record::NewLine;
use crate::model::{ContentHash, InstallId, InstallLabels};

/// How long lines are gathered, to be written together.
const GATHER: Duration = Duration::from_millis(10);
/// Bytes that a line takes beside its message.
const LINE_BYTES: usize = size_of::<NewLine>();

pub(super) struct Queue {
    max_bytes: usize,
    waiting: Mutex<Waiting>,
    some: Condvar,
}

#[derive(Default)]
struct Waiting {
    batch: Batch,
    bytes: usize,
    /// The writer sleeps until it is woken.
    is_asleep: bool,
}

/// All that waited.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) lines: Vec<NewLine>,
    /// What found no room, after these lines.
    pub(super) lost: HashMap<InstallId, Lost>,
    pub(super) asks: Vec<Ask>,
    /// Nothing comes after this.
    pub(super) is_last: bool,
}

/// Lines of one install that are not kept.
pub(super) struct Lost {
    pub(super) install: Arc<InstallLabels>,
    pub(super) content_hash: ContentHash,
    pub(super) lines: u64,
}

/// What the writer is asked to do after the lines before it.
pub(super) enum Ask {
    Settle(oneshot::Sender<()>),
    Remove(InstallId, oneshot::Sender<io::Result<()>>),
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.lost.is_empty() && !self.is_urgent()
    }

    /// Whether somebody waits.
    fn is_urgent(&self) -> bool {
        self.is_last || !self.asks.is_empty()
    }

    fn lose(&mut self, install: &Arc<InstallLabels>, content_hash: ContentHash, lines: u64) {
        let lost = self.lost.entry(install.install);
        let begin = || Lost { install: Arc::clone(install), content_hash, lines: 0 };
        lost.or_insert_with(begin).lines += lines;
    }
}

impl Queue {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { max_bytes, waiting: Mutex::default(), some: Condvar::new() }
    }

    /// Adds a line. If it has no room, the lines that are lost with it are counted here, and
    /// told.
    pub(super) fn push(&self, line: NewLine) -> Option<u64> {
        let (bytes, weight) = (line.message.len() + LINE_BYTES, line.weight());
        let is_guests = line.dropped == 0;
        let mut waiting = self.lock();
        let has_room = waiting.bytes + bytes <= self.max_bytes;
        if has_room {
            waiting.bytes += bytes;
            waiting.batch.lines.push(line);
        } else {
            waiting.batch.lose(&line.install, line.content_hash, weight);
        }
        self.wake(waiting);
        // What it was to count is counted already.
        (!has_room && is_guests).then_some(weight)
    }

    /// Counts lines that are not kept.
    pub(super) fn lose(&self, install: &Arc<InstallLabels>, hash: ContentHash, lines: u64) {
        let mut waiting = self.lock();
        waiting.batch.lose(install, hash, lines);
        self.wake(waiting);
    }

    /// Asks the writer for something, now.
    pub(super) fn ask(&self, ask: Ask) {
        let mut waiting = self.lock();
        // After the end nobody answers: dropping it tells.
        if !waiting.batch.is_last {
            waiting.batch.asks.push(ask);
            drop(waiting);
            self.some.notify_one();
        }
    }

    /// Lets the writer finish.
    pub(super) fn end(&self) {
        self.lock().batch.is_last = true;
        self.some.notify_one();
    }

    /// Lets go whoever waits for the writer, who is gone.
    pub(super) fn close(&self) {
        let mut waiting = self.lock();
        waiting.batch.is_last = true;
        waiting.batch.asks.clear();
    }

    /// Takes all that waits, once there is something, or after `patience`.
    pub(super) fn take(&self, patience: Option<Duration>) -> Batch {
        let mut waiting = self.lock();
        if waiting.batch.is_empty() {
            waiting.is_asleep = true;
            let sleeps = |waiting: &mut Waiting| waiting.batch.is_empty();
            waiting = match patience {
                None => {
                    let woken = self.some.wait_while(waiting, sleeps);
                    woken.unwrap_or_else(PoisonError::into_inner)
                }
                Some(patience) => {
                    let woken = self.some.wait_timeout_while(waiting, patience, sleeps);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            waiting.is_asleep = false;
        }
        let gathers = |waiting: &mut Waiting| !waiting.batch.is_urgent();
        let gathered = self.some.wait_timeout_while(waiting, GATHER, gathers);
        waiting = gathered.unwrap_or_else(PoisonError::into_inner).0;
        waiting.bytes = 0;
        let is_last = waiting.batch.is_last;
        mem::replace(&mut waiting.batch, Batch { is_last, ..Batch::default() })
    }

    fn wake(&self, mut waiting: MutexGuard<'_, Waiting>) {
        let was_asleep = mem::take(&mut waiting.is_asleep);
        drop(waiting);
        if was_asleep {
            self.some.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // No code panics while it holds the lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
