//! What installs may call, what they tried to, and who changed it.

mod learning;
mod lessons;
mod refused;

pub use learning::{LearnedHost, Learning, Lesson, learner};
pub use lessons::LearnError;
pub use refused::{RefusedCalls, RefusedDestination};

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use tokio::runtime::Handle;

use super::App;
use super::install::InstallError;
use crate::config::{Config, EgressConfig};
use crate::egress::{
    Egress, EgressParts, EgressUnusable, Ended, Learner, Observer, SystemResolver,
};
use crate::model::{
    Allowance, AuditAction, AuditEvent, Capability, Clock, EgressRule, Install, InstallId,
    Manifest, Principal, ScopeKind,
};
use crate::registry::{Registry, WriteTxn, audit};
use crate::telemetry::Metrics;

/// Hosts that one install is granted.
pub const MAX_HOSTS: usize = 100;

/// What an install may call, and what it was refused.
#[derive(Clone, Debug)]
pub struct EgressReport {
    /// Whether it may call anything: `cap:http.fetch` is granted.
    pub is_granted: bool,
    pub allowance: Arc<Allowance>,
    /// Of each granted entry, whether the appliance allows it, too.
    pub granted: Vec<(EgressRule, bool)>,
    /// Since the appliance started, the last first.
    pub refused: Vec<RefusedDestination>,
    /// What it called while it learned.
    pub lesson: Option<Lesson>,
}

/// The way out of an appliance.
pub fn open(
    config: &Config,
    clock: &Arc<dyn Clock>,
    observer: Observer,
    learner: Learner,
) -> Result<Egress, EgressUnusable> {
    let parts = EgressParts {
        resolver: Arc::new(SystemResolver),
        clock: Arc::clone(clock),
        own_hosts: config.own_hosts(),
        stand_ins: Vec::new(),
        observer,
        learner,
    };
    Egress::new(&config.egress, parts)
}

/// Writes down how calls end: each in the log, and what was refused where an operator looks.
pub fn observer(
    (refused, learning): (&Arc<RefusedCalls>, &Arc<Learning>),
    registry: &Registry,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
) -> Observer {
    let (refused, learning) = (Arc::clone(refused), Arc::clone(learning));
    let (registry, clock, metrics) = (registry.clone(), Arc::clone(clock), Arc::clone(metrics));
    // Calls end on threads of guests, too, whose runtime is only for their timers.
    let runtime = Handle::current();
    Arc::new(move |ended: &Ended<'_>| {
        let verdict = verdict(ended);
        let bytes = [ended.sent_bytes, ended.received_bytes];
        metrics.observe_egress(verdict, ended.duration, bytes);
        log(ended, verdict);
        let now = clock.now();
        learning.note(ended, now);
        if let Some(event) = refused.note(ended, now) {
            runtime.spawn(record(registry.clone(), event));
        }
    })
}

