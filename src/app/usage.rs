//! What the executions of each install take, and whether it is left alone because they fail.
//!
//! Kept in memory, since the start: a fixed number of slots of time for each install, of a
//! bounded number of installs; of every other one only how it fails. An execution costs short
//! locks of its own install.

mod meter;
mod ring;
mod watch;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;

use super::App;
use super::breaker::{BreakerRule, Era};
use super::install::InstallError;
use crate::config::RunnerConfig;
use crate::model::{Clock, Failing, Install, InstallId, InstallLabels, Principal, ScopeKind};
use crate::registry::LastUse;
use crate::runner::Observer;
use crate::telemetry::Metrics;

pub use super::breaker::LeftAlone;
use meter::{Meter, no_slots};
pub use ring::Tally;
use watch::Watch;

/// Installs of which something is kept, some 35 KiB each; more than that, and those that
/// were not called for the longest time are forgotten.
const MAX_INSTALLS: usize = 1_000;

/// As many are forgotten at a time: to look for them takes as long for one.
const FORGOTTEN: usize = MAX_INSTALLS / 10;

/// What is known of the executions of every install.
pub struct Usages {
    rule: BreakerRule,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    since: Timestamp,
    meters: RwLock<HashMap<InstallId, Metered>>,
    /// Of every install that was called, also where its meter is forgotten.
    watches: RwLock<HashMap<InstallId, Arc<Watch>>>,
}

/// One install that was called, and what its executions report to.
#[derive(Clone)]
struct Metered {
    meter: Arc<Meter>,
    observer: Observer,
}

/// A call that was let through.
pub(super) struct Admitted {
    meter: Arc<Meter>,
    era: Era,
    /// What its execution reports to.
    pub(super) observer: Observer,
}

/// The usage of an install, oldest slot first, each with its beginning.
#[derive(Debug)]
pub struct UsageReport {
    /// Nothing is known of what was before.
    pub since: Timestamp,
    /// While its calls are not let through.
    pub failing: Option<Failing>,
    pub minutes: Vec<(Timestamp, Tally)>,
    pub hours: Vec<(Timestamp, Tally)>,
}

impl App {
    /// What an install of the caller's tenant took.
    pub fn usage_of(
        &self,
        principal: &Principal,
        id: InstallId,
    ) -> Result<UsageReport, InstallError> {
        let row = self.own_install(principal, ScopeKind::InstallRead, id)?;
        Ok(self.usages.report(&row.install))
    }

    /// How an install fails, if its calls are not let through.
    pub fn failing(&self, install: &Install) -> Option<Failing> {
        self.usages.failing(install)
    }

    /// Forgets the usage and the pace of installs that are gone, and counts those that fail.
    pub fn settle_usages(&self) {
        let live = self.registry.live();
        self.usages.retain(|id| live.install_by_id(id).is_some());
        self.call_rates.retain(&live);
        let failing = live.installs().filter(|row| self.failing(&row.install).is_some());
        self.metrics.observe_failing(failing.count());
    }
}

impl Usages {
    /// Begins to count.
    pub fn new(config: &RunnerConfig, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Self {
        let since = clock.now();
        let rule = BreakerRule::new(config);
        let (meters, watches) = (RwLock::default(), RwLock::default());
        Self { rule, clock, metrics, since, meters, watches }
    }

    /// Whether a call would be let through: asked before its body is read.
    pub(super) fn check(&self, install: &Install) -> Result<(), LeftAlone> {
        let now = self.clock.now();
        match self.find(&install.id) {
            Some(found) => found.meter.check(install, now),
            None => self.watch(&install.id).map_or(Ok(()), |watch| watch.check(install, now)),
        }
    }

    /// Lets a call through, or says why not. `last_use` has noted it already.
    pub(super) fn admit(
        &self,
        install: &Install,
        labels: &Arc<InstallLabels>,
        last_use: &Arc<LastUse>,
    ) -> Result<Admitted, LeftAlone> {
        let found = self.find_or_add(install, labels, last_use);
        let era = found.meter.admit(install, self.clock.now())?;
        Ok(found.admitted(era))
    }

    /// Lets a call through that goes on with what is installed no more: it is counted, and says
    /// nothing of what is installed now.
    pub(super) fn admit_outdated(
        &self,
        install: &Install,
        labels: &Arc<InstallLabels>,
        last_use: &Arc<LastUse>,
    ) -> Admitted {
        self.find_or_add(install, labels, last_use).admitted(Era::NEVER)
    }

    fn failing(&self, install: &Install) -> Option<Failing> {
        self.watch(&install.id)?.failing(install)
    }

    fn report(&self, install: &Install) -> UsageReport {
        let now = self.clock.now();
        let (found, failing) = (self.find(&install.id), self.failing(install));
        let (minutes, hours) = found.map_or_else(|| no_slots(now), |found| found.meter.slots(now));
        UsageReport { since: self.since, failing, minutes, hours }
    }

    fn find(&self, id: &InstallId) -> Option<Metered> {
        self.meters.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn watch(&self, id: &InstallId) -> Option<Arc<Watch>> {
        self.watches.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn find_or_add(
        &self,
        install: &Install,
        labels: &Arc<InstallLabels>,
        last_use: &Arc<LastUse>,
    ) -> Metered {
        if let Some(found) = self.find(&install.id) {
            return found;
        }
        let mut meters = self.meters.write().unwrap_or_else(PoisonError::into_inner);
        if meters.len() >= MAX_INSTALLS && !meters.contains_key(&install.id) {
            forget_some(&mut meters);
        }
        let mut watches = self.watches.write().unwrap_or_else(PoisonError::into_inner);
        let watch = || Arc::new(Watch::new(install, self.rule));
        let watch = watches.entry(install.id).or_insert_with(watch);
        let metered = || self.metered(Meter::new(labels, last_use, Arc::clone(watch)));
        meters.entry(install.id).or_insert_with(metered).clone()
    }

    fn metered(&self, meter: Meter) -> Metered {
        let meter = Arc::new(meter);
        let (noting, clock) = (Arc::clone(&meter), Arc::clone(&self.clock));
        let metrics = Arc::clone(&self.metrics);
        let observer = Observer::new(move |ended, mark| {
            noting.note(Era(mark), ended, clock.now(), &metrics);
        });
        Metered { meter, observer }
    }

    fn retain(&self, is_there: impl Fn(&InstallId) -> bool) {
        let mut meters = self.meters.write().unwrap_or_else(PoisonError::into_inner);
        meters.retain(|id, _| is_there(id));
        let mut watches = self.watches.write().unwrap_or_else(PoisonError::into_inner);
        watches.retain(|id, _| is_there(id));
    }
}

/// Forgets those that were not called for the longest time.
fn forget_some(meters: &mut HashMap<InstallId, Metered>) {
    let mut all: Vec<_> = meters.iter().map(|(id, found)| (found.meter.called_at(), *id)).collect();
    all.sort_unstable_by_key(|(called_at, _)| *called_at);
    for (_, id) in all.iter().take(FORGOTTEN) {
        meters.remove(id);
    }
}

impl Metered {
    fn admitted(self, era: Era) -> Admitted {
        let Self { meter, observer } = self;
        Admitted { meter, era, observer: observer.marked(era.0) }
    }
}

impl Admitted {
    /// Takes the head of an answer for a sign of life: a stream may go on for minutes.
    pub(super) fn note_begun(&self, now: Timestamp) {
        self.meter.note_begun(self.era, now);
    }
}

#[cfg(test)]
mod tests;
