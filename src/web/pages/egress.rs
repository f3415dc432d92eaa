//! The hosts of an install: `/admin/installs/{id}/egress`

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use jiff::Timestamp;
use serde::Deserialize;

use super::failure::sentence;
use super::learning::LessonView;
use super::show::{Done, chrome_after, lead_to, page};
use super::{Chrome, ExtensionHead, FormErrors, Moment, Status};
use crate::app::App;
use crate::app::egress::{EgressReport, RefusedDestination};
use crate::app::install::InstallError;
use crate::egress::{List, Refusal};
use crate::model::{Capability, EgressRule, Install, InstallId};
use crate::registry::LiveInstall;
use crate::web::error::ApiError;
use crate::web::extract::{Answer, CsrfForm, Path, Query, SignedIn};

/// The hosts that an install may call, and what it was refused.
#[derive(Debug, Template)]
#[template(path = "pages/egress.html")]
pub struct EgressPage {
    pub chrome: Chrome,
    pub head: ExtensionHead,
    pub install: InstallId,
    /// Whether its manifest asks to call anything.
    pub is_asked: bool,
    /// Whether it may call anything at all.
    pub is_granted: bool,
    /// What the manifest asks for; `None` if it leaves the hosts to an operator.
    pub requested: Option<Vec<String>>,
    /// Granted hosts that the appliance's own list does not have.
    pub unlisted: Vec<String>,
    /// What the text area shows: a host on each line.
    pub hosts: String,
    pub refused: Vec<RefusedRow>,
    /// What it called while it learned.
    pub lesson: Option<LessonView>,
    pub errors: FormErrors,
}

/// A destination that was refused.
#[derive(Clone, Debug)]
pub struct RefusedRow {
    pub entry: String,
    pub count: u64,
    pub last: Moment,
    /// Why, in words.
    pub why: String,
    /// Whether granting it is all that is needed.
    pub can_be_granted: bool,
}

/// What the form sends: all hosts, or one to add.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct EgressFields {
    hosts: Option<String>,
    allow: Option<String>,
}

/// What was done before.
#[derive(Debug, Default, Deserialize)]
pub(in crate::web) struct EgressQuery {
    done: Option<Done>,
}

impl EgressPage {
    fn is_learning(&self) -> bool {
        self.lesson.as_ref().is_some_and(|lesson| lesson.is_on)
    }

    fn new(app: &App, chrome: Chrome, live: &LiveInstall, report: &EgressReport) -> Self {
        let install = &live.install;
        let status = Status::of(Some(install)).or_failing(app.failing(install).is_some());
        let lines: Vec<_> = report.granted.iter().map(|(rule, _)| rule.to_string()).collect();
        let unlisted = report.granted.iter().filter(|(_, is_listed)| !is_listed);
        let now = app.clock.now();
        Self {
            chrome,
            head: ExtensionHead::new(&live.version, Some(install), status, "egress"),
            install: install.id,
            is_asked: live.version.manifest.capabilities.contains(&Capability::HttpFetch),
            is_granted: report.is_granted,
            requested: report
                .allowance
                .requested
                .as_ref()
                .map(|rules| rules.iter().map(ToString::to_string).collect()),
            unlisted: unlisted.map(|(rule, _)| rule.to_string()).collect(),
            hosts: lines.join("\n"),
            lesson: report
                .lesson
                .as_ref()
                .map(|lesson| LessonView::new(lesson, &install.egress, now)),
            refused: report.refused.iter().map(|row| RefusedRow::new(row, now)).collect(),
            errors: FormErrors::none(),
        }
    }
}

impl RefusedRow {
    fn new(row: &RefusedDestination, now: Timestamp) -> Self {
        let (why, can_be_granted) = match &row.refusal {
            Refusal::Missing(lists) => {
                let words: Vec<_> = lists.iter().map(|list| list.describe()).collect();
                (format!("Not in {}", words.join(", nor in ")), lists[..] == [List::Grant])
            }
            Refusal::OwnMachine => {
                ("This machine, or link-local: cannot be called".to_owned(), false)
            }
            Refusal::Address => {
                ("Its address is not public, or is the appliance's own".to_owned(), false)
            }
            Refusal::Secret(refusal) => (sentence(&refusal.to_string()), false),
        };
        Self {
            entry: row.entry.clone(),
            count: row.count,
            last: Moment::new(row.last_at, now),
            why,
            can_be_granted,
        }
    }
}

/// Shows the hosts.
pub(in crate::web) async fn show_egress(
    State(app): State<Arc<App>>,
    who: SignedIn,
    Path(id): Path<InstallId>,
    Query(query): Query<EgressQuery>,
) -> Answer {
    let live = app.get_install(&who.principal, id)?;
    let report = app.egress_of(&who.principal, id)?;
    let chrome = chrome_after(&app, &who, "extensions", query.done);
    page(&EgressPage::new(&app, chrome, &live, &report))
}

/// Saves the hosts, or shows the form again with what is no host.
pub(in crate::web) async fn submit_egress(
    State(app): State<Arc<App>>,
    who: SignedIn,
    Path(id): Path<InstallId>,
    CsrfForm(form): CsrfForm<EgressFields>,
) -> Answer {
    let live = app.get_install(&who.principal, id)?;
    let sent = sent_lines(&live, &form);
    let problems = match read(form.allow.as_ref().unwrap_or(&sent)) {
        Err(problems) => problems,
        Ok(hosts) => match save(&app, &who, id, hosts, form.allow.is_some()).await {
            Ok(_) => return Ok(lead_to(&format!("/admin/installs/{id}/egress?done=hosts_saved"))),
            Err(
                error @ (InstallError::HostNotRequested(_) | InstallError::TooManyHosts { .. }),
            ) => vec![error.to_string()],
            Err(error) => return Err(ApiError::from(error)),
        },
    };
    let report = app.egress_of(&who.principal, id)?;
    let chrome = chrome_after(&app, &who, "extensions", None);
    let mut again = EgressPage::new(&app, chrome, &live, &report);
    again.hosts = sent;
    for problem in problems {
        again.errors.add("hosts", problem);
    }
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page(&again)?).into_response())
}

/// Grants these hosts, and no others unless they are `more`.
async fn save(
    app: &App,
    who: &SignedIn,
    id: InstallId,
    hosts: Vec<EgressRule>,
    more: bool,
) -> Result<Install, InstallError> {
    if more {
        app.grant_more_hosts(&who.principal, id, hosts).await
    } else {
        app.grant_hosts(&who.principal, id, hosts).await
    }
}

/// What the form shows again: the list as it was sent, or as it is with one host more.
fn sent_lines(live: &LiveInstall, form: &EgressFields) -> String {
    let Some(more) = &form.allow else { return form.hosts.clone().unwrap_or_default() };
    let now = live.install.egress.iter().map(ToString::to_string);
    now.chain([more.clone()]).collect::<Vec<_>>().join("\n")
}

/// The hosts, or what is wrong with each line that is none.
fn read(lines: &str) -> Result<Vec<EgressRule>, Vec<String>> {
    let (mut rules, mut problems) = (Vec::new(), Vec::new());
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.parse() {
            Ok(rule) => rules.push(rule),
            Err(error) => problems.push(format!("“{line}”: {error}")),
        }
    }
    if problems.is_empty() { Ok(rules) } else { Err(problems) }
}
