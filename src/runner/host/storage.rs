//! `storage`: the appliance keeps no values for extensions yet.

use super::Host;
use crate::model::Capability;
use crate::runner::bindings::storage;
use crate::runner::bindings::types::{StorageEntry, StorageError};

type Answer<T> = wasmtime::Result<Result<T, StorageError>>;

impl storage::Host for Host {
    async fn get(&mut self, _namespace: String, _key: String) -> Answer<StorageEntry> {
        self.no_storage()
    }

    async fn put(&mut self, _entry: StorageEntry) -> Answer<StorageEntry> {
        self.no_storage()
    }

    async fn delete(&mut self, _namespace: String, _key: String) -> Answer<()> {
        self.no_storage()
    }

    async fn list_entries(
        &mut self,
        _namespace: String,
        _cursor: Option<String>,
    ) -> Answer<Vec<StorageEntry>> {
        self.no_storage()
    }
}

impl Host {
    fn no_storage<T>(&mut self) -> Answer<T> {
        self.admit(Capability::StorageKv)?;
        Ok(Err(StorageError::Denied))
    }
}
