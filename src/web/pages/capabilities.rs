//! Capabilities in words: what is asked for, what is granted.

use std::collections::BTreeSet;

use crate::model::{Capability, Manifest};

/// A check box of a form that grants capabilities: field `grant`, value the capability's name.
#[derive(Clone, Debug)]
pub struct CapabilityChoice {
    pub capability: Capability,
    pub checked: bool,
    /// Asked for by the version to change to and not granted until now.
    pub is_new: bool,
}

/// A row of the list on the extension's page.
#[derive(Clone, Debug)]
pub struct CapabilityRow {
    pub capability: Capability,
    pub standing: Standing,
}

/// Whether an extension may do what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Every install may.
    Always,
    Granted,
    Refused,
}

impl Standing {
    /// The words of the row.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Granted => "granted",
            Self::Refused => "not granted",
        }
    }

    /// The class in `app.css`.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Always => "muted",
            Self::Granted => "pill good",
            Self::Refused => "pill",
        }
    }
}

/// What `manifest` asks for beyond what every install has, in the order people read them.
pub(super) fn asked(manifest: &Manifest) -> impl Iterator<Item = Capability> {
    Capability::ALL.into_iter().filter(|capability| {
        manifest.capabilities.contains(capability) && !Capability::DEFAULTS.contains(capability)
    })
}

impl CapabilityRow {
    /// What every install may do, then what `manifest` asks for and what became of it.
    pub fn list(manifest: &Manifest, grants: &BTreeSet<Capability>) -> Vec<Self> {
        let always = Capability::DEFAULTS
            .into_iter()
            .map(|capability| Self { capability, standing: Standing::Always });
        let asked = asked(manifest).map(|capability| {
            let granted = grants.contains(&capability);
            let standing = if granted { Standing::Granted } else { Standing::Refused };
            Self { capability, standing }
        });
        asked.chain(always).collect()
    }
}
