//! The lines a guest writes, bounded and harmless to whoever reads the log.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use secrecy::SecretString;

use super::known_secrets::KnownSecrets;
use crate::config::EXTENSION_TARGET;
use crate::guest_logs::{GuestLogs, NewLine};
pub(super) use crate::guest_logs::{Level, Source};
use crate::model::ContentHash;
pub(in crate::runner) use crate::model::escape;
use crate::runner::invocation::ExecutionContext;
use crate::runner::line_rate::LineRate;
use crate::runner::response::Usage;

/// Lines of one execution.
const MAX_LINES: u32 = 100;
/// Bytes of all lines of one execution.
const MAX_BYTES: usize = 64 * 1024;
/// Bytes of one line; the rest is cut off.
pub(super) const MAX_LINE_BYTES: usize = 4 * 1024;

/// The log of one execution.
pub(super) struct GuestLog {
    context: ExecutionContext,
    rate: OnceLock<Arc<LineRate>>,
    secrets: KnownSecrets,
    written: Mutex<Written>,
    /// Where lines are kept, and which component writes them.
    kept: OnceLock<(GuestLogs, ContentHash)>,
}

/// A line that may be written.
struct Taken<'a> {
    text: Cow<'a, str>,
    /// Whether its end is missing.
    truncated: bool,
}

#[derive(Default)]
struct Written {
    lines: u32,
    bytes: usize,
    dropped: u32,
}

impl GuestLog {
    pub(super) fn new(context: ExecutionContext) -> Self {
        Self {
            context,
            rate: OnceLock::new(),
            secrets: KnownSecrets::default(),
            written: Mutex::default(),
            kept: OnceLock::new(),
        }
    }

    /// Shares what it may write in a second with the other executions of its install.
    pub(super) fn hold_to(&self, rate: Arc<LineRate>) {
        // There is one for each install, so a second time would be the same again.
        let _ = self.rate.set(rate);
    }

    /// Has its lines kept in `logs`, as those of the component of this hash.
    pub(super) fn keep_in(&self, logs: GuestLogs, content_hash: ContentHash) {
        // An execution is of one component, so a second time would be the same again.
        let _ = self.kept.set((logs, content_hash));
    }

    /// Keeps a value that the guest has read out of what is said of it.
    pub(super) fn keep_out(&self, value: &SecretString) {
        self.secrets.add(value);
    }

    /// `text` without what the guest has read in confidence.
    pub(super) fn discreet(&self, text: String) -> String {
        match self.secrets.hide(&text, usize::MAX) {
            Cow::Borrowed(_) => text,
            Cow::Owned(hidden) => hidden,
        }
    }

    /// Writes a line, or counts it if the execution has written enough.
    pub(super) fn line(&self, level: Level, source: Source, message: &str) {
        if let Some(Taken { text, truncated }) = self.take(message) {
            self.emit(level, source, &text);
            self.keep(|logs, line| {
                let message = text.into_owned();
                logs.keep(NewLine { level, source, message, truncated, ..line });
            });
        }
    }

    /// Has a line kept, if lines are.
    fn keep(&self, keep: impl FnOnce(&GuestLogs, NewLine)) {
        let Some((logs, content_hash)) = self.kept.get() else { return };
        let line = NewLine {
            install: Arc::clone(&self.context.install),
            content_hash: *content_hash,
            request_id: Arc::clone(&self.context.request_id),
            time_ms: logs.now_ms(),
            level: Level::Warn,
            source: Source::Log,
            message: String::new(),
            truncated: false,
            dropped: 0,
        };
        keep(logs, line);
    }

    /// What the execution wrote. Lines that were dropped get one line together.
    pub(super) fn close(&self) -> Usage {
        let (log_lines, dropped_log_lines) = {
            let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            (written.lines, written.dropped)
        };
        if dropped_log_lines > 0 {
            // One that has written nothing is of a flood of them: those are counted together
            // where lines are kept, and in the metrics, so that their counts are no flood.
            let has_written = log_lines > 0;
            let message = format!("{dropped_log_lines} more lines of this execution were dropped");
            if has_written {
                self.emit(Level::Warn, Source::Log, &message);
            }
            self.keep(|logs, line| {
                let dropped = dropped_log_lines.into();
                if has_written {
                    logs.keep(NewLine { message, dropped, ..line });
                } else {
                    logs.drop_lines(&line.install, line.content_hash, dropped);
                }
            });
        }
        Usage { log_lines, dropped_log_lines, ..Usage::default() }
    }

