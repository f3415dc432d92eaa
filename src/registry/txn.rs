//! Transactions: what table functions read from and write to.

use std::cell::{RefCell, RefMut};
use std::sync::Arc;

use redb::{
    Key, ReadableTable, Table, TableDefinition, TableError, TableHandle, Value, WriteTransaction,
};
use serde::{Serialize, de::DeserializeOwned};

use super::RegistryError;
use super::live::Live;
use super::touches::Touches;
use crate::redb_file::ReadTables;

/// A write transaction, and the live snapshot as it will be once the transaction is committed.
///
/// Every function that changes a row which the snapshot holds changes both.
pub struct WriteTxn {
    txn: WriteTransaction,
    next: RefCell<Live>,
    touches: Arc<Touches>,
}

impl WriteTxn {
    pub(super) fn new(txn: WriteTransaction, live: &Live, touches: &Arc<Touches>) -> Self {
        Self { txn, next: RefCell::new(live.clone()), touches: Arc::clone(touches) }
    }

    /// Opens a table for writing. One handle of a table at a time: keep it for one function.
    pub(super) fn table<K: Key + 'static, V: Value + 'static>(
        &self,
        table: TableDefinition<K, V>,
    ) -> Result<Table<'_, K, V>, TableError> {
        self.txn.open_table(table)
    }

    /// The snapshot that replaces the live one after the commit.
    pub(super) fn next(&self) -> RefMut<'_, Live> {
        self.next.borrow_mut()
    }

    /// When tokens and sessions were seen, newer than their rows.
    pub(super) fn touches(&self) -> &Touches {
        &self.touches
    }

    /// Commits, and returns the snapshot that is now true.
    pub(super) fn commit(self) -> Result<Live, RegistryError> {
        let mut live = self.next.into_inner();
        live.settle();
        self.txn.commit()?;
        Ok(live)
    }
}

impl ReadTables for WriteTxn {
    fn rows<K: Key + 'static, V: Value + 'static>(
        &self,
        table: TableDefinition<K, V>,
    ) -> Result<impl ReadableTable<K, V>, TableError> {
        self.table(table)
    }
}

/// What `read` makes of each row whose key begins with `first`, a tenant or a name, by the
/// second part of the key and the value.
pub(super) fn rows_of<T>(
    txn: &impl ReadTables,
    table: TableDefinition<(&'static str, &'static str), &'static [u8]>,
    first: &str,
    read: impl Fn(&str, &[u8]) -> Result<T, RegistryError>,
) -> Result<Vec<T>, RegistryError> {
    let rows = txn.rows(table)?;
    let mut found = Vec::new();
    for row in rows.range((first, "")..)? {
        let (key, value) = row?;
        let (of, second) = key.value();
        // All that follows is somebody else's.
        if of != first {
            break;
        }
        found.push(read(second, value.value())?);
    }
    Ok(found)
}

/// A row as the registry stores it.
pub(super) fn encode(
    table: &impl TableHandle,
    row: &impl Serialize,
) -> Result<Vec<u8>, RegistryError> {
    serde_json::to_vec(row)
        .map_err(|source| RegistryError::Row { table: table.name().to_owned(), source })
}

/// The row that the registry stored as `json`.
pub(super) fn decode<T: DeserializeOwned>(
    table: &impl TableHandle,
    json: &[u8],
) -> Result<T, RegistryError> {
    serde_json::from_slice(json)
        .map_err(|source| RegistryError::Row { table: table.name().to_owned(), source })
}
