//! The lines an extension writes: `/admin/extensions/{name}/logs`.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use jiff::Timestamp;

use super::extension::{ExtensionQuery, find};
use super::show::page;
use super::{ByteSize, Chrome, ExtensionHead, FormErrors};
use crate::app::App;
use crate::app::logs::LogLines;
use crate::guest_logs::{Level, Place, Record, Source};
use crate::model::{ExtensionName, InstallId};
use crate::web::extract::{Answer, Path, Query, SignedIn};
use crate::web::filters::address;
use crate::web::log_query::LogParameters;

/// Characters of a request id that the table shows: enough to tell two apart.
const SHORT_REQUEST: usize = 8;
/// What the form calls the members of the query that it has fields for.
const LABELS: &[(&str, &str)] =
    &[("level", "Level"), ("stream", "Stream"), ("request", "Request"), ("text", "Text")];

/// The logs tab: the last lines, the newest first, or those before one.
#[derive(Debug, Template)]
#[template(path = "pages/logs.html")]
pub struct LogsPage {
    pub chrome: Chrome,
    pub head: ExtensionHead,
    pub errors: FormErrors,
    /// What the form shows again.
    pub sent: LogParameters,
    pub rows: Vec<LogRow>,
    /// The address of the lines before these.
    pub older: Option<String>,
    /// The address of the newest lines, unless these are the newest.
    pub newest: Option<String>,
    /// Where the lines that come can be had, for a script.
    pub live: Option<String>,
    /// How many bytes are kept; `None`: no lines are.
    pub kept: Option<ByteSize>,
}

/// A line.
#[derive(Clone, Debug)]
pub struct LogRow {
    pub seq: u64,
    /// For machines: RFC 3339.
    pub iso: String,
    /// To the millisecond, in UTC.
    pub time: String,
    pub level: Level,
    pub source: Source,
    pub message: String,
    pub truncated: bool,
    /// Whether the appliance says it, of lines that are not kept.
    pub is_count: bool,
    /// Empty for what is about several requests.
    pub request: String,
    pub short_request: String,
    /// The lines of that request only.
    pub same_request: String,
}

impl LogsPage {
    #[expect(clippy::unused_self, reason = "templates call methods")]
    fn levels(&self) -> [(Level, &'static str); 2] {
        [(Level::Warn, "Warnings and errors"), (Level::Error, "Errors only")]
    }

    #[expect(clippy::unused_self, reason = "templates call methods")]
    fn streams(&self) -> [(Source, &'static str); 3] {
        [
            (Source::Log, "Log calls"),
            (Source::Stdout, "Standard output"),
            (Source::Stderr, "Standard error"),
        ]
    }
}

impl LogRow {
    /// The row of a line of `name`.
    pub fn new(record: &Record, name: &ExtensionName) -> Self {
        let at = Timestamp::from_millisecond(record.time_ms).unwrap_or_default();
        let request = record.request_id.to_string();
        Self {
            seq: record.seq,
            iso: at.to_string(),
            time: at.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string(),
            level: record.level,
            source: record.source,
            message: record.message.to_string(),
            truncated: record.truncated,
            is_count: record.dropped > 0,
            short_request: request.chars().take(SHORT_REQUEST).collect(),
            same_request: address(&path(name), &[("request", &request)]),
            request,
        }
    }

    /// The class of the pill that repeats the level; none for the usual one.
    pub fn tone(&self) -> Option<&'static str> {
        match self.level {
            Level::Info => None,
            Level::Warn => Some("attention"),
            Level::Error => Some("danger"),
        }
    }
}

/// `/admin/extensions/{name}/logs`
pub(in crate::web) async fn show_extension_logs(
    State(app): State<Arc<App>>,
    Path(name): Path<ExtensionName>,
    Query(sent): Query<LogParameters>,
    who: SignedIn,
) -> Answer {
    let found = find(&app, &who, &name, &ExtensionQuery::default()).await?;
    let bytes = app.config.logs.bytes_per_install;
    let mut shown = LogsPage {
        head: found.head("logs"),
        errors: FormErrors::none(),
        rows: Vec::new(),
        older: None,
        newest: (!sent.before.is_empty()).then(|| older(&name, &sent, None)),
        live: None,
        kept: (bytes > 0).then(|| ByteSize::new(bytes)),
        sent,
        chrome: found.chrome,
    };
    let Some(install) = shown.head.install else { return page(&shown) };
    let query = match shown.sent.read() {
        Ok(query) => query,
        Err(wrong) => {
            wrong.tell(&mut shown.errors, LABELS);
            return Ok((StatusCode::BAD_REQUEST, page(&shown)?).into_response());
        }
    };
    let place = query.place;
    let LogLines { lines, is_on, .. } = app.read_lines(&who.principal, install, query).await?;
    if is_on && place == Place::Last {
        shown.live = Some(live(install, &shown.sent, lines.last));
    }
    let oldest = lines.records.first().map(|record| record.seq);
    let has_older = lines.has_more && !matches!(place, Place::After(_));
    shown.older = oldest.filter(|_| has_older).map(|seq| older(&name, &shown.sent, Some(seq)));
    shown.rows = lines.records.iter().rev().map(|record| LogRow::new(record, &name)).collect();
    page(&shown)
}

fn path(name: &ExtensionName) -> String {
    format!("/admin/extensions/{name}/logs")
}

/// The address of the lines before `before`, with the filters of this page.
fn older(name: &ExtensionName, sent: &LogParameters, before: Option<u64>) -> String {
    let before = before.map(|before| before.to_string()).unwrap_or_default();
    let more = [("limit", sent.limit.as_str()), ("before", &before)];
    address(&path(name), &[&sent.filters()[..], &more].concat())
}

/// Where a script has the lines after `last`, with the filters of this page.
fn live(install: InstallId, sent: &LogParameters, last: u64) -> String {
    let last = last.to_string();
    let more = [("follow", "true"), ("after", last.as_str())];
    let path = format!("/api/v1/installs/{install}/logs");
    address(&path, &[&more[..], &sent.filters()].concat())
}
