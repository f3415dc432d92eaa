//! The format of the registry file, and how an older one becomes the present one.
//!
//! Migrations only go forward. Each is one function that is never changed after
//! a release; all that a file needs run in one commit, so a file has one format
//! or the other and nothing between.

use std::path::Path;

use jiff::Timestamp;
use redb::{Database, WriteTransaction};

use super::{
    RegistryError, approvals, attachments, audit, awaited, installs, operators, purges, quarantine,
    removals, sessions, setup, tenants, tokens, trusted_keys, uploads, uses, versions,
};
use crate::redb_file::{Content, durable_write, set_format, supported_format};

/// Turns a file of one format into the next; the time is for rows it has to make up.
type Migration = fn(&WriteTransaction, Timestamp) -> Result<(), RegistryError>;

/// The migration at index `n` makes format `n + 1`; format 0 is an empty file.
const MIGRATIONS: &[Migration] =
    &[create_tables, add_uploads, add_attachments_and_removals, add_awaited, add_uses, add_purges];

/// The format this program reads and writes.
pub const FORMAT_VERSION: u64 = MIGRATIONS.len() as u64;

/// The tables of the registry.
pub(super) struct Tables {
    /// Dates the rows that have to be made up.
    pub(super) now: Timestamp,
}

impl Content for Tables {
    type Error = RegistryError;

    const IF_IN_USE: &'static str = ", or talk to it over its admin socket";

    fn create(&self, txn: &WriteTransaction) -> Result<(), RegistryError> {
        migrate(txn, MIGRATIONS, FORMAT_VERSION, self.now)
    }

    /// Brings the registry in `file` to the present format.
    fn upgrade(&self, db: &Database, file: &Path) -> Result<(), RegistryError> {
        let found = supported_format::<RegistryError>(db, file, FORMAT_VERSION)?;
        upgrade(db, found, MIGRATIONS, self.now)
    }

    fn made(&self) {
        crate::fail_point!("registry.created_unnamed");
    }

    fn named(&self) {
        crate::fail_point!("registry.created_named");
    }
}

fn upgrade(
    db: &Database,
    found: u64,
    migrations: &[Migration],
    now: Timestamp,
) -> Result<(), RegistryError> {
    let done = usize::try_from(found).unwrap_or(usize::MAX);
    let missing = migrations.get(done..).unwrap_or_default();
    if missing.is_empty() {
        return Ok(());
    }
    let txn = durable_write(db)?;
    migrate(&txn, missing, migrations.len() as u64, now)?;
    Ok(txn.commit()?)
}

/// Runs what is missing, after which the file has the format `becomes`.
fn migrate(
    txn: &WriteTransaction,
    missing: &[Migration],
    becomes: u64,
    now: Timestamp,
) -> Result<(), RegistryError> {
    missing.iter().try_for_each(|migration| migration(txn, now))?;
    Ok(set_format(txn, becomes)?)
}

/// Format 1. Reading a table that does not exist is an error in redb: all are made here.
fn create_tables(txn: &WriteTransaction, now: Timestamp) -> Result<(), RegistryError> {
    versions::create_tables(txn)?;
    quarantine::create_table(txn)?;
    approvals::create_table(txn)?;
    installs::create_tables(txn)?;
    trusted_keys::create_table(txn)?;
    tokens::create_tables(txn)?;
    operators::create_table(txn)?;
    sessions::create_table(txn)?;
    setup::create_table(txn)?;
    audit::create_table(txn)?;
    tenants::create_table(txn, now)
}

/// Format 2: uploads that arrive in parts.
fn add_uploads(txn: &WriteTransaction, _now: Timestamp) -> Result<(), RegistryError> {
    uploads::create_table(txn)
}

/// Format 3: files beside bundles, yanked versions, and what is left of removed ones.
fn add_attachments_and_removals(txn: &WriteTransaction, _: Timestamp) -> Result<(), RegistryError> {
    attachments::create_table(txn)?;
    removals::create_tables(txn)
}

