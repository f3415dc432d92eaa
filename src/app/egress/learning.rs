//! Learn mode: for a while an install calls what only its grant refuses, and an operator sees
//! what that was.
//!
//! The appliance's list, the manifest and the rules for addresses hold as ever. It is in
//! memory and ends with the process: after a restart the grant alone counts again.

mod lesson;

pub use lesson::{LearnedHost, Lesson};

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::egress::{Destination, Ended, Learner};
use crate::model::{Actor, AuditEvent, Clock, EgressRule, InstallId};

/// Installs that learn, or of which it is remembered what they called.
pub(super) const MAX_INSTALLS: usize = 100;

/// Installs that learn, or have learned, since the start.
#[derive(Debug, Default)]
pub struct Learning {
    lessons: Mutex<HashMap<InstallId, Lesson>>,
    /// See [`Learning::recording`].
    recording: Mutex<()>,
}

/// Who lets calls through while their install learns.
pub fn learner(learning: &Arc<Learning>, clock: &Arc<dyn Clock>) -> Learner {
    let (learning, clock) = (Arc::clone(learning), Arc::clone(clock));
    Arc::new(move |install, to: &Destination| learning.lets(install, to, clock.now()))
}

impl Learning {
    fn lessons<T>(&self, with: impl FnOnce(&mut HashMap<InstallId, Lesson>) -> T) -> T {
        with(&mut self.lessons.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// To be held from the look whether the end of a lesson is on record until it is, also
    /// during the write: two who look before either has written both write.
    pub(super) fn recording(&self) -> MutexGuard<'_, ()> {
        self.recording.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a call may go out that only the grant refuses. What could not be remembered
    /// does not go out: nobody would see it.
    fn lets(&self, install: InstallId, to: &Destination, now: Timestamp) -> bool {
        let Ok(entry) = to.entry().parse::<EgressRule>() else { return false };
        self.lessons(|lessons| {
            let lesson = lessons.get_mut(&install).filter(|lesson| lesson.is_on(now));
            lesson.is_some_and(|lesson| {
                // It has its place from now on, and counts when it has ended.
                let call = LearnedHost { entry, count: 0, last_at: now, was_granted: false };
                lesson.find_or_add(call).is_some()
            })
        })
    }

    /// Remembers a call that was made while its install learned.
    pub(super) fn note(&self, ended: &Ended<'_>, now: Timestamp) {
        let Ok(entry) = ended.destination.entry().parse::<EgressRule>() else { return };
        self.lessons(|lessons| {
            let Some(lesson) = lessons.get_mut(&ended.caller.install.install) else { return };
            if !lesson.is_on(now) && !ended.is_learned {
                return;
            }
            // What has no public address would be proposed in vain.
            if ended.error.is_some_and(|error| error.refusal().is_some()) {
                lesson.calls.retain(|call| call.count > 0 || call.entry != entry);
                return;
            }
            let was_granted = !ended.is_learned;
            let call = LearnedHost { entry, count: 0, last_at: now, was_granted };
            if let Some(call) = lesson.find_or_add(call) {
                call.count += 1;
                call.last_at = now;
            }
        });
    }

    /// What an install learned, or does.
    pub fn of(&self, install: InstallId) -> Option<Lesson> {
        self.lessons(|lessons| lessons.get(&install).map(Lesson::of_ended))
    }

    /// The end of an install's lesson, if that is not on record: see [`Lesson::unsaid_end`].
    pub(in crate::app) fn unsaid_end(
        &self,
        install: InstallId,
        now: Timestamp,
        actor: Actor,
    ) -> Option<AuditEvent> {
        self.of(install)?.unsaid_end(now, actor)
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

    /// Ends the lesson of an install now; `None` if it is not on. That it has ended is to be
    /// put on record.
    pub(super) fn stop(&self, install: InstallId, now: Timestamp) -> Option<Lesson> {
        self.lessons(|lessons| {
            let lesson = lessons.get_mut(&install).filter(|lesson| lesson.is_on(now))?;
            lesson.ends_at = now;
            Some(lesson.of_ended())
        })
    }

    /// Those that have ended and of which that is not on record.
    pub(super) fn unsettled(&self, now: Timestamp) -> Vec<(InstallId, Lesson)> {
        self.lessons(|lessons| {
            let over = lessons.iter().filter(|(_, it)| !it.is_settled && !it.is_on(now));
            over.map(|(install, lesson)| (*install, lesson.of_ended())).collect()
        })
    }

    /// The ends of these are on record.
    pub(super) fn settle(&self, ended: &[(InstallId, Lesson)]) {
        self.lessons(|lessons| {
            for (install, of) in ended {
                let lesson = lessons.get_mut(install);
                if let Some(lesson) = lesson.filter(|it| it.began_at == of.began_at) {
                    lesson.is_settled = true;
                }
            }
        });
    }
}

fn has_room(lessons: &HashMap<InstallId, Lesson>, install: InstallId) -> bool {
    lessons.len() < MAX_INSTALLS || lessons.contains_key(&install)
}

#[cfg(test)]
mod tests;
