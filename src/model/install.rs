//! A tenant's use of an extension.

use std::{collections::BTreeSet, fmt, str::FromStr};

use jiff::Timestamp;
use semver::Version;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Allowance, Capability, ContentHash, EgressRule, ExtensionName, Manifest, SettingTexts, TenantId,
};

/// The id of an install: a random UUID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstallId(Uuid);

/// An extension at one version, in use by one tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Install {
    pub id: InstallId,
    pub tenant: TenantId,
    pub name: ExtensionName,
    pub version: Version,
    pub content_hash: ContentHash,
    pub enabled: bool,
    /// What the operator allowed: a subset of what the manifest asks for.
    pub grants: BTreeSet<Capability>,
    /// The hosts that it may call, if `cap:http.fetch` is granted: what counts is what the
    /// manifest and the appliance allow, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub egress: Vec<EgressRule>,
    /// The install's configuration, valid against the manifest's `settings` schema.
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// What `upgrade --back` restores.
    pub previous: Option<PreviousVersion>,
    pub installed_at: Timestamp,
    pub updated_at: Timestamp,
}

/// The names of an install, spelled out once: every execution is told them, and
/// every line about one says them.
#[derive(Debug)]
pub struct InstallLabels {
    pub tenant: TenantId,
    pub extension: ExtensionName,
    pub install: InstallId,
    install_text: String,
    version_text: String,
}

/// The version an upgrade replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousVersion {
    pub version: Version,
    pub content_hash: ContentHash,
    pub grants: BTreeSet<Capability>,
    /// Its pages are served for a day after this, so that open pages finish loading.
    pub replaced_at: Timestamp,
}

impl InstallLabels {
    /// The labels of `install` at its version.
    pub fn new(install: &Install) -> Self {
        Self::of(install.tenant.clone(), install.name.clone(), install.id, &install.version)
    }

    /// The labels of these parts.
    pub fn of(
        tenant: TenantId,
        extension: ExtensionName,
        install: InstallId,
        version: &Version,
    ) -> Self {
        let (install_text, version_text) = (install.to_string(), version.to_string());
        Self { tenant, extension, install, install_text, version_text }
    }

    /// The id as text.
    pub fn install_text(&self) -> &str {
        &self.install_text
    }

    /// The version as text.
    pub fn version_text(&self) -> &str {
        &self.version_text
    }
}

impl InstallId {
    /// A new random id.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// The raw id: part of registry keys.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl FromStr for InstallId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The hyphenated lower-case form only: one spelling per install.
        let id = Uuid::try_parse(text)?;
        if id.hyphenated().to_string() == text {
            Ok(Self(id))
        } else {
            Uuid::try_parse("").map(Self)
        }
    }
}

impl fmt::Display for InstallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for InstallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Install {
    /// Everything the guest may use: the grants and what every install has.
    pub fn effective_grants(&self) -> BTreeSet<Capability> {
        self.grants.iter().copied().chain(Capability::DEFAULTS).collect()
    }

    /// What the guest may call, as far as its operator and `manifest` say.
    pub fn allowance(&self, manifest: &Manifest) -> Allowance {
        Allowance { requested: manifest.egress_rules(), granted: self.egress.clone() }
    }

    /// The settings as the guest reads them, with the defaults of `manifest`.
    pub fn setting_texts(&self, manifest: &Manifest) -> SettingTexts {
        SettingTexts::new(&self.settings, manifest.setting_defaults())
    }
}
