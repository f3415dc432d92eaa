//! What the executions of each install take, and whether it is left alone because they fail.
//!
//! Kept in memory, since the start: a fixed number of slots of time for each install, of a
//! bounded number of installs. An execution costs one short lock of its own install.

mod ring;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use jiff::{SignedDuration, Timestamp};

use super::App;
use super::breaker::{Breaker, BreakerRule, Held, Turn};
use super::clock::Clock;
use super::install::InstallError;
use crate::config::RunnerConfig;
use crate::model::{Failing, Install, InstallId, InstallLabels, Principal, ScopeKind};
use crate::runner::{Ended, Observer, Outcome};
use crate::telemetry::{ExecutionMetrics, Metrics};

use ring::Ring;
pub use ring::Tally;

/// Slots of one minute and of one hour that are kept of an install.
const MINUTES: usize = 60;
const HOURS: usize = 7 * 24;
/// Installs of which something is kept, some 35 KiB each; more than that, and those that
/// were not called for the longest time are forgotten.
const MAX_INSTALLS: usize = 1_000;
/// Characters of a reason that are kept.
const MAX_REASON: usize = 300;

/// What is known of the executions of every install.
pub struct Usages {
    rule: BreakerRule,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    since: Timestamp,
    meters: RwLock<HashMap<InstallId, Metered>>,
}

/// One install that was called, and what its executions report to.
#[derive(Clone)]
pub(super) struct Metered {
    meter: Arc<Meter>,
    pub(super) observer: Observer,
}

/// What is known of one install.
struct Meter {
    labels: Arc<InstallLabels>,
    /// Seconds since 1970 of the last call.
    called_at: AtomicI64,
    state: Mutex<State>,
    metrics: [OnceLock<ExecutionMetrics>; Outcome::ALL.len()],
}

struct State {
    minutes: Ring,
    hours: Ring,
    breaker: Breaker,
    /// Of the row that the breaker is about: a change of the install is a new beginning.
    updated_at: Timestamp,
}

/// Calls to this install are not let through for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftAlone {
    /// Failed executions since the trouble began.
    pub failures: u32,
    /// Until one is let through to try.
    pub wait: SignedDuration,
}

impl LeftAlone {
    /// Whole seconds until a call is let through, at least one.
    pub fn wait_s(&self) -> u64 {
        self.wait.as_millis().max(1).unsigned_abs().div_ceil(1_000).try_into().unwrap_or(u64::MAX)
    }
}

/// The usage of an install, oldest slot first, each with its beginning.
#[derive(Debug)]
pub struct UsageReport {
    /// Nothing is known of what was before.
    pub since: Timestamp,
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
        self.own_install(principal, ScopeKind::InstallRead, id)?;
        Ok(self.usages.report(&id))
    }

    /// How an install fails, if its calls are not let through.
    pub fn failing(&self, install: &Install) -> Option<Failing> {
        self.usages.failing(install)
    }

    /// Forgets the usage of installs that are gone, and counts those that fail.
    pub fn settle_usages(&self) {
        let live = self.registry.live();
        self.usages.retain(|id| live.install_by_id(id).is_some());
        let failing = live.installs().filter(|row| self.failing(&row.install).is_some());
        self.metrics.observe_failing(failing.count());
    }
}

