//! A file, or a part of it, as a response body.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, pread};
use tokio::task::{JoinHandle, spawn_blocking};

/// Bytes read at a time. Each read goes to a blocking thread and back, which costs
/// as much as copying this a few times over; twice this is in memory for each client.
const PIECE_BYTES: u64 = 256 * 1024;

/// Reads a piece when the one before is on its way, and no sooner.
pub(super) struct FileBody {
    file: Arc<File>,
    left: Range<u64>,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FileBody {
    /// The bytes `part` of a file that has them.
    pub(super) fn new(file: File, part: Range<u64>) -> Self {
        Self { file: Arc::new(file), left: part, reading: None }
    }

    fn read_next(&mut self) -> JoinHandle<io::Result<Bytes>> {
        let (file, from) = (Arc::clone(&self.file), self.left.start);
        let bytes = PIECE_BYTES.min(self.left.end - from);
        spawn_blocking(move || read(&file, from, bytes))
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
        let mut reading = self.reading.take().unwrap_or_else(|| self.read_next());
        let Poll::Ready(read) = Pin::new(&mut reading).poll(cx) else {
            self.reading = Some(reading);
            return Poll::Pending;
        };
        let piece = read.map_err(io::Error::other).flatten()?;
        self.left.start += piece.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.end - self.left.start)
    }
}

/// What is at `from`, up to `bytes`, which the file has.
fn read(file: &File, from: u64, bytes: u64) -> io::Result<Bytes> {
    let mut piece = Vec::with_capacity(usize::try_from(bytes).map_err(io::Error::other)?);
    while (piece.len() as u64) < bytes {
        let at = from + piece.len() as u64;
        match pread(file, spare_capacity(&mut piece), at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // The allocator may have given more room than was asked for.
    piece.truncate(usize::try_from(bytes).map_err(io::Error::other)?);
    Ok(piece.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use http_body_util::BodyExt;

    use super::*;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[tokio::test]
    async fn a_part_comes_whole_and_in_order() {
        let bytes: Vec<u8> = (0..700_000_u32).map(|n| (n % 251) as u8).collect();
        for part in [0..700_000, 1..2, 262_143..524_289, 699_999..700_000, 5..5] {
            let slice = bytes[part.start as usize..part.end as usize].to_vec();

            let body = FileBody::new(file(&bytes), part).collect().await.unwrap();

            assert_eq!(body.to_bytes(), slice);
        }
    }

    #[tokio::test]
    async fn a_file_that_became_shorter_breaks_off() {
        let body = FileBody::new(file(b"short"), 0..6);

        let error = body.collect().await.unwrap_err();

        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
