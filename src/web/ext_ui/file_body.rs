//! A file, or a part of it, as a response body.

use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, ReadWriteFlags, pread, preadv2};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::app::assets::PageFile;
use crate::web::server::FileSender;

/// Bytes read at a time. Each read goes to a blocking thread and back, which costs
/// as much as copying this a few times over; twice this is in memory for each client.
const PIECE_BYTES: usize = 256 * 1024;

/// How far two bytes are apart of which the kernel is asked whether it has them. It drops and
/// reads pages in runs, and asking costs as much as sending a few of them.
const PROBE_BYTES: usize = 256 * 1024;

/// Takes a piece when the one before is on its way, and no sooner.
pub(super) struct FileBody {
    file: Arc<PageFile>,
    left: Range<u64>,
    sender: Option<FileSender>,
    /// Whether a read never waits for a disk.
    is_in_memory: bool,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FileBody {
    /// The bytes `part` of a file that has them. With a `sender` the kernel sends what
    /// it has in memory; the executor would wait for the disk otherwise.
    pub(super) fn on_disk(
        file: Arc<PageFile>,
        part: Range<u64>,
        sender: Option<FileSender>,
    ) -> Self {
        Self { file, left: part, sender, is_in_memory: false, reading: None }
    }

    /// The same of a file that is in memory, all of it.
    pub(super) fn in_memory(
        file: Arc<PageFile>,
        part: Range<u64>,
        sender: Option<FileSender>,
    ) -> Self {
        Self { is_in_memory: true, ..Self::on_disk(file, part, sender) }
    }

    fn next_bytes(&self, limit: usize) -> usize {
        let left = self.left.end - self.left.start;
        usize::try_from(left).map_or(limit, |left| left.min(limit))
    }

    /// What stands for the next piece, if the kernel has it in memory.
    fn send_next(&mut self) -> Option<Bytes> {
        let sender = self.sender.as_ref()?;
        let bytes = self.next_bytes(FileSender::MAX_BYTES);
        let there = if self.is_in_memory {
            Ok(bytes)
        } else {
            bytes_in_memory(bytes, |at| is_in_memory(&self.file, self.left.start + at as u64))
        };
        match there {
            Ok(0) => None,
            Ok(bytes) => Some(sender.stand_in(&self.file, self.left.start, bytes)),
            // The file system does not say, or cannot be read: reading finds out.
            Err(_) => {
                self.sender = None;
                None
            }
        }
    }

    fn read_next(&self) -> JoinHandle<io::Result<Bytes>> {
        let (file, from, bytes) =
            (Arc::clone(&self.file), self.left.start, self.next_bytes(PIECE_BYTES));
        spawn_blocking(move || read(&file, from, bytes))
    }

    fn take(&mut self, piece: Bytes) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.left.start += piece.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        if self.reading.is_none()
            && let Some(stand_in) = self.send_next()
        {
            return self.take(stand_in);
        }
        if self.is_in_memory {
            let piece = read(&self.file, self.left.start, self.next_bytes(PIECE_BYTES))?;
            return self.take(piece);
        }
        let mut reading = self.reading.take().unwrap_or_else(|| self.read_next());
        let Poll::Ready(read) = Pin::new(&mut reading).poll(cx) else {
            self.reading = Some(reading);
            return Poll::Pending;
        };
        let piece = read.map_err(io::Error::other).flatten()?;
        self.take(piece)
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.end - self.left.start)
    }
}

/// How many of some bytes, from the first on, are in memory, as far as can be told from a few
/// of them: what is between two that are there is taken to be there, too.
fn bytes_in_memory(
    bytes: usize,
    is_there: impl Fn(usize) -> io::Result<bool>,
) -> io::Result<usize> {
    let last = bytes.saturating_sub(1);
    let mut known = 0;
    for at in (0..last).step_by(PROBE_BYTES).chain([last]) {
        if !is_there(at)? {
            return Ok(known);
        }
        known = at;
    }
    Ok(bytes)
}

/// Whether a read of this byte would not wait for the disk.
fn is_in_memory(file: &PageFile, at: u64) -> io::Result<bool> {
    let mut byte = [0];
    let mut into = [IoSliceMut::new(&mut byte)];
    match preadv2(file, &mut into, at, ReadWriteFlags::NOWAIT) {
        Ok(_) => Ok(true),
        Err(Errno::AGAIN) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// What is at `from`, up to `bytes`, which the file has.
fn read(file: &PageFile, from: u64, bytes: usize) -> io::Result<Bytes> {
    let mut piece = Vec::with_capacity(bytes);
    while piece.len() < bytes {
        let at = from + piece.len() as u64;
        match pread(file, spare_capacity(&mut piece), at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // The allocator may have given more room than was asked for.
    piece.truncate(bytes);
    Ok(piece.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use futures_util::FutureExt;
    use http_body_util::BodyExt;

    use super::*;

    fn file(bytes: &[u8]) -> Arc<PageFile> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Arc::new(file.into())
    }

    #[tokio::test]
    async fn a_part_comes_whole_and_in_order() {
        let bytes: Vec<u8> = (0..=250).cycle().take(700_000).collect();
        for part in [0..700_000, 1..2, 262_143..524_289, 699_999..700_000, 5..5] {
            let asked = part.start as u64..part.end as u64;

            let body = FileBody::on_disk(file(&bytes), asked, None).collect().await.unwrap();

            assert_eq!(body.to_bytes(), bytes[part]);
        }
    }

    #[tokio::test]
    async fn a_file_that_became_shorter_breaks_off() {
        let body = FileBody::on_disk(file(b"short"), 0..6, None).collect();

        assert_eq!(body.await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn what_is_in_memory_needs_no_other_thread() {
        let bytes: Vec<u8> = (0..=250).cycle().take(700_000).collect();

        let body = FileBody::in_memory(file(&bytes), 1..699_999, None).collect().now_or_never();

        assert_eq!(body.unwrap().unwrap().to_bytes(), bytes[1..699_999]);
    }

    #[test]
    fn what_was_just_written_is_in_memory() {
        let file = file(&vec![1; 300_000]);

        // A file system that cannot say is read from instead.
        let there = bytes_in_memory(299_990, |at| is_in_memory(&file, 10 + at as u64));
        assert_eq!(there.unwrap_or(299_990), 299_990);
    }

    #[test]
    fn what_is_not_in_memory_leaves_what_is_before_it() {
        let bytes = FileSender::MAX_BYTES;
        for (missing, there) in [
            (bytes, bytes),
            (bytes - 1, bytes - PROBE_BYTES),
            (3 * PROBE_BYTES, 2 * PROBE_BYTES),
            (1, 0),
            (0, 0),
        ] {
            assert_eq!(bytes_in_memory(bytes, |at| Ok(at < missing)).unwrap(), there, "{missing}");
        }
    }
}
