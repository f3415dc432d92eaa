//! One lock for each bundle that something is going on with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

use crate::model::ContentHash;

/// Locks by content hash. A lock exists while somebody holds or awaits it.
#[derive(Debug, Default)]
pub(super) struct PerBundle {
    locks: Mutex<HashMap<ContentHash, Arc<tokio::sync::Mutex<()>>>>,
}

impl PerBundle {
    /// Waits for the lock of `hash`. The guard can go to another thread with the work.
    pub(super) async fn lock(&self, hash: ContentHash) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(locks.entry(hash).or_default())
        };
        lock.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lock_is_forgotten_with_its_last_holder() {
        let locks = PerBundle::default();
        drop(locks.lock(ContentHash::of(b"a")).await);

        let _held = locks.lock(ContentHash::of(b"b")).await;

        assert_eq!(locks.locks.lock().unwrap().len(), 1);
    }
}
