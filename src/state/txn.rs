//! Transactions: what table functions read from and write to.

use redb::{Key, ReadableTable, Table, TableDefinition, TableError, Value, WriteTransaction};

use super::StateError;
use crate::redb_file::ReadTables;

/// A read transaction: what was committed when it began.
pub type ReadTxn = redb::ReadTransaction;

/// The transaction of a group of writes, as one of them sees it: with what those
/// before it in the group have written.
pub struct WriteTxn(WriteTransaction);

impl WriteTxn {
    pub(super) fn new(txn: WriteTransaction) -> Self {
        Self(txn)
    }

    /// Opens a table for writing. One handle of a table at a time: keep it for one function.
    pub(super) fn table<K: Key + 'static, V: Value + 'static>(
        &self,
        table: TableDefinition<K, V>,
    ) -> Result<Table<'_, K, V>, TableError> {
        self.0.open_table(table)
    }

    pub(super) fn commit(self) -> Result<(), StateError> {
        Ok(self.0.commit()?)
    }

    pub(super) fn abort(self) -> Result<(), StateError> {
        Ok(self.0.abort()?)
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
