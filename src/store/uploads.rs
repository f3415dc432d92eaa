//! Uploads that arrive in parts: bytes that stay here between requests and starts.
//!
//! How far an upload is stands in the registry and not in the length of its
//! file: what lies behind that offset was never promised to anyone, and is cut
//! off before the next byte is written.

use std::collections::{HashMap, HashSet};
use std::fs::{self, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::backend::blocking;
use super::durable::{create_private_dir, remove_tree, sync_dir};
use super::layout::ARCHIVE;
use super::read_along::Readers;
use super::read_writer::{OpenFile, ReadWriter};
use super::room::{Reservation, Room};
use super::staging::Staged;
use super::{BundleStore, Doing, StoreError};
use crate::model::{Upload, UploadId};

/// What the store knows of the uploads that it keeps.
#[derive(Debug, Default)]
pub(super) struct KeptUploads {
    kept: Mutex<HashMap<UploadId, Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Room for the whole length, so that an upload that was begun can end.
    reserved: Option<Reservation>,
    is_held: bool,
}

/// Room for an upload that is about to begin. Dropped, it goes back.
#[derive(Debug)]
pub struct UploadRoom {
    uploads: Arc<KeptUploads>,
    id: UploadId,
    reserved: Reservation,
}

/// The right to change one upload. While it lives, nobody else has it.
#[derive(Debug)]
pub struct UploadHold {
    uploads: Arc<KeptUploads>,
    folder: PathBuf,
    pub(super) id: UploadId,
}

/// Writes the next bytes of an upload. End with [`Self::close`]: until then,
/// nobody else can go on with the upload.
#[derive(Debug)]
pub struct UploadWriter {
    writer: ReadWriter,
    readers: Arc<Readers>,
    folder: PathBuf,
    id: UploadId,
    is_new: bool,
}

impl KeptUploads {
    /// The uploads whose files the sweep must leave alone.
    pub(super) fn ids(&self) -> HashSet<UploadId> {
        self.lock().keys().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UploadId, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, id: UploadId, reserved: Reservation) {
        self.lock().entry(id).or_default().reserved = Some(reserved);
    }
}

impl BundleStore {
    /// Keeps room for the whole of a new upload, or refuses it before a byte was sent.
    pub async fn reserve_upload(
        &self,
        id: UploadId,
        length: u64,
    ) -> Result<UploadRoom, StoreError> {
        let floor = self.inner.floor.clone();
        blocking(Doing::ReceiveUpload, move || floor.check_for(length)).await?;
        let mut reserved = Room::reserve(&self.inner.room);
        reserved.grow(length)?;
        Ok(UploadRoom { uploads: Arc::clone(&self.inner.uploads), id, reserved })
    }

    /// Takes over what the registry knows of uploads; says how many strangers were removed.
    ///
    /// Call it once at start, before anything is received: whatever else is in
    /// the staging folder belongs to a process that is gone.
    pub fn restore_uploads(&self, uploads: &[Upload]) -> Result<usize, StoreError> {
        for upload in uploads.iter().filter(|upload| !upload.finished) {
            // They had their room, and keep it also when the limit has been lowered.
            let reserved = Room::reserve_at_any_rate(&self.inner.room, upload.length);
            self.inner.uploads.keep(upload.id, reserved);
        }
        let kept = self.inner.uploads.ids();
        let io = StoreError::io("open its folder");
        let mut removed = 0;
        for entry in fs::read_dir(self.inner.staging.folder()).map_err(&io)? {
            let entry = entry.map_err(&io)?;
            if upload_of_folder(&entry.path()).is_some_and(|id| !kept.contains(&id)) {
                remove_tree(&entry.path()).map_err(&io)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// The right to change an upload; `None` while somebody else has it.
    pub fn hold_upload(&self, id: UploadId) -> Option<Arc<UploadHold>> {
        let mut kept = self.inner.uploads.lock();
        let entry = kept.entry(id).or_default();
        if entry.is_held {
            return None;
        }
        entry.is_held = true;
        let uploads = Arc::clone(&self.inner.uploads);
        let folder = self.inner.staging.folder().join(id.to_string());
        Some(Arc::new(UploadHold { uploads, folder, id }))
    }

    /// Goes on with an upload at `offset`, where all that was promised ends.
    pub async fn append_upload(
        &self,
        hold: &Arc<UploadHold>,
        offset: u64,
    ) -> Result<UploadWriter, StoreError> {
        let slot = self.inner.writers.admit().await?;
        let (floor, folder, id) = (self.inner.floor.clone(), hold.folder.clone(), hold.id);
        let open = move || {
            floor.check()?;
            open_at(&folder, id, offset).map(|open| (open, floor, folder))
        };
        let readers = Arc::clone(&self.inner.readers);
        let resumed = readers.resume(id, offset);
        let (open, floor, folder) = blocking(Doing::ReceiveUpload, open).await?;
        // What was given to the writer is written, also when the part is given up. Nobody
        // is promised such a byte, but it must not lie where the next writer's belongs.
        let until_written = (slot, Arc::clone(hold));
        let writer = ReadWriter::start(open, resumed, Arc::clone(&readers), floor, until_written)?;
        Ok(UploadWriter { writer, readers, folder, id, is_new: offset == 0 })
    }

    /// The whole of an upload, read. It stays when this is dropped: see [`Self::remove_upload`].
    pub async fn finish_upload(
        &self,
        hold: &Arc<UploadHold>,
        length: u64,
    ) -> Result<Staged, StoreError> {
        let file = hold.folder.join(ARCHIVE);
        let (hold, readers) = (Arc::clone(hold), Arc::clone(&self.inner.readers));
        blocking(Doing::ReadUpload, move || {
            let io = StoreError::io(Doing::ReadUpload);
            let found = fs::metadata(&file);
            let found = found.map_err(|error| missing(error, hold.id, length, &io))?;
            // Also of a file that was read: that can have been hours ago.
            if found.is_file() && found.len() < length {
                return Err(lost(hold.id, length, found.len()));
            }
            let reading = readers.resume(hold.id, length).and_then(|reader| {
                reader.written().end();
                // Whatever it met, the file itself says what is left of it.
                reader.finish().ok()
            });
            let reading = reading.map_or_else(|| readers.read(&file), Ok);
            Ok(Staged::kept(file, reading.map_err(&io)?, hold))
        })
        .await
    }

    /// Removes the bytes of an upload and gives its room back. None there is no error.
    pub async fn remove_upload(&self, hold: &Arc<UploadHold>) -> Result<(), StoreError> {
        let folder = hold.folder.clone();
        self.inner.readers.forget(hold.id);
        blocking("remove an upload", move || {
            remove_tree(&folder).map_err(StoreError::io("remove an upload"))
        })
        .await?;
        if let Some(kept) = self.inner.uploads.lock().get_mut(&hold.id) {
            kept.reserved = None;
        }
        Ok(())
    }
}

impl UploadRoom {
    /// The upload has begun: the room is its own until it is removed.
    pub fn keep(self) {
        self.uploads.keep(self.id, self.reserved);
    }
}

impl UploadWriter {
    /// Takes the next bytes. They are promised to nobody before [`Self::sync`].
    pub async fn write(&mut self, chunk: Bytes) -> Result<(), StoreError> {
        self.writer.write(chunk).await?;
        crate::fail_point!("uploads.receiving");
        Ok(())
    }

    /// Makes durable what was written.
    pub async fn sync(&mut self) -> Result<(), StoreError> {
        self.writer.sync().await?;
        if self.is_new {
            self.is_new = false;
            let folder = self.folder.clone();
            blocking(Doing::ReceiveUpload, move || {
                sync_names(&folder).map_err(StoreError::io(Doing::ReceiveUpload))
            })
            .await?;
        }
        crate::fail_point!("uploads.synced");
        Ok(())
    }

    /// Waits for the last byte, and lets others go on with the upload.
    pub async fn close(self) {
        let Self { writer, readers, id, .. } = self;
        if let Some(reader) = writer.close().await {
            readers.rest(id, reader);
        }
    }
}

impl Drop for UploadHold {
    fn drop(&mut self) {
        let mut kept = self.uploads.lock();
        if let Some(entry) = kept.get_mut(&self.id) {
            entry.is_held = false;
            if entry.reserved.is_none() {
                kept.remove(&self.id);
            }
        }
    }
}

/// The upload that a folder of the staging area is for. Those of single requests have other names.
pub(super) fn upload_of_folder(folder: &Path) -> Option<UploadId> {
    folder.file_name()?.to_str()?.parse().ok()
}

fn open_at(folder: &Path, id: UploadId, offset: u64) -> Result<OpenFile, StoreError> {
    let io = StoreError::io(Doing::ReceiveUpload);
    if offset == 0 {
        create_private_dir(folder).map_err(&io)?;
    }
    let path = folder.join(ARCHIVE);
    let mut file = OpenOptions::new()
        .write(true)
        .create(offset == 0)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|error| missing(error, id, offset, &io))?;
    let length = file.metadata().map_err(&io)?.len();
    if length < offset {
        return Err(lost(id, offset, length));
    }
    file.set_len(offset).map_err(&io)?;
    file.seek(SeekFrom::Start(offset)).map_err(&io)?;
    Ok(OpenFile { file, path, offset })
}

/// A new file and its folder have names that a power cut could take.
fn sync_names(folder: &Path) -> io::Result<()> {
    sync_dir(folder)?;
    folder.parent().map_or(Ok(()), sync_dir)
}

/// A file that was promised and is not there is lost, and no fault of the disk.
fn missing(
    error: io::Error,
    id: UploadId,
    promised: u64,
    otherwise: impl Fn(io::Error) -> StoreError,
) -> StoreError {
    if error.kind() == io::ErrorKind::NotFound { lost(id, promised, 0) } else { otherwise(error) }
}

fn lost(id: UploadId, promised: u64, found: u64) -> StoreError {
    let problem = format!("{promised} bytes were received and {found} are there");
    StoreError::integrity(format!("_staging/{id}/{ARCHIVE}"), problem)
}
