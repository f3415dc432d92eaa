//! The format of the state file.

use std::path::Path;

use redb::{Database, WriteTransaction};

use super::{StateError, kept, secrets, values};
use crate::redb_file::{Content, set_format, supported_format};

/// The format this program reads and writes.
const FORMAT_VERSION: u64 = 1;

/// The tables of the state.
pub(super) struct Tables;

impl Content for Tables {
    type Error = StateError;

    const IF_IN_USE: &'static str = "";

    fn create(&self, txn: &WriteTransaction) -> Result<(), StateError> {
        create_tables(txn)?;
        Ok(set_format(txn, FORMAT_VERSION)?)
    }

    fn upgrade(&self, db: &Database, file: &Path) -> Result<(), StateError> {
        supported_format::<StateError>(db, file, FORMAT_VERSION).map(|_| ())
    }

    fn made(&self) {
        crate::fail_point!("state.created_unnamed");
    }

    fn named(&self) {
        crate::fail_point!("state.created_named");
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
    use crate::redb_file::{FileError, durable_write, open_on};

    #[test]
    fn a_file_of_a_newer_program_is_refused() {
        let db = open_on(&Tables, InMemoryBackend::new(), 1 << 20).unwrap();
        let txn = durable_write(&db).unwrap();
        set_format(&txn, FORMAT_VERSION + 1).unwrap();
        txn.commit().unwrap();

        let error = Tables.upgrade(&db, Path::new("state.redb")).unwrap_err();

        assert!(error.to_string().contains("has format 2"), "{error}");
    }

    #[test]
    fn a_file_of_another_program_is_refused() {
        let db = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();

        let error = Tables.upgrade(&db, Path::new("state.redb")).unwrap_err();

        assert!(matches!(error, StateError::File(FileError::Damaged { .. })), "{error}");
    }
}