impl Usages {
    /// Begins to count.
    pub fn new(config: &RunnerConfig, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Self {
        let since = clock.now();
        let rule = BreakerRule::new(config);
        Self { rule, clock, metrics, since, meters: RwLock::default() }
    }

    /// Whether a call would be let through: asked before its body is read.
    pub(super) fn check(&self, install: &Install) -> Result<(), LeftAlone> {
        let Some(found) = self.find(&install.id) else { return Ok(()) };
        let (mut state, now) = (found.meter.state(), self.clock.now());
        state.follow(install);
        let checked = state.breaker.check(now);
        state.count_held(now, checked)
    }

    /// Lets a call through, or says why not.
    pub(super) fn admit(
        &self,
        install: &Install,
        labels: &Arc<InstallLabels>,
    ) -> Result<Metered, LeftAlone> {
        let now = self.clock.now();
        let found = self.find(&install.id).unwrap_or_else(|| self.add(install, labels, now));
        found.meter.called_at.store(now.as_second(), Relaxed);
        let mut state = found.meter.state();
        state.follow(install);
        let admitted = state.breaker.admit(now);
        state.count_held(now, admitted)?;
        drop(state);
        Ok(found)
    }

    fn failing(&self, install: &Install) -> Option<Failing> {
        let found = self.find(&install.id)?;
        let state = found.meter.state();
        let is_current = install.enabled && state.updated_at == install.updated_at;
        if is_current { state.breaker.failing() } else { None }
    }

    fn report(&self, id: &InstallId) -> UsageReport {
        let now = self.clock.now();
        let (minutes, hours) = match self.find(id) {
            Some(found) => {
                let state = found.meter.state();
                (state.minutes.read(now), state.hours.read(now))
            }
            None => (minutes().read(now), hours().read(now)),
        };
        UsageReport { since: self.since, minutes, hours }
    }

    fn find(&self, id: &InstallId) -> Option<Metered> {
        self.meters.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn add(&self, install: &Install, labels: &Arc<InstallLabels>, now: Timestamp) -> Metered {
        let mut meters = self.meters.write().unwrap_or_else(PoisonError::into_inner);
        if meters.len() >= MAX_INSTALLS && !meters.contains_key(&install.id) {
            let oldest = meters.iter().min_by_key(|(_, found)| found.meter.called_at.load(Relaxed));
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                meters.remove(&oldest);
            }
        }
        meters.entry(install.id).or_insert_with(|| self.meter(install, labels, now)).clone()
    }

    fn meter(&self, install: &Install, labels: &Arc<InstallLabels>, now: Timestamp) -> Metered {
        let spread = install.id.as_bytes()[0];
        let meter = Arc::new(Meter {
            labels: Arc::clone(labels),
            called_at: AtomicI64::new(now.as_second()),
            state: Mutex::new(State {
                minutes: minutes(),
                hours: hours(),
                breaker: Breaker::new(self.rule, spread),
                updated_at: install.updated_at,
            }),
            metrics: Default::default(),
        });
        let (noting, clock) = (Arc::clone(&meter), Arc::clone(&self.clock));
        let metrics = Arc::clone(&self.metrics);
        let observer = Observer::new(move |ended| noting.note(ended, clock.now(), &metrics));
        Metered { meter, observer }
    }

    fn retain(&self, is_there: impl Fn(&InstallId) -> bool) {
        let mut meters = self.meters.write().unwrap_or_else(PoisonError::into_inner);
        meters.retain(|id, _| is_there(id));
    }
}

impl Meter {
    /// Counts an execution that is over.
    fn note(&self, ended: &Ended<'_>, now: Timestamp, metrics: &Metrics) {
        let Ended { usage, outcome, error } = *ended;
        let turn = {
            let mut state = self.state();
            state.minutes.at(now).note(usage, outcome);
            state.hours.at(now).note(usage, outcome);
            let reason = || error.map(|error| cut(&error.to_string())).unwrap_or_default();
            if outcome.is_failure() {
                state.breaker.fail(now, reason)
            } else if outcome.is_success() {
                state.breaker.succeed(now)
            } else {
                state.breaker.pass_over(now);
                None
            }
        };
        let extension = self.labels.extension.as_str();
        if outcome != Outcome::Refused {
            self.metrics[outcome as usize]
                .get_or_init(|| metrics.executions(extension, outcome.as_str()))
                .observe(
                    usage.duration,
                    usage.cpu,
                    usage.peak_memory_bytes,
                    usage.host_calls,
                    usage.response_bytes,
                );
        }
        if let Some(turn) = turn {
            if matches!(turn, Turn::Opened { .. }) {
                metrics.observe_left_alone(extension);
            }
            self.say(turn, now, ended);
        }
    }

    fn say(&self, turn: Turn, now: Timestamp, ended: &Ended<'_>) {
        let labels = &*self.labels;
        let (extension, tenant) = (labels.extension.as_str(), labels.tenant.as_str());
        match turn {
            Turn::Opened { failures, pause } => {
                let seconds = pause.as_secs_f64();
                let reason = ended.error.map(ToString::to_string).unwrap_or_default();
                tracing::warn!(
                    extension.name = extension,
                    tenant.id = tenant,
                    install.id = labels.install_text(),
                    failures,
                    "{extension} of tenant {tenant} is failing and is left alone for {seconds} s: \
                     {failures} executions failed, the last: {}",
                    cut(&reason),
                );
            }
            Turn::Closed { since } => {
                let seconds = now.duration_since(since).as_secs();
                tracing::info!(
                    extension.name = extension,
                    tenant.id = tenant,
                    install.id = labels.install_text(),
                    "{extension} of tenant {tenant} answers again, {seconds} s after it began to fail",
                );
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Counters: whole after every step, even if a thread panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// An install that somebody has changed begins anew.
    fn follow(&mut self, install: &Install) {
        if self.updated_at != install.updated_at {
            self.updated_at = install.updated_at;
            self.breaker.reset();
        }
    }

    fn count_held(&mut self, now: Timestamp, held: Result<(), Held>) -> Result<(), LeftAlone> {
        held.map_err(|Held { failures, wait }| {
            self.minutes.at(now).hold_back();
            self.hours.at(now).hold_back();
            LeftAlone { failures, wait }
        })
    }
}

fn minutes() -> Ring {
    Ring::new(MINUTES, 60)
}

fn hours() -> Ring {
    Ring::new(HOURS, 60 * 60)
}

/// The beginning of a reason.
fn cut(reason: &str) -> String {
    reason.chars().take(MAX_REASON).collect()
}

#[cfg(test)]
mod tests;
