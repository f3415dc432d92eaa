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
/// How long a refused destination is in the audit record before it is written again.
const SAID_FOR: SignedDuration = SignedDuration::from_hours(1);

/// A destination that an install was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedDestination {
    /// The entry that allows exactly this: `https://api.example.com`.
    pub entry: String,
    pub refusal: Refusal,
    pub count: u64,
    pub last_at: Timestamp,
    said_at: Timestamp,
}

impl RefusedDestination {
    /// The lists change meanwhile, and a call with a secret is another than one without.
    fn is_about(&self, entry: &str, refusal: &Refusal) -> bool {
        let secret = |refusal: &Refusal| match refusal {
            Refusal::Secret(refusal) => Some(refusal.clone()),
            Refusal::Missing(_) | Refusal::Address => None,
        };
        self.entry == entry && secret(&self.refusal) == secret(refusal)
    }
}

/// Destinations that were refused since the start: for whoever is to allow them.
#[derive(Debug, Default)]
pub struct RefusedCalls(Mutex<HashMap<InstallId, VecDeque<RefusedDestination>>>);

impl RefusedCalls {
    /// Remembers a refused call; the event, if it was not said lately.
    pub(super) fn note(&self, ended: &Ended<'_>, now: Timestamp) -> Option<AuditEvent> {
        let refusal = ended.error?.refusal()?;
        let (install, entry) = (&ended.caller.install, ended.destination.entry());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED_INSTALLS && !all.contains_key(&install.install) {
            all.clear();
        }
        let refused = all.entry(install.install).or_default();
        let known = refused.iter().position(|row| row.is_about(&entry, &refusal));
        let known = known.and_then(|index| refused.remove(index));
        let (count, said_at) = known.map_or((0, None), |known| (known.count, Some(known.said_at)));
        let is_said = said_at.is_some_and(|at| now.duration_since(at) < SAID_FOR);
        refused.push_front(RefusedDestination {
            entry: entry.clone(),
            refusal,
            count: count + 1,
            last_at: now,
            said_at: said_at.filter(|_| is_said).unwrap_or(now),
        });
        refused.truncate(REMEMBERED);
        (!is_said).then(|| AuditEvent {
            at: now,
            actor: Actor::System,
            action: AuditAction::EgressDenied,
            tenant: Some(install.tenant.clone()),
            subject: install.extension.to_string(),
            detail: ended.error.map(ToString::to_string),
        })
    }

    pub(super) fn of(&self, install: InstallId) -> Vec<RefusedDestination> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&install).map(|refused| refused.iter().cloned().collect()).unwrap_or_default()
    }

    pub(super) fn forget(&self, install: InstallId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&install);
    }
}
