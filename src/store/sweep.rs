//! Removing what nobody refers to.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::backend::blocking;
use super::layout::Place;
use super::{BundleStore, Inner, StoreError};
use crate::model::ContentHash;

impl BundleStore {
    /// Removes uploads begun before `older_than`; says how many.
    ///
    /// One that still arrives is given up with them: nobody takes that long
    /// honestly. Uploads in parts are not touched: they have a time of their own.
    pub async fn sweep_staging(&self, older_than: Timestamp) -> Result<usize, StoreError> {
        let inner = Arc::clone(&self.inner);
        blocking("sweep uploads", move || inner.staging.sweep(&inner.uploads.ids(), older_than))
            .await
    }

    /// Removes the unpacked bundles longest unused, until the rest has at most
    /// `store.cache_bytes`.
    pub async fn trim_cache(&self) -> Result<(), StoreError> {
        let inner = Arc::clone(&self.inner);
        blocking("remove unpacked files", move || inner.cache.trim()).await
    }

    /// Removes what uploads to an S3 server left there before `older_than`: parts
    /// of objects that were never completed, staged objects, and objects of
    /// probes; says how many.
    pub async fn sweep_unfinished(&self, older_than: Timestamp) -> Result<usize, StoreError> {
        let Inner { backend, layout, .. } = &*self.inner;
        let Some(s3) = backend.as_s3() else { return Ok(0) };
        let mut removed = 0;
        for folder in [layout.probe(), layout.staging()] {
            removed += backend.remove_older(&folder, older_than).await?;
        }
        // Last: not every server can tell, and not every key may ask.
        Ok(removed + s3.abort_unfinished(layout.prefix(), older_than).await?)
    }

    /// Finds published bundles that are not `known` to the registry and were
    /// written before `older_than`; says which.
    ///
    /// They are removed from the disk. In a bucket they stay: another appliance
    /// may keep its bundles there, and they are its own.
    ///
    /// A bundle put since the last sweep is left alone once more: its row may
    /// be committed between the look into the registry and this call.
    pub async fn sweep_orphans(
        &self,
        known: &HashSet<ContentHash>,
        older_than: Timestamp,
    ) -> Result<Vec<ContentHash>, StoreError> {
        self.sweep(Place::Published, known, older_than).await
    }

    /// Removes bundles in quarantine that the registry has no row of.
    pub async fn sweep_quarantine(
        &self,
        known: &HashSet<ContentHash>,
        older_than: Timestamp,
    ) -> Result<Vec<ContentHash>, StoreError> {
        self.sweep(Place::Quarantine, known, older_than).await
    }

    async fn sweep(
        &self,
        place: Place,
        known: &HashSet<ContentHash>,
        older_than: Timestamp,
    ) -> Result<Vec<ContentHash>, StoreError> {
        let place_key = self.inner.layout.place(place);
        let mut removed = Vec::new();
        for hash in self.inner.backend.bundles(&place_key).await? {
            if known.contains(&hash) {
                self.inner.take_fresh(place, hash);
            } else if self.remove_orphan(place, hash, older_than).await? {
                removed.push(hash);
            }
        }
        Ok(removed)
    }

    async fn remove_orphan(
        &self,
        place: Place,
        hash: ContentHash,
        older_than: Timestamp,
    ) -> Result<bool, StoreError> {
        let inner = &self.inner;
        let _writing = inner.writing.lock(hash).await;
        let folder = inner.layout.bundle(place, &hash);
        let (_, newest) = inner.backend.objects_below(&folder).await?;
        let fresh = inner.take_fresh(place, hash);
        if fresh || newest.is_some_and(|newest| newest >= older_than) {
            return Ok(false);
        }
        match place {
            Place::Quarantine => self.remove_kept(&hash).await?,
            Place::Published if self.is_shared() => {}
            Place::Published => {
                inner.backend.remove_folder(&folder).await?;
                let inner = Arc::clone(inner);
                blocking("remove unpacked files", move || inner.cache.remove(&hash)).await?;
            }
        }
        Ok(true)
    }
}
