//! Log lines on their way out: a few at a time, and not on a request's thread.
//!
//! Writing each line by itself costs a request one system call and more. Here a
//! thread collects the lines of [`GATHER`] and writes them together; a warning
//! or an error of ours is written before the code that logged it goes on. What a killed
//! process can lose is the quiet lines of its last moment, and those of extensions.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use crate::config::EXTENSION_TARGET;

/// How long lines are collected.
const GATHER: Duration = Duration::from_millis(10);
/// Bytes that may wait. Whoever logs beyond that writes them out itself.
const MAX_WAITING_BYTES: usize = 256 * 1024;

/// Where log lines go. Cloning it is cheap.
#[derive(Clone)]
pub(super) struct LineWriter {
    shared: Arc<Shared>,
}

/// Keeps the thread that writes. Dropping it writes what is left.
pub struct LogFlush {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    waiting: Mutex<Waiting>,
    some: Condvar,
    /// Held while lines are taken and written, so that they stay in order.
    out: Mutex<Out>,
}

struct Out {
    to: Box<dyn Write + Send>,
    /// Empty between two times, with room for as many lines as came before the last one.
    taken: Vec<u8>,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    is_over: bool,
}

/// One event's line.
pub(super) struct Line<'a> {
    writer: &'a LineWriter,
    urgent: bool,
}

impl LineWriter {
    /// Starts the thread. Lines that cannot be written are dropped: there is
    /// nowhere to say so.
    pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<(Self, LogFlush)> {
        let shared = Arc::new(Shared {
            waiting: Mutex::default(),
            some: Condvar::new(),
            out: Mutex::new(Out { to: Box::new(out), taken: Vec::new() }),
        });
        let writing = Arc::clone(&shared);
        let thread =
            thread::Builder::new().name("log-writer".to_owned()).spawn(move || writing.run())?;
        let flush = LogFlush { shared: Arc::clone(&shared), thread: Some(thread) };
        Ok((Self { shared }, flush))
    }
}

impl Shared {
    fn run(&self) {
        while self.wait() {
            thread::sleep(GATHER);
            self.write_waiting();
        }
    }

    /// Waits for a line; false when there will be no more.
    fn wait(&self) -> bool {
        let waiting = self.waiting();
        let idle = |waiting: &mut Waiting| waiting.lines.is_empty() && !waiting.is_over;
        let waiting = self.some.wait_while(waiting, idle).unwrap_or_else(PoisonError::into_inner);
        !waiting.is_over
    }

    fn push(&self, line: &[u8]) {
        let mut waiting = self.waiting();
        let first = waiting.lines.is_empty();
        waiting.lines.extend_from_slice(line);
        let full = waiting.lines.len() > MAX_WAITING_BYTES;
        drop(waiting);
        if full {
            self.write_waiting();
        } else if first {
            self.some.notify_one();
        }
    }

    fn write_waiting(&self) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let Out { to, taken } = &mut *out;
        mem::swap(taken, &mut self.waiting().lines);
        if !taken.is_empty() {
            to.write_all(taken).and_then(|()| to.flush()).ok();
            taken.clear();
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // No call can stop half way while it holds the lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Line<'_> {
    /// The subscriber hands over a whole line at once.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.shared.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.shared.write_waiting();
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if self.urgent {
            self.writer.shared.write_waiting();
        }
    }
}

impl<'a> MakeWriter<'a> for LineWriter {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { writer: self, urgent: false }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line<'a> {
        let is_ours = metadata.target() != EXTENSION_TARGET;
        Line { writer: self, urgent: is_ours && *metadata.level() <= Level::WARN }
    }
}

impl Drop for LogFlush {
    fn drop(&mut self) {
        self.shared.waiting().is_over = true;
        self.shared.some.notify_one();
        if let Some(thread) = self.thread.take() {
            // It cannot panic, and there is nothing to do if it did.
            thread.join().ok();
        }
        self.shared.write_waiting();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Written {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logging(out: &Written) -> (impl tracing::Subscriber + use<>, LogFlush) {
        let (writer, flush) = LineWriter::start(out.clone()).unwrap();
        let subscriber = tracing_subscriber::fmt().with_writer(writer).without_time().finish();
        (subscriber, flush)
    }

    #[test]
    fn every_line_is_written_by_the_end_and_in_order() {
        let out = Written::default();
        let (subscriber, flush) = logging(&out);
        let count = 3 * MAX_WAITING_BYTES / 40;
        tracing::subscriber::with_default(subscriber, || {
            for n in 0..count {
                tracing::info!("the line with the number {n}");
            }
        });

        drop(flush);

        let numbers: Vec<usize> = out
            .text()
            .lines()
            .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
            .collect();
        assert!(numbers.iter().copied().eq(0..count));
    }

    #[test]
    fn a_warning_is_out_before_the_code_goes_on() {
        let out = Written::default();
        let (subscriber, _flush) = logging(&out);

        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("first");
            tracing::warn!("second");
            let text = out.text();
            assert!(text.find("first") < text.find("second") && text.contains("second"), "{text}");
        });
    }

    /// Notes who writes.
    #[derive(Clone, Default)]
    struct Writers(Arc<Mutex<Vec<thread::ThreadId>>>);

    impl Write for Writers {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().push(thread::current().id());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_execution_does_not_wait_for_its_warnings_to_be_written() {
        let writers = Writers::default();
        let (writer, _flush) = LineWriter::start(writers.clone()).unwrap();
        let subscriber = tracing_subscriber::fmt().with_writer(writer).without_time().finish();
        let warn_twice = || {
            tracing::error!(target: EXTENSION_TARGET, "of an extension");
            while writers.0.lock().unwrap().is_empty() {
                thread::yield_now();
            }
            tracing::error!("ours");
        };

        tracing::subscriber::with_default(subscriber, warn_twice);

        let by_us = |writer: &thread::ThreadId| *writer == thread::current().id();
        let by_us: Vec<_> = writers.0.lock().unwrap().iter().map(by_us).collect();
        assert_eq!(by_us, [false, true]);
    }

    #[test]
    fn lines_come_out_without_being_asked_for() {
        let out = Written::default();
        let (subscriber, _flush) = logging(&out);
        tracing::subscriber::with_default(subscriber, || tracing::info!("quiet"));

        while !out.text().contains("quiet") {
            thread::yield_now();
        }
    }
}
