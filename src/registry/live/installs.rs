//! Installs with their versions, by everything that a URL can name them by.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::model::{
    Allowance, Capability, ContentHash, ExtensionName, ExtensionVersion, Install, InstallId,
    InstallLabels, Manifest, PreviousVersion, SettingTexts, TenantId,
};
use crate::registry::{LastUse, Live, ReadTables, RegistryError, uses, versions};

/// An install and the versions it refers to.
#[derive(Clone, Debug)]
pub struct LiveInstall {
    pub install: Install,
    pub version: Arc<ExtensionVersion>,
    /// [`Install::effective_grants`], made once and shared with every execution.
    pub grants: Arc<BTreeSet<Capability>>,
    /// What it may call; made once and shared with every execution.
    pub allowance: Arc<Allowance>,
    /// What it may read of its settings; made once and shared with every execution.
    pub settings: Arc<SettingTexts>,
    /// Made once and shared with every execution.
    pub labels: Arc<InstallLabels>,
    /// The version of [`Install::previous`].
    pub previous: Option<Arc<ExtensionVersion>>,
    /// Of the install, whatever becomes of its row.
    pub last_use: Arc<LastUse>,
}

/// Every install, and what can be found by it.
#[derive(Clone, Default)]
pub(super) struct InstallIndex {
    by_id: HashMap<InstallId, Arc<LiveInstall>>,
    tenants: BTreeMap<TenantId, Arc<TenantInstalls>>,
    /// The versions that installs refer to, each held once for all tenants.
    versions: HashMap<ContentHash, Arc<ExtensionVersion>>,
    served: HashMap<ContentHash, Served>,
    unsettled: bool,
}

/// The installs of one tenant.
#[derive(Clone, Default)]
struct TenantInstalls {
    by_name: BTreeMap<ExtensionName, Arc<LiveInstall>>,
    by_alias: HashMap<String, Vec<Arc<LiveInstall>>>,
}

/// A version whose pages may be shown.
#[derive(Clone)]
struct Served {
    version: Arc<ExtensionVersion>,
    until: Until,
}

/// How long a version's pages may be shown; the later is the greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Until {
    /// For a while after this upgrade.
    Replaced(Timestamp),
    /// As long as the install stays as it is.
    Disabled,
}

impl Live {
    /// An install row with the versions it refers to, from memory where they are known.
    pub(in crate::registry) fn joined(
        &self,
        txn: &impl ReadTables,
        install: Install,
    ) -> Result<LiveInstall, RegistryError> {
        let find = |version: &semver::Version, hash: &ContentHash| {
            if let Some(known) = self.version(hash) {
                return Ok(Arc::clone(known));
            }
            match versions::get(txn, &install.name, version)? {
                Some(found) if found.content_hash == *hash => Ok(Arc::new(found)),
                _ => Err(RegistryError::MissingVersion {
                    name: install.name.clone(),
                    version: version.clone(),
                }),
            }
        };
        let version = find(&install.version, &install.content_hash)?;
        let previous = match &install.previous {
            None => None,
            Some(previous) => Some(find(&previous.version, &previous.content_hash)?),
        };
        let grants = Arc::new(install.effective_grants());
        let labels = Arc::new(InstallLabels::new(&install));
        let allowance = Arc::new(install.allowance(&version.manifest));
        let settings = Arc::new(install.setting_texts(&version.manifest));
        let last_use = match self.install_by_id(&install.id) {
            Some(known) => Arc::clone(&known.last_use),
            None => Arc::new(LastUse::of(uses::get(txn, &install.id)?)),
        };
        Ok(LiveInstall {
            install,
            version,
            grants,
            allowance,
            settings,
            labels,
            previous,
            last_use,
        })
    }
}

impl InstallIndex {
    pub(super) fn by_name(
        &self,
        tenant: &TenantId,
        name: &ExtensionName,
    ) -> Option<&Arc<LiveInstall>> {
        self.tenants.get(tenant)?.by_name.get(name)
    }

    pub(super) fn by_alias(&self, tenant: &TenantId, alias: &str) -> Option<&Arc<LiveInstall>> {
        match self.tenants.get(tenant)?.by_alias.get(alias)?.as_slice() {
            [install] => Some(install),
            _ => None,
        }
    }

