//! How often extensions may be called: by tenant, by install and by endpoint.
//!
//! What is counted is known here, installs and what their manifests declare, and
//! never a text that a caller chose: the memory is a few bytes for each of them.
//! A call takes no lock and allocates nothing, but for the first one of an install.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::config::GatewayConfig;
use crate::gcra::{Pace, Quota, Standing, nanoseconds, wait_s};
use crate::model::{Clock, ContentHash, InstallId, TenantId};
use crate::registry::{Live, LiveInstall};

/// Whose calls are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallPolicy {
    Tenant,
    Install,
    Endpoint,
}

/// The rates, and how far everybody is.
pub struct CallRates {
    quotas: [Option<Quota>; 3],
    tenants: ArcSwap<HashMap<TenantId, Arc<TenantPaces>>>,
}

#[derive(Default)]
struct TenantPaces {
    own: Pace,
    installs: ArcSwap<HashMap<InstallId, Arc<InstallPaces>>>,
}

struct InstallPaces {
    /// The version that the endpoints are of.
    content_hash: ContentHash,
    own: Arc<Pace>,
    /// In the order of the manifest.
    endpoints: Box<[Pace]>,
}

/// What is left after a call, of each rate that there is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standings([Option<Standing>; 3]);

/// Somebody calls too often.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} may be called {} times a minute, {} of them at once",
    .policy.noun(), .quota.per_minute(), .quota.burst()
)]
pub struct TooManyCalls {
    pub policy: CallPolicy,
    pub quota: Quota,
    pub retry_after_s: u64,
}

impl CallPolicy {
    /// Every policy, the widest first.
    pub const ALL: [Self; 3] = [Self::Tenant, Self::Install, Self::Endpoint];

    /// Its name in header fields.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Install => "install",
            Self::Endpoint => "endpoint",
        }
    }

    /// The setting behind it.
    pub const fn setting(self) -> &'static str {
        match self {
            Self::Tenant => "gateway.calls_per_minute_per_tenant",
            Self::Install => "gateway.calls_per_minute_per_install",
            Self::Endpoint => "gateway.calls_per_minute_per_endpoint",
        }
    }

    const fn noun(self) -> &'static str {
        match self {
            Self::Tenant => "the extensions of one tenant",
            Self::Install => "one install",
            Self::Endpoint => "one endpoint of an install",
        }
    }
}

impl CallRates {
    /// The rates of the configuration, with nobody near them.
    pub fn new(config: &GatewayConfig) -> Self {
        let quotas = CallPolicy::ALL.map(|policy| {
            let per_minute = match policy {
                CallPolicy::Tenant => config.calls_per_minute_per_tenant,
                CallPolicy::Install => config.calls_per_minute_per_install,
                CallPolicy::Endpoint => config.calls_per_minute_per_endpoint,
            };
            let burst = u64::from(per_minute) * u64::from(config.call_burst_s) / 60;
            let burst = u32::try_from(burst).unwrap_or(u32::MAX);
            (per_minute > 0).then(|| Quota::new(per_minute, burst))
        });
        Self { quotas, tenants: ArcSwap::default() }
    }

    /// The rates that there are.
    pub fn quotas(&self) -> impl Iterator<Item = (CallPolicy, Quota)> {
        let pairs = CallPolicy::ALL.into_iter().zip(self.quotas);
        pairs.filter_map(|(policy, quota)| Some((policy, quota?)))
    }

    /// Counts a call of an endpoint of an install, or refuses it. What is left is
    /// told only once it is little: until then a call is spared the words.
    pub(super) fn count(
        &self,
        install: &LiveInstall,
        endpoint: usize,
        clock: &dyn Clock,
    ) -> Result<Option<Box<Standings>>, TooManyCalls> {
        if self.quotas.iter().all(Option::is_none) {
            return Ok(None);
        }
        let now_ns = nanoseconds(clock.now());
        let tenants = self.tenants.load();
        let Some(tenant) = tenants.get(&install.install.tenant) else {
            drop(tenants);
            self.add_tenant(&install.install.tenant);
            return self.count(install, endpoint, clock);
        };
        let installs = tenant.installs.load();
        let known = installs.get(&install.install.id);
        let known = known.filter(|known| known.content_hash == install.version.content_hash);
        let added = if known.is_none() { Some(tenant.add(install)) } else { None };
        let paces = known.or(added.as_ref()).expect("it is known or was added");
        let paces = [Some(&tenant.own), Some(&*paces.own), paces.endpoints.get(endpoint)];
        let left = self.take(paces, now_ns)?;
        Ok(left.is_low().then(|| Box::new(left)))
    }

