//! One file of an archive as a [`Read`], for who unpacks it.

use std::io::{self, Read};

use super::error::ArchiveError;
use super::walk::Walk;

/// Reads the current file of a walk.
///
/// A fault of the archive reaches the reader's user as an I/O error, and
/// [`FileReader::check`] as what it is: not the fault of the disk written to.
pub(super) struct FileReader<'w, 'l, R> {
    walk: &'w mut Walk<'l, R>,
    fault: Option<ArchiveError>,
}

impl<'w, 'l, R: Read> FileReader<'w, 'l, R> {
    pub(super) fn new(walk: &'w mut Walk<'l, R>) -> Self {
        Self { walk, fault: None }
    }

    /// The fault of the archive that reading met, if any.
    pub(super) fn check(self) -> Result<(), ArchiveError> {
        self.fault.map_or(Ok(()), Err)
    }
}

impl<R: Read> Read for FileReader<'_, '_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.fault.is_some() {
            return Err(io::Error::other("the archive cannot be read further"));
        }
        match self.walk.fill() {
            Ok(piece) => {
                let count = piece.len().min(buffer.len());
                buffer[..count].copy_from_slice(&piece[..count]);
                self.walk.consume(count);
                Ok(count)
            }
            Err(fault) => {
                let message = fault.to_string();
                self.fault = Some(fault);
                Err(io::Error::other(message))
            }
        }
    }
}
