//! Compiled components by the hash of their bundle, each compiled once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::spawn_blocking;

use super::error::PrepareError;
use super::worlds::Prepared;
use crate::model::ContentHash;

/// Components loaded at the same time: each is read into memory as a whole.
const MAX_LOADS: usize = 2;

/// What became of a compilation; `None` while it goes on.
type Outcome = Option<Result<(), PrepareError>>;

/// The components that can be executed, and those under way.
pub(super) struct ComponentCache<T = Prepared> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    entries: RwLock<HashMap<ContentHash, Entry<T>>>,
    /// Bytes of those that are ready, and of one of them.
    bytes: AtomicU64,
    size_of: fn(&T) -> u64,
    /// A permit per compilation: a large component keeps a core busy for
    /// seconds and takes hundreds of megabytes.
    compilers: Semaphore,
    /// A permit per component that is loaded: no load waits for a compilation.
    loaders: Semaphore,
    /// Told of each that is ready.
    ready: Notify,
}

/// How a component is made ready.
#[derive(Clone, Copy, Debug)]
pub(super) enum Work {
    Compile,
    Load,
}

enum Entry<T> {
    Compiling(watch::Receiver<Outcome>),
    Ready(Arc<T>),
    /// Of the component, and not of the moment.
    Refused(PrepareError),
}

impl<T: Send + Sync + 'static> ComponentCache<T> {
    /// `size_of` says how much memory a component takes.
    pub(super) fn new(compile_threads: usize, size_of: fn(&T) -> u64) -> Self {
        let compilers = Semaphore::new(compile_threads.max(1));
        let loaders = Semaphore::new(MAX_LOADS);
        let (entries, bytes, ready) = (RwLock::default(), AtomicU64::new(0), Notify::new());
        let shared = Shared { entries, bytes, size_of, compilers, loaders, ready };
        Self { shared: Arc::new(shared) }
    }

    /// The component, if it is compiled.
    pub(super) fn get(&self, hash: &ContentHash) -> Option<Arc<T>> {
        match self.shared.read().get(hash)? {
            Entry::Ready(component) => Some(Arc::clone(component)),
            Entry::Compiling(_) | Entry::Refused(_) => None,
        }
    }

    /// Why the component was refused when it was made ready last.
    pub(super) fn refusal(&self, hash: &ContentHash) -> Option<PrepareError> {
        match self.shared.read().get(hash)? {
            Entry::Refused(error) => Some(error.clone()),
            Entry::Compiling(_) | Entry::Ready(_) => None,
        }
    }

    /// Drops the components that nobody wants. What is in use stays: loaded once more beside
    /// it, it would be there twice.
    pub(super) fn retain(&self, is_wanted: impl Fn(&ContentHash) -> bool) {
        let is_idle = |hash: &ContentHash, entry: &mut Entry<T>| match entry {
            Entry::Ready(component) => Arc::strong_count(component) == 1 && !is_wanted(hash),
            Entry::Compiling(_) | Entry::Refused(_) => false,
        };
        let mut entries = self.shared.write();
        let dropped: Vec<_> = entries.extract_if(is_idle).collect();
        for (_, entry) in &dropped {
            self.shared.bytes.fetch_sub(self.shared.bytes_of(entry), Relaxed);
        }
        drop(entries);
        // Not with the entries locked: megabytes of code are given back.
        drop(dropped);
    }

    /// Waits until one has become ready since this was last waited for.
    pub(super) async fn until_ready(&self) {
        self.shared.ready.notified().await;
    }

    /// Bytes of memory that those which are ready take together.
    pub(super) fn bytes(&self) -> u64 {
        self.shared.bytes.load(Relaxed)
    }

    /// Makes it ready unless that is done or under way, and waits for the outcome.
    ///
    /// The work is a task of its own, so a caller that goes away loses nothing.
    /// A refusal is remembered for who calls ([`ComponentCache::refusal`]); who prepares
    /// asks again, which is the operator's wish.
    pub(super) async fn prepare(
        &self,
        hash: ContentHash,
        work: Work,
        make: impl FnOnce() -> Result<T, PrepareError> + Send + 'static,
    ) -> Result<(), PrepareError> {
        let Some(mut outcome) = self.start(hash, work, make) else { return Ok(()) };
        match outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Err(PrepareError::Stopped)),
            // The task is gone: the process is shutting down.
            Err(_) => Err(PrepareError::Stopped),
        }
    }

    /// The outcome to wait for, or `None` if the component is ready.
    fn start(
        &self,
        hash: ContentHash,
        work: Work,
        make: impl FnOnce() -> Result<T, PrepareError> + Send + 'static,
    ) -> Option<watch::Receiver<Outcome>> {
        let mut entries = self.shared.write();
        match entries.get(&hash) {
            Some(Entry::Ready(_)) => return None,
            Some(Entry::Compiling(outcome)) if outcome.has_changed().is_ok() => {
                return Some(outcome.clone());
            }
            // The runtime that compiled it is gone.
            Some(Entry::Compiling(_) | Entry::Refused(_)) | None => {}
        }
        let (sender, outcome) = watch::channel(None);
        entries.insert(hash, Entry::Compiling(outcome.clone()));
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move { shared.make(hash, work, make, &sender).await });
        Some(outcome)
    }
}

impl<T: Send + Sync + 'static> Shared<T> {
    async fn make(
        &self,
        hash: ContentHash,
        work: Work,
        make: impl FnOnce() -> Result<T, PrepareError> + Send + 'static,
        sender: &watch::Sender<Outcome>,
    ) {
        let permits = match work {
            Work::Compile => &self.compilers,
            Work::Load => &self.loaders,
        };
        let compiled = match permits.acquire().await {
            Ok(_permit) => spawn_blocking(make).await.unwrap_or(Err(PrepareError::Stopped)),
            Err(_closed) => Err(PrepareError::Stopped),
        };
        self.finish(hash, sender, compiled);
    }

    fn finish(
        &self,
        hash: ContentHash,
        sender: &watch::Sender<Outcome>,
        compiled: Result<T, PrepareError>,
    ) {
        let mut entries = self.write();
        // Begun again meanwhile, because a runtime was gone: then it is not ours.
        let ours = match entries.get(&hash) {
            Some(Entry::Compiling(outcome)) => outcome.same_channel(&sender.subscribe()),
            Some(Entry::Ready(_) | Entry::Refused(_)) | None => false,
        };
        let outcome = match compiled {
            Ok(component) => {
                if ours {
                    let entry = Entry::Ready(Arc::new(component));
                    self.bytes.fetch_add(self.bytes_of(&entry), Relaxed);
                    entries.insert(hash, entry);
                    self.ready.notify_one();
                }
                Ok(())
            }
            Err(error) => {
                if ours && error.is_of_component() {
                    entries.insert(hash, Entry::Refused(error.clone()));
                } else if ours {
                    entries.remove(&hash);
                }
                Err(error)
            }
        };
        drop(entries);
        sender.send_replace(Some(outcome));
    }

    fn bytes_of(&self, entry: &Entry<T>) -> u64 {
        match entry {
            Entry::Ready(component) => (self.size_of)(component),
            Entry::Compiling(_) | Entry::Refused(_) => 0,
        }
    }

    // No code panics while it holds the lock.
    fn read(&self) -> RwLockReadGuard<'_, HashMap<ContentHash, Entry<T>>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<ContentHash, Entry<T>>> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