/// Format 4: who waits for a bundle that is in quarantine.
fn add_awaited(txn: &WriteTransaction, _now: Timestamp) -> Result<(), RegistryError> {
    awaited::create_table(txn)
}

/// Format 5: when installs were last called.
fn add_uses(txn: &WriteTransaction, _now: Timestamp) -> Result<(), RegistryError> {
    uses::create_table(txn)
}

/// Format 6: what is still to be removed of installs that are gone.
fn add_purges(txn: &WriteTransaction, _now: Timestamp) -> Result<(), RegistryError> {
    purges::create_table(txn)
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;
    use redb::{ReadableDatabase, TableDefinition};

    use super::*;
    use crate::redb_file::{self, FileError};

    const NOTES: TableDefinition<&str, &str> = TableDefinition::new("notes");

    fn database() -> Database {
        Database::builder().create_with_backend(InMemoryBackend::new()).unwrap()
    }

    fn write_note(txn: &WriteTransaction, _now: Timestamp) -> Result<(), RegistryError> {
        txn.open_table(NOTES)?.insert("a", "b")?;
        Ok(())
    }

    fn format(db: &Database) -> Option<u64> {
        redb_file::format(db).unwrap()
    }

    const TABLES: Tables = Tables { now: Timestamp::UNIX_EPOCH };

    fn fail(_txn: &WriteTransaction, _now: Timestamp) -> Result<(), RegistryError> {
        Err(RegistryError::Panicked("half way".to_owned()))
    }

    #[test]
    fn an_older_format_is_brought_forward_once() {
        let db = database();
        upgrade(&db, 0, &MIGRATIONS[..1], TABLES.now).unwrap();
        let migrations = [create_tables as Migration, write_note];

        upgrade(&db, 1, &migrations, TABLES.now).unwrap();

        assert_eq!(format(&db), Some(2));
        let notes = db.begin_read().unwrap().open_table(NOTES).unwrap();
        assert_eq!(notes.get("a").unwrap().unwrap().value(), "b");
        let none_left = [create_tables as Migration, fail];
        upgrade(&db, 2, &none_left, TABLES.now).unwrap();
    }

    #[test]
    fn a_registry_of_format_1_gets_a_table_of_uploads() {
        let db = database();
        upgrade(&db, 0, &MIGRATIONS[..1], TABLES.now).unwrap();

        TABLES.upgrade(&db, Path::new("r")).unwrap();

        assert_eq!(format(&db), Some(FORMAT_VERSION));
        assert_eq!(uploads::list_all(&db.begin_read().unwrap()).unwrap(), []);
        assert_eq!(purges::list(&db.begin_read().unwrap()).unwrap(), []);
    }

    #[test]
    fn a_migration_that_fails_leaves_the_old_format() {
        let db = database();
        upgrade(&db, 0, &MIGRATIONS[..1], TABLES.now).unwrap();
        let migrations = [create_tables as Migration, write_note, fail];

        assert!(upgrade(&db, 1, &migrations, TABLES.now).is_err());

        assert_eq!(format(&db), Some(1));
        assert!(db.begin_read().unwrap().open_table(NOTES).is_err());
    }

    #[test]
    fn a_newer_format_is_refused_with_both_numbers() {
        let db = database();
        let txn = db.begin_write().unwrap();
        set_format(&txn, 77).unwrap();
        txn.commit().unwrap();

        let error = TABLES.upgrade(&db, Path::new("r")).unwrap_err();

        assert!(matches!(error, RegistryError::File(FileError::NewerFormat { found: 77, .. })));
        let known = format!("up to {FORMAT_VERSION}");
        assert!(error.to_string().contains("format 77") && error.to_string().contains(&known));
    }

    #[test]
    fn a_database_of_something_else_is_refused() {
        let db = database();

        let error = TABLES.upgrade(&db, Path::new("r")).unwrap_err();

        assert!(matches!(error, RegistryError::File(FileError::Damaged { .. })));
    }
}
