//! Learn mode on the tab *Hosts*: `/admin/installs/{id}/egress/learning`

use std::sync::Arc;

use axum::extract::State;
use jiff::Timestamp;
use serde::Deserialize;

use super::Moment;
use super::show::lead_to;
use super::sign_in::EmptyForm;
use crate::app::App;
use crate::app::egress::Lesson;
use crate::model::{EgressRule, InstallId};
use crate::web::extract::{Answer, CsrfForm, Path, SignedIn};

/// How long an install may be asked to learn on the page: seconds, and in words.
const LENGTHS: &[(u64, &str)] =
    &[(900, "15 minutes"), (3_600, "1 hour"), (28_800, "8 hours"), (86_400, "24 hours")];

/// What the page shows of a lesson.
#[derive(Clone, Debug)]
pub struct LessonView {
    pub is_on: bool,
    pub began: Moment,
    pub ends: Moment,
    pub calls: Vec<LearnedRow>,
    /// Granted entries by which nothing was called.
    pub unused: Vec<String>,
}

/// A destination that was called.
#[derive(Clone, Debug)]
pub struct LearnedRow {
    pub entry: String,
    pub count: u64,
    pub last: Moment,
    pub was_granted: bool,
}

/// What the form to start sends.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct StartFields {
    seconds: u64,
}

/// What the form to accept sends.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct AcceptFields {
    keep: AcceptedHosts,
}

/// What stays granted beside what was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AcceptedHosts {
    Nothing,
    Granted,
}

impl LessonView {
    pub(super) fn new(lesson: &Lesson, granted: &[EgressRule], now: Timestamp) -> Self {
        let is_used = |rule: &EgressRule| lesson.calls.iter().any(|call| rule.covers(&call.entry));
        let row = |call: &crate::app::egress::LearnedHost| LearnedRow {
            entry: call.entry.to_string(),
            count: call.count,
            last: Moment::new(call.last_at, now),
            was_granted: call.was_granted,
        };
        let unused = granted.iter().filter(|rule| !is_used(rule));
        Self {
            is_on: lesson.is_on(now),
            began: Moment::new(lesson.began_at, now),
            ends: Moment::new(lesson.ends_at, now),
            calls: lesson.calls.iter().map(row).collect(),
            unused: unused.map(ToString::to_string).collect(),
        }
    }

    /// What one can choose from.
    pub const fn lengths() -> &'static [(u64, &'static str)] {
        LENGTHS
    }
}

/// Starts to learn.
pub(in crate::web) async fn submit_learning(
    State(app): State<Arc<App>>,
    who: SignedIn,
    Path(id): Path<InstallId>,
    CsrfForm(form): CsrfForm<StartFields>,
) -> Answer {
    app.start_learning(&who.principal, id, Some(form.seconds)).await?;
    Ok(lead_to(&format!("/admin/installs/{id}/egress?done=learning_started")))
}

/// Stops before its time.
pub(in crate::web) async fn submit_learning_stop(
    State(app): State<Arc<App>>,
    who: SignedIn,
    Path(id): Path<InstallId>,
    CsrfForm(EmptyForm {}): CsrfForm<EmptyForm>,
) -> Answer {
    app.stop_learning(&who.principal, id).await?;
    Ok(lead_to(&format!("/admin/installs/{id}/egress?done=learning_stopped")))
}

/// Grants what was called.
pub(in crate::web) async fn submit_learned(
    State(app): State<Arc<App>>,
    who: SignedIn,
    Path(id): Path<InstallId>,
    CsrfForm(form): CsrfForm<AcceptFields>,
) -> Answer {
    let only = form.keep == AcceptedHosts::Nothing;
    app.accept_learned(&who.principal, id, only).await?;
    Ok(lead_to(&format!("/admin/installs/{id}/egress?done=hosts_saved")))
}
