//! What one install called while it learned.

use jiff::Timestamp;

use crate::app::egress::MAX_HOSTS;
use crate::model::{
    Actor, AuditAction, AuditEvent, EgressRule, ExtensionName, InstallLabels, TenantId,
};

/// What one install called while it learned.
#[derive(Clone, Debug)]
pub struct Lesson {
    pub began_at: Timestamp,
    /// When it ends, or did.
    pub ends_at: Timestamp,
    /// By destination.
    pub calls: Vec<LearnedHost>,
    /// Whether its end is on record.
    pub(super) is_settled: bool,
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

impl Lesson {
    pub(in crate::app::egress) fn new(
        of: &InstallLabels,
        began_at: Timestamp,
        ends_at: Timestamp,
    ) -> Self {
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

    /// What it has of calls that have ended.
    pub(super) fn of_ended(&self) -> Self {
        let mut lesson = self.clone();
        lesson.calls.retain(|call| call.count > 0);
        lesson
    }

    /// The call to the same destination, or this one; `None`: there are as many as there may be.
    pub(super) fn find_or_add(&mut self, call: LearnedHost) -> Option<&mut LearnedHost> {
        let key = |call: &LearnedHost| call.entry.to_string();
        let place = match self.calls.binary_search_by_key(&key(&call), key) {
            Ok(known) => known,
            Err(_) if self.calls.len() >= MAX_HOSTS => return None,
            Err(place) => {
                self.calls.insert(place, call);
                place
            }
        };
        self.calls.get_mut(place)
    }

    /// Its end, if that is not on record: now and by `actor`, or before and by itself.
    pub(in crate::app::egress) fn unsaid_end(
        &self,
        now: Timestamp,
        actor: Actor,
    ) -> Option<AuditEvent> {
        let is_on = self.is_on(now);
        let (at, actor) = if is_on { (now, actor) } else { (self.ends_at, Actor::System) };
        (!self.is_settled).then(|| self.event(at, actor))
    }

    pub(in crate::app::egress) fn event(&self, at: Timestamp, actor: Actor) -> AuditEvent {
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
