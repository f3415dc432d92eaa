//! Changing an install to another version: `/admin/installs/{id}/upgrade`.

use std::collections::BTreeSet;

use askama::Template;
use semver::Version;

use super::capabilities::asked;
use super::{CapabilityChoice, Chrome, counted};
use crate::model::{
    Capability, Endpoint, ExtensionName, ExtensionVersion, Install, InstallId, KeyId,
    PreviousVersion, Yank,
};

/// Shows what changes, grants first. Posts `version` and any number of `grant`, or
/// `back=true`, with `confirm=true`, to `/admin/installs/{id}/upgrade`.
#[derive(Debug, Template)]
#[template(path = "pages/upgrade.html")]
pub struct UpgradePage {
    pub chrome: Chrome,
    pub install: InstallId,
    pub name: ExtensionName,
    pub from: Version,
    pub to: Version,
    /// Restores the previous version with the grants it had.
    pub back: bool,
    /// What the other version asks for. Granted ones are marked; new ones are not.
    pub choices: Vec<CapabilityChoice>,
    /// Grants that end.
    pub dropped: Vec<Capability>,
    /// What else changes, in sentences: other signers, lost endpoints.
    pub notes: Vec<String>,
    /// Why it cannot be changed to this version; then there is no button.
    pub obstacle: Option<String>,
}

impl UpgradePage {
    /// Asks before `install`, which has `installed`, changes to `target`, or says that it is
    /// yanked.
    pub fn to(
        chrome: Chrome,
        install: &Install,
        installed: &ExtensionVersion,
        target: &ExtensionVersion,
        yank: Option<&Yank>,
    ) -> Self {
        let asked: Vec<_> = asked(&target.manifest).collect();
        let choice = |&capability: &Capability| {
            let granted = install.grants.contains(&capability);
            CapabilityChoice { capability, checked: granted, is_new: !granted }
        };
        Self {
            choices: asked.iter().map(choice).collect(),
            dropped: dropped(install, |capability| asked.contains(capability)),
            notes: other_signers(installed, target)
                .into_iter()
                .chain(lost_endpoints(installed, target))
                .collect(),
            obstacle: yank.filter(|_| install.version != target.version).map(barred),
            ..Self::between(chrome, install, &target.version)
        }
    }

    /// Asks before `install` goes back to `previous`.
    pub fn back(chrome: Chrome, install: &Install, previous: &PreviousVersion) -> Self {
        let choice = |&capability: &Capability| CapabilityChoice {
            capability,
            checked: true,
            is_new: !install.grants.contains(&capability),
        };
        Self {
            back: true,
            choices: previous.grants.iter().map(choice).collect(),
            dropped: dropped(install, |capability| previous.grants.contains(capability)),
            ..Self::between(chrome, install, &previous.version)
        }
    }

    fn between(chrome: Chrome, install: &Install, to: &Version) -> Self {
        Self {
            chrome,
            install: install.id,
            name: install.name.clone(),
            from: install.version.clone(),
            to: to.clone(),
            back: false,
            choices: Vec::new(),
            dropped: Vec::new(),
            notes: Vec::new(),
            obstacle: None,
        }
    }

    fn new_count(&self) -> usize {
        self.choices.iter().filter(|choice| choice.is_new).count()
    }

    fn new_grants(&self) -> String {
        counted(self.new_count() as u64, "grant")
    }

    /// The version stays, and only its grants can change.
    fn stays(&self) -> bool {
        self.to == self.from
    }

    fn question(&self) -> String {
        let Self { name, to, .. } = self;
        if self.back {
            format!("Go back to {name} {to}?")
        } else if self.stays() {
            format!("Change what {name} {to} may do?")
        } else {
            format!("{} {name} to {to}?", self.verb())
        }
    }

    /// `Upgrade`, `Downgrade`, `Go back` or `Change`: what the button does.
    fn verb(&self) -> &'static str {
        if self.back {
            "Go back"
        } else if self.to > self.from {
            "Upgrade"
        } else if self.stays() {
            "Change"
        } else {
            "Downgrade"
        }
    }
}

/// Endpoints that a note names; of more it says how many.
const NAMED_ENDPOINTS: usize = 5;

/// A name that another publisher has got hold of is seen here, before what is theirs runs.
fn other_signers(from: &ExtensionVersion, to: &ExtensionVersion) -> Option<String> {
    let keys = |version: &ExtensionVersion| -> BTreeSet<KeyId> {
        version.signers.iter().map(|signer| signer.key_id.clone()).collect()
    };
    let named = |version: &ExtensionVersion| {
        let names = version.signers.iter();
        let names = names.map(|signer| format!("{} ({})", signer.name, signer.key_id.short()));
        let names: Vec<_> = names.collect();
        if names.is_empty() { "nobody trusted".to_owned() } else { names.join(", ") }
    };
    (keys(from) != keys(to)).then(|| {
        let (new, old) = (named(to), named(from));
        format!("{} is signed by {new}; {} was signed by {old}.", to.version, from.version)
    })
}

fn lost_endpoints(from: &ExtensionVersion, to: &ExtensionVersion) -> Option<String> {
    let stays = |old: &&Endpoint| {
        let same = |new: &Endpoint| new.method == old.method && new.path == old.path;
        to.manifest.endpoints.iter().any(same)
    };
    let lost = from.manifest.endpoints.iter().filter(|old| !stays(old));
    let lost: Vec<_> = lost.map(|old| format!("{} {}", old.method, old.path)).collect();
    let (named, others) = lost.split_at(lost.len().min(NAMED_ENDPOINTS));
    let others = match others.len() {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    let named = named.join(", ");
    (!lost.is_empty()).then(|| format!("{} does not answer {named}{others}.", to.version))
}

/// Why a yanked version cannot be had, and what to do instead.
pub(super) fn barred(yank: &Yank) -> String {
    let Yank { version, reason, .. } = yank;
    let reason = reason.as_ref().map(|reason| format!(" (“{reason}”)")).unwrap_or_default();
    format!(
        "{version} is yanked{reason}: nobody can install it or upgrade to it. Take another \
         version, or allow this one again on the versions page."
    )
}

/// The grants that end, in the order people read them. What every install may do never ends,
/// granted or not.
fn dropped(install: &Install, stays: impl Fn(&Capability) -> bool) -> Vec<Capability> {
    let ends = |capability: &Capability| {
        install.grants.contains(capability)
            && !Capability::DEFAULTS.contains(capability)
            && !stays(capability)
    };
    Capability::ALL.into_iter().filter(ends).collect()
}
