//! `/api/v1/installs/{id}/logs`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::app::logs::{EndOfFollowing, LogLines, Told};
use crate::guest_logs::{Level, LineQuery, Place, Record, Source};
use crate::model::{ContentHash, ExtensionName, InstallId, Principal, TenantId};
use crate::web::error::ApiError;
use crate::web::event_stream;
use crate::web::extract::{Answer, Path, Query};
use crate::web::log_query::LogParameters;

/// Lines of an install, the oldest first.
#[derive(Debug, Serialize)]
struct LogsResponse {
    lines: Vec<LogLine>,
    /// Whether more lines fit: before these, or with `after` after them.
    has_more: bool,
    /// The number of the last line there is, whether it fits or not.
    last_seq: u64,
    /// Lines after `after` that are gone.
    missing: u64,
    /// Whether lines are kept: `logs.bytes_per_install` is not 0.
    kept: bool,
}

/// A line.
#[derive(Debug, Serialize)]
struct LogLine {
    seq: u64,
    at: Timestamp,
    time_ms: i64,
    level: Level,
    stream: Source,
    tenant: TenantId,
    extension: ExtensionName,
    install: InstallId,
    version: String,
    content_hash: ContentHash,
    request_id: Box<str>,
    message: Box<str>,
    truncated: bool,
    /// Lines that are not kept, which this one counts; absent from a line of an extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped: Option<u64>,
}

impl LogLine {
    fn new(record: &Record) -> Self {
        let head = &record.head;
        Self {
            seq: record.seq,
            at: Timestamp::from_millisecond(record.time_ms).unwrap_or_default(),
            time_ms: record.time_ms,
            level: record.level,
            stream: record.source,
            tenant: head.tenant.clone(),
            extension: head.extension.clone(),
            install: head.install,
            version: head.version.clone(),
            content_hash: head.content_hash,
            request_id: record.request_id.clone(),
            message: record.message.clone(),
            truncated: record.truncated,
            dropped: (record.dropped > 0).then_some(record.dropped),
        }
    }
}

/// The last lines of an install, and with `follow=true` or `accept: text/event-stream` those
/// that come.
pub(crate) async fn list_lines(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path(id): Path<InstallId>,
    Query(parameters): Query<LogParameters>,
    headers: HeaderMap,
) -> Answer {
    let query = parameters.read()?;
    if parameters.follows() || wants_events(&headers) {
        let query = resumed(query, &headers)?;
        return Ok(event_stream::respond(app.follow_lines(&principal, id, query)?, write));
    }
    let LogLines { lines, is_on, .. } = app.read_lines(&principal, id, query).await?;
    let response = LogsResponse {
        lines: lines.records.iter().map(LogLine::new).collect(),
        has_more: lines.has_more,
        last_seq: lines.last,
        missing: lines.missing,
        kept: is_on,
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(response)).into_response())
}

fn wants_events(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.split(',').any(|kind| kind.trim() == "text/event-stream"))
}

/// A browser that connects again says what it had last.
fn resumed(query: LineQuery, headers: &HeaderMap) -> Result<LineQuery, ApiError> {
    if matches!(query.place, Place::Before(_)) {
        return Err(ApiError::malformed("`before`: what comes is after every line"));
    }
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    Ok(match last {
        Some(last) => LineQuery { place: Place::After(last), ..query },
        None => query,
    })
}

fn write(told: &Told) -> String {
    match told {
        Told::Line(record) => {
            let line = serde_json::to_value(LogLine::new(record)).unwrap_or(Value::Null);
            event_stream::event(Some(record.seq), "", &line)
        }
        Told::Missed(lines) => event_stream::event(None, "missed", &json!({ "lines": lines })),
        Told::End(end) => event_stream::event(None, "end", &json!({ "reason": reason(*end) })),
        Told::Quiet => String::new(),
    }
}

/// Why a stream ends, in one word.
fn reason(end: EndOfFollowing) -> &'static str {
    match end {
        EndOfFollowing::Uninstalled => "uninstalled",
        EndOfFollowing::Stopping => "stopping",
        EndOfFollowing::NotAllowed => "not_allowed",
        EndOfFollowing::Failed => "failed",
    }
}
