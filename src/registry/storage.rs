//! The open database, and opening it again after the disk failed.
//!
//! After one failed write redb answers every call with an error until the file is
//! opened anew. A disk that was full for a moment must not need a restart.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use redb::{
    Builder, Database, Durability, ReadTransaction, ReadableDatabase, StorageError,
    TransactionError, WriteTransaction,
};

use super::RegistryError;

/// Opens the database: at start, and again after a failure.
pub(super) type Opener = Box<dyn Fn() -> Result<Database, RegistryError> + Send + Sync>;

/// A database that can be closed and opened again under those who use it.
pub(super) struct Storage {
    open: Opener,
    /// `None` when opening it again failed too.
    db: RwLock<Option<Database>>,
    failed: AtomicBool,
}

impl Storage {
    pub(super) fn open(open: Opener) -> Result<Self, RegistryError> {
        let db = open()?;
        Ok(Self { open, db: RwLock::new(Some(db)), failed: AtomicBool::new(false) })
    }

    pub(super) fn begin_read(&self) -> Result<ReadTransaction, RegistryError> {
        self.with(|db| Ok(db.begin_read()?))
    }

    pub(super) fn begin_write(&self) -> Result<WriteTransaction, RegistryError> {
        self.with(durable_write)
    }

    /// Remembers a failure of the disk, after which [`Storage::reopen`] is due.
    pub(super) fn note_failure<T>(&self, result: &Result<T, RegistryError>) {
        if matches!(result, Err(RegistryError::Storage(_))) {
            self.set_failed();
        }
    }

    pub(super) fn set_failed(&self) {
        self.failed.store(true, Ordering::SeqCst);
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    /// Closes the database and opens it again. Read transactions that are still open end in errors.
    pub(super) fn reopen(&self) -> Result<(), RegistryError> {
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(Err(error)) = db.take().map(Database::close) {
            tracing::debug!(error = %error, "The registry was closed after a failure: {error}");
        }
        *db = Some((self.open)()?);
        self.failed.store(false, Ordering::SeqCst);
        Ok(())
    }

    fn with<T>(
        &self,
        begin: impl FnOnce(&Database) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        match &*db {
            Some(db) => begin(db),
            None => Err(TransactionError::Storage(StorageError::DatabaseClosed).into()),
        }
    }
}

/// How every registry is opened: with a bounded cache, and checked.
///
/// redb trusts a file that was closed cleanly, and may panic on one that was
/// changed since; with the check it verifies every page and reports.
pub(super) fn builder(cache_bytes: usize) -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(cache_bytes).set_check_integrity_on_open(true);
    builder
}

/// Begins a write whose commit returns when it is on disk.
///
/// Two phases: with one, a checksum decides after a power cut which of two
/// commits counts, and those who choose the values could choose the checksum.
pub(super) fn durable_write(db: &Database) -> Result<WriteTransaction, RegistryError> {
    let mut txn = db.begin_write()?;
    txn.set_durability(Durability::Immediate)
        .expect("a transaction without savepoints takes any durability");
    txn.set_two_phase_commit(true);
    Ok(txn)
}
