//! Ctrl-C, and work that keeps a core busy.

use std::future::Future;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_blocking;

use super::failure::{Exit, Failure};

/// What tells a server to stop.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// From now on SIGINT and SIGTERM no longer end the process by themselves.
    pub(super) fn listen() -> io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for one of them, and gives its name.
    pub(super) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

/// Runs `work` to its end, or until Ctrl-C.
pub(super) async fn or_interrupted(
    work: impl Future<Output = Result<Exit, Failure>>,
) -> Result<Exit, Failure> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        done = work => done,
        _ = interrupt.recv() => Err(Failure::interrupted()),
    }
}

/// Runs `work` off the async threads, so that Ctrl-C is noticed while it runs.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(Failure::unfinished(error)),
    }
}

/// As [`blocking`], for work that writes: dropped, it makes the next write fail,
/// so that the work ends and removes what it began.
pub(super) async fn blocking_writer<T: Send + 'static>(
    work: impl FnOnce(Stop) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = Stop::default();
    let mut task = spawn_blocking({
        let stop = stop.clone();
        move || work(stop)
    });
    let done = tokio::select! {
        biased;
        _ = interrupt.recv() => {
            stop.0.store(true, Ordering::Relaxed);
            // What it began is removed when it ends.
            task.await.ok();
            return Err(Failure::interrupted());
        }
        done = &mut task => done,
    };
    done.unwrap_or_else(|error| Err(Failure::unfinished(error)))
}

/// Whether work should end.
#[derive(Clone, Debug, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// A writer that fails once the work should end.
    pub(super) fn writer<W: Write>(&self, inner: W) -> Stoppable<W> {
        Stoppable { stop: self.clone(), inner }
    }
}

/// See [`Stop::writer`].
pub(super) struct Stoppable<W> {
    stop: Stop,
    inner: W,
}

impl<W: Write> Write for Stoppable<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stop.0.load(Ordering::Relaxed) {
            return Err(io::Error::other("interrupted"));
        }
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
