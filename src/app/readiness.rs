//! Whether the appliance can do its work.

use serde::Serialize;

use super::App;
use crate::model::StoreCapability;
use crate::trust::TrustBundleStatus;

/// What `/readyz` says.
#[derive(Clone, Debug, Serialize)]
pub struct Readiness {
    pub status: ReadinessStatus,
    /// Why it is not `ready`, in sentences.
    pub reasons: Vec<String>,
    /// What the bundle store lacks and this appliance makes up for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// From best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadinessStatus {
    Ready,
    /// Works; nobody has set it up yet.
    SetupPending,
    /// Installed extensions run; something else does not work.
    Degraded,
    /// Cannot do its work.
    Unavailable,
}

impl App {
    /// Looks at registry, store and trust bundle.
    pub async fn readiness(&self) -> Readiness {
        let mut reasons = Vec::new();
        let mut status = ReadinessStatus::Ready;
        if !self.registry.live().is_set_up() {
            status = ReadinessStatus::SetupPending;
            reasons.push("no operator exists yet".to_owned());
        }
        if let TrustBundleStatus::Unusable { reason, .. } = self.trust.status(self.clock.now()) {
            status = ReadinessStatus::Degraded;
            reasons.push(format!("the trust bundle is not usable: {reason}"));
        }
        if let Err(problem) = self.bundles.check_reachable().await {
            status = ReadinessStatus::Degraded;
            reasons.push(format!("the bundle store does not answer: {problem}"));
        }
        if let Err(error) = self.bundles.check_writable().await {
            status = ReadinessStatus::Unavailable;
            reasons.push(format!("the bundle store cannot be written: {error}"));
        }
        if let Err(error) = self.registry.read(|_| Ok(())).await {
            status = ReadinessStatus::Unavailable;
            reasons.push(format!("the registry cannot be read: {error}"));
        }
        Readiness { status, reasons, notes: self.store_notes() }
    }

    fn store_notes(&self) -> Vec<String> {
        let facts = self.bundles.facts();
        let missing = facts.iter().flat_map(|facts| facts.missing());
        let matters = missing.filter(|fact| fact.capability != StoreCapability::Reach);
        matters.map(|fact| fact.sentence.clone()).collect()
    }
}
