//! The lines a guest writes, bounded and harmless to whoever reads the log.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use secrecy::SecretString;

use super::known_secrets::KnownSecrets;
use crate::config::EXTENSION_TARGET;
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
}

#[derive(Default)]
struct Written {
    lines: u32,
    bytes: usize,
    dropped: u32,
}

/// How grave a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Info,
    Warn,
    Error,
}

/// How a line came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Log,
    Stdout,
    Stderr,
}

impl Source {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

impl GuestLog {
    pub(super) fn new(context: ExecutionContext) -> Self {
        let secrets = KnownSecrets::default();
        Self { context, rate: OnceLock::new(), secrets, written: Mutex::default() }
    }

    /// Shares what it may write in a second with the other executions of its install.
    pub(super) fn hold_to(&self, rate: Arc<LineRate>) {
        // There is one for each install, so a second time would be the same again.
        let _ = self.rate.set(rate);
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
        if let Some(line) = self.take(message) {
            self.emit(level, source, &line);
        }
    }

    /// What the execution wrote. Lines that were dropped get one line together.
    pub(super) fn close(&self) -> Usage {
        let (log_lines, dropped_log_lines) = {
            let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            (written.lines, written.dropped)
        };
        if dropped_log_lines > 0 {
            let message = format!("{dropped_log_lines} more lines of this execution were dropped");
            self.emit(Level::Warn, Source::Log, &message);
        }
        Usage { log_lines, dropped_log_lines, ..Usage::default() }
    }

    fn take<'a>(&self, message: &'a str) -> Option<Cow<'a, str>> {
        // Before it is escaped and cut, when a value would no longer be itself.
        let hidden = self.secrets.hide(trimmed(message), MAX_LINE_BYTES);
        let line = match hidden {
            Cow::Borrowed(plain) => cut(plain),
            Cow::Owned(hidden) => Cow::Owned(cut(&hidden).into_owned()),
        };
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = written.lines < MAX_LINES && written.bytes + line.len() <= MAX_BYTES;
        let may = || self.rate.get().is_none_or(|rate| rate.take(Instant::now()));
        if !fits || !may() {
            written.dropped = written.dropped.saturating_add(1);
            return None;
        }
        written.lines += 1;
        written.bytes += line.len();
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
fn cut(message: &str) -> Cow<'_, str> {
    let head = &message[..message.floor_char_boundary(MAX_LINE_BYTES)];
    match escape(head) {
        Cow::Owned(mut line) => {
            line.truncate(line.floor_char_boundary(MAX_LINE_BYTES));
            Cow::Owned(line)
        }
        borrowed @ Cow::Borrowed(_) => borrowed,
    }
}

/// Writes out the characters that would forge a line, drive a terminal or turn
/// the direction of text.
pub(in crate::runner) fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_dangerous) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 32);
    for c in text.chars() {
        match c {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c if is_dangerous(c) => escaped.extend(c.escape_unicode()),
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> GuestLog {
        GuestLog::new(ExecutionContext::sample())
    }

    #[test]
    fn a_line_cannot_forge_another_or_drive_a_terminal() {
        let forged = "a\n{\"level\":\"audit\"}\u{1b}]0;x\u{7}\u{9b}31m\u{202e}b";

        assert_eq!(
            escape(forged),
            "a\\n{\"level\":\"audit\"}\\u{1b}]0;x\\u{7}\\u{9b}31m\\u{202e}b"
        );
        assert!(matches!(escape("Gr\u{fc}\u{df}e \u{20ac}"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_line_is_cut_at_its_limit() {
        assert_eq!(cut(&"a".repeat(2 * MAX_LINE_BYTES)).len(), MAX_LINE_BYTES);
        assert!(cut(&"\u{1b}".repeat(MAX_LINE_BYTES)).len() <= MAX_LINE_BYTES);
        assert!(cut(&"\u{20ac}".repeat(MAX_LINE_BYTES)).len() <= MAX_LINE_BYTES);
        assert_eq!(trimmed("line\r\n"), "line");
    }

    #[test]
    fn a_value_that_was_read_is_in_no_line_however_it_is_written() {
        let log = log();
        log.keep_out(&SecretString::from("hunter2\u{1b}hunter2"));
        let take = |message: &str| log.take(message).unwrap().into_owned();

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
