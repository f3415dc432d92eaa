//! The thread that writes: all writes that wait share one transaction and one commit.
//!
//! Syncing a commit takes most of its time, and the writes that arrive meanwhile
//! are the next group: the busier the guests, the more writes share a sync.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use super::queue::Room;
use super::{StateError, WriteTxn};
use crate::redb_file::{Storage, Turn, caught};

/// Writes in one group: more would only make the first of them wait.
const MAX_GROUP: usize = 256;

/// Where the answer of a write arrives.
pub(super) type Answer<T> = oneshot::Receiver<Result<T, StateError>>;

/// A write that waits for its turn.
pub(super) trait Write: Send {
    /// Whether somebody waits for its answer: what nobody waits for is not applied.
    fn is_awaited(&self) -> bool;
    /// Applies it to the transaction of its group, keeping the answer back.
    fn apply(&mut self, txn: &WriteTxn) -> Result<(), StateError>;
    /// Gives the answer: the one kept back if the commit succeeded.
    fn answer(self: Box<Self>, committed: Result<(), StateError>);
}

/// A write with the function that does it, and who waits for its answer.
pub(super) struct Job<F, T> {
    f: F,
    value: Option<T>,
    waiting: oneshot::Sender<Result<T, StateError>>,
    room: Room,
}

impl<F, T> Job<F, T> {
    pub(super) fn new(f: F, waiting: oneshot::Sender<Result<T, StateError>>, room: Room) -> Self {
        Self { f, value: None, waiting, room }
    }
}

impl<F, T> Write for Job<F, T>
where
    F: Fn(&WriteTxn) -> Result<T, StateError> + Send,
    T: Send,
{
    fn is_awaited(&self) -> bool {
        !self.waiting.is_closed()
    }

    fn apply(&mut self, txn: &WriteTxn) -> Result<(), StateError> {
        self.value = Some((self.f)(txn)?);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), StateError>) {
        let Self { f, value, waiting, room } = *self;
        // What it holds goes before the answer: whoever has it finds the room free.
        drop(f);
        drop(room);
        let answer = committed.and_then(|()| value.ok_or(StateError::Stopped));
        // Nobody may be waiting any more: the execution was stopped.
        waiting.send(answer).ok();
    }
}

/// The writing thread. It ends, after what is queued, when this is dropped.
pub(super) struct Writer {
    /// `None` once it is told to end.
    queue: Mutex<Option<Sender<Box<dyn Write>>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(storage: Arc<Storage<StateError>>) -> Result<Self, StateError> {
        let (sender, queued) = channel();
        let thread = thread::Builder::new().name("state-writer".to_owned());
        let thread = thread.spawn(move || write_groups(&storage, &queued));
        let thread = thread.map_err(|error| StateError::Thread(Arc::new(error)))?;
        Ok(Self { queue: Mutex::new(Some(sender)), thread: Some(thread) })
    }

    pub(super) fn queue(&self, write: Box<dyn Write>) -> Result<(), StateError> {
        let sent = self.sender().as_ref().map(|sender| sender.send(write));
        sent.ok_or(StateError::Stopped)?.map_err(|_| StateError::Stopped)
    }

    fn sender(&self) -> MutexGuard<'_, Option<Sender<Box<dyn Write>>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Writer {
    /// Waits, so that the file is closed when the last handle is gone.
    fn drop(&mut self) {
        self.sender().take();
        // A write may own the last handle; its thread must not wait for itself.
        let thread = self.thread.take().filter(|it| it.thread().id() != thread::current().id());
        if let Some(Err(_)) = thread.map(JoinHandle::join) {
            tracing::error!("The thread that writes the state ended by a defect in this program");
        }
    }
}

fn write_groups(storage: &Storage<StateError>, queued: &Receiver<Box<dyn Write>>) {
    while let Ok(first) = queued.recv() {
        let mut group = VecDeque::from([first]);
        group.extend(queued.try_iter().take(MAX_GROUP - 1));
        // An execution that was stopped meanwhile, which has perhaps been tried again.
        group.retain(|write| write.is_awaited());
        if !group.is_empty() {
            write_group(storage, group);
        }
    }
}

/// Applies a group and answers each of its writes.
///
/// A write that fails takes back what the others wrote before it, so then each is
/// applied alone. When the disk fails, all fail: none of them is on it for sure.
fn write_group(storage: &Storage<StateError>, mut group: VecDeque<Box<dyn Write>>) {
    let turn = storage.turn();
    let committed =
        recover(storage, &turn).and_then(|()| commit(storage, group.make_contiguous(), &turn));
    match committed {
        Err(error) if group.len() > 1 && !is_of_the_disk(&error) => {
            for mut write in group {
                let committed = commit(storage, std::slice::from_mut(&mut write), &turn);
                write.answer(committed);
            }
        }
        committed => group.into_iter().for_each(|write| write.answer(committed.clone())),
    }
}

/// Whether it would be the same for each write of a group.
fn is_of_the_disk(error: &StateError) -> bool {
    match error {
        StateError::Row { .. }
        | StateError::Panicked(_)
        | StateError::Stopped
        | StateError::Busy => false,
        StateError::File(_) | StateError::Thread(_) => true,
    }
}

fn commit(
    storage: &Storage<StateError>,
    group: &mut [Box<dyn Write>],
    turn: &Turn<'_>,
) -> Result<(), StateError> {
    let result = caught(|| {
        let txn = WriteTxn::new(storage.begin_write()?);
        // By now fewer may be awaited: the turn was waited for.
        let mut awaited = group.iter_mut().filter(|write| write.is_awaited());
        // Caught before the transaction is dropped: redb rolls back cleanly only
        // when the thread is not unwinding.
        let applied = awaited.try_for_each(|write| caught(|| write.apply(&txn)));
        if let Err(error) = applied {
            // The first failure says why: after it redb says only that there was one.
            txn.abort().ok();
            return Err(error);
        }
        crate::fail_point!("state.before_commit");
        txn.commit()?;
        crate::fail_point!("state.after_commit");
        Ok(())
    });
    storage.note_write(&result);
    if let Err(error) = recover(storage, turn) {
        tracing::error!(error = %error, "The state could not be opened again: {error}");
    }
    result
}

/// Opens the file again after a failure. Nothing of it is in memory beside redb's pages.
pub(super) fn recover(storage: &Storage<StateError>, turn: &Turn<'_>) -> Result<(), StateError> {
    storage.recover(turn, |_| Ok(())).map(|_| ())
}
