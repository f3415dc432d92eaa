//! The open database, and opening it again after the disk failed.
//!
//! After one failed write redb answers every call with an error, also reads of what it has
//! not in memory, until the file is opened anew. A disk that was full for a moment must not
//! need a restart. So the file is opened again at once, for the readers; and while it keeps
//! failing, writes are refused for longer and longer without being tried, as each failure
//! costs another opening, and that reads every page: redb's own repair does the same as its
//! check, unless each commit pays for it by writing down which pages are free.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use redb::{
    Builder, Database, Durability, ReadTransaction, ReadableDatabase, StorageError,
    TransactionError, WriteTransaction,
};

use super::pauses::Pauses;
use super::{FileError, KeeperError, caught};

/// Opens the database: at start, and again after a failure.
pub type Opener<E> = Box<dyn Fn() -> Result<Database, E> + Send + Sync>;

/// The turn to write, and to open the file again.
pub type Turn<'a> = MutexGuard<'a, ()>;

/// A database that can be closed and opened again under those who use it.
pub struct Storage<E> {
    open: Opener<E>,
    /// `None` when opening it again failed too.
    db: RwLock<Option<Database>>,
    failed: AtomicBool,
    /// Held while something is written, so that nobody closes the file under it.
    turn: Mutex<()>,
    trouble: Mutex<Trouble>,
}

/// What failed last, and for how long it is not tried because of that.
struct Trouble {
    last: Option<Arc<FileError>>,
    writing: Pauses,
    opening: Pauses,
}

impl<E: KeeperError> Storage<E> {
    /// Opens it for the first time.
    pub fn open(open: Opener<E>) -> Result<Self, E> {
        let db = RwLock::new(Some(open()?));
        let [writing, opening] = [Pauses::up_to(E::LONGEST_PAUSE), Pauses::up_to(E::LONGEST_PAUSE)];
        let trouble = Mutex::new(Trouble { last: None, writing, opening });
        Ok(Self { open, db, failed: AtomicBool::new(false), turn: Mutex::new(()), trouble })
    }

    /// Begins to read what was committed before.
    pub fn begin_read(&self) -> Result<ReadTransaction, E> {
        self.with(Database::begin_read)
    }

    /// Begins a write whose commit returns when it is on disk.
    ///
    /// Refused at once while the disk is known to take none.
    pub fn begin_write(&self) -> Result<WriteTransaction, E> {
        self.refuse_in(|trouble| &trouble.writing)?;
        self.with(durable_write)
    }

    /// Remembers a failure of the disk, after which [`Storage::recover`] is due.
    pub fn note_failure<T>(&self, result: &Result<T, E>) {
        let error = result.as_ref().err().and_then(E::of_file);
        if let Some(error) = error.filter(|error| error.is_of_storage()) {
            let mut trouble = self.trouble();
            if trouble.last.is_none() || !error.is_aftermath() {
                trouble.last = Some(Arc::new(error.clone()));
            }
            self.failed.store(true, Ordering::SeqCst);
        }
    }

    /// The same of a write, after which others may have to wait.
    pub fn note_write<T>(&self, result: &Result<T, E>) {
        self.note_failure(result);
        let error = result.as_ref().err().and_then(E::of_file);
        if error.is_some_and(FileError::is_of_storage) {
            self.trouble().writing.failed(Instant::now());
        }
    }

    /// Whether it has to be opened again.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    /// Waits for the turn to write.
    pub fn turn(&self) -> Turn<'_> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After a failure, closes the database, opens it again and has `load` read what its keeper
    /// has in memory of it; `None` when there was no failure.
    ///
    /// Read transactions that are still open end in errors. It stays failed until all is done.
    pub fn recover<T>(
        &self,
        _turn: &Turn<'_>,
        load: impl FnOnce(&ReadTransaction) -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        if !self.has_failed() {
            return Ok(None);
        }
        self.refuse_in(|trouble| &trouble.opening)?;
        let loaded = caught(|| {
            self.reopen()?;
            load(&self.begin_read()?)
        });
        let loaded = loaded.inspect_err(|error| {
            let mut trouble = self.trouble();
            trouble.opening.failed(Instant::now());
            trouble.last = E::of_file(error).cloned().map(Arc::new).or(trouble.last.take());
        })?;
        self.failed.store(false, Ordering::SeqCst);
        tracing::warn!("The {} was opened again after a storage failure", E::NOUN);
        Ok(Some(loaded))
    }

    fn reopen(&self) -> Result<(), E> {
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(Err(error)) = db.take().map(Database::close) {
            tracing::debug!(error = %error, "The {} was closed after a failure: {error}", E::NOUN);
        }
        *db = Some((self.open)()?);
        Ok(())
    }

    /// Refuses with what failed last, while a pause lasts.
    fn refuse_in(&self, pauses: impl FnOnce(&Trouble) -> &Pauses) -> Result<(), E> {
        let trouble = self.trouble();
        match (pauses(&trouble).left(Instant::now()), &trouble.last) {
            (Some(left), Some(last)) => {
                Err(FileError::Paused { noun: E::NOUN, left, source: Arc::clone(last) }.into())
            }
            (_, None) | (None, _) => Ok(()),
        }
    }

    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(
        &self,
        begin: impl FnOnce(&Database) -> Result<T, TransactionError>,
    ) -> Result<T, E> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        let transaction = match &*db {
            Some(db) => begin(db),
            None => Err(StorageError::DatabaseClosed.into()),
        };
        Ok(transaction.map_err(|error| FileError::storage(E::NOUN, error))?)
    }
}

/// How every file is opened: with a bounded cache, and checked.
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
pub(crate) fn durable_write(db: &Database) -> Result<WriteTransaction, TransactionError> {
    let mut txn = db.begin_write()?;
    txn.set_durability(Durability::Immediate)
        .expect("a transaction without savepoints takes any durability");
    txn.set_two_phase_commit(true);
    Ok(txn)
}
