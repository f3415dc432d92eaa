//! The byte stream of a connection, as the HTTP library gets it: whole, checked
//! heads, bodies as they come, and no wait without an end.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    time::Instant,
};
use tokio_util::io::poll_read_buf;

use super::connection::Progress;
use super::head::{self, BadHead, Framing};
use super::patience::Patience;

/// The byte that is a mistake anywhere in a head: the library answers 400 to it.
const REFUSAL: &[u8] = b"\0";

/// How long a client gets to notice that we have stopped reading.
const LINGER: Duration = Duration::from_secs(2);

/// How long a client may take, and how much it may say before the body.
#[derive(Clone, Copy, Debug)]
pub(super) struct GuardLimits {
    pub(super) header_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) write_timeout: Duration,
    /// What a client must take of its answers on average, over the last `write_timeout`.
    pub(super) min_bytes_per_s: u64,
    pub(super) max_head_bytes: usize,
}

/// Wraps the stream of one connection.
pub(super) struct Guard<S> {
    stream: S,
    limits: GuardLimits,
    progress: Arc<Progress>,
    /// Bytes of a head that is not complete, or of what came behind it.
    buffer: BytesMut,
    /// How much of the buffer has been searched for the end of the head.
    scanned: usize,
    line_skipped: bool,
    /// How many bytes may pass before the next head begins.
    open: u64,
    refused: bool,
    reading: Option<Wait>,
    writing: Option<Instant>,
    /// How long the client may still keep us waiting: what it takes earns it time, up to a
    /// `write_timeout`.
    write_time_left: Duration,
    lingering: Option<Instant>,
    read_patience: Patience,
    write_patience: Patience,
}

/// Waiting for a request: since when, and whether its head has begun.
struct Wait {
    since: Instant,
    begun: bool,
}

impl<S> Guard<S> {
    pub(super) fn new(stream: S, limits: GuardLimits, progress: Arc<Progress>) -> Self {
        Self {
            stream,
            limits,
            progress,
            buffer: BytesMut::new(),
            scanned: 0,
            line_skipped: false,
            open: 0,
            refused: false,
            reading: None,
            writing: None,
            write_time_left: limits.write_timeout,
            lingering: None,
            read_patience: Patience::default(),
            write_patience: Patience::default(),
        }
    }

    /// Looks for a whole head in the buffer; true if bytes may pass.
    fn open_for_head(&mut self) -> bool {
        // One empty line before a request is allowed, as older clients send it behind a
        // body. Not more: each would put off the end of the wait for the head.
        if !self.line_skipped && self.buffer.starts_with(b"\r\n") {
            self.line_skipped = true;
            self.buffer.advance(2);
            self.scanned = 0;
        }
        match self.whole_head() {
            Ok(Some(passing)) => self.open = passing,
            // The library says 431: its limit is the same, and it is given all of it.
            Ok(None) if self.buffer.len() > self.limits.max_head_bytes => {
                self.progress.make_last();
                self.open = u64::MAX;
            }
            Ok(None) => {
                self.scanned = self.buffer.len();
                return false;
            }
            Err(bad) => {
                tracing::debug!("refused a request head: {bad}");
                self.refuse();
            }
        }
        self.scanned = 0;
        self.line_skipped = false;
        self.reading = None;
        true
    }

    /// The bytes that pass with the head at the start of the buffer.
    fn whole_head(&self) -> Result<Option<u64>, BadHead> {
        let Some(end) = head::end(&self.buffer, self.scanned)? else { return Ok(None) };
        match head::check(&self.buffer[..end])? {
            Framing::Length(body) => Ok(Some((end as u64).saturating_add(body))),
            Framing::Chunked => {
                // Where the body ends is only known to the library, so this request
                // is the last one and nothing behind it is read as a request.
                self.progress.make_last();
                Ok(Some(u64::MAX))
            }
        }
    }

    /// Nothing more of this client is read: what follows a refused head has no start.
    fn refuse(&mut self) {
        self.progress.make_last();
        self.refused = true;
        self.buffer = BytesMut::from(REFUSAL);
        self.open = REFUSAL.len() as u64;
    }

    fn pass_buffered(&mut self, out: &mut ReadBuf<'_>) {
        let passing = usize::try_from(self.open).unwrap_or(usize::MAX);
        let count = passing.min(self.buffer.len()).min(out.remaining());
        out.put_slice(&self.buffer[..count]);
        self.buffer.advance(count);
        self.passed(count);
    }

