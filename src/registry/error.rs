//! Why the registry could not be opened, read or written.

use std::io;
use std::path::{Path, PathBuf};

use redb::{CommitError, DatabaseError, StorageError, TableError, TransactionError};
use semver::Version;
use tokio::task::JoinError;

use crate::model::ExtensionName;

/// What went wrong with the registry: never something a caller asked for.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("the registry file {} cannot be {action}", file.display())]
    File { action: &'static str, file: PathBuf, source: io::Error },
    #[error(
        "the registry file {} is in use by another process: stop that process, or talk to it \
         over its admin socket",
        .0.display()
    )]
    InUse(PathBuf),
    #[error(
        "the registry file {} is damaged ({detail}); nothing in it was deleted: keep a copy of \
         it, put your newest backup of the data folder in its place, and start again",
        file.display()
    )]
    Damaged { file: PathBuf, detail: String },
    #[error(
        "the registry file {} has format {found}, and this program knows formats up to \
         {supported}: start the newer version of Plugboard that wrote it, or restore the backup \
         from before the upgrade",
        file.display()
    )]
    NewerFormat { file: PathBuf, found: u64, supported: u64 },
    #[error("a row of the registry table `{table}` cannot be read or written")]
    Row { table: String, source: serde_json::Error },
    #[error("an install needs {name} {version}, which the registry does not have")]
    MissingVersion { name: ExtensionName, version: Version },
    #[error("the registry file could not be read or written")]
    Storage(#[source] Box<redb::Error>),
    #[error("a registry transaction was stopped by a defect in this program: {0}")]
    Panicked(String),
    #[error("the process is shutting down")]
    Cancelled(#[source] JoinError),
}

impl RegistryError {
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
            | Self::MissingVersion { .. }
            | Self::Panicked(_)
            | Self::Cancelled(_) => false,
        }
    }

    pub(super) fn file(action: &'static str, file: &Path, source: io::Error) -> Self {
        Self::File { action, file: file.to_owned(), source }
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

    /// A registry whose rows cannot be loaded at start is damaged, whatever the reason.
    pub(super) fn loading(self, file: &Path) -> Self {
        match self {
            Self::Row { table, source } => {
                Self::damaged(file, &format!("a row of the table `{table}`: {source}"))
            }
            Self::Storage(error) if !matches!(*error, redb::Error::Io(_)) => {
                Self::damaged(file, &error)
            }
            Self::MissingVersion { .. } | Self::Panicked(_) => Self::damaged(file, &self),
            Self::File { .. }
            | Self::InUse(_)
            | Self::Damaged { .. }
            | Self::NewerFormat { .. }
            | Self::Storage(_)
            | Self::Cancelled(_) => self,
        }
    }
}

impl From<StorageError> for RegistryError {
    fn from(error: StorageError) -> Self {
        Self::Storage(Box::new(error.into()))
    }
}

impl From<TableError> for RegistryError {
    fn from(error: TableError) -> Self {
        Self::Storage(Box::new(error.into()))
    }
}

impl From<TransactionError> for RegistryError {
    fn from(error: TransactionError) -> Self {
        Self::Storage(Box::new(error.into()))
    }
}

impl From<CommitError> for RegistryError {
    fn from(error: CommitError) -> Self {
        Self::Storage(Box::new(error.into()))
    }
}
