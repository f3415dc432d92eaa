//! Why the state could not be opened, read or written.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{CommitError, DatabaseError, StorageError, TableError, TransactionError};

/// What went wrong with the state: never something a guest asked for.
///
/// It can be cloned, because all writes of a group share one failure.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StateError {
    #[error("the state file {} cannot be {action}", file.display())]
    File { action: &'static str, file: PathBuf, source: Arc<io::Error> },
    #[error("the state file {} is in use by another process: stop that process", .0.display())]
    InUse(PathBuf),
    #[error(
        "the state file {} is damaged ({detail}); nothing in it was deleted: keep a copy of it, \
         put your newest backup of the data folder in its place, and start again",
        file.display()
    )]
    Damaged { file: PathBuf, detail: String },
    #[error(
        "the state file {} has format {found}, and this program knows formats up to {supported}: \
         start the newer version of Plugboard that wrote it, or restore the backup from before \
         the upgrade",
        file.display()
    )]
    NewerFormat { file: PathBuf, found: u64, supported: u64 },
    #[error("a row of the state table `{table}` cannot be read or written")]
    Row { table: &'static str, source: Arc<serde_json::Error> },
    #[error("the state file could not be read or written")]
    Storage(#[source] Arc<redb::Error>),
    #[error("the thread that writes the state file cannot be started")]
    Thread(#[source] Arc<io::Error>),
    #[error("a state transaction was stopped by a defect in this program: {0}")]
    Panicked(String),
    #[error("the process is shutting down")]
    Stopped,
}

impl StateError {
    /// Whether the disk has no room left, so that deleting something else may help.
    pub fn is_disk_full(&self) -> bool {
        let full = |error: &io::Error| error.kind() == io::ErrorKind::StorageFull;
        match self {
            Self::Storage(error) => matches!(&**error, redb::Error::Io(error) if full(error)),
            Self::File { source, .. } => full(source),
            Self::InUse(_)
            | Self::Damaged { .. }
            | Self::NewerFormat { .. }
            | Self::Row { .. }
            | Self::Thread(_)
            | Self::Panicked(_)
            | Self::Stopped => false,
        }
    }

    pub(super) fn file(action: &'static str, file: &Path, source: io::Error) -> Self {
        Self::File { action, file: file.to_owned(), source: Arc::new(source) }
    }

    pub(super) fn damaged(file: &Path, detail: &impl ToString) -> Self {
        Self::Damaged { file: file.to_owned(), detail: detail.to_string() }
    }

    /// The error of opening `file`, told apart by what the operator can do about it.
    pub(super) fn opening(file: &Path, error: DatabaseError) -> Self {
        if matches!(error, DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch)
        {
            return Self::InUse(file.to_owned());
        }
        // redb reports a wrong magic number and a file that ends too early as I/O errors.
        let damage = [io::ErrorKind::InvalidData, io::ErrorKind::UnexpectedEof];
        if let DatabaseError::Storage(StorageError::Io(error)) = error {
            let is_damage = damage.contains(&error.kind());
            return if is_damage {
                Self::damaged(file, &error)
            } else {
                Self::file("opened", file, error)
            };
        }
        Self::damaged(file, &error)
    }
}

impl From<StorageError> for StateError {
    fn from(error: StorageError) -> Self {
        Self::Storage(Arc::new(error.into()))
    }
}

impl From<TableError> for StateError {
    fn from(error: TableError) -> Self {
        Self::Storage(Arc::new(error.into()))
    }
}

impl From<TransactionError> for StateError {
    fn from(error: TransactionError) -> Self {
        Self::Storage(Arc::new(error.into()))
    }
}

impl From<CommitError> for StateError {
    fn from(error: CommitError) -> Self {
        Self::Storage(Arc::new(error.into()))
    }
}