    pub(super) fn by_id(&self, id: &InstallId) -> Option<&Arc<LiveInstall>> {
        self.by_id.get(id)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<LiveInstall>> {
        self.tenants.values().flat_map(|tenant| tenant.by_name.values())
    }

    pub(super) fn of(&self, tenant: &TenantId) -> impl Iterator<Item = &Arc<LiveInstall>> {
        self.tenants.get(tenant).into_iter().flat_map(|tenant| tenant.by_name.values())
    }

    pub(super) fn version(&self, hash: &ContentHash) -> Option<&Arc<ExtensionVersion>> {
        self.versions.get(hash)
    }

    pub(super) fn served(
        &self,
        name: &ExtensionName,
        hash: &ContentHash,
        now: Timestamp,
        previous_for: SignedDuration,
    ) -> Option<&Arc<ExtensionVersion>> {
        let served = self.served.get(hash)?;
        let in_time = match served.until {
            Until::Disabled => true,
            Until::Replaced(at) => now.duration_since(at) < previous_for,
        };
        (in_time && served.version.name == *name).then_some(&served.version)
    }

    pub(super) fn put(&mut self, install: Arc<LiveInstall>) {
        self.remove(&install.install);
        for version in [Some(&install.version), install.previous.as_ref()].into_iter().flatten() {
            self.versions.entry(version.content_hash).or_insert_with(|| Arc::clone(version));
        }
        let tenant = self.tenants.entry(install.install.tenant.clone()).or_default();
        Arc::make_mut(tenant).put(&install);
        self.by_id.insert(install.install.id, install);
    }

    pub(super) fn remove(&mut self, install: &Install) {
        self.unsettled = true;
        self.by_id.remove(&install.id);
        if let Some(tenant) = self.tenants.get_mut(&install.tenant) {
            Arc::make_mut(tenant).remove(&install.name);
            if tenant.by_name.is_empty() {
                self.tenants.remove(&install.tenant);
            }
        }
    }

    pub(super) const fn is_unsettled(&self) -> bool {
        self.unsettled
    }

    /// Derives which versions are held and which pages are served, from the installs alone.
    pub(super) fn settle(&mut self) {
        self.versions.clear();
        self.served.clear();
        for install in self.by_id.values() {
            let LiveInstall { install: Install { enabled, previous, .. }, .. } = &**install;
            hold(&mut self.versions, &install.version);
            if *enabled {
                serve(&mut self.served, &install.version, Until::Disabled);
            }
            let (Some(PreviousVersion { replaced_at, .. }), Some(version)) =
                (previous, &install.previous)
            else {
                continue;
            };
            hold(&mut self.versions, version);
            if *enabled {
                serve(&mut self.served, version, Until::Replaced(*replaced_at));
            }
        }
        self.unsettled = false;
    }
}

fn hold(
    versions: &mut HashMap<ContentHash, Arc<ExtensionVersion>>,
    version: &Arc<ExtensionVersion>,
) {
    versions.entry(version.content_hash).or_insert_with(|| Arc::clone(version));
}

fn serve(served: &mut HashMap<ContentHash, Served>, version: &Arc<ExtensionVersion>, until: Until) {
    served
        .entry(version.content_hash)
        .and_modify(|known| known.until = known.until.max(until))
        .or_insert_with(|| Served { version: Arc::clone(version), until });
}

impl TenantInstalls {
    fn put(&mut self, install: &Arc<LiveInstall>) {
        self.by_name.insert(install.install.name.clone(), Arc::clone(install));
        if let Some(alias) = alias(&install.version.manifest) {
            self.by_alias.entry(alias).or_default().push(Arc::clone(install));
        }
    }

    fn remove(&mut self, name: &ExtensionName) {
        self.by_name.remove(name);
        self.by_alias.retain(|_, installs| {
            installs.retain(|install| install.install.name != *name);
            !installs.is_empty()
        });
    }
}

/// `publisher.name` in lower case, where that can be part of a path.
fn alias(manifest: &Manifest) -> Option<String> {
    let publisher = manifest.publisher.as_deref()?;
    let alias = format!("{publisher}.{}", manifest.name).to_ascii_lowercase();
    alias.parse::<ExtensionName>().is_ok().then_some(alias)
}
