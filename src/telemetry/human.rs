//! Human log lines: when, and the fields of an event on one line, whatever is in them.
//!
//! Every request writes at least one, so what can be written without the
//! machinery of formatting is.

use std::cell::RefCell;
use std::fmt::{self, Debug, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::{FormatFields, format::Writer, time::FormatTime};

/// Writes `name=value` for each field, and the message alone.
pub(super) struct HumanFields;

impl<'writer> FormatFields<'writer> for HumanFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut line =
            Line { out: Escaped(writer), is_empty: true, is_access: false, result: Ok(()) };
        fields.record(&mut line);
        line.result
    }
}

struct Line<'writer> {
    out: Escaped<'writer>,
    is_empty: bool,
    /// Whether the event is the one of a request, whose message has its method, path and status.
    is_access: bool,
    result: fmt::Result,
}

impl Line<'_> {
    fn put(&mut self, field: &Field, write: impl FnOnce(&mut Escaped<'_>) -> fmt::Result) {
        if self.result.is_ok() && !self.is_said(field) {
            self.result = self.put_name(field).and_then(|()| write(&mut self.out));
        }
    }

    /// Whether the message says it, too. Of the events with a status only those of requests
    /// have a method, before it.
    fn is_said(&mut self, field: &Field) -> bool {
        match field.name() {
            "http.method" => {
                self.is_access = true;
                true
            }
            "http.path" | "http.status" => self.is_access,
            _ => false,
        }
    }

    fn put_name(&mut self, field: &Field) -> fmt::Result {
        if !self.is_empty {
            self.out.0.write_char(' ')?;
        }
        self.is_empty = false;
        if field.name() == "message" {
            return Ok(());
        }
        self.out.0.write_str(field.name())?;
        self.out.0.write_char('=')
    }
}

impl Visit for Line<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            return self.put(field, |out| out.write_str(value));
        }
        let is_plain = |b: u8| matches!(b, b'!'..=b'~') && !matches!(b, b'"' | b'\\' | b'=');
        if !value.is_empty() && value.bytes().all(is_plain) {
            return self.put(field, |out| out.0.write_str(value));
        }
        self.record_debug(field, &value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, |out| write_fraction(&mut out.0, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, |out| write!(out, "{value:?}"));
    }
}

/// Whole thousandths are written in half the time that a fraction takes.
fn write_fraction(out: &mut impl Write, value: f64) -> fmt::Result {
    let thousandths = (value * 1_000.0).round();
    if !(0.0..1e15).contains(&thousandths) || value.is_sign_negative() {
        return write!(out, "{value:.3}");
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
    let thousandths = thousandths as u64;
    write!(out, "{}.{:03}", thousandths / 1_000, thousandths % 1_000)
}

/// Shows control characters as escapes: a name chosen by a stranger must not
/// end the line and begin a forged one, nor reach the terminal as a command.
struct Escaped<'writer>(Writer<'writer>);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = find_control(rest) {
            let (plain, control) = rest.split_at(at);
            self.0.write_str(plain)?;
            let mut letters = control.chars();
            if let Some(letter) = letters.next() {
                write!(self.0, "{}", letter.escape_default())?;
            }
            rest = letters.as_str();
        }
        self.0.write_str(rest)
    }
}

fn find_control(text: &str) -> Option<usize> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return None;
    }
    text.find(char::is_control)
}

/// The time in UTC, to the microsecond.
pub(super) struct Utc;

thread_local! {
    /// The second that this thread wrote last, and its text.
    static SECOND: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
}

impl FormatTime for Utc {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        #[expect(clippy::disallowed_methods, reason = "a log line says when it really was")]
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        SECOND.with_borrow_mut(|(second, text)| {
            if *second != now.as_secs() || text.is_empty() {
                let whole = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
                let time = Timestamp::from_second(whole).unwrap_or(Timestamp::MAX);
                *text = time.strftime("%Y-%m-%dT%H:%M:%S").to_string();
                *second = now.as_secs();
            }
            writer.write_str(text)?;
            write!(writer, ".{:06}Z", now.subsec_micros())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_utc_with_microseconds() {
        let mut text = String::new();
        Utc.format_time(&mut Writer::new(&mut text)).unwrap();

        let time: Timestamp = text.parse().unwrap();
        assert_eq!(text.len(), "2026-11-23T08:00:00.000000Z".len(), "{text}");
        assert!(time > "2026-01-01T00:00:00Z".parse().unwrap(), "{text}");
    }

    #[test]
    fn fractions_are_written_to_the_thousandth() {
        for value in [0.0, 0.0004, 0.0006, 0.5, 1.0, 12.345_6, 999.999_9, 1e14, 1e16, -0.25, -2.0] {
            let mut text = String::new();
            write_fraction(&mut text, value).unwrap();
            assert_eq!(text, format!("{value:.3}"));
        }
        let mut text = String::new();
        write_fraction(&mut text, f64::NAN).unwrap();
        assert_eq!(text, "NaN");
    }
}
