//! The lines that extensions write: read again, and followed.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

use super::App;
use super::install::InstallError;
use super::sign_in::seconds;
use super::sweep::SweepError;
use crate::guest_logs::{
    EndOfLines, Follower, LineCounts, LineQuery, Lines, Place, Record, TooManyFollowers,
};
use crate::model::{InstallId, InstallLabels, Principal, ScopeKind};
use crate::registry::LiveInstall;

/// How often a follower hears something, and is asked whether it may still.
const QUIET: Duration = Duration::from_secs(15);
/// Lines that are read from the disk at once for a follower.
const PAGE: usize = 200;

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

/// What a follower is told next.
#[derive(Clone, Debug)]
pub enum Told {
    Line(Arc<Record>),
    /// Records that it was too slow for, or that were gone when it asked.
    Missed(u64),
    /// Nothing, to say that it is still there.
    Quiet,
    /// Nothing comes after this.
    End(EndOfFollowing),
}

/// Why nothing more comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndOfFollowing {
    Uninstalled,
    Stopping,
    /// The token or the session of the follower is no longer good.
    NotAllowed,
    /// The disk cannot be read.
    Failed,
}

/// Somebody who follows the lines of an install.
pub struct Following {
    app: Arc<App>,
    principal: Principal,
    install: Arc<InstallLabels>,
    query: LineQuery,
    follower: Follower,
    /// Read from the disk and not told yet.
    backlog: VecDeque<Record>,
    /// The last record that was told or passed over; `None`: nothing was read yet.
    last: Option<u64>,
    /// Whether the disk has all that there is up to what comes live.
    is_live: bool,
    quiet: Interval,
    is_over: bool,
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
        let mut quiet = interval(QUIET);
        quiet.set_missed_tick_behavior(MissedTickBehavior::Delay);
        quiet.reset();
        Ok(Following {
            app: Arc::clone(self),
            principal: principal.clone(),
            install: Arc::clone(&live.labels),
            query,
            follower,
            backlog: VecDeque::new(),
            last: None,
            is_live: false,
            quiet,
            is_over: false,
        })
    }

    /// The install of the caller's tenant that `id` names: an extension, by one of its names,
    /// or an install.
    pub fn find_own_install(
        &self,
        principal: &Principal,
        id: &str,
    ) -> Result<Arc<LiveInstall>, InstallError> {
        let (live, tenant) = (self.registry.live(), principal.tenant());
        let by_name = || live.install(&tenant, &id.parse().ok()?);
        let by_id = || live.install_by_id(&id.parse().ok()?);
        let found = by_name().or_else(|| live.install_by_alias(&tenant, id)).or_else(by_id);
        let found = found.ok_or_else(|| InstallError::UnknownInstall(id.to_owned()))?;
        self.own_install(principal, ScopeKind::InstallRead, found.install.id)
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

impl Following {
    /// Whose lines these are.
    pub fn install(&self) -> &Arc<InstallLabels> {
        &self.install
    }

    /// What comes next; `None` after the end.
    pub async fn next(&mut self) -> Option<Told> {
        while !self.is_over {
            if let Some(record) = self.backlog.pop_front() {
                return Some(Told::Line(Arc::new(record)));
            }
            let told = if self.is_live { self.wait().await } else { self.read_on().await };
            self.is_over = matches!(told, Some(Told::End(_)));
            if told.is_some() {
                return told;
            }
        }
        None
    }

    /// Reads what is on disk, a page at a time, until there is no more.
    async fn read_on(&mut self) -> Option<Told> {
        let (place, limit) = match self.last {
            None => (self.query.place, self.query.limit),
            Some(last) => (Place::After(last), PAGE),
        };
        // Forwards all of it is told, a page after the other.
        let limit = if matches!(place, Place::After(_)) { PAGE } else { limit };
        let query = LineQuery { place, limit, ..self.query.clone() };
        let read = self.app.guest_logs.read(Arc::clone(&self.install), query).await;
        let Lines { records, has_more, last, missing } = match read {
            Ok(lines) => lines,
            Err(error) => {
                tracing::warn!("Lines of an extension cannot be read: {error}");
                return Some(Told::End(EndOfFollowing::Failed));
            }
        };
        let goes_on = has_more && matches!(place, Place::After(_));
        let newest = records.last().map(|record| record.seq).filter(|_| goes_on);
        self.last = Some(newest.unwrap_or(last));
        self.is_live = !goes_on;
        self.backlog = records.into();
        (missing > 0).then_some(Told::Missed(missing))
    }

    /// Waits for a line, or for the time to say that there is none.
    async fn wait(&mut self) -> Option<Told> {
        let next = tokio::select! {
            next = self.follower.next() => next,
            _ = self.quiet.tick() => {
                let goes_on = self.app.still_knows(&self.principal);
                return Some(if goes_on { Told::Quiet } else { Told::End(EndOfFollowing::NotAllowed) });
            }
        };
        let record = match next {
            Ok(record) => record,
            Err(EndOfLines::Uninstalled) => return Some(Told::End(EndOfFollowing::Uninstalled)),
            Err(EndOfLines::Stopping) => return Some(Told::End(EndOfFollowing::Stopping)),
        };
        let last = self.last.unwrap_or_default();
        // It was read from the disk.
        if record.seq <= last {
            return None;
        }
        let missed = record.seq - last - 1;
        self.last = Some(record.seq);
        let fits = self.query.fits(&record);
        if missed == 0 {
            return fits.then_some(Told::Line(record));
        }
        if fits {
            self.backlog.push_back(Record::clone(&record));
        }
        Some(Told::Missed(missed))
    }
}
