//! A file that is read while it is written.
//!
//! The reader follows the writer through the file and not through memory: what
//! it sees is what the disk was given, and a sender that is faster than the
//! reader costs no memory.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// How far a file is written.
#[derive(Debug)]
pub(super) struct Written {
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Debug)]
struct State {
    bytes: u64,
    /// Where the reader wants to be woken.
    wanted: u64,
    end: Option<End>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// No byte will follow.
    Whole,
    /// Nobody needs what is read.
    GivenUp,
}

/// Reads a file from its beginning to where it is [`Written::end`]ed, and waits
/// where it is not written yet.
pub(super) struct GrowingFile {
    file: File,
    position: u64,
    written: Arc<Written>,
}

impl Written {
    /// Of a file that has so many bytes.
    pub(super) fn at(bytes: u64) -> Arc<Self> {
        let state = Mutex::new(State { bytes, wanted: 0, end: None });
        Arc::new(Self { state, moved: Condvar::new() })
    }

    pub(super) fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    /// So many more bytes are in the file.
    pub(super) fn advance(&self, bytes: usize) {
        let mut state = self.lock();
        state.bytes += bytes as u64;
        if state.bytes >= state.wanted {
            self.moved.notify_all();
        }
    }

    /// The file is whole.
    pub(super) fn end(&self) {
        self.end_as(End::Whole);
    }

    /// Makes the reader stop where it is.
    pub(super) fn give_up(&self) {
        self.end_as(End::GivenUp);
    }

    fn end_as(&self, end: End) {
        self.lock().end = Some(end);
        self.moved.notify_all();
    }

    /// How many bytes follow `position`: at least `wanted`, or all that ever will.
    fn wait(&self, position: u64, wanted: u64) -> io::Result<u64> {
        let mut state = self.lock();
        loop {
            let ready = state.bytes.saturating_sub(position);
            match state.end {
                Some(End::GivenUp) => return Err(io::Error::other("the upload was given up")),
                Some(End::Whole) => return Ok(ready),
                None if ready >= wanted => return Ok(ready),
                None => {}
            }
            state.wanted = position + wanted;
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GrowingFile {
    pub(super) fn open(path: &Path, written: Arc<Written>) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, position: 0, written })
    }
}

impl Read for GrowingFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let ready = self.written.wait(self.position, buffer.len() as u64)?;
        let most = buffer.len().min(usize::try_from(ready).unwrap_or(usize::MAX));
        let read = self.file.read(&mut buffer[..most])?;
        // What was written is there: a file that ends before lost some of it.
        if read == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.position += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::thread;

    use tempfile::NamedTempFile;

    use super::*;

    fn growing() -> (NamedTempFile, Arc<Written>, GrowingFile) {
        let file = NamedTempFile::new().unwrap();
        let written = Written::at(0);
        let reader = GrowingFile::open(file.path(), Arc::clone(&written)).unwrap();
        (file, written, reader)
    }

    fn read_all(mut reader: GrowingFile) -> io::Result<Vec<u8>> {
        let mut read = Vec::new();
        reader.read_to_end(&mut read).map(|_| read)
    }

    #[test]
    fn a_reader_follows_the_writer_to_the_end() {
        let (mut file, written, reader) = growing();
        let reader = thread::spawn(|| read_all(reader));

        for piece in 0..100_u8 {
            file.write_all(&[piece; 1000]).unwrap();
            written.advance(1000);
        }
        written.end();

        let expected: Vec<u8> = (0..100).flat_map(|piece| [piece; 1000]).collect();
        assert_eq!(reader.join().unwrap().unwrap(), expected);
    }

    #[test]
    fn bytes_that_are_not_written_officially_are_not_read() {
        let (mut file, written, reader) = growing();
        file.write_all(b"promised, and more").unwrap();
        written.advance(8);
        written.end();

        assert_eq!(read_all(reader).unwrap(), b"promised");
    }

    #[test]
    fn a_reader_of_what_was_given_up_stops() {
        let (_file, written, reader) = growing();
        let reader = thread::spawn(|| read_all(reader));

        written.give_up();

        assert!(reader.join().unwrap().is_err());
    }

    #[test]
    fn a_file_that_lost_bytes_is_an_error_and_no_end() {
        let (mut file, written, reader) = growing();
        file.write_all(b"half").unwrap();
        written.advance(8);
        written.end();

        let error = read_all(reader).unwrap_err();

        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
