//! What the appliance tells the operator: log lines on standard error, numbers
//! at `/metrics`.
//!
//! This module only sets them up; events and measurements come from the code
//! they are about.

mod human;
mod line_writer;
mod metrics;

pub use line_writer::LogFlush;
pub use metrics::{ExecutionMetrics, Metrics, RouteMetrics, Standing};

use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter,
    filter::{LevelFilter, ParseError},
    fmt::{self, MakeWriter},
    util::{SubscriberInitExt, TryInitError},
};

use crate::config::{Environment, LogFormat, TelemetryConfig};
use human::{HumanFields, Utc};
use line_writer::LineWriter;

/// Why log lines cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("telemetry.log_level is not a tracing filter")]
    Filter(#[from] ParseError),
    #[error("logging was set up before")]
    Twice(#[from] TryInitError),
    #[error("no thread could be started to write them")]
    Thread(#[from] io::Error),
}

/// Sends log lines to standard error, from now on and for the whole process.
/// Colour goes to terminals only, and not if `NO_COLOR` is set.
pub fn init(config: &TelemetryConfig, environment: &Environment) -> Result<(), TelemetryError> {
    let color = io::stderr().is_terminal() && !environment.no_color();
    subscriber(config, color, io::stderr)?.try_init()?;
    Ok(())
}

/// The same for a server, whose many lines are written together; see
/// [`line_writer`]. On a terminal each is written at once, for whoever watches.
pub fn init_server(
    config: &TelemetryConfig,
    environment: &Environment,
) -> Result<Option<LogFlush>, TelemetryError> {
    if io::stderr().is_terminal() {
        init(config, environment)?;
        return Ok(None);
    }
    let (writer, flush) = LineWriter::start(io::stderr())?;
    subscriber(config, false, writer)?.try_init()?;
    Ok(Some(flush))
}

fn subscriber<W>(
    config: &TelemetryConfig,
    color: bool,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, ParseError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = filter(&config.log_level)?;
    let lines = fmt::fmt().with_env_filter(filter).with_writer(writer).with_target(false);
    Ok(match config.log_format {
        LogFormat::Json => {
            Box::new(lines.json().flatten_event(true).with_span_list(false).finish())
        }
        LogFormat::Human => {
            Box::new(lines.with_ansi(color).with_timer(Utc).fmt_fields(HumanFields).finish())
        }
    })
}

/// The filter that the operator wrote. The client of an object store tells of each repetition
/// at `info`, with neither server nor bucket; what came of them the store says.
fn filter(log_level: &str) -> Result<EnvFilter, ParseError> {
    let is_info =
        |part: &str| part.parse::<LevelFilter>().is_ok_and(|level| level == LevelFilter::INFO);
    if log_level.split(',').any(is_info) {
        // First, so that a directive of the operator's takes its place.
        EnvFilter::try_new(format!("object_store=warn,{log_level}"))
    } else {
        EnvFilter::try_new(log_level)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What `emit` logs.
    fn logged(log_format: LogFormat, emit: impl FnOnce()) -> String {
        logged_at("info", log_format, emit)
    }

    fn logged_at(log_level: &str, log_format: LogFormat, emit: impl FnOnce()) -> String {
        let log_level = log_level.to_owned();
        let config = TelemetryConfig { log_format, log_level, ..TelemetryConfig::default() };
        let lines = Arc::new(Mutex::new(Vec::new()));
        let subscriber = subscriber(&config, false, SharedBuffer(Arc::clone(&lines))).unwrap();
        tracing::subscriber::with_default(subscriber, emit);
        let lines = lines.lock().unwrap();
        String::from_utf8(lines.clone()).unwrap()
    }

    #[derive(Clone)]
    struct SharedBuffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for SharedBuffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for SharedBuffer {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn an_event_is_one_json_object_with_its_request() {
        let line = logged(LogFormat::Json, || {
            let _request = tracing::info_span!("request", request.id = "r-1").entered();
            tracing::info!(bundle.hash = "sha256:00", duration_ms = 12, "stored a bundle");
        });

        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["message"], "stored a bundle");
        assert_eq!(line["bundle.hash"], "sha256:00");
        assert_eq!(line["duration_ms"], 12);
        assert_eq!(line["span"]["request.id"], "r-1");
    }

    #[test]
    fn no_field_can_break_out_of_its_line_or_give_the_terminal_a_command() {
        let hostile = "a\r\nINFO forged\x1b[31m\u{9b}";
        for log_format in [LogFormat::Human, LogFormat::Json] {
            let text = logged(log_format, || {
                let _request = tracing::info_span!("request", path = %hostile).entered();
                tracing::info!(display = %hostile, debug = ?hostile, plain = hostile, "m {hostile}");
            });

            // JSON is for machines, and need not escape more than ASCII.
            let is_control = match log_format {
                LogFormat::Human => |letter: &char| letter.is_control(),
                LogFormat::Json => |letter: &char| letter.is_ascii_control(),
            };
            assert_eq!(text.chars().filter(is_control).count(), 1, "not one line: {text:?}");
            assert!(text.contains("forged"), "{text}");
        }
    }

    #[test]
    fn for_people_a_request_is_told_once() {
        let request = || {
            tracing::info!(
                { request.id = "r-1", http.method = "GET", http.path = "/a", http.status = 200,
                  duration_ms = 1.5 },
                "GET /a 200",
            );
        };

        let human = logged(LogFormat::Human, request);
        let json = logged(LogFormat::Json, request);
        let call = logged(LogFormat::Human, || tracing::info!(http.status = 200, "Called"));

        assert!(human.ends_with("GET /a 200 request.id=r-1 duration_ms=1.500\n"), "{human}");
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&json["http.method"], &json["http.status"]), (&"GET".into(), &200.into()));
        assert_eq!(json["http.path"], "/a");
        assert!(call.ends_with("Called http.status=200\n"), "nothing else says it: {call}");
    }

    #[test]
    fn the_filter_decides_what_is_logged() {
        assert_eq!(logged(LogFormat::Human, || tracing::debug!("quiet")), "");
    }
    #[test]
    fn the_client_of_an_object_store_warns_and_does_not_tell_more_unless_it_is_asked_to() {
        let retry = || {
            tracing::info!(target: "object_store::client::retry", "again");
            tracing::warn!(target: "object_store::client::retry", "given up");
        };
        let told = |log_level| {
            let text = logged_at(log_level, LogFormat::Human, retry);
            ["again", "given up"].map(|words| text.contains(words))
        };

        for (log_level, expected) in [
            ("info", [false, true]),
            ("info,extension=off", [false, true]),
            ("error", [false, false]),
            ("debug", [true, true]),
            ("info,object_store=info", [true, true]),
            ("object_store::client=info,info", [true, true]),
        ] {
            assert_eq!(told(log_level), expected, "{log_level}");
        }
    }
}
