//! What an operator does about learn mode: start, stop, grant what was called.

use std::sync::Arc;

use jiff::SignedDuration;
use tokio::task::spawn_blocking;

use super::EgressReport;
use super::learning::{Learning, Lesson, MAX_INSTALLS};
use crate::app::App;
use crate::app::install::InstallError;
use crate::model::{
    Actor, AuditAction, AuditEvent, Capability, EgressRule, ExtensionName, Install, InstallId,
    Principal, ScopeKind,
};
use crate::registry::{Registry, RegistryError, WriteTxn, audit};

/// How long an install learns at the most, and if nobody says.
const MAX_LEARNING: SignedDuration = SignedDuration::from_hours(24);
const LEARNING: SignedDuration = SignedDuration::from_hours(1);

/// Why an install does not learn, or what it learned is not granted.
#[derive(Debug, thiserror::Error)]
pub enum LearnError {
    #[error("an install learns for 1 second to 24 hours, not for {0} seconds")]
    Length(u64),
    #[error("{0} is not granted cap:http.fetch, and calls nothing that could be learned")]
    CallsNothing(ExtensionName),
    #[error("{0} installs learn, or have learned, and no more are remembered")]
    TooMany(usize),
    #[error("{0} is not learning")]
    NotLearning(ExtensionName),
    #[error("{0} has called nothing while it learned")]
    NothingLearned(ExtensionName),
    #[error(transparent)]
    Install(#[from] InstallError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// The hosts, and what of the proposal they do not allow.
fn with(mut hosts: Vec<EgressRule>, proposal: Vec<EgressRule>) -> Vec<EgressRule> {
    for entry in proposal {
        if !hosts.iter().any(|host| host.covers(&entry)) {
            hosts.push(entry);
        }
    }
    hosts
}

fn append_all(txn: &WriteTxn, events: &[AuditEvent]) -> Result<(), RegistryError> {
    events.iter().try_for_each(|event| audit::append(txn, event).map(|_number| ()))
}

impl App {
    /// Lets an install call for a while what only its grant refuses, and remembers it.
    pub async fn start_learning(
        &self,
        principal: &Principal,
        id: InstallId,
        seconds: Option<u64>,
    ) -> Result<EgressReport, LearnError> {
        let live = self.own_install(principal, ScopeKind::InstallWrite, id)?;
        let name = &live.install.name;
        if !live.grants.contains(&Capability::HttpFetch) {
            return Err(LearnError::CallsNothing(name.clone()));
        }
        let length = match seconds {
            None => LEARNING,
            Some(asked) => i64::try_from(asked)
                .ok()
                .map(SignedDuration::from_secs)
                .filter(|length| (SignedDuration::from_secs(1)..=MAX_LEARNING).contains(length))
                .ok_or(LearnError::Length(asked))?,
        };
        let now = self.clock.now();
        let ends_at = now + length;
        let tenant = live.install.tenant.clone();
        let action = AuditAction::LearningStarted;
        let event = self.event(principal.actor(), action, Some(tenant), name.to_string());
        let event = AuditEvent { detail: Some(format!("until {ends_at}")), ..event };
        let (lesson, actor) = (Lesson::new(&live.labels, now, ends_at), principal.actor());
        let begin = move |registry: &Registry, learning: &Learning| {
            if !learning.has_room(id) {
                return Ok(false);
            }
            // A lesson that it takes the place of has its end on record before.
            let old = learning.unsaid_end(id, now, actor);
            let events: Vec<_> = old.into_iter().chain([event]).collect();
            // On record before it begins, and not where it does not.
            registry.write_blocking(|txn| append_all(txn, &events))?;
            Ok(learning.begin(id, lesson))
        };
        if !self.record_lessons(begin).await? {
            return Err(LearnError::TooMany(MAX_INSTALLS));
        }
        Ok(self.egress_of(principal, id)?)
    }

    /// Ends it before its time; what was called stays until it is granted.
    pub async fn stop_learning(
        &self,
        principal: &Principal,
        id: InstallId,
    ) -> Result<EgressReport, LearnError> {
        let live = self.own_install(principal, ScopeKind::InstallWrite, id)?;
        if !self.end_lesson(principal, id).await? {
            return Err(LearnError::NotLearning(live.install.name.clone()));
        }
        Ok(self.egress_of(principal, id)?)
    }

    /// Ends a lesson, with a word on record; false if it is not on.
    async fn end_lesson(
        &self,
        principal: &Principal,
        id: InstallId,
    ) -> Result<bool, RegistryError> {
        let (now, actor) = (self.clock.now(), principal.actor());
        let end = move |registry: &Registry, learning: &Learning| {
            // It ends also where that cannot be written: no call is to pass any more.
            let Some(lesson) = learning.stop(id, now) else { return Ok(false) };
            let event = lesson.event(now, actor);
            registry.write_blocking(|txn| audit::append(txn, &event))?;
            learning.settle(&[(id, lesson)]);
            Ok(true)
        };
        self.record_lessons(end).await
    }

    /// Grants what was called: in place of what was granted before, or beside it. It ends the
    /// learning, unless what was called may not be granted.
    pub async fn accept_learned(
        &self,
        principal: &Principal,
        id: InstallId,
        only: bool,
    ) -> Result<Install, LearnError> {
        let live = self.own_install(principal, ScopeKind::InstallWrite, id)?;
        let lesson = self.learning.of(id).filter(|lesson| !lesson.calls.is_empty());
        let lesson = lesson.ok_or_else(|| LearnError::NothingLearned(live.install.name.clone()))?;
        let change = move |granted: &[EgressRule]| {
            with(if only { Vec::new() } else { granted.to_vec() }, lesson.proposal())
        };
        let action = AuditAction::LearnedHostsGranted;
        let install = self.change_hosts(principal, id, action, change).await?;
        self.end_lesson(principal, id).await?;
        // It may have ended by itself, and is forgotten then.
        self.settle_learning().await?;
        // Calls that ended meanwhile are still to be granted.
        self.learning.forget_granted(id, &install.egress, self.clock.now());
        Ok(install)
    }

    /// Puts on record what has ended by itself, or could not be written when it was ended.
    /// Called once a minute.
    pub async fn settle_learning(&self) -> Result<(), RegistryError> {
        let now = self.clock.now();
        let settle = move |registry: &Registry, learning: &Learning| {
            let ended = learning.unsettled(now);
            if ended.is_empty() {
                return Ok(());
            }
            let event = |lesson: &Lesson| lesson.event(lesson.ends_at, Actor::System);
            let events: Vec<_> = ended.iter().map(|(_, lesson)| event(lesson)).collect();
            registry.write_blocking(|txn| append_all(txn, &events))?;
            // What could not be written is tried again in a minute.
            learning.settle(&ended);
            Ok(())
        };
        self.record_lessons(settle).await
    }

    /// Does what writes of lessons: one after the other, and to its end, also when whoever
    /// asked does not wait for it. Else what is on record could be written again.
    pub(in crate::app) async fn record_lessons<T: Send + 'static>(
        &self,
        record: impl FnOnce(&Registry, &Learning) -> Result<T, RegistryError> + Send + 'static,
    ) -> Result<T, RegistryError> {
        let (registry, learning) = (self.registry.clone(), Arc::clone(&self.learning));
        let in_turn = move || {
            let _recording = learning.recording();
            record(&registry, &learning)
        };
        spawn_blocking(in_turn).await.map_err(RegistryError::Cancelled)?
    }
}
