//! How many uploads are written at the same time, and what the next one is told.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::StoreError;

/// Uploads written at the same time, whichever way they are sent. Each has a thread for
/// as long as its sender likes, and the system gives this process only so many.
const MAX_WRITERS: usize = 64;
/// How long the next one waits for an end among them: enough in a burst of small ones.
/// Senders that are slow on purpose are not waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lets uploads be written.
#[derive(Debug)]
pub(super) struct Writers {
    slots: Arc<Semaphore>,
    limit: usize,
    patience: Duration,
}

impl Writers {
    fn new(limit: usize, patience: Duration) -> Self {
        Self { slots: Arc::new(Semaphore::new(limit)), limit, patience }
    }

    /// The right to write one upload, to be held until its last byte is written. The first
    /// who waits is the first to have it; who waited too long is told so.
    pub(super) async fn admit(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        let slot = Arc::clone(&self.slots).acquire_owned();
        let Ok(slot) = timeout(self.patience, slot).await else {
            return Err(StoreError::Busy { limit: self.limit });
        };
        Ok(slot.expect("the semaphore is never closed"))
    }
}

impl Default for Writers {
    fn default() -> Self {
        Self::new(MAX_WRITERS, PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::config::StoreConfig;
    use crate::model::UploadId;
    use crate::store::BundleStore;

    /// A store that writes one upload at a time.
    fn store(patience: Duration) -> (BundleStore, TempDir) {
        let folder = TempDir::new().unwrap();
        let mut store = BundleStore::in_memory(&StoreConfig::default(), folder.path()).unwrap();
        Arc::get_mut(&mut store.inner).unwrap().writers = Writers::new(1, patience);
        (store, folder)
    }

    #[tokio::test]
    async fn however_it_is_sent_one_too_many_is_told_so_until_another_ends() {
        let (store, _folder) = store(Duration::ZERO);
        let hold = |store: &BundleStore| store.hold_upload(UploadId::random()).unwrap();
        let (first, second) = (hold(&store), hold(&store));
        let writer = store.append_upload(&first, 0).await.unwrap();

        let in_one = store.stage().await.err();
        let in_parts = store.append_upload(&second, 0).await.err();

        for refused in [in_one, in_parts] {
            assert!(matches!(refused, Some(StoreError::Busy { limit: 1 })), "{refused:?}");
        }
        writer.close().await;
        let _staging = store.stage().await.unwrap();
        assert!(store.append_upload(&second, 0).await.is_err());
    }

    #[tokio::test]
    async fn who_waits_has_the_place_of_the_next_that_ends() {
        let (store, _folder) = store(Duration::from_hours(1));
        let staging = store.stage().await.unwrap();

        let (staged, next) = tokio::join!(staging.finish(), store.stage());

        assert!(staged.is_ok() && next.is_ok());
    }
}
