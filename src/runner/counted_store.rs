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
            self.time.count_end(|| drop(store));
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wasmtime::{Engine, Memory, MemoryType};

    use super::*;

    #[test]
    fn to_give_memory_back_is_counted_apart_from_turns() {
        let time = Arc::new(Timekeeper::new(Duration::from_secs(1)));
        let store = Store::new(&Engine::default(), Host::sample(&[]));
        let mut store = CountedStore::new(store, &time);
        let memory = Memory::new(&mut *store, MemoryType::new(64, None)).unwrap();
        memory.data_mut(&mut *store).fill(1);
        assert_eq!(time.end(), Duration::ZERO);

        drop(store);

        assert!(time.end() > Duration::ZERO);
        assert_eq!(time.spent(), Duration::ZERO);
    }
}
