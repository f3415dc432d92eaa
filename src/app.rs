//! What the appliance can do: one file per use case.
//!
//! The application decides; it speaks neither HTTP nor terminal. Every use case
//! takes who is asking and returns one enum of what can happen to the caller.

pub mod assets;
pub mod attachments;
pub mod audit;
mod breaker;
pub mod call_rates;
pub mod callbacks;
mod certificate;
mod changes;
pub mod compile;
pub mod configure;
pub mod dispatch;
pub mod downloads;
pub mod egress;
pub mod ensure_installed;
pub mod extensions;
pub mod idempotency;
pub mod install;
pub mod limits;
pub mod logs;
pub mod master_key;
mod metrics;
pub mod operators;
pub mod origins;
mod own_installs;
pub mod publish;
pub mod quarantine;
pub mod rate_limits;
pub mod readiness;
pub mod removal;
pub mod secret_keys;
pub mod secrets;
pub mod setup;
pub mod sign_in;
pub mod state;
pub mod storage;
pub mod sweep;
pub mod tenants;
pub mod tokens;
mod traces;
pub mod trust;
pub mod upgrade;
pub mod upload;
pub mod uploads;
pub mod usage;
mod verification;

use std::{path::PathBuf, sync::Arc};

use crate::bundle::BundleLimits;
use crate::config::Config;
use crate::guest_logs::GuestLogs;
use crate::held_memory::HeldMemory;
use crate::model::{
    Actor, AuditAction, AuditEvent, Clock, ExtensionName, Principal, ScopeKind, TenantId,
};
use crate::registry::Registry;
use crate::runner::Runner;
use crate::state::{State, secrets::Secrets};
use crate::store::{BundleStore, bundle_limits};
use crate::telemetry::Metrics;
use crate::traces::Traces;
use crate::trust::TrustBundle;

/// The appliance: its machines, and the use cases on them.
///
/// Built in two places only, `cli/serve.rs` and the tests' `TestApp`, so that a
/// new field is noticed in both.
pub struct App {
    pub config: Arc<Config>,
    pub origins: origins::Origins,
    pub data_dir: PathBuf,
    pub clock: Arc<dyn Clock>,
    pub registry: Registry,
    pub state: State,
    pub guest_logs: GuestLogs,
    pub secrets: Secrets,
    pub bundles: BundleStore,
    pub pages: assets::Pages,
    pub runner: Arc<Runner>,
    pub refused_calls: Arc<egress::RefusedCalls>,
    pub learning: Arc<egress::Learning>,
    pub trust: Arc<TrustBundle>,
    pub metrics: Arc<Metrics>,
    pub traces: Traces,
    pub passwords: sign_in::Passwords,
    pub sign_in_limits: sign_in::SignInLimits,
    pub sign_in_links: sign_in::SignInLinks,
    pub upload_addresses: uploads::UploadAddresses,
    pub rate_limits: rate_limits::RateLimits,
    pub call_rates: call_rates::CallRates,
    pub idempotency: idempotency::Idempotency,
    pub in_flight: uploads::InFlight,
    /// For request bodies that go to their handler whole: they are read before the call has a
    /// slot, at the pace of who sends them, so it is not the slots that bound how many there are.
    pub held_bodies: HeldMemory,
    pub usages: usage::Usages,
    pub waiting: compile::Waiting,
}

/// The caller may not do this.
#[derive(Debug, thiserror::Error)]
#[error("this needs the permission {}{}", .kind.as_str(), .name.as_ref().map(|n| format!(" for {n}")).unwrap_or_default())]
pub struct Denied {
    pub kind: ScopeKind,
    pub name: Option<ExtensionName>,
}

/// Refuses a caller whose scopes do not reach `name`.
pub(crate) fn check_allowed(
    principal: &Principal,
    kind: ScopeKind,
    name: &ExtensionName,
) -> Result<(), Denied> {
    if principal.allows(kind, Some(name)) {
        Ok(())
    } else {
        Err(Denied { kind, name: Some(name.clone()) })
    }
}

impl App {
    /// What a bundle may be, as configured.
    pub fn bundle_limits(&self) -> BundleLimits {
        bundle_limits(&self.config.store)
    }

    pub(crate) fn event(
        &self,
        actor: Actor,
        action: AuditAction,
        tenant: Option<TenantId>,
        subject: impl Into<String>,
    ) -> AuditEvent {
        AuditEvent {
            at: self.clock.now(),
            actor,
            action,
            tenant,
            subject: subject.into(),
            detail: None,
        }
    }
}
