//! Writing what arrives to a file, on a thread that may wait for the disk.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::growing::Written;
use super::room::DiskFloor;
use super::{Doing, StoreError};

/// Chunks of one upload between the connection and the disk.
const CHUNKS_IN_FLIGHT: usize = 16;
/// How often a growing upload looks at the free disk space.
const FLOOR_CHECK_BYTES: u64 = 16 * 1024 * 1024;

/// Writes chunks in order. Dropped without [`Self::close`], it goes on until
/// it has written what it was given.
///
/// The thread is its own: it lives as long as the sender likes, and those of
/// the runtime are for work that ends.
#[derive(Debug)]
pub(super) struct FileWriter {
    steps: mpsc::Sender<Step>,
    /// There until it was asked for.
    outcome: Option<oneshot::Receiver<Result<(), StoreError>>>,
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
    ) -> Result<Self, StoreError> {
        let (steps, received) = mpsc::channel(CHUNKS_IN_FLIGHT);
        let (ended, outcome) = oneshot::channel();
        let write = move || {
            // A reader must not wait for bytes that will not come.
            let result = run(file, received, &written, &floor).inspect_err(|_| written.give_up());
            drop(held);
            ended.send(result).ok();
        };
        let thread = thread::Builder::new().name("upload-write".to_owned()).spawn(write);
        thread.map_err(|error| StoreError::unavailable(Doing::ReceiveUpload, error))?;
        Ok(Self { steps, outcome: Some(outcome) })
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
        let Self { steps, outcome } = self;
        drop(steps);
        if let Some(outcome) = outcome {
            // Who wants to know how it went has asked for a sync.
            outcome.await.ok();
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
        let ended = || StoreError::unavailable(Doing::ReceiveUpload, "writing has ended");
        let Some(outcome) = self.outcome.take() else { return ended() };
        match outcome.await {
            Ok(Err(error)) => error,
            Ok(Ok(())) | Err(_) => ended(),
        }
    }
}

fn run(
    mut file: File,
    mut steps: mpsc::Receiver<Step>,
    written: &Written,
    floor: &DiskFloor,
) -> Result<(), StoreError> {
    let io = StoreError::io(Doing::ReceiveUpload);
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

#[cfg(test)]
mod tests {
    use std::io::Read;

    use tempfile::NamedTempFile;

    use super::*;
    use crate::store::growing::GrowingFile;

    fn start(file: File, written: &Arc<Written>, floor: u64) -> FileWriter {
        let floor = DiskFloor::new(std::env::temp_dir(), floor);
        FileWriter::start(file, Arc::clone(written), floor, ()).unwrap()
    }

    #[tokio::test]
    async fn what_was_taken_is_in_the_file_when_the_writer_is_closed() {
        let file = NamedTempFile::new().unwrap();
        let written = Written::at(0);
        let mut writer = start(file.reopen().unwrap(), &written, 0);
        for _ in 0..100 {
            writer.write(Bytes::from_static(&[7; 1000])).await.unwrap();
        }

        writer.close().await;

        assert_eq!(written.bytes(), 100_000);
        assert_eq!(file.as_file().metadata().unwrap().len(), 100_000);
    }

    #[tokio::test]
    async fn a_failure_reaches_the_sender_and_the_reader() {
        let file = NamedTempFile::new().unwrap();
        let written = Written::at(0);
        let mut reader = GrowingFile::open(file.path(), Arc::clone(&written)).unwrap();
        // Nothing can be written to a file that is open for reading.
        let mut writer = start(File::open(file.path()).unwrap(), &written, 0);
        writer.write(Bytes::from_static(b"bytes")).await.ok();

        let failed = writer.sync().await;
        let again = writer.sync().await;
        writer.close().await;

        assert!(failed.is_err() && again.is_err());
        assert!(reader.read(&mut [0; 8]).is_err());
    }

    #[tokio::test]
    async fn a_disk_that_runs_full_ends_the_upload() {
        let written = Written::at(0);
        let mut writer = start(NamedTempFile::new().unwrap().into_file(), &written, u64::MAX);
        for _ in 0..=FLOOR_CHECK_BYTES / 1_000_000 {
            writer.write(vec![7; 1_000_000].into()).await.ok();
        }

        let full = writer.sync().await;

        assert!(matches!(full, Err(StoreError::DiskFull { .. })), "{full:?}");
    }
}
