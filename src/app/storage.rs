//! What the place of the bundles can do, found out at start and again while it cannot be reached.

use super::App;
use crate::model::{FactState, StoreCapability};

impl App {
    /// Probes the bundle store and says in the log what it lacks.
    pub async fn probe_store(&self) {
        let facts = self.bundles.probe(self.clock.now()).await;
        for fact in facts.missing() {
            let capability = fact.capability.as_str();
            tracing::warn!(store.capability = capability, "Bundle store: {}", fact.sentence);
        }
    }

    /// Whether a probe has reached the store.
    pub fn has_probed_store(&self) -> bool {
        let facts = self.bundles.facts();
        facts.is_some_and(|facts| facts.state(StoreCapability::Reach) == FactState::Works)
    }
}
