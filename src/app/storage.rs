//! What the place of the bundles can do, found out at start and again while it cannot be reached.

use std::sync::Arc;

use super::App;
use crate::model::{FactState, StoreCapability, StoreFacts};
use crate::registry::{RegistryError, quarantine, uploads};

/// What an operator is shown of that place.
#[derive(Clone, Debug)]
pub struct Storage {
    /// The bucket and its server; `None`: the data folder.
    pub bucket: Option<String>,
    /// Why the place cannot be reached.
    pub problem: Option<String>,
    /// Free on the disk of the data folder.
    pub free_bytes: Option<u64>,
    /// What the last probe found out.
    pub facts: Option<Arc<StoreFacts>>,
    /// Uploads that are not finished, and bundles that wait for a decision.
    pub unfinished: usize,
    pub quarantined: usize,
    /// Bytes that they hold together.
    pub held_bytes: u64,
    /// Bundles in the bucket without a version here, as the last sweep found.
    pub orphans: u64,
}

impl App {
    /// Where bundles are, whether that place answers, and what waits there.
    pub async fn storage(&self) -> Result<Storage, RegistryError> {
        let location = self.config.store.s3_location();
        let now = self.clock.now();
        let waiting = self.registry.read(move |txn| {
            let mut uploads = uploads::list_all(txn)?;
            uploads.retain(|upload| !upload.finished && !upload.is_expired(now));
            Ok((uploads.len(), quarantine::list(txn)?.len()))
        });
        let (unfinished, quarantined) = waiting.await?;
        Ok(Storage {
            bucket: location.map(|place| format!("{} on {}", place.bucket, place.endpoint)),
            problem: self.bundles.check_reachable().await.err(),
            free_bytes: self.bundles.free_bytes().await.ok(),
            facts: self.bundles.facts(),
            unfinished,
            quarantined,
            held_bytes: self.bundles.staged_bytes(),
            orphans: self.metrics.orphans(),
        })
    }

    /// Probes a server that keeps the bundles, and says in the log what it lacks.
    ///
    /// A disk is not probed: what it can do is known, and every start would
    /// write to it. `plugboard doctor` looks at it when asked.
    pub async fn probe_store(&self) {
        if !self.bundles.is_shared() {
            return;
        }
        let facts = self.bundles.probe(self.clock.now()).await;
        for fact in facts.missing() {
            let capability = fact.capability.as_str();
            tracing::warn!(store.capability = capability, "Bundle store: {}", fact.sentence);
        }
    }

    /// Says in the log that uploads are refused because the disk is full. Asked at a start: who
    /// publishes is told then, and nobody who could do something about it.
    pub async fn note_full_disk(&self) {
        if let Err(error) = self.bundles.check_free_bytes().await {
            tracing::warn!("Uploads are refused: {error}");
        }
    }

    /// Whether a probe has reached the store.
    pub fn has_probed_store(&self) -> bool {
        let facts = self.bundles.facts();
        facts.is_some_and(|facts| facts.state(StoreCapability::Reach) == FactState::Works)
    }
}
