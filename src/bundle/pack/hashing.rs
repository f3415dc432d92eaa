//! Hashes and counts what passes by.

use std::io::{self, Read, Write};

use crate::model::{ContentHash, FileDigest, StreamHasher};

/// Passes bytes on to a writer.
pub(super) struct HashingWriter<'w> {
    inner: &'w mut dyn Write,
    hasher: StreamHasher,
    written: u64,
}

impl<'w> HashingWriter<'w> {
    pub(super) fn new(inner: &'w mut dyn Write) -> Self {
        Self { inner, hasher: StreamHasher::new(), written: 0 }
    }

    /// The hash and the number of all bytes.
    pub(super) fn finish(self) -> (ContentHash, u64) {
        let digest: [u8; 32] = self.hasher.finalize();
        (ContentHash::from(digest), self.written)
    }
}

impl Write for HashingWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Passes bytes on from a reader.
pub(super) struct HashingReader<R> {
    inner: R,
    hasher: StreamHasher,
    read: u64,
}

impl<R: Read> HashingReader<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, hasher: StreamHasher::new(), read: 0 }
    }

    /// The hash and the number of all bytes.
    pub(super) fn finish(self) -> (FileDigest, u64) {
        let digest: [u8; 32] = self.hasher.finalize();
        (FileDigest::from(digest), self.read)
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.read += count as u64;
        Ok(count)
    }
}
