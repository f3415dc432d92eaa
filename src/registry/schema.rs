//! The format of the registry file, and how an older one becomes the present one.
//!
//! Migrations only go forward. Each is one function that is never changed after
//! a release; all that a file needs run in one commit, so a file has one format
//! or the other and nothing between.

use std::path::Path;

use jiff::Timestamp;
use redb::{Database, ReadableDatabase, TableDefinition, TableError, WriteTransaction};

use super::storage::durable_write;
use super::{
    RegistryError, approvals, attachments, audit, awaited, installs, operators, quarantine,
    removals, sessions, setup, tenants, tokens, trusted_keys, uploads, uses, versions,
};

/// Facts about the file itself.
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
/// The row of [`META`] that holds the format.
const FORMAT: &str = "format";

/// Turns a file of one format into the next; the time is for rows it has to make up.
type Migration = fn(&WriteTransaction, Timestamp) -> Result<(), RegistryError>;

/// The migration at index `n` makes format `n + 1`; format 0 is an empty file.
const MIGRATIONS: &[Migration] =
    &[create_tables, add_uploads, add_attachments_and_removals, add_awaited, add_uses];

/// The format this program reads and writes.
pub const FORMAT_VERSION: u64 = MIGRATIONS.len() as u64;

/// The format of a database; `None` when it is no registry yet.
fn format(db: &Database) -> Result<Option<u64>, RegistryError> {
    let txn = db.begin_read()?;
    match txn.open_table(META) {
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
        Ok(meta) => Ok(meta.get(FORMAT)?.map(|format| format.value())),
    }
}

/// Makes an empty database a registry.
pub(super) fn create(db: &Database, now: Timestamp) -> Result<(), RegistryError> {
    migrate(db, 0, MIGRATIONS, now)
}

/// Brings the registry in `file` to the present format.
pub(super) fn upgrade(db: &Database, file: &Path, now: Timestamp) -> Result<(), RegistryError> {
    // A registry gets its name only once it has a format: without one it is
    // another program's file, or a damaged one.
    let found =
        format(db)?.ok_or_else(|| RegistryError::damaged(file, &"it has no format version"))?;
    if found > FORMAT_VERSION {
        let (file, supported) = (file.to_owned(), FORMAT_VERSION);
        return Err(RegistryError::NewerFormat { file, found, supported });
    }
    migrate(db, found, MIGRATIONS, now)
}

fn migrate(
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
    for migration in missing {
        migration(&txn, now)?;
    }
    txn.open_table(META)?.insert(FORMAT, migrations.len() as u64)?;
    Ok(txn.commit()?)
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

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;

    const NOTES: TableDefinition<&str, &str> = TableDefinition::new("notes");

    fn database() -> Database {
        Database::builder().create_with_backend(InMemoryBackend::new()).unwrap()
    }

    fn write_note(txn: &WriteTransaction, _now: Timestamp) -> Result<(), RegistryError> {
        txn.open_table(NOTES)?.insert("a", "b")?;
        Ok(())
    }

    fn fail(_txn: &WriteTransaction, _now: Timestamp) -> Result<(), RegistryError> {
        Err(RegistryError::Panicked("half way".to_owned()))
    }

    #[test]
    fn an_older_format_is_brought_forward_once() {
        let db = database();
        migrate(&db, 0, &MIGRATIONS[..1], Timestamp::UNIX_EPOCH).unwrap();
        let migrations = [create_tables as Migration, write_note];

        migrate(&db, 1, &migrations, Timestamp::UNIX_EPOCH).unwrap();

        assert_eq!(format(&db).unwrap(), Some(2));
        let notes = db.begin_read().unwrap().open_table(NOTES).unwrap();
        assert_eq!(notes.get("a").unwrap().unwrap().value(), "b");
        let none_left = [create_tables as Migration, fail];
        migrate(&db, 2, &none_left, Timestamp::UNIX_EPOCH).unwrap();
    }

    #[test]
    fn a_registry_of_format_1_gets_a_table_of_uploads() {
        let db = database();
        migrate(&db, 0, &MIGRATIONS[..1], Timestamp::UNIX_EPOCH).unwrap();

        upgrade(&db, Path::new("r"), Timestamp::UNIX_EPOCH).unwrap();

        assert_eq!(format(&db).unwrap(), Some(FORMAT_VERSION));
        assert_eq!(uploads::list_all(&db.begin_read().unwrap()).unwrap(), []);
    }

    #[test]
    fn a_migration_that_fails_leaves_the_old_format() {
        let db = database();
        migrate(&db, 0, &MIGRATIONS[..1], Timestamp::UNIX_EPOCH).unwrap();
        let migrations = [create_tables as Migration, write_note, fail];

        assert!(migrate(&db, 1, &migrations, Timestamp::UNIX_EPOCH).is_err());

        assert_eq!(format(&db).unwrap(), Some(1));
        assert!(db.begin_read().unwrap().open_table(NOTES).is_err());
    }

    #[test]
    fn a_newer_format_is_refused_with_both_numbers() {
        let db = database();
        create(&db, Timestamp::UNIX_EPOCH).unwrap();
        let txn = db.begin_write().unwrap();
        txn.open_table(META).unwrap().insert(FORMAT, 77).unwrap();
        txn.commit().unwrap();

        let error = upgrade(&db, Path::new("r"), Timestamp::UNIX_EPOCH).unwrap_err();

        assert!(matches!(error, RegistryError::NewerFormat { found: 77, .. }));
        let known = format!("up to {FORMAT_VERSION}");
        assert!(error.to_string().contains("format 77") && error.to_string().contains(&known));
    }

    #[test]
    fn a_database_of_something_else_is_refused() {
        let db = database();

        let error = upgrade(&db, Path::new("r"), Timestamp::UNIX_EPOCH).unwrap_err();

        assert!(matches!(error, RegistryError::Damaged { .. }));
    }
}
