//! Receiving an upload in one request: streamed to a file of ours, read on the way, capped.

use std::any::Any;
use std::collections::HashSet;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;

use super::backend::blocking;
use super::durable::remove_tree;
use super::layout::ARCHIVE;
use super::read_along::Readers;
use super::read_writer::{OpenFile, ReadWriter};
use super::room::{DiskFloor, Reservation, Room};
use super::uploads::{UploadHold, upload_of_folder};
use super::{Doing, StoreError};
use crate::bundle::Reading;
use crate::model::{ContentHash, UploadId};
use crate::trust::StagedUpload;

/// The folder that uploads are received in.
#[derive(Debug)]
pub(super) struct StagingArea {
    folder: PathBuf,
    room: Arc<Room>,
    floor: DiskFloor,
    max_bytes: u64,
    readers: Arc<Readers>,
}

/// An upload being received. Dropped, it leaves nothing.
#[derive(Debug)]
pub struct Staging {
    staged: StagedFile,
    writer: ReadWriter,
    received: u64,
    max_bytes: u64,
}

/// A received upload: synced, hashed and read. When this is dropped, what came in one
/// request is removed; what came in parts is free for others to change.
///
/// Keep it until the bundle has been put: storing gives the file a second name
/// and leaves this one to us.
#[derive(Debug)]
pub struct Staged {
    pub file: PathBuf,
    pub size: u64,
    pub content_hash: ContentHash,
    reading: Option<Reading>,
    /// What of the caller's ends with it.
    _held: Option<Box<dyn Any + Send + Sync>>,
    _hold: Hold,
}

#[derive(Debug)]
enum Hold {
    Own { _file: StagedFile },
    Kept { _hold: Arc<UploadHold> },
}

/// The file and its room. Its folder is its own, so that nothing else is in reach.
#[derive(Debug)]
struct StagedFile {
    folder: PathBuf,
    reserved: Reservation,
}

impl StagingArea {
    pub(super) fn new(
        folder: PathBuf,
        room: Arc<Room>,
        floor: DiskFloor,
        max_bytes: u64,
        readers: Arc<Readers>,
    ) -> Self {
        Self { folder, room, floor, max_bytes, readers }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Begins to receive. `held` lives until the last byte is written.
    pub(super) async fn stage(&self, held: impl Send + 'static) -> Result<Staging, StoreError> {
        let staged = StagedFile {
            folder: self.folder.join(transient_name()),
            reserved: Room::reserve(&self.room),
        };
        let (floor, path) = (self.floor.clone(), staged.path());
        // Made before the writer starts, so that a drop of `staged` finds what it removes.
        let create = move || floor.check().and_then(|()| create(path)).map(|open| (open, floor));
        let (open, floor) = blocking(Doing::ReceiveUpload, create).await?;
        let writer = ReadWriter::start(open, None, Arc::clone(&self.readers), floor, held)?;
        Ok(Staging { staged, writer, received: 0, max_bytes: self.max_bytes })
    }

    /// Removes uploads begun before `older_than`, but none of `kept`.
    pub(super) fn sweep(
        &self,
        kept: &HashSet<UploadId>,
        older_than: Timestamp,
    ) -> Result<usize, StoreError> {
        let io = StoreError::io("sweep uploads");
        let mut removed = 0;
        for entry in fs::read_dir(&self.folder).map_err(&io)? {
            let entry = entry.map_err(&io)?;
            if upload_of_folder(&entry.path()).is_some_and(|id| kept.contains(&id)) {
                continue;
            }
            let Ok(modified) = entry.metadata().and_then(|metadata| metadata.modified()) else {
                continue; // It went meanwhile.
            };
            if Timestamp::try_from(modified).is_ok_and(|modified| modified < older_than) {
                remove_tree(&entry.path()).map_err(&io)?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

impl Staging {
    /// Takes the next bytes. After an error the upload is of no more use.
    pub async fn write(&mut self, chunk: Bytes) -> Result<(), StoreError> {
        self.received += chunk.len() as u64;
        if self.received > self.max_bytes {
            return Err(StoreError::TooLarge { limit: self.max_bytes, received: self.received });
        }
        self.staged.reserved.grow(chunk.len() as u64)?;
        self.writer.write(chunk).await?;
        crate::fail_point!("store.receiving");
        Ok(())
    }

    /// Ends the upload: after this the file is whole, durable and read.
    pub async fn finish(self) -> Result<Staged, StoreError> {
        let Self { staged, writer, .. } = self;
        let reading = writer.end().await?;
        crate::fail_point!("store.staged");
        Ok(Staged::new(staged.path(), reading, Hold::Own { _file: staged }))
    }
}

impl Staged {
    /// An upload that came in parts.
    pub(super) fn kept(file: PathBuf, reading: Reading, hold: Arc<UploadHold>) -> Self {
        Self::new(file, reading, Hold::Kept { _hold: hold })
    }

    fn new(file: PathBuf, reading: Reading, hold: Hold) -> Self {
        let (size, content_hash) = (reading.size(), reading.content_hash());
        Self { file, size, content_hash, reading: Some(reading), _held: None, _hold: hold }
    }

    /// Drops `held` with the upload, and not before.
    #[must_use]
    pub fn held_with(self, held: Box<dyn Any + Send + Sync>) -> Self {
        Self { _held: Some(held), ..self }
    }

    /// The upload as `trust::verify` takes it; the first time with what was read of it.
    pub fn upload(
        &mut self,
        expected_hash: Option<ContentHash>,
        signatures: Vec<Vec<u8>>,
    ) -> StagedUpload {
        let Self { size, content_hash, .. } = *self;
        let (file, reading, kept) = (self.file.clone(), self.reading.take(), Vec::new());
        StagedUpload { file, size, content_hash, expected_hash, signatures, kept, reading }
    }
}

impl StagedFile {
    fn path(&self) -> PathBuf {
        self.folder.join(ARCHIVE)
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        if let Err(error) = remove_tree(&self.folder) {
            // The sweep finds it tomorrow.
            tracing::warn!(%error, "Could not remove an upload: {error}");
        }
    }
}

/// The name of a folder that no start keeps: uploads in parts have a bare UUID.
pub(super) fn transient_name() -> String {
    format!("once-{}", Uuid::new_v4())
}

/// Removes what requests of a process that is gone have left.
pub(super) fn remove_transient(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if upload_of_folder(&path).is_some() {
            continue;
        }
        if fs::symlink_metadata(&path)?.is_dir() {
            remove_tree(&path)?;
        } else {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

fn create(path: PathBuf) -> Result<OpenFile, StoreError> {
    let io = StoreError::io(Doing::ReceiveUpload);
    let folder = path.parent().expect("an upload has a folder of its own");
    DirBuilder::new().mode(0o700).create(folder).map_err(&io)?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    Ok(OpenFile { file: file.map_err(&io)?, path, offset: 0 })
}
