//! Receiving an upload in one request: streamed to a file of ours, hashed on the way, capped.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::{JoinHandle, spawn_blocking};
use uuid::Uuid;

use super::StoreError;
use super::backend::blocking;
use super::durable::remove_tree;
use super::layout::ARCHIVE;
use super::room::{DiskFloor, Reservation, Room};
use super::uploads::{UploadHold, upload_of_folder};
use crate::model::{ContentHash, StreamHasher, UploadId};
use crate::trust::StagedUpload;

/// Uploads received at the same time: each holds a thread, and the rest of the
/// appliance needs some too.
const MAX_UPLOADS: usize = 64;
/// Chunks of one upload between the connection and the disk.
const CHUNKS_IN_FLIGHT: usize = 16;
/// How often a growing upload looks at the free disk space.
pub(super) const FLOOR_CHECK_BYTES: u64 = 16 * 1024 * 1024;

/// The folder that uploads are received in.
#[derive(Debug)]
pub(super) struct StagingArea {
    folder: PathBuf,
    room: Arc<Room>,
    floor: DiskFloor,
    max_bytes: u64,
    uploads: Arc<Semaphore>,
}

/// An upload being received. Dropped, it leaves nothing.
#[derive(Debug)]
pub struct Staging {
    staged: StagedFile,
    steps: mpsc::Sender<Step>,
    writer: Option<JoinHandle<Result<ContentHash, StoreError>>>,
    received: u64,
    max_bytes: u64,
}

/// A received upload: synced and hashed. When this is dropped, what came in one
/// request is removed; what came in parts is free for others to change.
///
/// Keep it until the bundle has been put: storing gives the file a second name
/// and leaves this one to us.
#[derive(Debug)]
pub struct Staged {
    pub file: PathBuf,
    pub size: u64,
    pub content_hash: ContentHash,
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

enum Step {
    Chunk(Bytes),
    /// The end is a message: a closed channel means that the upload was given up.
    Finish,
}

impl StagingArea {
    pub(super) fn new(folder: PathBuf, room: Arc<Room>, floor: DiskFloor, max_bytes: u64) -> Self {
        Self { folder, room, floor, max_bytes, uploads: Arc::new(Semaphore::new(MAX_UPLOADS)) }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Begins to receive.
    pub(super) async fn stage(&self) -> Result<Staging, StoreError> {
        let uploads = Arc::clone(&self.uploads);
        let permit = uploads.acquire_owned().await.expect("the semaphore is never closed");
        let staged = StagedFile {
            folder: self.folder.join(transient_name()),
            reserved: Room::reserve(&self.room),
        };
        let (floor, path) = (self.floor.clone(), staged.path());
        let (steps, received) = mpsc::channel(CHUNKS_IN_FLIGHT);
        // Made before the writer starts, so that a drop of `staged` finds what it removes.
        let create = move || floor.check().and_then(|()| create(&path)).map(|file| (file, floor));
        let (file, floor) = blocking("receive an upload", create).await?;
        let writer = Some(spawn_blocking(move || receive(file, received, &floor, permit)));
        Ok(Staging { staged, steps, writer, received: 0, max_bytes: self.max_bytes })
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
        self.send(Step::Chunk(chunk)).await
    }

    /// Ends the upload: after this the file is whole and durable.
    pub async fn finish(mut self) -> Result<Staged, StoreError> {
        self.send(Step::Finish).await?;
        let content_hash = self.join().await?;
        let file = self.staged.path();
        let hold = Hold::Own { _file: self.staged };
        Ok(Staged { file, size: self.received, content_hash, _hold: hold })
    }

    async fn send(&mut self, step: Step) -> Result<(), StoreError> {
        if self.steps.send(step).await.is_ok() {
            return Ok(());
        }
        // The writer ends before the channel only when it failed.
        Err(self.join().await.err().unwrap_or_else(given_up))
    }

    async fn join(&mut self) -> Result<ContentHash, StoreError> {
        let writer = self.writer.take().ok_or_else(given_up)?;
        writer.await.map_err(|error| StoreError::unavailable("receive an upload", error))?
    }
}

impl Staged {
    /// An upload that came in parts.
    pub(super) fn kept(
        file: PathBuf,
        size: u64,
        content_hash: ContentHash,
        hold: Arc<UploadHold>,
    ) -> Self {
        Self { file, size, content_hash, _hold: Hold::Kept { _hold: hold } }
    }

    /// The upload as `trust::verify` takes it.
    pub fn upload(
        &self,
        expected_hash: Option<ContentHash>,
        signatures: Vec<Vec<u8>>,
    ) -> StagedUpload {
        let Self { file, size, content_hash, .. } = self;
        let (file, size, content_hash) = (file.clone(), *size, *content_hash);
        StagedUpload { file, size, content_hash, expected_hash, signatures }
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

fn given_up() -> StoreError {
    StoreError::unavailable("receive an upload", "it was given up")
}

fn create(path: &Path) -> Result<File, StoreError> {
    let io = StoreError::io("receive an upload");
    let folder = path.parent().expect("an upload has a folder of its own");
    DirBuilder::new().mode(0o700).create(folder).map_err(&io)?;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(&io)
}

/// Hashing and writing keep up with a network on one thread, and overlap with it.
fn receive(
    mut file: File,
    mut steps: mpsc::Receiver<Step>,
    floor: &DiskFloor,
    _permit: OwnedSemaphorePermit,
) -> Result<ContentHash, StoreError> {
    let io = StoreError::io("receive an upload");
    let mut hasher = StreamHasher::new();
    let mut unchecked = 0;
    while let Some(step) = steps.blocking_recv() {
        let Step::Chunk(chunk) = step else {
            file.sync_all().map_err(&io)?;
            crate::fail_point!("store.staged");
            return Ok(ContentHash::from(hasher.finalize()));
        };
        hasher.update(&chunk);
        file.write_all(&chunk).map_err(&io)?;
        crate::fail_point!("store.receiving");
        unchecked += chunk.len() as u64;
        if unchecked >= FLOOR_CHECK_BYTES {
            floor.check()?;
            unchecked = 0;
        }
    }
    Err(given_up())
}
