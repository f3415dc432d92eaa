//! Learn mode: for a while an install calls what only its grant refuses, and an operator sees
//! what that was.
//!
//! The appliance's list, the manifest and the rules for addresses hold as ever. It is in
//! memory and ends with the process: after a restart the grant alone counts again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::MAX_HOSTS;
use crate::egress::{Destination, Ended, Learner};
use crate::model::{
    Actor, AuditAction, AuditEvent, Clock, EgressRule, ExtensionName, InstallId, InstallLabels,
    TenantId,
};

/// Installs that learn, or of which it is remembered what they called.
pub(super) const MAX_INSTALLS: usize = 100;

/// Installs that learn, or have learned, since the start.
#[derive(Debug, Default)]
pub struct Learning(Mutex<HashMap<InstallId, Lesson>>);

/// What one install called while it learned.
#[derive(Clone, Debug)]
pub struct Lesson {
    pub began_at: Timestamp,
    /// When it ends, or did.
    pub ends_at: Timestamp,
    /// By destination.
    pub calls: Vec<LearnedHost>,
    /// Whether its end is on record.
    is_settled: bool,
    tenant: TenantId,
    extension: ExtensionName,
}

/// A destination that was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LearnedHost {
    /// Exactly this destination.
    pub entry: EgressRule,
    pub count: u64,
    pub last_at: Timestamp,
    /// Whether the install was granted it before.
    pub was_granted: bool,
}

/// Who lets calls through while their install learns.
pub fn learner(learning: &Arc<Learning>, clock: &Arc<dyn Clock>) -> Learner {
    let (learning, clock) = (Arc::clone(learning), Arc::clone(clock));
    Arc::new(move |install, to: &Destination| learning.lets(install, to, clock.now()))
}

impl Lesson {
    pub(super) fn new(of: &InstallLabels, began_at: Timestamp, ends_at: Timestamp) -> Self {
        let (tenant, extension) = (of.tenant.clone(), of.extension.clone());
        Self { began_at, ends_at, calls: Vec::new(), is_settled: false, tenant, extension }
    }

    /// Whether calls pass that the grant refuses.
    pub fn is_on(&self, now: Timestamp) -> bool {
        now < self.ends_at
    }

    /// The smallest list that allows all that was called.
    pub fn proposal(&self) -> Vec<EgressRule> {
        self.calls.iter().map(|call| call.entry.clone()).collect()
    }

    pub(super) fn event(&self, at: Timestamp, actor: Actor) -> AuditEvent {
        let called = self.calls.len();
        AuditEvent {
            at,
            actor,
            action: AuditAction::LearningEnded,
            tenant: Some(self.tenant.clone()),
            subject: self.extension.to_string(),
            detail: Some(format!("{called} destinations were called")),
        }
    }
}

impl Learning {
    fn lessons<T>(&self, with: impl FnOnce(&mut HashMap<InstallId, Lesson>) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a call may go out that only the grant refuses. What could not be remembered
    /// does not go out: nobody would see it.
    fn lets(&self, install: InstallId, to: &Destination, now: Timestamp) -> bool {
        let Ok(entry) = to.entry().parse::<EgressRule>() else { return false };
        self.lessons(|lessons| {
            let lesson = lessons.get(&install).filter(|lesson| lesson.is_on(now));
            lesson.is_some_and(|lesson| {
                let is_known = lesson.calls.iter().any(|call| call.entry == entry);
                is_known || lesson.calls.len() < MAX_HOSTS
            })
        })
    }

    /// Remembers a call that was made while its install learned.
    pub(super) fn note(&self, ended: &Ended<'_>, now: Timestamp) {
        // What has no public address would be proposed in vain.
        if ended.error.is_some_and(|error| error.refusal().is_some()) {
            return;
        }
        self.lessons(|lessons| {
            let Some(lesson) = lessons.get_mut(&ended.caller.install.install) else { return };
            if !lesson.is_on(now) && !ended.is_learned {
                return;
            }
            let Ok(entry) = ended.destination.entry().parse::<EgressRule>() else { return };
            let has_room = lesson.calls.len() < MAX_HOSTS;
            match lesson.calls.iter_mut().find(|call| call.entry == entry) {
                Some(known) => {
                    known.count += 1;
                    known.last_at = now;
                }
                None if has_room => {
                    let was_granted = !ended.is_learned;
                    lesson.calls.push(LearnedHost { entry, count: 1, last_at: now, was_granted });
                    lesson.calls.sort_by_key(|call| call.entry.to_string());
                }
                None => {}
            }
        });
    }

    /// What an install learned, or does.
    pub fn of(&self, install: InstallId) -> Option<Lesson> {
        self.lessons(|lessons| lessons.get(&install).cloned())
    }

    pub(in crate::app) fn forget(&self, install: InstallId) {
        self.lessons(|lessons| lessons.remove(&install));
    }

    /// Forgets the calls that are granted, and with the last of them a lesson that is over.
    pub(super) fn forget_granted(
        &self,
        install: InstallId,
        granted: &[EgressRule],
        now: Timestamp,
    ) {
        self.lessons(|lessons| {
            let Some(lesson) = lessons.get_mut(&install) else { return };
            lesson.calls.retain(|call| !granted.iter().any(|rule| rule.covers(&call.entry)));
            if lesson.calls.is_empty() && !lesson.is_on(now) {
                lessons.remove(&install);
            }
        });
    }

    /// Whether an install may begin.
    pub(super) fn has_room(&self, install: InstallId) -> bool {
        self.lessons(|lessons| has_room(lessons, install))
    }

    /// Begins anew; false if there are as many as there may be.
    pub(super) fn begin(&self, install: InstallId, lesson: Lesson) -> bool {
        self.lessons(|lessons| {
            let has_room = has_room(lessons, install);
            if has_room {
                lessons.insert(install, lesson);
            }
            has_room
        })
    }

    /// Ends the lesson of an install now; `None` if it is not on.
    pub(super) fn stop(&self, install: InstallId, now: Timestamp) -> Option<Lesson> {
        self.lessons(|lessons| {
            let lesson = lessons.get_mut(&install).filter(|lesson| lesson.is_on(now))?;
            (lesson.ends_at, lesson.is_settled) = (now, true);
            Some(lesson.clone())
        })
    }

    /// Those that have ended by themselves and of which that is not on record.
    pub(super) fn unsettled(&self, now: Timestamp) -> Vec<Lesson> {
        self.lessons(|lessons| {
            let over = lessons.values_mut().filter(|it| !it.is_settled && !it.is_on(now));
            over.map(|lesson| {
                lesson.is_settled = true;
                lesson.clone()
            })
            .collect()
        })
    }
}

fn has_room(lessons: &HashMap<InstallId, Lesson>, install: InstallId) -> bool {
    lessons.len() < MAX_INSTALLS || lessons.contains_key(&install)
}

#[cfg(test)]
mod tests;
