//! `plugboard sign`: a DSSE envelope over a bundle.

use std::io::Read;

use anyhow::Context;
use ed25519_dalek::SigningKey;

use crate::bundle::{self, BundleLimits};
use crate::model::Manifest;
use crate::trust::statement::{self, Subject};

/// Reads a bundle as the appliance would, and signs what it found.
pub(super) fn sign_archive(archive: impl Read, key: &SigningKey) -> anyhow::Result<Vec<u8>> {
    let contents =
        bundle::read(archive, &BundleLimits::default()).context("the bundle is not well formed")?;
    let (manifest, _) =
        Manifest::parse(&contents.manifest).context("the bundle's manifest is refused")?;
    let inspected = contents.component.as_deref().map(bundle::inspect).transpose();
    let facts = inspected.context("the bundle's component is refused")?;
    let subject = Subject {
        name: manifest.name,
        version: manifest.version,
        content_hash: contents.content_hash,
        size: contents.size,
        manifest_sha256: statement::manifest_sha256(&contents.manifest),
        target_world: facts.map(|facts| facts.world),
    };
    Ok(statement::sign(key, &subject))
}
