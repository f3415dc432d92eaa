//! Why the state could not be opened, read or written.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::redb_file::{FileError, KeeperError};

/// What went wrong with the state: never something a guest asked for.
///
/// It can be cloned, because all writes of a group share one failure.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StateError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("a row of the state table `{table}` cannot be read or written")]
    Row { table: &'static str, source: Arc<serde_json::Error> },
    #[error("the thread that writes the state file cannot be started")]
    Thread(#[source] Arc<io::Error>),
    #[error("a state transaction was stopped by a defect in this program: {0}")]
    Panicked(String),
    #[error("the process is shutting down")]
    Stopped,
    #[error("busy: too much of this extension, or of all, waits to be written to the state file")]
    Busy,
}

impl StateError {
    /// Whether the disk has no room left, so that deleting something else may help.
    pub fn is_disk_full(&self) -> bool {
        self.of_file().is_some_and(FileError::is_disk_full)
    }

    /// Whether opening it again ends the same way.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::File(error) => error.is_lasting(),
            Self::Row { .. } | Self::Panicked(_) => true,
            Self::Thread(_) | Self::Stopped | Self::Busy => false,
        }
    }

    /// Whether it was refused unseen, after what made it so was reported.
    pub fn is_paused(&self) -> bool {
        matches!(self, Self::File(FileError::Paused { .. }))
    }
}

impl KeeperError for StateError {
    const NOUN: &'static str = "state";
    const LONGEST_PAUSE: Duration = Duration::from_mins(1);

    fn panicked(message: String) -> Self {
        Self::Panicked(message)
    }

    fn of_file(&self) -> Option<&FileError> {
        match self {
            Self::File(error) => Some(error),
            Self::Row { .. } | Self::Thread(_) | Self::Panicked(_) | Self::Stopped | Self::Busy => {
                None
            }
        }
    }
}

/// Of opening a table, of its rows, of a transaction or of a commit.
impl<E: Into<redb::Error>> From<E> for StateError {
    fn from(error: E) -> Self {
        Self::File(FileError::storage(Self::NOUN, error))
    }
}