    fn passed(&mut self, count: usize) {
        if self.open != u64::MAX {
            self.open -= count as u64;
        }
    }

    /// Ends the wait for a request that does not come.
    ///
    /// The library's own header timer runs from the end of the last answer, so
    /// it would cut idle connections at the time meant for a slow head.
    fn poll_request_timeout(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let begun = !self.buffer.is_empty();
        // The library has handed an answer on before its last bytes are written.
        if self.progress.is_in_flight() || self.writing.is_some() {
            self.reading = None;
            // It does not read again when all has gone out: the timer finds the client idle.
            let patience =
                if begun { self.limits.header_timeout } else { self.limits.idle_timeout };
            self.read_patience.is_over(cx, Instant::now() + patience);
            return Poll::Pending;
        }
        let wait = match self.reading.take() {
            Some(wait) if wait.begun == begun => wait,
            Some(_) | None => {
                let since = if begun { Instant::now() } else { self.progress.idle_since() };
                Wait { since, begun }
            }
        };
        let fresh = !self.progress.has_served();
        let patience =
            if begun || fresh { self.limits.header_timeout } else { self.limits.idle_timeout };
        let deadline = wait.since + patience;
        self.reading = Some(wait);
        if self.read_patience.is_over(cx, deadline) {
            return Poll::Ready(Err(timed_out("no request came in time")));
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guard<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.open > 0 && !this.buffer.is_empty() {
                this.pass_buffered(out);
                return Poll::Ready(Ok(()));
            }
            if this.refused {
                return Poll::Ready(Ok(()));
            }
            if this.open > 0 {
                let before = out.filled().len();
                ready!(Pin::new(&mut (&mut this.stream).take(this.open)).poll_read(cx, out))?;
                this.passed(out.filled().len() - before);
                return Poll::Ready(Ok(()));
            }
            if !this.buffer.is_empty() && this.open_for_head() {
                continue;
            }
            this.buffer.reserve(4096);
            match poll_read_buf(Pin::new(&mut this.stream), cx, &mut this.buffer) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return this.poll_request_timeout(cx),
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> Guard<S> {
    /// Runs one write and ends the wait for a client that does not read, or hardly.
    fn poll_writing<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(done) = write(Pin::new(&mut self.stream), cx) {
            if let Some(since) = self.writing.take() {
                self.write_time_left = self.write_time_left.saturating_sub(since.elapsed());
                self.progress.note_idle();
            }
            return Poll::Ready(done);
        }
        let since = *self.writing.get_or_insert_with(Instant::now);
        if self.write_patience.is_over(cx, since + self.write_time_left) {
            return Poll::Ready(Err(timed_out("the client does not read its response")));
        }
        Poll::Pending
    }

    fn count_written(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let most = self.limits.write_timeout;
        if let Poll::Ready(Ok(count)) = &written
            && self.write_time_left < most
        {
            let earned_us = (*count as u64).saturating_mul(1_000_000);
            let earned = Duration::from_micros(earned_us / self.limits.min_bytes_per_s.max(1));
            self.write_time_left = self.write_time_left.saturating_add(earned).min(most);
        }
        written
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = this.poll_writing(cx, |stream, cx| stream.poll_write(cx, bytes));
        this.count_written(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = this.poll_writing(cx, |stream, cx| stream.poll_write_vectored(cx, slices));
        this.count_written(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_writing(cx, S::poll_flush)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.lingering.is_none() {
            ready!(this.poll_writing(cx, S::poll_shutdown))?;
        }
        this.poll_linger(cx)
    }
}

impl<S: AsyncRead + Unpin> Guard<S> {
    /// Throws away what a client still sends that we will not read.
    ///
    /// Closing a socket with unread bytes in it resets the connection, and the
    /// client may never see the answer that says why: 413, 401, 400.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let unread = self.refused || self.open > 0 || !self.buffer.is_empty();
        let since = *self.lingering.get_or_insert_with(Instant::now);
        if !unread || self.read_patience.is_over(cx, since + LINGER) {
            return Poll::Ready(Ok(()));
        }
        let mut waste = [0; 16 * 1024];
        for _ in 0..16 {
            let mut waste = ReadBuf::new(&mut waste);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut waste)) {
                Ok(()) if !waste.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(Ok(())),
            }
        }
        // Others want their turn too.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

fn timed_out(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, reason)
}
