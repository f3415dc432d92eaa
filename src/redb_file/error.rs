//! Why a redb file could not be opened, read or written.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use redb::{DatabaseError, StorageError};

use super::{Content, KeeperError};

/// What went wrong with a file: never something a caller asked for.
///
/// It can be cloned, because writes that share a commit share its failure.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FileError {
    #[error("the {noun} file {} cannot be {action}", file.display())]
    File { noun: &'static str, action: &'static str, file: PathBuf, source: Arc<io::Error> },
    #[error(
        "the {noun} file {} is in use by another process: stop that process{way_out}",
        file.display()
    )]
    InUse { noun: &'static str, file: PathBuf, way_out: &'static str },
    #[error(
        "the {noun} file {} is damaged ({detail}); nothing in it was deleted: keep a copy of it, \
         put your newest backup of the data folder in its place, and start again",
        file.display()
    )]
    Damaged { noun: &'static str, file: PathBuf, detail: String },
    #[error(
        "the {noun} file {} has format {found}, and this program knows formats up to {supported}: \
         start the newer version of Plugboard that wrote it, or restore the backup from before \
         the upgrade",
        file.display()
    )]
    NewerFormat { noun: &'static str, file: PathBuf, found: u64, supported: u64 },
    #[error("the {noun} file could not be read or written")]
    Storage { noun: &'static str, source: Arc<redb::Error> },
    #[error(
        "the {noun} file could not be written and is left alone for {} ms more",
        .left.as_millis() + 1
    )]
    Paused { noun: &'static str, left: Duration, source: Arc<FileError> },
}

impl FileError {
    /// Whether the disk has no room left, so that deleting something else may help.
    pub fn is_disk_full(&self) -> bool {
        let full = |error: &io::Error| error.kind() == io::ErrorKind::StorageFull;
        match self {
            Self::Storage { source, .. } => {
                matches!(&**source, redb::Error::Io(error) if full(error))
            }
            Self::File { source, .. } => full(source),
            Self::Paused { source, .. } => source.is_disk_full(),
            Self::InUse { .. } | Self::Damaged { .. } | Self::NewerFormat { .. } => false,
        }
    }

    /// Whether opening the file again ends the same way, until somebody puts another file or
    /// another program in its place.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Damaged { .. } | Self::NewerFormat { .. } => true,
            Self::Storage { source, .. } => matches!(**source, redb::Error::Corrupted(_)),
            Self::Paused { source, .. } => source.is_lasting(),
            Self::File { .. } | Self::InUse { .. } => false,
        }
    }

    /// Whether reading or writing failed, after which redb answers nothing until the file
    /// is opened anew.
    ///
    /// Not for what a reader meets whose file was closed under it: that is open again, or
    /// known to have failed.
    pub(super) fn is_of_storage(&self) -> bool {
        match self {
            Self::Storage { source, .. } => !matches!(**source, redb::Error::DatabaseClosed),
            Self::File { .. }
            | Self::Paused { .. }
            | Self::InUse { .. }
            | Self::Damaged { .. }
            | Self::NewerFormat { .. } => false,
        }
    }

    /// Whether it says no more than that something failed before.
    pub(super) fn is_aftermath(&self) -> bool {
        match self {
            Self::Storage { source, .. } => matches!(**source, redb::Error::PreviousIo),
            Self::File { .. }
            | Self::Paused { .. }
            | Self::InUse { .. }
            | Self::Damaged { .. }
            | Self::NewerFormat { .. } => false,
        }
    }

    /// Reading or writing the file called `noun` failed.
    pub fn storage(noun: &'static str, error: impl Into<redb::Error>) -> Self {
        Self::Storage { noun, source: Arc::new(error.into()) }
    }

    /// The file called `noun` is not what it was.
    pub fn damaged(noun: &'static str, file: &Path, detail: &impl ToString) -> Self {
        Self::Damaged { noun, file: file.to_owned(), detail: detail.to_string() }
    }

    pub(super) fn file(
        noun: &'static str,
        action: &'static str,
        file: &Path,
        source: io::Error,
    ) -> Self {
        Self::File { noun, action, file: file.to_owned(), source: Arc::new(source) }
    }

    /// The error of opening `file`, told apart by what the operator can do about it.
    pub(super) fn opening<C: Content>(file: &Path, error: DatabaseError) -> Self {
        let noun = C::Error::NOUN;
        if matches!(error, DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch)
        {
            return Self::InUse { noun, file: file.to_owned(), way_out: C::IF_IN_USE };
        }
        // redb reports a wrong magic number and a file that ends too early as I/O errors.
        let damage = [io::ErrorKind::InvalidData, io::ErrorKind::UnexpectedEof];
        if let DatabaseError::Storage(StorageError::Io(error)) = error {
            let is_damage = damage.contains(&error.kind());
            return if is_damage {
                Self::damaged(noun, file, &error)
            } else {
                Self::file(noun, "opened", file, error)
            };
        }
        Self::damaged(noun, file, &error)
    }
}
