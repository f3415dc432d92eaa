//! A TCP stream that sends files without their bytes passing through this process.
//!
//! The HTTP library knows only bytes in memory. A body that has a [`FileSender`] gives
//! it a stand-in: a slice of [`STAND_IN`], as long as the part of the file that it is
//! for. The library hands its slices to the stream as they are, because the stream says
//! that it writes several at once. Here a slice is known by its address, and the kernel
//! is told to send the next bytes of the noted file in its place (`sendfile`).

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};

use crate::app::assets::PageFile;

/// Zeros of which nothing is read or written: the kernel never gives them memory.
static STAND_IN: LazyLock<Bytes> = LazyLock::new(|| vec![0; FileSender::MAX_BYTES].into());

/// Sends files on the connection of a request: an extension of every request that came
/// over plain TCP.
#[derive(Clone, Debug, Default)]
pub struct FileSender(Arc<Mutex<VecDeque<FilePart>>>);

/// What is to be sent when the next stand-in comes.
#[derive(Debug)]
struct FilePart {
    file: Arc<PageFile>,
    from: u64,
    bytes: usize,
}

impl FileSender {
    /// The longest stand-in.
    pub const MAX_BYTES: usize = 1024 * 1024;

    /// A stand-in for `bytes` of `file`, of which there are that many from `from` on and
    /// not more than [`Self::MAX_BYTES`]. It has to be a frame of the response body, in
    /// the order in which the stand-ins were made.
    pub fn stand_in(&self, file: &Arc<PageFile>, from: u64, bytes: usize) -> Bytes {
        let stand_in = STAND_IN.slice(..bytes);
        if bytes > 0 {
            self.parts().push_back(FilePart { file: Arc::clone(file), from, bytes });
        }
        stand_in
    }

    fn parts(&self) -> MutexGuard<'_, VecDeque<FilePart>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends from the next part what the socket takes, for `rest` bytes of stand-in.
    fn send(&self, stream: &TcpStream, rest: usize) -> io::Result<usize> {
        let mut parts = self.parts();
        let part = parts.front_mut().filter(|part| part.bytes == rest);
        let part = part.ok_or_else(|| io::Error::other("a stand-in without its file"))?;
        let sent = stream.try_io(Interest::WRITABLE, || send_file(stream, part))?;
        if sent == 0 {
            // The client cannot be told otherwise: it was promised so many bytes.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        (part.from, part.bytes) = (part.from + sent as u64, part.bytes - sent);
        if part.bytes == 0 {
            parts.pop_front();
        }
        Ok(sent)
    }
}

#[cfg(target_os = "linux")]
fn send_file(stream: &TcpStream, part: &FilePart) -> io::Result<usize> {
    let mut from = part.from;
    Ok(rustix::fs::sendfile(stream, &*part.file, Some(&mut from), part.bytes)?)
}

#[cfg(not(target_os = "linux"))]
fn send_file(_: &TcpStream, _: &FilePart) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The stream of a connection over plain TCP.
pub(super) struct FileStream {
    stream: TcpStream,
    sender: FileSender,
}

impl FileStream {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, sender: FileSender::default() }
    }

    /// What the requests of this connection send files with.
    pub(super) fn sender(&self) -> Option<FileSender> {
        cfg!(target_os = "linux").then(|| self.sender.clone())
    }

    fn poll_file(&self, cx: &mut Context<'_>, rest: usize) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            match self.sender.send(&self.stream, rest) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return Poll::Ready(done),
            }
        }
    }
}

fn is_stand_in(bytes: &[u8]) -> bool {
    !bytes.is_empty() && STAND_IN.as_ptr_range().contains(&bytes.as_ptr())
}

impl AsyncRead for FileStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, out)
    }
}

impl AsyncWrite for FileStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if is_stand_in(bytes) {
            return self.poll_file(cx, bytes.len());
        }
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match slices.iter().position(|slice| is_stand_in(slice)) {
            Some(0) => self.poll_file(cx, slices[0].len()),
            // The head of an answer leaves at once. In one segment with the file it would be a
            // full one, by which the client takes the time that the answer was thought about
            // for the round trip, and opens its window for megabytes at once.
            Some(bytes) => {
                Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, &slices[..bytes])
            }
            None => Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, slices),
        }
    }

    /// Else the library would copy the stand-ins together with all else.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
