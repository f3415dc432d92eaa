//! What is known of the executions of one install.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::Timestamp;

use super::ring::{Ring, Tally};
use super::watch::Watch;
use crate::app::breaker::{Era, LeftAlone, Turn};
use crate::model::{Install, InstallLabels};
use crate::registry::LastUse;
use crate::runner::{Ended, Outcome};
use crate::telemetry::{ExecutionMetrics, Metrics};

/// Slots of one minute and of one hour that are kept.
pub(super) const MINUTES: usize = 60;
pub(super) const HOURS: usize = 7 * 24;
/// Characters of a reason that are kept.
const MAX_REASON: usize = 300;

/// The slots of one install.
pub(super) struct Meter {
    labels: Arc<InstallLabels>,
    last_use: Arc<LastUse>,
    watch: Arc<Watch>,
    state: Mutex<State>,
    metrics: [OnceLock<ExecutionMetrics>; Outcome::ALL.len()],
}

struct State {
    minutes: Ring,
    hours: Ring,
}

/// Every slot of minutes and of hours, oldest first.
pub(super) type Slots = (Vec<(Timestamp, Tally)>, Vec<(Timestamp, Tally)>);

/// The slots of an install that was never called.
pub(super) fn no_slots(now: Timestamp) -> Slots {
    (minutes().read(now), hours().read(now))
}

impl Meter {
    pub(super) fn new(
        labels: &Arc<InstallLabels>,
        last_use: &Arc<LastUse>,
        watch: Arc<Watch>,
    ) -> Self {
        Self {
            labels: Arc::clone(labels),
            last_use: Arc::clone(last_use),
            watch,
            state: Mutex::new(State { minutes: minutes(), hours: hours() }),
            metrics: Default::default(),
        }
    }

    pub(super) fn check(&self, install: &Install, now: Timestamp) -> Result<(), LeftAlone> {
        self.hold_back(now, self.watch.check(install, now))
    }

    pub(super) fn admit(&self, install: &Install, now: Timestamp) -> Result<Era, LeftAlone> {
        self.hold_back(now, self.watch.admit(install, now))
    }

    /// Seconds since 1970.
    pub(super) fn called_at(&self) -> i64 {
        self.last_use.second()
    }

    pub(super) fn slots(&self, now: Timestamp) -> Slots {
        let state = self.state();
        (state.minutes.read(now), state.hours.read(now))
    }

    /// Takes the head of an answer for a sign of life: a stream may go on for minutes.
    pub(super) fn note_begun(&self, era: Era, now: Timestamp) {
        let turn = self.watch.begin(era, now);
        if let Some(Turn::Closed { since }) = turn {
            self.say_closed(since, now);
        }
    }

    /// Counts an execution that is over, and was let through in `era`.
    pub(super) fn note(&self, era: Era, ended: &Ended<'_>, now: Timestamp, metrics: &Metrics) {
        let Ended { usage, outcome, error } = *ended;
        let reason = || error.map(|error| cut(&error.to_string())).unwrap_or_default();
        {
            let mut state = self.state();
            state.minutes.at(now).note(usage, outcome);
            state.hours.at(now).note(usage, outcome);
        }
        let turn = self.watch.note(era, outcome, now, reason);
        let extension = self.labels.extension.as_str();
        if outcome != Outcome::Refused {
            let histograms = self.metrics[outcome as usize]
                .get_or_init(|| metrics.executions(extension, outcome.as_str()));
            let (cpu, memory) = (usage.cpu, usage.peak_memory_bytes);
            histograms.observe(usage.duration, cpu, memory, usage.host_calls, usage.response_bytes);
        }
        match turn {
            Some(Turn::Opened { failures, pause }) => {
                metrics.observe_left_alone(extension);
                self.say_opened(failures, pause.as_secs_f64(), &reason());
            }
            Some(Turn::Closed { since }) => self.say_closed(since, now),
            None => {}
        }
    }

    fn say_opened(&self, failures: u32, seconds: f64, reason: &str) {
        let labels = &*self.labels;
        let (extension, tenant) = (labels.extension.as_str(), labels.tenant.as_str());
        tracing::warn!(
            { extension.name = extension, tenant.id = tenant, install.id = labels.install_text() },
            "{extension} of tenant {tenant} is failing and is left alone for {seconds} s: \
             {failures} executions failed, the last: {reason}",
        );
    }

    fn say_closed(&self, since: Timestamp, now: Timestamp) {
        let labels = &*self.labels;
        let (extension, tenant) = (labels.extension.as_str(), labels.tenant.as_str());
        let seconds = now.duration_since(since).as_secs();
        tracing::info!(
            { extension.name = extension, tenant.id = tenant, install.id = labels.install_text() },
            "{extension} of tenant {tenant} answers again, {seconds} s after it began to fail",
        );
    }

    /// Counts a call that is not let through.
    fn hold_back<T>(&self, now: Timestamp, answer: Result<T, LeftAlone>) -> Result<T, LeftAlone> {
        if answer.is_err() {
            let mut state = self.state();
            state.minutes.at(now).hold_back();
            state.hours.at(now).hold_back();
        }
        answer
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Counters: whole after every step, even if a thread panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
