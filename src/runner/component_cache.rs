//! Compiled components by the hash of their bundle, each compiled once.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::{Semaphore, watch};
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
    /// A permit per compilation: a large component keeps a core busy for
    /// seconds and takes hundreds of megabytes.
    compilers: Semaphore,
    /// A permit per component that is loaded: no load waits for a compilation.
    loaders: Semaphore,
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
    pub(super) fn new(compile_threads: usize) -> Self {
        let compilers = Semaphore::new(compile_threads.max(1));
        let loaders = Semaphore::new(MAX_LOADS);
        Self { shared: Arc::new(Shared { entries: RwLock::default(), compilers, loaders }) }
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

    /// Drops the component; a compilation under way is not kept.
    pub(super) fn forget(&self, hash: &ContentHash) {
        self.shared.write().remove(hash);
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
        // Forgotten meanwhile, perhaps asked for again: then it is not ours.
        let ours = match entries.get(&hash) {
            Some(Entry::Compiling(outcome)) => outcome.same_channel(&sender.subscribe()),
            Some(Entry::Ready(_) | Entry::Refused(_)) | None => false,
        };
        let outcome = match compiled {
            Ok(component) => {
                if ours {
                    entries.insert(hash, Entry::Ready(Arc::new(component)));
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

    // No code panics while it holds the lock.
    fn read(&self) -> RwLockReadGuard<'_, HashMap<ContentHash, Entry<T>>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<ContentHash, Entry<T>>> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::sync::mpsc;

    use tokio::task::yield_now;

    use super::*;

    fn hash() -> ContentHash {
        ContentHash::of(b"bundle")
    }

    #[tokio::test]
    async fn many_callers_compile_once() {
        let cache = ComponentCache::<u8>::new(4);
        let compiled = Arc::new(AtomicUsize::new(0));
        let prepare = || {
            let compiled = Arc::clone(&compiled);
            cache.prepare(hash(), Work::Compile, move || {
                compiled.fetch_add(1, SeqCst);
                Ok(7)
            })
        };

        let (a, b, c) = tokio::join!(prepare(), prepare(), prepare());

        assert_eq!((a, b, c), (Ok(()), Ok(()), Ok(())));
        assert_eq!(compiled.load(SeqCst), 1);
        assert_eq!(cache.get(&hash()).as_deref(), Some(&7));
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_does_not_lose_the_work() {
        let cache = ComponentCache::<u8>::new(1);
        let (go, wait) = mpsc::channel();

        {
            let first = cache.prepare(hash(), Work::Compile, move || {
                wait.recv().unwrap();
                Ok(1)
            });
            tokio::select! { biased; _ = first => panic!("too early"), () = yield_now() => {} }
        }
        go.send(()).unwrap();
        cache.prepare(hash(), Work::Load, || panic!("made twice")).await.unwrap();

        assert_eq!(cache.get(&hash()).as_deref(), Some(&1));
    }

    #[tokio::test]
    async fn a_failure_reaches_the_caller_and_can_be_tried_again() {
        let cache = ComponentCache::<u8>::new(1);
        let broken = PrepareError::Compile("broken".to_owned());
        let error = broken.clone();

        let outcome = cache.prepare(hash(), Work::Compile, move || Err(error)).await;
        assert_eq!((outcome, cache.refusal(&hash())), (Err(broken.clone()), Some(broken)));
        assert_eq!(cache.prepare(hash(), Work::Compile, || Ok(2)).await, Ok(()));
        assert_eq!(cache.refusal(&hash()), None);
    }

    #[tokio::test]
    async fn a_compiler_that_was_stopped_is_no_refusal_of_the_component() {
        let cache = ComponentCache::<u8>::new(1);

        let outcome = cache.prepare(hash(), Work::Compile, || panic!("the compiler")).await;

        assert_eq!((outcome, cache.refusal(&hash())), (Err(PrepareError::Stopped), None));
    }

    #[tokio::test]
    async fn what_is_forgotten_while_it_compiles_is_not_kept() {
        let cache = ComponentCache::<u8>::new(1);
        let (go, wait) = mpsc::channel();
        let prepare = cache.prepare(hash(), Work::Compile, move || {
            wait.recv().unwrap();
            Ok(1)
        });
        let forget = async {
            yield_now().await;
            cache.forget(&hash());
            go.send(()).unwrap();
        };

        let (outcome, ()) = tokio::join!(prepare, forget);

        assert_eq!(outcome, Ok(()));
        assert!(cache.get(&hash()).is_none());
    }
}
