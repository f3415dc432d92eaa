//! The format of the state file.

use std::path::Path;

use redb::{Database, ReadableDatabase, TableDefinition, TableError, WriteTransaction};

use super::storage::durable_write;
use super::{StateError, kept, secrets, values};

/// Facts about the file itself.
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
/// The row of [`META`] that holds the format.
const FORMAT: &str = "format";

/// The format this program reads and writes.
const FORMAT_VERSION: u64 = 1;

/// Makes an empty database a state.
pub(super) fn create(db: &Database) -> Result<(), StateError> {
    let txn = durable_write(db)?;
    create_tables(&txn)?;
    txn.open_table(META)?.insert(FORMAT, FORMAT_VERSION)?;
    Ok(txn.commit()?)
}

/// Refuses a file of a format this program does not know.
pub(super) fn check(db: &Database, file: &Path) -> Result<(), StateError> {
    // A state gets its name only once it has a format: without one it is another
    // program's file, or a damaged one.
    let found =
        format(db)?.ok_or_else(|| StateError::damaged(file, &"it has no format version"))?;
    if found == FORMAT_VERSION {
        Ok(())
    } else {
        Err(StateError::NewerFormat { file: file.to_owned(), found, supported: FORMAT_VERSION })
    }
}

/// The format of a database; `None` when it is no state.
fn format(db: &Database) -> Result<Option<u64>, StateError> {
    let txn = db.begin_read()?;
    match txn.open_table(META) {
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
        Ok(meta) => Ok(meta.get(FORMAT)?.map(|format| format.value())),
    }
}

/// Format 1. Reading a table that does not exist is an error in redb: all are made here.
fn create_tables(txn: &WriteTransaction) -> Result<(), StateError> {
    kept::create_table(txn)?;
    secrets::create_tables(txn)?;
    values::create_tables(txn)
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;

    fn database() -> Database {
        Database::builder().create_with_backend(InMemoryBackend::new()).unwrap()
    }

    #[test]
    fn a_file_of_a_newer_program_is_refused() {
        let db = database();
        create(&db).unwrap();
        let txn = durable_write(&db).unwrap();
        txn.open_table(META).unwrap().insert(FORMAT, FORMAT_VERSION + 1).unwrap();
        txn.commit().unwrap();

        let error = check(&db, Path::new("state.redb")).unwrap_err();

        assert!(error.to_string().contains("has format 2"), "{error}");
    }

    #[test]
    fn a_file_of_another_program_is_refused() {
        let error = check(&database(), Path::new("state.redb")).unwrap_err();

        assert!(matches!(error, StateError::Damaged { .. }), "{error}");
    }
}