    /// All of them, or none.
    fn take(&self, paces: [Option<&Pace>; 3], now_ns: i64) -> Result<Standings, TooManyCalls> {
        let mut standings = Standings::default();
        for (at, policy) in CallPolicy::ALL.into_iter().enumerate() {
            let (Some(quota), Some(pace)) = (self.quotas[at], paces[at]) else { continue };
            match pace.take(quota, now_ns) {
                Ok(standing) => standings.0[at] = Some(standing),
                Err(wait) => {
                    // The wider ones come first.
                    for (quota, pace) in self.quotas.into_iter().zip(paces).take(at) {
                        if let (Some(quota), Some(pace)) = (quota, pace) {
                            pace.give_back(quota);
                        }
                    }
                    return Err(TooManyCalls { policy, quota, retry_after_s: wait_s(wait) });
                }
            }
        }
        Ok(standings)
    }

    fn add_tenant(&self, tenant: &TenantId) {
        let added = Arc::new(TenantPaces::default());
        self.tenants.rcu(|known| {
            let mut known = HashMap::clone(known);
            known.entry(tenant.clone()).or_insert_with(|| Arc::clone(&added));
            known
        });
    }

    /// Forgets installs that are gone, and tenants without any.
    pub(super) fn retain(&self, live: &Live) {
        for tenant in self.tenants.load().values() {
            let is_gone = |id: &InstallId| live.install_by_id(id).is_none();
            if tenant.installs.load().keys().any(is_gone) {
                tenant.installs.rcu(|known| {
                    let kept = known.iter().filter(|(id, _)| !is_gone(id));
                    kept.map(|(id, paces)| (*id, Arc::clone(paces))).collect::<HashMap<_, _>>()
                });
            }
        }
        let is_empty = |tenant: &TenantPaces| tenant.installs.load().is_empty();
        if self.tenants.load().values().any(|tenant| is_empty(tenant)) {
            self.tenants.rcu(|known| {
                let kept = known.iter().filter(|(_, tenant)| !is_empty(tenant));
                kept.map(|(id, tenant)| (id.clone(), Arc::clone(tenant))).collect::<HashMap<_, _>>()
            });
        }
    }
}

impl TenantPaces {
    /// Begins to count an install, or the endpoints of another version of it.
    fn add(&self, install: &LiveInstall) -> Arc<InstallPaces> {
        let (id, content_hash) = (install.install.id, install.version.content_hash);
        let count = install.version.manifest.endpoints.len();
        let mut added = None;
        self.installs.rcu(|known| {
            let before = known.get(&id);
            let paces = match before {
                // Somebody else was as quick.
                Some(before) if before.content_hash == content_hash => Arc::clone(before),
                Some(_) | None => Arc::new(InstallPaces {
                    content_hash,
                    own: before.map(|before| Arc::clone(&before.own)).unwrap_or_default(),
                    endpoints: (0..count).map(|_| Pace::default()).collect(),
                }),
            };
            let mut known = HashMap::clone(known);
            known.insert(id, Arc::clone(&paces));
            added = Some(paces);
            known
        });
        added.expect("the update has run")
    }
}

impl Standings {
    /// What is left of each rate, with its name.
    pub fn each(&self) -> impl Iterator<Item = (CallPolicy, Standing)> {
        let pairs = CallPolicy::ALL.into_iter().zip(self.0);
        pairs.filter_map(|(policy, standing)| Some((policy, standing?)))
    }

    fn is_low(&self) -> bool {
        self.0.iter().flatten().any(|standing| standing.is_low)
    }
}
