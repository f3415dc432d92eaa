//! What there is of WASI: clocks, randomness, and output that goes to the log.
//!
//! No file system, no sockets, no environment, no arguments, an empty stdin.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

use super::Host;
use super::guest_log::{GuestLog, Level, MAX_LINE_BYTES, Source};
use crate::runner::limits;

impl Host {
    /// The handles for a call of `wasi:io`, the first thing in each. A guest waits by these
    /// calls, or by those that are counted.
    pub(in crate::runner) fn turn_to_io(&mut self) -> &mut ResourceTable {
        self.turn_away();
        &mut self.table
    }
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let log = &self.log;
        let ctx = self.wasi.get_or_insert_with(|| {
            let mut builder = WasiCtx::builder();
            builder
                .stdout(LineStream::new(log, Level::Info, Source::Stdout))
                .stderr(LineStream::new(log, Level::Warn, Source::Stderr))
                .max_random_size(limits::RANDOM_BYTES)
                .allow_tcp(false)
                .allow_udp(false);
            Box::new(builder.build())
        });
        WasiCtxView { ctx, table: &mut self.table }
    }
}

impl WasiHttpView for Host {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.outgoing, table: &mut self.table, ctx: &mut self.http }
    }
}

/// Standard output or error, line by line into the log.
#[derive(Clone)]
struct LineStream {
    lines: Arc<Mutex<Lines>>,
}

struct Lines {
    log: Arc<GuestLog>,
    level: Level,
    source: Source,
    /// The line that has no end yet.
    open: Vec<u8>,
}

impl LineStream {
    fn new(log: &Arc<GuestLog>, level: Level, source: Source) -> Self {
        let lines = Lines { log: Arc::clone(log), level, source, open: Vec::new() };
        Self { lines: Arc::new(Mutex::new(lines)) }
    }
}

impl Lines {
    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            // What is over the limit is cut off anyway: do not keep it.
            let room = MAX_LINE_BYTES + 1 - self.open.len();
            self.open.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let line = mem::take(&mut self.open);
        self.log.line(self.level, self.source, &String::from_utf8_lossy(&line));
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if !self.open.is_empty() {
            self.end_line();
        }
    }
}

impl IsTerminal for LineStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LineStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // WASI 0.3 alone would ask for this one.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for LineStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        // Each line feed is work, which nothing interrupts before the call is over.
        if bytes.len() > MAX_LINE_BYTES {
            let length = bytes.len();
            let reason = format!("{length} bytes of output at once; at most {MAX_LINE_BYTES}");
            return Err(StreamError::trap(&reason));
        }
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).write(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_LINE_BYTES)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for LineStream {
    async fn ready(&mut self) {}
}
