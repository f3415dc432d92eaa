//! Who did what: `/admin/audit`.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use jiff::Timestamp;

use super::show::{chrome, page};
use super::{Authors, Chrome, FormErrors, Moment, counted};
use crate::app::App;
use crate::app::audit::{AuditRows, MAX_READ};
use crate::model::{AuditAction, AuditEvent};
use crate::web::audit_query::AuditParameters;
use crate::web::extract::{Answer, Query, SignedIn};
use crate::web::filters::address;

const PATH: &str = "/admin/audit";
/// What the form calls the members of the query that it has fields for.
const LABELS: &[(&str, &str)] = &[
    ("tenant", "Tenant"),
    ("action", "What happened"),
    ("actor", "Who"),
    ("subject", "To what"),
    ("from", "From"),
    ("to", "To"),
];

/// The record, from the newest row or from one that an address names.
#[derive(Debug, Template)]
#[template(path = "pages/audit.html")]
pub struct AuditPage {
    pub chrome: Chrome,
    pub errors: FormErrors,
    /// What the form shows again.
    pub sent: AuditParameters,
    pub rows: Vec<AuditRow>,
    /// The address of the rows before these.
    pub older: Option<String>,
    /// The address of the newest rows, unless these are the newest.
    pub newest: Option<String>,
    /// `20,000 rows`, if the search ended before it had found enough.
    pub searched: Option<String>,
}

/// One row.
#[derive(Clone, Debug)]
pub struct AuditRow {
    pub number: u64,
    pub at: Moment,
    pub sentence: &'static str,
    pub action: &'static str,
    pub subject: String,
    pub detail: Option<String>,
    pub actor: String,
    /// `None`: the appliance as a whole.
    pub tenant: Option<String>,
}

impl AuditPage {
    /// What the list of actions offers.
    #[expect(clippy::unused_self, reason = "templates call methods")]
    fn actions(&self) -> &'static [AuditAction] {
        AuditAction::ALL
    }
}

impl AuditRow {
    /// A row with its number, read at `now`.
    pub fn new((number, event): (u64, AuditEvent), now: Timestamp) -> Self {
        Self {
            number,
            at: Moment::new(event.at, now),
            sentence: event.action.sentence(),
            action: event.action.as_str(),
            subject: event.subject,
            detail: event.detail,
            actor: event.actor.to_string(),
            tenant: event.tenant.map(|tenant| tenant.to_string()),
        }
    }

    /// The same with the names of tokens.
    pub(super) fn by(self, authors: &Authors) -> Self {
        Self { actor: authors.name(&self.actor), ..self }
    }
}

/// `/admin/audit`: what happened, newest first, with filters.
pub(in crate::web) async fn show_audit(
    State(app): State<Arc<App>>,
    Query(sent): Query<AuditParameters>,
    who: SignedIn,
) -> Answer {
    let mut shown = AuditPage {
        chrome: chrome(&app, &who, "audit"),
        errors: FormErrors::none(),
        rows: Vec::new(),
        older: None,
        newest: (!sent.before.is_empty()).then(|| older(&sent, None)),
        searched: None,
        sent,
    };
    let query = match shown.sent.read() {
        Ok(query) => query,
        Err(wrong) => {
            wrong.tell(&mut shown.errors, LABELS);
            return Ok((StatusCode::BAD_REQUEST, page(&shown)?).into_response());
        }
    };
    let limit = query.limit;
    let AuditRows { rows, next } = app.audit(&who.principal, query).await?;
    let now = app.clock.now();
    let ended_early = next.is_some() && rows.len() < limit;
    shown.searched = ended_early.then(|| counted(MAX_READ as u64, "row"));
    let authors = Authors::of(&app, &who).await?;
    shown.rows = rows.into_iter().map(|row| AuditRow::new(row, now).by(&authors)).collect();
    shown.older = next.map(|next| older(&shown.sent, Some(next)));
    page(&shown)
}

/// The address of the rows before `before`, with the filters of this page.
fn older(sent: &AuditParameters, before: Option<u64>) -> String {
    let before = before.map(|before| before.to_string()).unwrap_or_default();
    let more = [("limit", sent.limit.as_str()), ("before", &before)];
    address(PATH, &[&sent.filters()[..], &more].concat())
}
