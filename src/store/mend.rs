//! Putting good bytes in the place of damaged ones.
//!
//! An object that was created by its hash never changes; one that has another
//! content than the verified bundle under its key was changed by somebody or by
//! a disk. The verified bytes at hand are what it should be.

use std::sync::PoisonError;

use bytes::Bytes;
use object_store::path::Path as Key;

use super::backend::Creation;
use super::{BundleStore, Doing, StoreError};
use crate::trust::VerifiedBundle;

/// A bundle that is stored whole.
#[derive(Debug, Default)]
pub struct Kept {
    /// The keys of objects that were damaged and have their content again.
    pub mended: Vec<String>,
}

impl BundleStore {
    /// Keeps the archive under `key`, in the place of a damaged one if need be.
    ///
    /// Between the two steps the archive is missing, which a reader is told as
    /// the damage that it was before. The caller holds the lock of the bundle.
    pub(super) async fn adopt_or_mend(
        &self,
        key: &Key,
        bundle: &VerifiedBundle,
        mended: &mut Vec<String>,
    ) -> Result<(), StoreError> {
        let backend = &self.inner.backend;
        let (file, size, hash) = (bundle.file(), bundle.size(), bundle.content_hash());
        if backend.adopt(file, key, size, hash).await? != Creation::Different {
            return Ok(());
        }
        backend.remove(key).await?;
        accept(key, backend.adopt(file, key, size, hash).await?)?;
        // A store's clock may not tell this writing from the one that was found damaged.
        self.inner.broken.lock().unwrap_or_else(PoisonError::into_inner).remove(&hash);
        mended.push(key.to_string());
        Ok(())
    }

    /// The same for a small object; says whether it was mended.
    pub(super) async fn create_or_mend(
        &self,
        doing: Doing,
        key: &Key,
        content: Bytes,
    ) -> Result<Option<String>, StoreError> {
        let backend = &self.inner.backend;
        if backend.create(doing, key, content.clone()).await? != Creation::Different {
            return Ok(None);
        }
        backend.remove(key).await?;
        accept(key, backend.create(doing, key, content).await?)?;
        Ok(Some(key.to_string()))
    }
}

/// Another content right after the removal: somebody else writes here.
fn accept(key: &Key, creation: Creation) -> Result<(), StoreError> {
    match creation {
        Creation::Created | Creation::Same => Ok(()),
        Creation::Different => Err(StoreError::integrity(key.as_ref(), "it has another content")),
    }
}
