//! A line as it is printed.

use std::io::{self, Write};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::cli::failure::Failure;
use crate::cli::output::{Output, Paint, Tone};
use crate::guest_logs::{Level, Source};
use crate::model::escape;

/// What is shown of a line.
#[derive(Debug, Deserialize)]
struct Line {
    time_ms: i64,
    level: Level,
    stream: Source,
    request_id: String,
    message: String,
    truncated: bool,
    dropped: Option<u64>,
}

/// Prints a line; false when nobody reads it any more.
pub(super) fn print(output: Output, line: &Value) -> Result<bool, Failure> {
    let text = if output.is_json() {
        line.to_string()
    } else {
        let line = Line::deserialize(line).map_err(|error| {
            Failure::unfinished(
                anyhow::Error::new(error).context("a line is not what was expected"),
            )
        })?;
        write(&line, output.paint())
    };
    let mut out = output.stream();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error.into()),
        Ok(()) => Ok(true),
    }
}

/// A line for people. The appliance has made it harmless; a terminal is worth a second look.
fn write(line: &Line, paint: Paint) -> String {
    let at = Timestamp::from_millisecond(line.time_ms).unwrap_or_default();
    let time = paint.words(Tone::Quiet, &at.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string());
    let level = format!("{:<5}", line.level.as_str());
    let level = match line.level {
        Level::Info => level,
        Level::Warn => paint.words(Tone::Attention, &level),
        Level::Error => paint.words(Tone::Danger, &level),
    };
    let short: String = escape(&line.request_id).chars().take(8).collect();
    let request = paint.words(Tone::Quiet, &format!("{short:<8}"));
    if line.dropped.is_some() {
        let message = paint.words(Tone::Quiet, &format!("-- {} --", escape(&line.message)));
        return format!("{time}  {level}  {:<6}  {request}  {message}", "");
    }
    let (message, end) = (escape(&line.message), if line.truncated { " …" } else { "" });
    format!("{time}  {level}  {:<6}  {request}  {message}{end}", line.stream.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(message: &str) -> Line {
        Line {
            time_ms: 1_790_000_000_123,
            level: Level::Warn,
            stream: Source::Stderr,
            request_id: "0123456789abcdef".to_owned(),
            message: message.to_owned(),
            truncated: false,
            dropped: None,
        }
    }

    #[test]
    fn a_line_is_one_line_in_columns_whatever_is_in_it() {
        let hostile = line("a\r\n2026-01-01 00:00:00.000  error  forged\u{1b}[31m\u{202e}");

        assert_eq!(
            write(&hostile, Paint::PLAIN),
            "2026-09-21 14:13:20.123  warn   stderr  01234567  a\\r\\n2026-01-01 00:00:00.000  \
             error  forged\\u{1b}[31m\\u{202e}"
        );
    }

    #[test]
    fn what_is_not_whole_or_not_there_is_said() {
        let cut = Line { truncated: true, ..line("abc") };
        let count = Line { dropped: Some(5), ..line("5 lines were not kept") };

        assert!(write(&cut, Paint::PLAIN).ends_with("01234567  abc …"));
        assert!(write(&count, Paint::PLAIN).ends_with("01234567  -- 5 lines were not kept --"));
    }
}
