//! Tables that can be read, of whichever transaction.

use redb::{Key, ReadTransaction, ReadableTable, TableDefinition, TableError, Value};

/// A transaction whose rows can be read: a write transaction sees its own writes.
pub trait ReadTables {
    /// Opens a table for reading.
    fn rows<K: Key + 'static, V: Value + 'static>(
        &self,
        table: TableDefinition<K, V>,
    ) -> Result<impl ReadableTable<K, V>, TableError>;
}

impl ReadTables for ReadTransaction {
    fn rows<K: Key + 'static, V: Value + 'static>(
        &self,
        table: TableDefinition<K, V>,
    ) -> Result<impl ReadableTable<K, V>, TableError> {
        self.open_table(table)
    }
}
