//! The state: what extensions keep, in a redb file of their own.
//!
//! A file beside the registry's, so that no guest waits for the registry or slows
//! it. Every row belongs to an [`Owner`], the first part of its key. Writes queue
//! up at one thread; all that wait are applied in one transaction and made durable
//! by one commit, then each gets its own answer.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use redb::StorageBackend;
use redb::backends::InMemoryBackend;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use crate::config::StateConfig;
use crate::model::{Clock, InstallId, InstallLabels};
use crate::redb_file::{self, Opener, Storage, caught};

mod error;
pub mod kept;
mod operations;
mod owner;
mod place;
mod queue;
mod schema;
pub mod secrets;
mod txn;
pub mod values;
mod writer;

pub use crate::redb_file::{Examined, ReadTables};
pub use error::StateError;
pub use operations::TooManyOperations;
pub use owner::Owner;
pub use place::{Place, Put, Refused};
pub use txn::{ReadTxn, WriteTxn};

use operations::Operations;
use queue::Queue;
use schema::Tables;
use writer::{Answer, Job, Writer};

/// A cheap handle to the open state.
#[derive(Clone)]
pub struct State(Arc<Inner>);

struct Inner {
    /// First, so that it is dropped first: the file is closed when its thread has ended.
    writer: Writer,
    storage: Arc<Storage<StateError>>,
    queue: Queue,
    limits: StateConfig,
    operations: Operations,
    clock: Arc<dyn Clock>,
}

impl State {
    /// Opens the state in `file`, making it if there is none.
    ///
    /// A damaged file is refused and left as it is.
    pub fn open(
        file: &Path,
        config: &StateConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StateError> {
        let (path, cache_bytes) = (file.to_owned(), config.cache_bytes);
        caught(|| redb_file::make(&Tables, file, cache_bytes))?;
        Self::start(Box::new(move || redb_file::open(&Tables, &path, cache_bytes)), config, clock)
    }

    /// Looks at the state in `file`, which is there, as [`State::open`] would, and leaves it as
    /// it is.
    pub fn examine(file: &Path, cache_bytes: usize) -> Result<Examined, StateError> {
        redb_file::examine(&Tables, file, cache_bytes, |_| Ok(()))
    }

    /// A state that is gone when its last handle is dropped.
    pub fn in_memory(config: &StateConfig, clock: Arc<dyn Clock>) -> Result<Self, StateError> {
        Self::open_on(InMemoryBackend::new, config, clock)
    }

    /// Opens the state on the storage that `connect` gives, making it if the storage is empty.
    ///
    /// `connect` is called again after each failure of the storage.
    pub fn open_on<B: StorageBackend>(
        connect: impl Fn() -> B + Send + Sync + 'static,
        config: &StateConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StateError> {
        let cache_bytes = config.cache_bytes;
        let open = move || redb_file::open_on(&Tables, connect(), cache_bytes);
        Self::start(Box::new(open), config, clock)
    }

    fn start(
        open: Opener<StateError>,
        config: &StateConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StateError> {
        let storage = Arc::new(caught(|| Storage::open(open))?);
        let writer = Writer::start(Arc::clone(&storage))?;
        let (limits, operations) = (config.clone(), Operations::new(config.max_operations_per_s));
        let queue = Queue::default();
        Ok(Self(Arc::new(Inner { writer, storage, queue, limits, operations, clock })))
    }

    /// Runs `f` in one read transaction, off the async threads.
    pub async fn read<T: Send + 'static>(
        &self,
        f: impl FnOnce(&ReadTxn) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, StateError> {
        let state = self.clone();
        let read = blocking(&Handle::current(), move || state.read_blocking(f)).await;
        read.ok_or(StateError::Stopped)?
    }

    /// [`State::read`] on this thread.
    pub fn read_blocking<T>(
        &self,
        f: impl FnOnce(&ReadTxn) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        let storage = &self.0.storage;
        // Not on every read: the turn is with the writer as long as a commit takes.
        if storage.has_failed() {
            writer::recover(storage, &storage.turn())?;
        }
        let result = caught(|| f(&storage.begin_read()?));
        storage.note_failure(&result);
        result
    }

    /// Runs `f` in a write transaction that it shares with whatever else is waiting.
    ///
    /// When this returns `Ok`, the commit is on disk. When `f` fails, nothing of it
    /// has changed, and those it shared the transaction with are not disturbed: they
    /// are applied again without it, and so `f` may run more than once. Outcomes are
    /// better returned as values, by an `f` that looks before it writes: an error
    /// costs its group a commit each. When the caller stops waiting before it is
    /// applied, it is not: what has to be done to its end belongs in a task of its own.
    pub async fn write<T: Send + 'static>(
        &self,
        f: impl Fn(&WriteTxn) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, StateError> {
        self.queue(None, 0, f)?.await.unwrap_or(Err(StateError::Stopped))
    }

    /// [`State::write`] of so many bytes for an install, which has a share of what may wait:
    /// [`StateError::Busy`] when that is full.
    pub async fn write_for<T: Send + 'static>(
        &self,
        install: Arc<InstallLabels>,
        bytes: usize,
        f: impl Fn(&WriteTxn) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, StateError> {
        self.queue(Some(install), bytes, f)?.await.unwrap_or(Err(StateError::Stopped))
    }

    /// [`State::write`] on this thread, which is not an async one.
    pub fn write_blocking<T: Send + 'static>(
        &self,
        f: impl Fn(&WriteTxn) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, StateError> {
        self.queue(None, 0, f)?.blocking_recv().unwrap_or(Err(StateError::Stopped))
    }

    fn queue<T: Send + 'static>(
        &self,
        whose: Option<Arc<InstallLabels>>,
        bytes: usize,
        f: impl Fn(&WriteTxn) -> Result<T, StateError> + Send + 'static,
    ) -> Result<Answer<T>, StateError> {
        let room = self.0.queue.enter(whose, bytes)?;
        let (sender, answer) = oneshot::channel();
        self.0.writer.queue(Box::new(Job::new(f, sender, room)))?;
        Ok(answer)
    }

    /// What one install may keep.
    pub fn limits(&self) -> &StateConfig {
        &self.0.limits
    }

    /// Counts operations of an install, or refuses them.
    pub fn admit(&self, install: InstallId, operations: usize) -> Result<(), TooManyOperations> {
        self.0.operations.take(install, operations, self.now())
    }

    /// How many operations of which installs were refused since the last time. Call it once
    /// a minute.
    pub fn settle_operations(&self) -> Vec<(InstallId, u64)> {
        self.0.operations.settle(self.now())
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }
}

/// Runs `work` off the async threads, on a thread that is as polite as they are: one that is made
/// for it has the priority of who makes it, and guests run behind everybody.
async fn blocking<T: Send + 'static>(
    runtime: &Handle,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    runtime.spawn(async move { spawn_blocking(work).await.ok() }).await.ok().flatten()
}

#[cfg(test)]
mod tests;