    fn take<'a>(&self, message: &'a str) -> Option<Taken<'a>> {
        let message = trimmed(message);
        // Before it is escaped and cut, when a value would no longer be itself.
        let hidden = self.secrets.hide(message, MAX_LINE_BYTES);
        let mut line = match hidden {
            Cow::Borrowed(plain) => cut(plain),
            Cow::Owned(hidden) => {
                let Taken { text, truncated } = cut(&hidden);
                Taken { text: Cow::Owned(text.into_owned()), truncated }
            }
        };
        line.truncated |= message.len() > MAX_LINE_BYTES;
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = written.lines < MAX_LINES && written.bytes + line.text.len() <= MAX_BYTES;
        let may = || self.rate.get().is_none_or(|rate| rate.take(Instant::now()));
        if !fits || !may() {
            written.dropped = written.dropped.saturating_add(1);
            return None;
        }
        written.lines += 1;
        written.bytes += line.text.len();
        Some(line)
    }

    fn emit(&self, level: Level, source: Source, line: &str) {
        let install = &*self.context.install;
        // The level of an event is part of its static description.
        macro_rules! event {
            ($level:ident) => {
                tracing::event!(
                    target: EXTENSION_TARGET,
                    tracing::Level::$level,
                    tenant.id = install.tenant.as_str(),
                    extension.name = install.extension.as_str(),
                    extension.version = install.version_text(),
                    install.id = install.install_text(),
                    request.id = &*self.context.request_id,
                    trace.id = self.context.trace.id().map(tracing::field::display),
                    source = source.as_str(),
                    "{line}"
                )
            };
        }
        match level {
            Level::Info => event!(INFO),
            Level::Warn => event!(WARN),
            Level::Error => event!(ERROR),
        }
    }
}

fn trimmed(message: &str) -> &str {
    message.trim_end_matches(['\r', '\n'])
}

/// One escaped line of at most [`MAX_LINE_BYTES`].
fn cut(message: &str) -> Taken<'_> {
    let head = &message[..message.floor_char_boundary(MAX_LINE_BYTES)];
    let is_cut = head.len() < message.len();
    match escape(head) {
        Cow::Owned(mut line) => {
            let truncated = is_cut || line.len() > MAX_LINE_BYTES;
            line.truncate(line.floor_char_boundary(MAX_LINE_BYTES));
            Taken { text: Cow::Owned(line), truncated }
        }
        text @ Cow::Borrowed(_) => Taken { text, truncated: is_cut },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::IncomingTrace;
    use crate::traces::Traces;

    fn log() -> GuestLog {
        GuestLog::new(ExecutionContext::sample())
    }

    #[test]
    fn a_line_has_the_id_of_the_trace_that_its_call_belongs_to() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
        let incoming = IncomingTrace { context: text.parse().unwrap(), state: None };
        let trace = Traces::default().begin(Some(incoming), true, || panic!("it is not recorded"));
        let lines = Arc::<Mutex<Vec<u8>>>::default();
        let writer = Arc::clone(&lines);
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || Lines(Arc::clone(&writer)))
            .finish();
        // With one listener alone, a line that another thread, which has none, logs first is taken for
        // one that nobody listens to, in all threads.
        let _other = tracing::Dispatch::new(tracing_subscriber::registry());

        tracing::subscriber::with_default(subscriber, || {
            let context = ExecutionContext { trace, ..ExecutionContext::sample() };
            GuestLog::new(context).line(Level::Info, Source::Log, "in a trace");
            log().line(Level::Info, Source::Log, "in none");
        });

        let lines = String::from_utf8(lines.lock().unwrap().clone()).unwrap();
        let [first, second] = lines.lines().collect::<Vec<_>>()[..] else { panic!("{lines}") };
        assert!(first.contains(" trace.id=0af7651916cd43dd8448eb211c80319c "), "{first}");
        assert!(!second.contains("trace.id"), "{second}");
    }

    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_cut_at_its_limit() {
        assert_eq!(cut(&"a".repeat(2 * MAX_LINE_BYTES)).text.len(), MAX_LINE_BYTES);
        for letter in ["\u{1b}", "\u{20ac}"] {
            let line = letter.repeat(MAX_LINE_BYTES);
            let Taken { text, truncated } = cut(&line);
            assert!(text.len() <= MAX_LINE_BYTES && truncated);
        }
        assert!(!cut(&"a".repeat(MAX_LINE_BYTES)).truncated);
        assert_eq!(trimmed("line\r\n"), "line");
    }

    #[test]
    fn a_value_that_was_read_is_in_no_line_however_it_is_written() {
        let log = log();
        log.keep_out(&SecretString::from("hunter2\u{1b}hunter2"));
        let take = |message: &str| log.take(message).unwrap().text.into_owned();

        assert_eq!(take("x hunter2\u{1b}hunter2 y\n"), "x [secret] y");
        let cut_off = "a".repeat(MAX_LINE_BYTES - 4) + "hunter2\u{1b}hunter2";
        assert_eq!(take(&cut_off).trim_matches('a'), "[sec");
        assert_eq!(log.discreet("got hunter2\u{1b}hunter2".to_owned()), "got [secret]");
        assert_eq!(log.discreet("got nothing".to_owned()), "got nothing");
    }

    #[test]
    fn lines_beyond_the_limit_are_counted_and_not_written() {
        let log = log();
        for _ in 0..MAX_LINES + 5 {
            log.line(Level::Info, Source::Log, "x");
        }

        let usage = log.close();

        assert_eq!((usage.log_lines, usage.dropped_log_lines), (MAX_LINES, 5));
    }

    #[test]
    fn bytes_beyond_the_limit_are_counted_and_not_written() {
        let (log, line) = (log(), "x".repeat(MAX_LINE_BYTES));
        for _ in 0..20 {
            log.line(Level::Info, Source::Log, &line);
        }

        let usage = log.close();

        assert_eq!((usage.log_lines, usage.dropped_log_lines), (16, 4));
    }
}
