//! `/api/ext-debug/stream`: the lines of an extension as the existing application streams them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::app::logs::Told;
use crate::guest_logs::{LineQuery, Place, Record};
use crate::model::Principal;
use crate::registry::LiveInstall;
use crate::web::error::ApiError;
use crate::web::event_stream;
use crate::web::extract::{Query, SmallBody};

/// Events of one poll.
const POLLED: usize = 100;

/// Whose lines are asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::web) struct DebugQuery {
    #[serde(rename = "extensionId")]
    extension: String,
    #[serde(rename = "tenantId")]
    tenant: String,
    #[serde(rename = "installId")]
    install: String,
    #[serde(rename = "requestId")]
    request: String,
}

/// What a poll sends; nothing is as an empty object.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Poll {
    last_id: Option<String>,
}

/// The last lines, then those that come.
pub(in crate::web) async fn stream_debug_events(
    State(app): State<Arc<App>>,
    principal: Principal,
    Query(asked): Query<DebugQuery>,
) -> Result<Response, ApiError> {
    let install = asked.find(&app, &principal)?;
    let limit = app.config.logs.debug_stream_lines;
    let query = LineQuery { limit, ..LineQuery::default() };
    let following = app.follow_lines(&principal, install.install.id, query)?;
    Ok(event_stream::respond(following, move |told| match told {
        Told::Line(record) if asked.fits(record) => event_stream::event(None, "", &event(record)),
        // Existing clients know no other events: a stream that ends is asked for again.
        Told::Line(_) | Told::Missed(_) | Told::End(_) | Told::Quiet => String::new(),
    }))
}

/// The lines after one, for those who cannot stream.
pub(in crate::web) async fn poll_debug_events(
    State(app): State<Arc<App>>,
    principal: Principal,
    Query(asked): Query<DebugQuery>,
    SmallBody(body): SmallBody,
) -> Result<Json<Value>, ApiError> {
    let install = asked.find(&app, &principal)?;
    // As there: what is no object is as none.
    let poll: Poll = serde_json::from_slice(&body).unwrap_or_default();
    let last_id = poll.last_id.filter(|id| !id.is_empty()).unwrap_or_else(|| "0".to_owned());
    let after = last_id.parse().map_err(|_| {
        let detail = "lastId is not one that this route has given";
        ApiError::malformed(detail)
    })?;
    let query = LineQuery { place: Place::After(after), limit: POLLED, ..LineQuery::default() };
    let lines = app.read_lines(&principal, install.install.id, query).await?.lines;
    let last = lines.records.last().map_or(last_id, |record| record.seq.to_string());
    let fitting = lines.records.iter().filter(|record| asked.fits(record));
    Ok(Json(json!({ "events": fitting.map(event).collect::<Vec<_>>(), "lastId": last })))
}

impl DebugQuery {
    /// The install whose lines are asked for. A tenant is only ever the caller's own.
    fn find(&self, app: &App, principal: &Principal) -> Result<Arc<LiveInstall>, ApiError> {
        if self.extension.is_empty() {
            return Err(ApiError::malformed("extensionId is required"));
        }
        if !self.tenant.is_empty() && self.tenant != principal.tenant().as_str() {
            return Err(ApiError::forbidden("tenantId names another tenant than the caller's"));
        }
        Ok(app.find_own_install(principal, &self.extension)?)
    }

    fn fits(&self, record: &Record) -> bool {
        let install = self.install.trim();
        let request = self.request.trim();
        (install.is_empty() || record.head.install.to_string().eq_ignore_ascii_case(install))
            && (request.is_empty() || record.request_id.eq_ignore_ascii_case(request))
    }
}

/// An event; `ts` is milliseconds since 1970, as text.
fn event(record: &Record) -> Value {
    let head = &record.head;
    let mut event = json!({
        "ts": record.time_ms.to_string(),
        "level": record.level,
        "stream": record.source,
        "tenantId": head.tenant,
        "extensionId": head.extension,
        "installId": head.install,
        "versionId": head.version,
        "contentHash": head.content_hash,
        "message": record.message,
        "truncated": record.truncated,
    });
    if !record.request_id.is_empty() {
        event["requestId"] = (&*record.request_id).into();
    }
    event
}

/// What the errors of these routes say: a sentence and nothing else.
pub(super) fn sentence(error: &ApiError) -> &str {
    match error.status {
        StatusCode::UNAUTHORIZED => "Unauthorized",
        StatusCode::FORBIDDEN => "Forbidden",
        status if status.is_server_error() => "Internal error",
        _ => &error.detail,
    }
}
