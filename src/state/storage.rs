//! The open database, and opening it again after the disk failed.
//!
//! After one failed write redb answers every call with an error until the file is
//! opened anew. A disk that was full for a moment must not need a restart.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use redb::{
    Builder, Database, Durability, ReadableDatabase, StorageError, TransactionError,
    WriteTransaction,
};

use super::{ReadTxn, StateError, caught};

/// Opens the database: at start, and again after a failure.
pub(super) type Opener = Box<dyn Fn() -> Result<Database, StateError> + Send + Sync>;

/// A database that can be closed and opened again under those who use it.
pub(super) struct Storage {
    open: Opener,
    /// `None` when opening it again failed too.
    db: RwLock<Option<Database>>,
    failed: AtomicBool,
    /// Held while a group is written, so that nobody closes the file under it.
    turn: Mutex<()>,
}

impl Storage {
    pub(super) fn open(open: Opener) -> Result<Self, StateError> {
        let db = RwLock::new(Some(open()?));
        Ok(Self { open, db, failed: AtomicBool::new(false), turn: Mutex::new(()) })
    }

    pub(super) fn begin_read(&self) -> Result<ReadTxn, StateError> {
        self.with(|db| Ok(db.begin_read()?))
    }

    pub(super) fn begin_write(&self) -> Result<WriteTransaction, StateError> {
        self.with(durable_write)
    }

    /// Remembers a failure of the disk, after which the file is opened again.
    pub(super) fn note_failure<T>(&self, result: &Result<T, StateError>) {
        if matches!(result, Err(StateError::Storage(_))) {
            self.failed.store(true, Ordering::SeqCst);
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    /// Waits for the turn to write.
    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the database after a failure and opens it again. Read transactions that
    /// are still open end in errors.
    pub(super) fn recover(&self, _turn: &MutexGuard<'_, ()>) -> Result<(), StateError> {
        if !self.has_failed() {
            return Ok(());
        }
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(Err(error)) = db.take().map(Database::close) {
            tracing::debug!(error = %error, "The state was closed after a failure: {error}");
        }
        *db = Some(caught(|| (self.open)())?);
        self.failed.store(false, Ordering::SeqCst);
        tracing::warn!("The state was opened again after a storage failure");
        Ok(())
    }

    fn with<T>(
        &self,
        begin: impl FnOnce(&Database) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        match &*db {
            Some(db) => begin(db),
            None => Err(TransactionError::Storage(StorageError::DatabaseClosed).into()),
        }
    }
}

/// How every state is opened: with a bounded cache, and checked.
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
/// commits counts, and guests choose the values that it is made of.
pub(super) fn durable_write(db: &Database) -> Result<WriteTransaction, StateError> {
    let mut txn = db.begin_write()?;
    txn.set_durability(Durability::Immediate)
        .expect("a transaction without savepoints takes any durability");
    txn.set_two_phase_commit(true);
    Ok(txn)
}
