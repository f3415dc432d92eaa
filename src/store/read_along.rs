//! Reading uploads while they arrive, so that little is left to do when one is whole.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::growing::{GrowingFile, Written};
use crate::bundle::{BundleLimits, Reading};
use crate::model::UploadId;

/// Uploads that are read while they arrive. Each may keep a component and a
/// window of the decoder in memory as long as its sender likes; what is above
/// this is read once it is whole, as fast as the disk is, whoever sent it.
const MAX_READ_ALONG: usize = 4;
/// A thread costs more than it saves below this.
pub(super) const READ_FROM_BYTES: u64 = 1024 * 1024;

/// Reads uploads, with the limits of this appliance.
#[derive(Debug)]
pub(super) struct Readers {
    limits: BundleLimits,
    slots: Arc<Semaphore>,
    /// Those whose next part has not begun to arrive, the longest resting first.
    resting: Mutex<Vec<(UploadId, ReadAlong)>>,
}

/// An upload that is read while it is written. Dropped, it stops.
#[derive(Debug)]
pub(super) struct ReadAlong {
    written: Arc<Written>,
    reader: Option<JoinHandle<io::Result<Reading>>>,
    _slot: OwnedSemaphorePermit,
}

impl Readers {
    pub(super) fn new(limits: BundleLimits) -> Self {
        let slots = Arc::new(Semaphore::new(MAX_READ_ALONG));
        Self { limits, slots, resting: Mutex::default() }
    }

    /// Begins to read `file`, if it is large enough and not too many others are read.
    pub(super) fn start(&self, file: &Path, written: &Arc<Written>) -> Option<ReadAlong> {
        if written.bytes() < READ_FROM_BYTES {
            return None;
        }
        let slot = self.slot()?;
        let limits = self.limits.clone();
        let file = GrowingFile::open(file, Arc::clone(written)).ok()?;
        let read = move || Reading::of(file, &limits);
        let reader = thread::Builder::new().name("bundle-read".to_owned()).spawn(read).ok()?;
        Some(ReadAlong { written: Arc::clone(written), reader: Some(reader), _slot: slot })
    }

    /// Keeps the reader of an upload until its next part arrives, or until another needs its slot.
    pub(super) fn rest(&self, id: UploadId, reader: ReadAlong) {
        self.resting().push((id, reader));
    }

    /// The reader of an upload that goes on at `offset`.
    ///
    /// Bytes behind the offset were never promised and are about to be written
    /// again: a reader that may have seen them is of no use.
    pub(super) fn resume(&self, id: UploadId, offset: u64) -> Option<ReadAlong> {
        let mut resting = self.resting();
        let index = resting.iter().position(|(resting, _)| *resting == id)?;
        let (_, reader) = resting.remove(index);
        (reader.written.bytes() == offset).then_some(reader)
    }

    /// Stops the reader of an upload that is over.
    pub(super) fn forget(&self, id: UploadId) {
        self.resting().retain(|(resting, _)| *resting != id);
    }

    /// Reads an upload that is whole and that nobody read while it arrived.
    pub(super) fn read(&self, file: &Path) -> io::Result<Reading> {
        Reading::of(File::open(file)?, &self.limits)
    }

    fn slot(&self) -> Option<OwnedSemaphorePermit> {
        let try_acquire = || Arc::clone(&self.slots).try_acquire_owned().ok();
        try_acquire().or_else(|| {
            let mut resting = self.resting();
            if resting.is_empty() {
                return None;
            }
            drop(resting.remove(0));
            try_acquire()
        })
    }

    fn resting(&self) -> MutexGuard<'_, Vec<(UploadId, ReadAlong)>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReadAlong {
    /// How far the file is written that is read here.
    pub(super) fn written(&self) -> &Arc<Written> {
        &self.written
    }

    /// Waits until all is read. The file must be whole, and its end be said.
    pub(super) fn finish(mut self) -> io::Result<Reading> {
        let reader = self.reader.take().expect("a reader is joined once");
        reader.join().unwrap_or_else(|_| Err(io::Error::other("the reader panicked")))
    }
}

impl Drop for ReadAlong {
    fn drop(&mut self) {
        self.written.give_up();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use tempfile::NamedTempFile;

    use super::*;
    use crate::model::ContentHash;

    const LARGE: usize = 3 * 1024 * 1024;

    /// A file of this many bytes, and what tells a reader so.
    fn file_of(bytes: usize) -> (NamedTempFile, Arc<Written>) {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(&vec![7; bytes]).unwrap();
        (file, Written::at(bytes as u64))
    }

    fn readers() -> Readers {
        Readers::new(BundleLimits::default())
    }

    #[test]
    fn what_is_no_bundle_is_hashed_to_its_end() {
        let (readers, (file, written)) = (readers(), file_of(LARGE));
        let reader = readers.start(file.path(), &written).unwrap();

        written.end();
        let reading = reader.finish().unwrap();

        assert_eq!(reading.content_hash(), ContentHash::of(&vec![7; LARGE]));
        assert_eq!(reading.size(), LARGE as u64);
        assert_eq!(reading.into_contents().unwrap_err().code(), "not_zstd");
    }

    #[test]
    fn a_small_upload_is_read_when_it_is_whole() {
        let (readers, (file, written)) = (readers(), file_of(1000));
        assert!(readers.start(file.path(), &written).is_none());

        let reading = readers.read(file.path()).unwrap();

        assert_eq!(reading.content_hash(), ContentHash::of(&[7; 1000]));
    }

    #[test]
    fn a_resting_reader_gives_way_and_a_busy_one_does_not() {
        let (readers, (file, written)) = (readers(), file_of(LARGE));
        let start = || readers.start(file.path(), &Written::at(written.bytes()));
        let busy: Vec<_> = (1..MAX_READ_ALONG).map(|_| start().unwrap()).collect();
        let id = UploadId::random();
        readers.rest(id, start().unwrap());

        let other = start();
        let none_left = start();

        assert!(other.is_some() && none_left.is_none());
        assert!(readers.resume(id, LARGE as u64).is_none(), "it gave way");
        drop(busy);
        assert!(start().is_some());
    }

    #[test]
    fn a_reader_goes_on_only_where_it_was() {
        let (readers, (file, written)) = (readers(), file_of(LARGE));
        let id = UploadId::random();
        for (offset, goes_on) in [(LARGE as u64, true), (LARGE as u64 - 1, false), (0, false)] {
            readers.rest(id, readers.start(file.path(), &written).unwrap());

            assert_eq!(readers.resume(id, offset).is_some(), goes_on, "{offset}");
            assert!(readers.resume(id, LARGE as u64).is_none(), "{offset}");
        }
    }
}
