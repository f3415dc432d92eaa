//! The lines that extensions write: read again, and followed.

mod following;

pub use following::{EndOfFollowing, Following, Told};

use std::io;
use std::sync::Arc;

use super::App;
use super::install::InstallError;
use super::sign_in::seconds;
use super::sweep::SweepError;
use crate::guest_logs::{LineCounts, LineQuery, Lines, TooManyFollowers};
use crate::model::{InstallId, InstallLabels, Principal, ScopeKind};

/// Why lines cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    #[error(transparent)]
    Install(#[from] InstallError),
    #[error(transparent)]
    TooMany(#[from] TooManyFollowers),
    #[error("the kept lines cannot be read")]
    Read(#[source] io::Error),
}

/// Lines of an install.
#[derive(Clone, Debug)]
pub struct LogLines {
    pub install: Arc<InstallLabels>,
    pub lines: Lines,
    /// Whether lines are kept at all.
    pub is_on: bool,
}

impl App {
    /// Lines of an install of the caller's tenant.
    pub async fn read_lines(
        &self,
        principal: &Principal,
        id: InstallId,
        query: LineQuery,
    ) -> Result<LogLines, LogsError> {
        let live = self.own_install(principal, ScopeKind::InstallRead, id)?;
        let install = Arc::clone(&live.labels);
        let lines = self.guest_logs.read(Arc::clone(&install), query).await;
        let lines = lines.map_err(LogsError::Read)?;
        Ok(LogLines { install, lines, is_on: self.guest_logs.is_on() })
    }

    /// Follows the lines of an install of the caller's tenant, after those that `query` finds.
    pub fn follow_lines(
        self: &Arc<Self>,
        principal: &Principal,
        id: InstallId,
        query: LineQuery,
    ) -> Result<Following, LogsError> {
        let live = self.own_install(principal, ScopeKind::InstallRead, id)?;
        let follower = self.guest_logs.follow(&live.labels)?;
        // Again: an install that went in between ends nobody who comes after it.
        self.own_install(principal, ScopeKind::InstallRead, id)?;
        let install = Arc::clone(&live.labels);
        Ok(Following::new(self, principal, install, query, follower))
    }

    /// Whether a caller that was let in once would be let in again.
    fn still_knows(&self, principal: &Principal) -> bool {
        let (live, now) = (self.registry.live(), self.clock.now());
        match principal {
            Principal::Local { .. } => true,
            Principal::Token(token) => {
                live.token(&token.id).is_some_and(|token| now < token.expires_at)
            }
            // Following is no use of it: a page that is left open ends like any other.
            Principal::Operator(session) => {
                let auth = &self.config.auth;
                live.session(&session.id_sha256).is_some_and(|session| {
                    now < self.registry.last_seen(session) + seconds(auth.session_idle_s)
                        && now < session.created_at + seconds(auth.session_absolute_s)
                })
            }
        }
    }

    /// Takes over into the metrics what became of lines.
    pub fn count_lines(&self) {
        let LineCounts { kept, over_limit, queue_full, not_written } = self.guest_logs.counts();
        let counts = [
            ("kept", kept),
            ("over_limit", over_limit),
            ("queue_full", queue_full),
            ("not_written", not_written),
        ];
        self.metrics.observe_guest_lines(&counts, self.guest_logs.follower_count());
    }

    /// Removes the lines of an install that is gone. What fails the sweep does again.
    pub(super) async fn forget_lines(&self, id: InstallId) {
        if let Err(error) = self.guest_logs.remove(id).await {
            tracing::warn!("The lines of an uninstalled extension are not removed yet: {error}");
        }
    }

    /// Removes the lines of installs that are gone; of all, if none are to be kept.
    pub(super) async fn sweep_lines(&self) -> Result<usize, SweepError> {
        let rings = self.guest_logs.rings().await.map_err(SweepError::Lines)?;
        // After the rings: an install that is not there any more was there when it wrote.
        let live = self.registry.live();
        let is_on = self.guest_logs.is_on();
        let mut removed = 0;
        for id in rings.into_iter().filter(|id| !is_on || live.install_by_id(id).is_none()) {
            self.guest_logs.remove(id).await.map_err(SweepError::Lines)?;
            removed += 1;
        }
        Ok(removed)
    }
}
