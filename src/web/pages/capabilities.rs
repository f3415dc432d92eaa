//! Capabilities in words: what is asked for, what is granted.

use std::collections::BTreeSet;

use crate::config::TenantCallbacks;
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
    /// Granted, and nobody here to ask.
    NoApplication,
    /// Granted, and the appliance cannot do it.
    NotOffered,
}

impl Standing {
    /// The words of the row.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Granted => "granted",
            Self::Refused => "not granted",
            Self::NoApplication => "granted; refused here: no host application",
            Self::NotOffered => "granted; not offered by this appliance",
        }
    }

    /// The class in `app.css`.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Always => "muted",
            Self::Granted => "pill good",
            Self::Refused => "pill",
            Self::NoApplication | Self::NotOffered => "pill attention long",
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

    /// Takes back what `application`, that of the install's tenant, has no address for, and
    /// what no appliance can do.
    pub fn limit(rows: &mut [Self], application: &TenantCallbacks) {
        for row in rows.iter_mut().filter(|row| row.standing == Standing::Granted) {
            let asks = match row.capability {
                Capability::UiProxy => &application.ui_proxy_base_url,
                Capability::InvoiceManualCreate => &application.invoicing_url,
                Capability::ClientRead => &application.clients_url,
                Capability::ServiceRead => &application.services_url,
                Capability::SchedulerManage => {
                    row.standing = Standing::NotOffered;
                    continue;
                }
                Capability::ContextRead
                | Capability::SecretsGet
                | Capability::HttpFetch
                | Capability::StorageKv
                | Capability::LogEmit
                | Capability::UserRead => continue,
            };
            if asks.is_empty() {
                row.standing = Standing::NoApplication;
            }
        }
    }
}
