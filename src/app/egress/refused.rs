//! What installs were refused to call, for whoever is to allow it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::egress::{Ended, Refusal};
use crate::model::{Actor, AuditAction, AuditEvent, InstallId};

/// Refused destinations that are remembered of one install: the last ones.
const REMEMBERED: usize = 20;
/// Installs of which any are remembered.
const REMEMBERED_INSTALLS: usize = 1_000;
/// How long a refused destination is in the audit record before it is written again, and
/// the time in which an install gets so many rows.
const SAID_FOR: SignedDuration = SignedDuration::from_hours(1);
/// Rows of the audit record that one install gets in that time: a guest chooses the names,
/// and the record keeps them for good.
const ROWS: u32 = 20;

/// A destination that an install was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedDestination {
    /// The entry that allows exactly this: `https://api.example.com`.
    pub entry: String,
    pub refusal: Refusal,
    pub count: u64,
    pub last_at: Timestamp,
    /// When it was last written into the audit record.
    said_at: Option<Timestamp>,
}

impl RefusedDestination {
    /// The lists change meanwhile, and a call with a secret is another than one without.
    fn is_about(&self, entry: &str, refusal: &Refusal) -> bool {
        let secret = |refusal: &Refusal| match refusal {
            Refusal::Secret(refusal) => Some(refusal.clone()),
            Refusal::Missing(_) | Refusal::OwnMachine | Refusal::Address => None,
        };
        self.entry == entry && secret(&self.refusal) == secret(refusal)
    }
}

/// Destinations that were refused since the start: for whoever is to allow them.
#[derive(Debug, Default)]
pub struct RefusedCalls(Mutex<HashMap<InstallId, OfInstall>>);

/// Those of one install, the last first, and the rows that it got.
#[derive(Debug, Default)]
struct OfInstall {
    destinations: VecDeque<RefusedDestination>,
    /// When the time began that the rows are counted in.
    since: Timestamp,
    rows: u32,
}

impl OfInstall {
    /// Notes one more call, and says whether the record gets a row.
    fn note(&mut self, entry: String, refusal: Refusal, now: Timestamp) -> bool {
        let known = self.destinations.iter().position(|row| row.is_about(&entry, &refusal));
        let known = known.and_then(|index| self.destinations.remove(index));
        let (count, said_at) = known.map_or((0, None), |known| (known.count, known.said_at));
        let is_said = said_at.is_some_and(|at| now.duration_since(at) < SAID_FOR);
        let is_told = !is_said && self.take_row(now);
        self.destinations.push_front(RefusedDestination {
            entry,
            refusal,
            count: count + 1,
            last_at: now,
            said_at: if is_told { Some(now) } else { said_at },
        });
        self.destinations.truncate(REMEMBERED);
        is_told
    }

    fn take_row(&mut self, now: Timestamp) -> bool {
        if now.duration_since(self.since) >= SAID_FOR {
            (self.since, self.rows) = (now, 0);
        }
        self.rows += u32::from(self.rows <= ROWS);
        self.rows <= ROWS
    }

    fn last_at(&self) -> Timestamp {
        self.destinations.front().map_or(self.since, |last| last.last_at)
    }
}

impl RefusedCalls {
    /// Remembers a refused call; the event, if it was not said lately.
    pub(super) fn note(&self, ended: &Ended<'_>, now: Timestamp) -> Option<AuditEvent> {
        let error = ended.error?;
        let (install, refusal) = (&ended.caller.install, error.refusal()?);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED_INSTALLS && !all.contains_key(&install.install) {
            let quietest = all.iter().min_by_key(|(_, refused)| refused.last_at());
            let quietest = *quietest.expect("there are a thousand").0;
            all.remove(&quietest);
        }
        let refused = all.entry(install.install).or_default();
        if !refused.note(ended.destination.entry(), refusal, now) {
            return None;
        }
        let more = "; what else it is refused within the hour is in the log only";
        let more = if refused.rows == ROWS { more } else { "" };
        Some(AuditEvent {
            at: now,
            actor: Actor::System,
            action: AuditAction::EgressDenied,
            tenant: Some(install.tenant.clone()),
            subject: install.extension.to_string(),
            detail: Some(format!("{error}{more}")),
        })
    }

    pub(super) fn of(&self, install: InstallId) -> Vec<RefusedDestination> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_install = all.get(&install).map(|refused| &refused.destinations);
        of_install.map(|refused| refused.iter().cloned().collect()).unwrap_or_default()
    }

    /// The hosts of an install were changed: what it is still refused comes again. The rows
    /// that it got stay counted.
    pub(super) fn begin_anew(&self, install: InstallId) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(refused) = all.get_mut(&install) {
            refused.destinations.clear();
        }
    }

    pub(in crate::app) fn forget(&self, install: InstallId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&install);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::List;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(1_000_000 + minutes)
    }

    fn told(install: &mut OfInstall, names: impl Iterator<Item = usize>, at: Timestamp) -> usize {
        let refusal = || Refusal::Missing(vec![List::Grant]);
        names.filter(|n| install.note(format!("https://n{n}.example"), refusal(), at)).count()
    }

    #[test]
    fn however_many_names_a_guest_tries_the_record_gets_a_few_rows_an_hour() {
        let mut install = OfInstall::default();

        assert_eq!(told(&mut install, (0..10_000).map(|n| n % 100), at(0)), 20);
        assert_eq!(told(&mut install, 0..100, at(59)), 0);
        assert_eq!(told(&mut install, 0..100, at(60)), 20);
        assert_eq!(install.destinations.len(), REMEMBERED);
    }

    #[test]
    fn a_destination_has_one_row_an_hour() {
        let mut install = OfInstall::default();

        let rows = [0, 1, 59, 60, 61].map(|minute| told(&mut install, 7..8, at(minute)));

        assert_eq!(rows, [1, 0, 0, 1, 0]);
        assert_eq!(install.destinations[0].count, 5);
    }
}
