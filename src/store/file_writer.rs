//! Writing what arrives to a file, on a thread that may wait for the disk.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};

use super::StoreError;
use super::growing::Written;
use super::room::DiskFloor;

/// Chunks of one upload between the connection and the disk.
const CHUNKS_IN_FLIGHT: usize = 16;
/// How often a growing upload looks at the free disk space.
const FLOOR_CHECK_BYTES: u64 = 16 * 1024 * 1024;

const RECEIVING: &str = "receive an upload";

/// Writes chunks in order. Dropped without [`Self::close`], it goes on until
/// it has written what it was given.
#[derive(Debug)]
pub(super) struct FileWriter {
    steps: mpsc::Sender<Step>,
    thread: Option<JoinHandle<Result<(), StoreError>>>,
}

enum Step {
    Chunk(Bytes),
    /// Make it durable, then answer.
    Sync(oneshot::Sender<()>),
    /// The same, and say that the file is whole.
    End(oneshot::Sender<()>),
}

/// What tells that the bytes taken so far are durable.
pub(super) type Synced = oneshot::Receiver<()>;

impl FileWriter {
    /// Begins to write at the file's position, which is where it is `written`.
    /// `held` lives until the last byte is written.
    pub(super) fn start(
        file: File,
        written: Arc<Written>,
        floor: DiskFloor,
        held: impl Send + 'static,
    ) -> Self {
        let (steps, received) = mpsc::channel(CHUNKS_IN_FLIGHT);
        let write = move || {
            let _held = held;
            // A reader must not wait for bytes that will not come.
            run(file, received, &written, &floor).inspect_err(|_| written.give_up())
        };
        Self { steps, thread: Some(spawn_blocking(write)) }
    }

    /// Takes the next bytes. After an error the writer is of no more use.
    pub(super) async fn write(&mut self, chunk: Bytes) -> Result<(), StoreError> {
        self.send(Step::Chunk(chunk)).await
    }

    /// Makes durable what was taken.
    pub(super) async fn sync(&mut self) -> Result<(), StoreError> {
        let (done, synced) = oneshot::channel();
        self.send(Step::Sync(done)).await?;
        self.wait(synced).await
    }

    /// Says that no byte will follow. What comes back is for [`Self::wait`].
    pub(super) async fn end(&mut self) -> Result<Synced, StoreError> {
        let (done, synced) = oneshot::channel();
        self.send(Step::End(done)).await?;
        Ok(synced)
    }

    /// Waits until all that was taken is durable.
    pub(super) async fn wait(&mut self, synced: Synced) -> Result<(), StoreError> {
        match synced.await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.failure().await),
        }
    }

    /// Waits until nothing is written any more.
    pub(super) async fn close(self) {
        let Self { steps, thread } = self;
        drop(steps);
        if let Some(thread) = thread {
            // Who wanted to know has asked for a sync.
            thread.await.ok();
        }
    }

    async fn send(&mut self, step: Step) -> Result<(), StoreError> {
        if self.steps.send(step).await.is_ok() {
            return Ok(());
        }
        Err(self.failure().await)
    }

    /// Why the thread ended before the channel did.
    async fn failure(&mut self) -> StoreError {
        let ended = match self.thread.take() {
            Some(thread) => thread.await,
            None => Ok(Ok(())),
        };
        match ended {
            Ok(Err(error)) => error,
            Ok(Ok(())) => StoreError::unavailable(RECEIVING, "it failed before"),
            Err(error) => StoreError::unavailable(RECEIVING, error),
        }
    }
}

fn run(
    mut file: File,
    mut steps: mpsc::Receiver<Step>,
    written: &Written,
    floor: &DiskFloor,
) -> Result<(), StoreError> {
    let io = StoreError::io(RECEIVING);
    let mut unchecked = 0;
    while let Some(step) = steps.blocking_recv() {
        match step {
            Step::Chunk(chunk) => {
                file.write_all(&chunk).map_err(&io)?;
                written.advance(chunk.len());
                unchecked += chunk.len() as u64;
                if unchecked >= FLOOR_CHECK_BYTES {
                    floor.check()?;
                    unchecked = 0;
                }
            }
            Step::Sync(done) => sync(&file, done).map_err(&io)?,
            Step::End(done) => {
                written.end();
                sync(&file, done).map_err(&io)?;
            }
        }
    }
    Ok(())
}

fn sync(file: &File, done: oneshot::Sender<()>) -> io::Result<()> {
    file.sync_all()?;
    // Who asked may be gone.
    done.send(()).ok();
    Ok(())
}
