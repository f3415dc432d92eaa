//! A store whose end counts for its execution.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use wasmtime::Store;

use super::host::Host;
use super::limits;
use super::timekeeper::Timekeeper;

/// The store of one execution. Giving back the memory that a guest wrote to takes a processor
/// as its code did, and is counted like it.
pub(super) struct CountedStore {
    store: Option<Store<Host>>,
    time: Arc<Timekeeper>,
}

impl CountedStore {
    pub(super) fn new(store: Store<Host>, time: &Arc<Timekeeper>) -> Self {
        Self { store: Some(store), time: Arc::clone(time) }
    }
}

impl Drop for CountedStore {
    fn drop(&mut self) {
        let store = self.store.take();
        if limits::ENFORCED {
            self.time.count(|| drop(store));
        }
    }
}

impl Deref for CountedStore {
    type Target = Store<Host>;

    fn deref(&self) -> &Self::Target {
        self.store.as_ref().expect("it is there until it is dropped")
    }
}

impl DerefMut for CountedStore {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.store.as_mut().expect("it is there until it is dropped")
    }
}
