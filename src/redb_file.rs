//! A redb file: made whole or not at all, checked when it is opened, and opened again
//! after the disk failed. The registry is one, the state another.
//!
//! What is in the file is its keeper's. Here is what both need so that no power cut,
//! full disk or damaged page costs more than it must.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use redb::{Database, StorageBackend, WriteTransaction};

mod error;
mod examine;
mod format;
mod making;
mod pauses;
mod storage;
mod tables;

pub use error::FileError;
pub use examine::{Examined, examine};
pub use format::{format, set_format, supported_format};
pub(crate) use storage::durable_write;
pub use storage::{Opener, Storage, Turn};
pub use tables::ReadTables;

/// The error of a keeper: of its file, or its own.
pub trait KeeperError: From<FileError> {
    /// What the file is called in messages.
    const NOUN: &'static str;

    /// The longest that a file which keeps failing is left alone; zero: it never is.
    const LONGEST_PAUSE: Duration;

    /// A defect of this program, with the message of its panic.
    fn panicked(message: String) -> Self;

    /// What went wrong with the file itself.
    fn of_file(&self) -> Option<&FileError>;
}

/// What a keeper has in its file.
pub trait Content: Send + Sync + 'static {
    type Error: KeeperError;

    /// What helps, beside stopping it, where another process has the file: the end of a sentence.
    const IF_IN_USE: &'static str;

    /// Makes the tables of a new file, in its first transaction.
    fn create(&self, txn: &WriteTransaction) -> Result<(), Self::Error>;

    /// Refuses a file of a format that is not known, and brings an older one forward.
    fn upgrade(&self, db: &Database, file: &Path) -> Result<(), Self::Error>;

    /// For fail points: the file is complete, and has not got its name.
    fn made(&self) {}

    /// For fail points: the file has its name, which a power cut may still take.
    fn named(&self) {}
}

/// Makes `file` if there is none.
///
/// Apart from [`open`], and only at start: a file that is not there when it is opened again is
/// on a disk that is gone, and an empty one in its place would be taken for the truth.
pub fn make<C: Content>(content: &C, file: &Path, cache_bytes: usize) -> Result<(), C::Error> {
    making::create_if_absent(content, file, cache_bytes)
}

/// Opens `file`, which is there.
///
/// A damaged file is refused and left as it is. `cache_bytes` bounds the pages kept in memory.
pub fn open<C: Content>(
    content: &C,
    file: &Path,
    cache_bytes: usize,
) -> Result<Database, C::Error> {
    making::make_private(file).map_err(|error| failed::<C>("made private", file, error))?;
    let opened = storage::builder(cache_bytes).open(file);
    let db = opened.map_err(|error| FileError::opening::<C>(file, error))?;
    content.upgrade(&db, file)?;
    Ok(db)
}

/// Opens what is on `backend`, making it first if that is empty.
pub fn open_on<C: Content>(
    content: &C,
    backend: impl StorageBackend,
    cache_bytes: usize,
) -> Result<Database, C::Error> {
    let file = Path::new("(storage)");
    let is_empty = backend.len().is_ok_and(|bytes| bytes == 0);
    let db = storage::builder(cache_bytes)
        .create_with_backend(backend)
        .map_err(|error| FileError::opening::<C>(file, error))?;
    if is_empty {
        making::create(content, &db)?;
    } else {
        content.upgrade(&db, file)?;
    }
    Ok(db)
}

/// Runs `f`; a panic in it, ours or redb's on a damaged page, becomes an error.
pub fn caught<T, E: KeeperError>(f: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|panic| Err(E::panicked(message_of(&*panic))))
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

fn failed<C: Content>(action: &'static str, file: &Path, error: std::io::Error) -> FileError {
    FileError::file(C::Error::NOUN, action, file, error)
}
