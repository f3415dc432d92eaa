//! Why the registry could not be opened, read or written.

use std::path::Path;
use std::time::Duration;

use semver::Version;
use tokio::task::JoinError;

use crate::model::ExtensionName;
use crate::redb_file::{FileError, KeeperError};

/// What went wrong with the registry: never something a caller asked for.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("a row of the registry table `{table}` cannot be read or written")]
    Row { table: String, source: serde_json::Error },
    #[error("an install needs {name} {version}, which the registry does not have")]
    MissingVersion { name: ExtensionName, version: Version },
    #[error("a registry transaction was stopped by a defect in this program: {0}")]
    Panicked(String),
    #[error("the process is shutting down")]
    Cancelled(#[source] JoinError),
}

impl RegistryError {
    /// Whether the disk has no room left, so that deleting something else may help.
    pub fn is_disk_full(&self) -> bool {
        self.of_file().is_some_and(FileError::is_disk_full)
    }

    /// Whether opening it again ends the same way.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::File(error) => error.is_lasting(),
            Self::Row { .. } | Self::MissingVersion { .. } | Self::Panicked(_) => true,
            Self::Cancelled(_) => false,
        }
    }

    /// A registry whose rows cannot be loaded at start is damaged, whatever the reason.
    pub(super) fn loading(self, file: &Path) -> Self {
        let detail = match &self {
            Self::Row { table, source } => format!("a row of the table `{table}`: {source}"),
            Self::File(FileError::Storage { source, .. })
                if !matches!(**source, redb::Error::Io(_)) =>
            {
                source.to_string()
            }
            Self::MissingVersion { .. } | Self::Panicked(_) => self.to_string(),
            Self::File(_) | Self::Cancelled(_) => return self,
        };
        FileError::damaged(Self::NOUN, file, &detail).into()
    }
}

impl KeeperError for RegistryError {
    const NOUN: &'static str = "registry";
    /// It is small, people and not guests write it, and they free the disk through it.
    const LONGEST_PAUSE: Duration = Duration::ZERO;

    fn panicked(message: String) -> Self {
        Self::Panicked(message)
    }

    fn of_file(&self) -> Option<&FileError> {
        match self {
            Self::File(error) => Some(error),
            Self::Row { .. }
            | Self::MissingVersion { .. }
            | Self::Panicked(_)
            | Self::Cancelled(_) => None,
        }
    }
}

/// Of opening a table, of its rows, of a transaction or of a commit.
impl<E: Into<redb::Error>> From<E> for RegistryError {
    fn from(error: E) -> Self {
        Self::File(FileError::storage(Self::NOUN, error))
    }
}
