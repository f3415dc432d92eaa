//! Verifying a bundle with all that is known here.

use std::sync::Arc;
use std::time::Instant;

use tokio::task::spawn_blocking;

use super::App;
use super::publish::PublishError;
use crate::model::{Approval, ContentHash, ExtensionName, Stars};
use crate::registry::{approvals, versions};
use crate::trust::{
    self, ExaminedBundle, Facts, QuarantinedBundle, RegistryFacts, StagedUpload, Verification,
};

impl App {
    /// Decompressing, hashing and parsing keep a core busy: not on an async thread.
    ///
    /// The facts are read after the bundle: they depend on the name in it, and an
    /// approval or a revoked key of the meantime counts.
    pub(crate) async fn verify(
        &self,
        upload: StagedUpload,
        stars: Stars,
    ) -> Result<Verification, PublishError> {
        self.verify_approved(upload, stars, None).await
    }

    /// [`App::verify`], as if `approval` were on record.
    pub(crate) async fn verify_approved(
        &self,
        upload: StagedUpload,
        stars: Stars,
        approval: Option<Approval>,
    ) -> Result<Verification, PublishError> {
        let started = Instant::now();
        let (hash, limits) = (upload.content_hash, self.bundle_limits());
        let examine = move || trust::examine(upload, &limits, stars);
        let mut examination = spawn_blocking(examine).await?;
        let name = examination.name().cloned();
        if let (Some(name), Some(star)) = (name.clone(), examination.star()) {
            let stands_for =
                self.registry.read(move |txn| versions::stands_for(txn, &hash, &name, star));
            // With no number left it stays the first, and is refused as taken.
            if let Some(version) = stands_for.await? {
                examination.stand_for(version);
            }
        }
        let mut registry = self.registry_facts(hash, name).await?;
        registry.approval = approval.or(registry.approval);
        let (trust, facts) = (Arc::clone(&self.trust), self.facts(Some(registry)));
        let verification = spawn_blocking(move || examination.decide(&trust, &facts)).await?;
        tracing::info!(
            bundle.hash = %hash,
            verdict = %verification.report().verdict,
            duration_ms = duration_ms(started),
            "Verified a bundle",
        );
        Ok(verification)
    }

    /// Verifies a bundle once more, with what is kept of others who sent it; `None`: nothing else is.
    pub(super) async fn verify_with_kept(
        &self,
        bundle: &QuarantinedBundle,
        kept: &[Vec<u8>],
    ) -> Result<Option<Verification>, PublishError> {
        let is_sent = |one: &Vec<u8>| bundle.signatures().iter().any(|(_, sent)| sent == one);
        if kept.iter().all(is_sent) {
            return Ok(None);
        }
        let upload = StagedUpload {
            file: bundle.file().to_owned(),
            size: bundle.size(),
            content_hash: bundle.content_hash(),
            expected_hash: Some(bundle.content_hash()),
            signatures: not_kept(bundle, kept),
            kept: kept.to_vec(),
            reading: None,
        };
        // Only a route that takes stars can have kept a bundle with one.
        self.verify(upload, Stars::Allowed).await.map(Some)
    }

    async fn registry_facts(
        &self,
        hash: ContentHash,
        name: Option<ExtensionName>,
    ) -> Result<RegistryFacts, PublishError> {
        let read = self.registry.read(move |txn| {
            let highest = name.map(|name| versions::highest(txn, &name)).transpose()?.flatten();
            Ok(RegistryFacts { highest_version: highest, approval: approvals::get(txn, &hash)? })
        });
        Ok(read.await?)
    }

    /// What a signature is held against today: the keys, the policy, the time.
    pub(crate) fn facts(&self, registry: Option<RegistryFacts>) -> Facts {
        Facts {
            now: self.clock.now(),
            policy: self.config.signing.policy,
            keys: self.registry.live().trusted_keys().iter().map(|key| (**key).clone()).collect(),
            registry,
        }
    }
}

/// The signatures of a bundle that are not among those `kept` with it, each once.
pub(super) fn not_kept(bundle: &ExaminedBundle, kept: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut new: Vec<Vec<u8>> = Vec::new();
    for (_, envelope) in bundle.signatures() {
        if !kept.contains(envelope) && !new.contains(envelope) {
            new.push(envelope.clone());
        }
    }
    new
}

pub(super) fn duration_ms(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}
