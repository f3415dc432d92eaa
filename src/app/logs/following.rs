//! Somebody who follows lines: those on disk first, then those that come.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::app::App;
use crate::guest_logs::{EndOfLines, Follower, LineQuery, Lines, Place, Record};
use crate::model::{InstallLabels, Principal};

/// How often a follower hears something, and is asked whether it may still.
const QUIET: Duration = Duration::from_secs(15);
/// Lines that are read from the disk at once for a follower.
const PAGE: usize = 200;

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

impl Following {
    pub(super) fn new(
        app: &Arc<App>,
        principal: &Principal,
        install: Arc<InstallLabels>,
        query: LineQuery,
        follower: Follower,
    ) -> Self {
        let mut quiet = interval(QUIET);
        quiet.set_missed_tick_behavior(MissedTickBehavior::Delay);
        quiet.reset();
        Self {
            app: Arc::clone(app),
            principal: principal.clone(),
            install,
            query,
            follower,
            backlog: VecDeque::new(),
            last: None,
            is_live: false,
            quiet,
            is_over: false,
        }
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
        // Who reads slowly may never come to [`Self::wait`], where these ends are told, too.
        if !self.app.still_knows(&self.principal) {
            return Some(Told::End(EndOfFollowing::NotAllowed));
        }
        if self.follower.is_ending() {
            return Some(Told::End(EndOfFollowing::Stopping));
        }
        let place = self.last.map_or(self.query.place, Place::After);
        // Forwards all of it is told, a page after the other.
        let limit = if matches!(place, Place::After(_)) { PAGE } else { self.query.limit };
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
            next = self.follower.next() => Some(next),
            _ = self.quiet.tick() => None,
        };
        // Whoever was let in once stays connected, and may have been shut out since.
        if !self.app.still_knows(&self.principal) {
            return Some(Told::End(EndOfFollowing::NotAllowed));
        }
        let Some(next) = next else { return Some(Told::Quiet) };
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
