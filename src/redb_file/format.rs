//! The number of the format that a file has.

use std::path::Path;

use redb::{Database, ReadableDatabase, TableDefinition, TableError, WriteTransaction};

use super::{FileError, KeeperError};

/// Facts about the file itself.
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
/// The row of [`META`] that holds the format.
const FORMAT: &str = "format";

/// The format of a database; `None` when it has none yet.
pub fn format(db: &Database) -> Result<Option<u64>, redb::Error> {
    let txn = db.begin_read()?;
    match txn.open_table(META) {
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
        Ok(meta) => Ok(meta.get(FORMAT)?.map(|format| format.value())),
    }
}

/// Writes the format that the file has after this transaction.
pub fn set_format(txn: &WriteTransaction, format: u64) -> Result<(), redb::Error> {
    txn.open_table(META)?.insert(FORMAT, format)?;
    Ok(())
}

/// The format of `file`, refused when it is above `supported`.
pub fn supported_format<E: KeeperError>(
    db: &Database,
    file: &Path,
    supported: u64,
) -> Result<u64, E> {
    // A file gets its name only once it has a format: without one it is another
    // program's file, or a damaged one.
    let found = format(db).map_err(|error| FileError::storage(E::NOUN, error))?;
    let found =
        found.ok_or_else(|| FileError::damaged(E::NOUN, file, &"it has no format version"))?;
    if found > supported {
        let file = file.to_owned();
        return Err(FileError::NewerFormat { noun: E::NOUN, file, found, supported }.into());
    }
    Ok(found)
}
