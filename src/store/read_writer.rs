//! An upload's file: written as its bytes arrive, and read behind them.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::backend::blocking;
use super::file_writer::FileWriter;
use super::growing::Written;
use super::read_along::{READ_FROM_BYTES, ReadAlong, Readers};
use super::room::DiskFloor;
use super::{Doing, StoreError};
use crate::bundle::Reading;

/// A file that is open where its next byte belongs.
pub(super) struct OpenFile {
    pub(super) file: File,
    pub(super) path: PathBuf,
    pub(super) offset: u64,
}

/// Writes a file, and has it read as soon as that is worth a thread.
#[derive(Debug)]
pub(super) struct ReadWriter {
    path: PathBuf,
    writer: FileWriter,
    written: Arc<Written>,
    reader: Option<ReadAlong>,
    readers: Arc<Readers>,
    /// Whether a reader may begin. One that gave way to others does not begin
    /// anew with each part: it would read the same bytes again and again.
    may_be_read: bool,
}

impl ReadWriter {
    /// Begins to write; `reader` has read what is there. `held` lives until the last byte
    /// is written.
    pub(super) fn start(
        open: OpenFile,
        reader: Option<ReadAlong>,
        readers: Arc<Readers>,
        floor: DiskFloor,
        held: impl Send + 'static,
    ) -> Result<Self, StoreError> {
        let OpenFile { file, path, offset } = open;
        let written = reader.as_ref().map(|reader| Arc::clone(reader.written()));
        let written = written.unwrap_or_else(|| Written::at(offset));
        let writer = FileWriter::start(file, Arc::clone(&written), floor, held)?;
        let may_be_read = offset < READ_FROM_BYTES;
        Ok(Self { path, writer, written, reader, readers, may_be_read })
    }

    /// Takes the next bytes. After an error it is of no more use.
    pub(super) async fn write(&mut self, chunk: Bytes) -> Result<(), StoreError> {
        self.writer.write(chunk).await?;
        if self.reader.is_none() && self.may_be_read {
            self.reader = self.readers.start(&self.path, &self.written);
        }
        Ok(())
    }

    /// Makes durable what was taken.
    pub(super) async fn sync(&mut self) -> Result<(), StoreError> {
        self.writer.sync().await
    }

    /// Says that no byte will follow, and waits until the file is durable and read.
    pub(super) async fn end(self) -> Result<Reading, StoreError> {
        let Self { path, mut writer, reader, readers, .. } = self;
        let io = StoreError::io(Doing::ReadUpload);
        let synced = writer.end().await?;
        let Some(reader) = reader else {
            writer.wait(synced).await?;
            return blocking(Doing::ReadUpload, move || readers.read(&path).map_err(io)).await;
        };
        // What is left to read keeps a core busy while the disk is waited for.
        let read = blocking(Doing::ReadUpload, move || reader.finish().map_err(io));
        let (synced, reading) = tokio::join!(writer.wait(synced), read);
        synced?;
        reading
    }

    /// Waits for the last byte; gives the reader of a file that goes on later.
    pub(super) async fn close(self) -> Option<ReadAlong> {
        self.writer.close().await;
        self.reader
    }
}