/// How a call ended, in one word.
fn verdict(ended: &Ended<'_>) -> &'static str {
    match ended.error {
        None => "answered",
        Some(error) if error.refusal().is_some() => "refused",
        Some(_) => "failed",
    }
}

/// One line for each call: where it went, and never its path or query.
fn log(ended: &Ended<'_>, verdict: &str) {
    let install = &ended.caller.install;
    let address = ended.address.map(|address| address.to_string()).unwrap_or_default();
    let entry = ended.destination.entry();
    let (status, duration_ms) = (ended.status.unwrap_or_default(), ended.duration.as_millis());
    tracing::info!(
        request.id = &*ended.caller.request_id,
        tenant.id = install.tenant.as_str(),
        extension.name = install.extension.as_str(),
        install.id = install.install_text(),
        egress.destination = entry,
        egress.address = address,
        egress.verdict = verdict,
        egress.learned = ended.is_learned,
        http.status = status,
        request_bytes = ended.sent_bytes,
        response_bytes = ended.received_bytes,
        duration_ms = u64::try_from(duration_ms).unwrap_or(u64::MAX),
        "{}",
        match ended.error {
            None => format!("Called {entry}"),
            Some(error) => format!("Called {entry}: {error}"),
        }
    );
}

async fn record(registry: Registry, event: AuditEvent) {
    let written = registry.write(move |txn| audit::append(txn, &event)).await;
    if let Err(error) = written {
        tracing::warn!("A refused call is not in the audit record: {error}");
    }
}

/// The hosts of a new install: those that were named, else those that the manifest names.
pub(super) fn granted_hosts(
    manifest: &Manifest,
    named: Option<Vec<EgressRule>>,
    grants: &BTreeSet<Capability>,
) -> Result<Vec<EgressRule>, InstallError> {
    if let Some(named) = named {
        return check_hosts(manifest, named);
    }
    let may_call = grants.contains(&Capability::HttpFetch);
    Ok(manifest.egress_rules().filter(|_| may_call).unwrap_or_default())
}

/// As with capabilities, nothing is granted that the manifest does not ask for.
fn check_hosts(
    manifest: &Manifest,
    mut hosts: Vec<EgressRule>,
) -> Result<Vec<EgressRule>, InstallError> {
    let mut seen = HashSet::new();
    hosts.retain(|host| seen.insert(host.clone()));
    if hosts.len() > MAX_HOSTS {
        return Err(InstallError::TooManyHosts { found: hosts.len() });
    }
    let Some(requested) = manifest.egress_rules() else { return Ok(hosts) };
    let unasked: Vec<_> = hosts
        .iter()
        .filter(|host| !requested.iter().any(|rule| rule.covers(host)))
        .cloned()
        .collect();
    if unasked.is_empty() { Ok(hosts) } else { Err(InstallError::HostNotRequested(unasked)) }
}

impl App {
    /// What an install may call, and what it was refused.
    pub fn egress_of(
        &self,
        principal: &Principal,
        id: InstallId,
    ) -> Result<EgressReport, InstallError> {
        let live = self.own_install(principal, ScopeKind::InstallRead, id)?;
        let allowed = |rule: &EgressRule| is_allowed(&self.config.egress, rule);
        Ok(EgressReport {
            is_granted: live.grants.contains(&Capability::HttpFetch),
            allowance: Arc::clone(&live.allowance),
            granted: live.install.egress.iter().map(|rule| (rule.clone(), allowed(rule))).collect(),
            refused: self.refused_calls.of(id),
            lesson: self.learning.of(id),
        })
    }

    /// Grants an install these hosts, and no others.
    pub async fn grant_hosts(
        &self,
        principal: &Principal,
        id: InstallId,
        hosts: Vec<EgressRule>,
    ) -> Result<Install, InstallError> {
        self.change_hosts(principal, id, AuditAction::HostsGranted, move |_| hosts).await
    }

    /// Grants an install these hosts beside those that it has.
    pub async fn grant_more_hosts(
        &self,
        principal: &Principal,
        id: InstallId,
        more: Vec<EgressRule>,
    ) -> Result<Install, InstallError> {
        let change = move |granted: &[EgressRule]| [granted, &more[..]].concat();
        self.change_hosts(principal, id, AuditAction::HostsGranted, change).await
    }

    /// `change` makes the hosts of those that are granted when they are written: what somebody
    /// takes away meanwhile does not come back.
    async fn change_hosts(
        &self,
        principal: &Principal,
        id: InstallId,
        action: AuditAction,
        change: impl FnOnce(&[EgressRule]) -> Vec<EgressRule> + Send + 'static,
    ) -> Result<Install, InstallError> {
        let live = self.own_install(principal, ScopeKind::InstallWrite, id)?;
        let change = move |_: &WriteTxn, install: &mut Install| {
            // Another version may ask for other hosts.
            if install.content_hash != live.install.content_hash {
                return Ok(Err(InstallError::Changed(install.name.clone())));
            }
            let checked = check_hosts(&live.version.manifest, change(&install.egress));
            Ok(checked.map(|hosts| {
                let differs = install.egress != hosts;
                install.egress = hosts;
                differs
            }))
        };
        let changed = self.try_change_install(principal, action, id, change).await?;
        // What was refused may be allowed now; what is not comes again.
        self.refused_calls.begin_anew(id);
        Ok(changed)
    }
}

/// Whether the appliance's own list lets all of an entry through.
fn is_allowed(config: &EgressConfig, rule: &EgressRule) -> bool {
    config.dangerous_allow_all || config.allowlist.iter().any(|listed| listed.covers(rule))
}
