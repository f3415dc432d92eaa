//! The life of an install: install, enable, disable, uninstall.

use std::collections::BTreeSet;
use std::sync::Arc;

use semver::Version;

use super::compile::CompileError;
use super::egress::{Learning, MAX_HOSTS, granted_hosts};
use super::{App, Denied, changes, check_allowed};
use crate::fail_point;
use crate::model::{
    Actor, AuditAction, AuditEvent, Capability, EgressRule, ExtensionName, Install, InstallId,
    Principal, ScopeKind, Yank,
};
use crate::registry::{
    LiveInstall, Registry, RegistryError, WriteTxn, audit, installs, purges, removals,
};
use crate::state::{Owner, StateError};

/// What to install.
#[derive(Clone, Debug)]
pub struct InstallRequest {
    pub name: ExtensionName,
    /// `None`: the highest published version that is neither a pre-release nor yanked.
    pub version: Option<Version>,
    pub grants: BTreeSet<Capability>,
    /// The hosts that it may call. `None`: those that its manifest asks for, if its grants let
    /// it call any.
    pub egress: Option<Vec<EgressRule>>,
    /// Whether it runs at once. The caller has seen that its component can.
    pub enabled: bool,
}

/// What installing found.
#[derive(Debug)]
pub enum Installed {
    Created(Install),
    /// The same version was installed before; nothing changed.
    Unchanged(Install),
}

/// Why an install was not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    #[error("{name}{}", .version.as_ref().map_or(" is not published, or only as pre-releases and yanked versions".to_owned(), |version| format!(" {version} is not published")))]
    UnknownVersion { name: ExtensionName, version: Option<Version> },
    /// Where it is installed it goes on; nobody new gets it.
    #[error("{} {} is yanked{}", .0.name, .0.version, because(.0))]
    Yanked(Box<Yank>),
    #[error("there is no install {0}")]
    UnknownInstall(String),
    #[error("{name} is already installed, at version {installed}")]
    AlreadyInstalled { name: ExtensionName, installed: Version },
    #[error("the manifest does not ask for {}", list(.0))]
    GrantNotRequested(Vec<Capability>),
    #[error("the manifest does not ask to call {}", entries(.0))]
    HostNotRequested(Vec<EgressRule>),
    #[error("{found} hosts are named; {MAX_HOSTS} are allowed")]
    TooManyHosts { found: usize },
    /// The new version would be allowed more than the old one.
    #[error("the new version would also be allowed {}", list(.0))]
    GrantsGrow(Vec<Capability>),
    #[error("{0} was changed by somebody else at the same time; nothing was done")]
    Changed(ExtensionName),
    #[error("{0} has no previous version to go back to")]
    NoPrevious(ExtensionName),
    #[error("it is uninstalled; what it kept could not be removed yet, and will be within an hour")]
    NotPurged(#[source] StateError),
    #[error(transparent)]
    Compile(#[from] CompileError),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

fn list(capabilities: &[Capability]) -> String {
    capabilities.iter().map(|capability| capability.as_str()).collect::<Vec<_>>().join(", ")
}

fn entries(rules: &[EgressRule]) -> String {
    rules.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn because(yank: &Yank) -> String {
    yank.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default()
}

/// What the write of an install found.
enum Found {
    Free(Install),
    Installed(Install),
    Yanked(Yank),
}

/// Inserts an install unless the tenant has the extension, or the version is yanked.
fn insert_if_free(
    txn: &WriteTxn,
    install: Install,
    event: &AuditEvent,
) -> Result<Found, RegistryError> {
    if let Some(row) = installs::get_by_name(txn, &install.tenant, &install.name)? {
        return Ok(Found::Installed(row));
    }
    if let Some(yank) = removals::get_yank(txn, &install.name, &install.version)? {
        return Ok(Found::Yanked(yank));
    }
    installs::insert(txn, &install)?;
    audit::append(txn, event)?;
    Ok(Found::Free(install))
}

/// Whether an install was changed, or why it may not be.
type TriedChange = Result<Result<bool, InstallError>, RegistryError>;

impl App {
    /// Installs a published version for the caller's tenant.
    ///
    /// One commit: it is there with its grants, or it is not.
    pub async fn install(
        &self,
        principal: &Principal,
        request: InstallRequest,
    ) -> Result<Installed, InstallError> {
        check_allowed(principal, ScopeKind::InstallWrite, &request.name)?;
        let version = self.find_version(&request.name, request.version.as_ref()).await?;
        version.manifest.check_grants(&request.grants).map_err(InstallError::GrantNotRequested)?;
        let egress = granted_hosts(&version.manifest, request.egress, &request.grants)?;
        let now = self.clock.now();
        let install = Install {
            id: InstallId::random(),
            tenant: principal.tenant(),
            name: version.name.clone(),
            version: version.version.clone(),
            content_hash: version.content_hash,
            enabled: request.enabled,
            grants: request.grants,
            egress,
            settings: serde_json::Map::new(),
            previous: None,
            installed_at: now,
            updated_at: now,
        };
        let subject = format!("{} {}", install.name, install.version);
        let mut event = self.event(
            principal.actor(),
            AuditAction::Installed,
            Some(install.tenant.clone()),
            subject,
        );
        event.detail = changes::between(None, &install);
        fail_point!("install.begin");
        let found = self.registry.write(move |txn| insert_if_free(txn, install, &event)).await?;
        fail_point!("install.committed");
        match found {
            Found::Free(install) => Ok(Installed::Created(install)),
            Found::Installed(row) if row.content_hash == version.content_hash => {
                Ok(Installed::Unchanged(row))
            }
            Found::Installed(row) => {
                Err(InstallError::AlreadyInstalled { name: row.name, installed: row.version })
            }
            Found::Yanked(yank) => Err(InstallError::Yanked(Box::new(yank))),
        }
    }

    /// Enables or disables an install.
    ///
    /// Enabling waits until the component is compiled and linked, so that no
    /// request pays for it and an unusable one is reported to the operator.
    pub async fn set_enabled(
        &self,
        principal: &Principal,
        id: InstallId,
        enabled: bool,
    ) -> Result<Install, InstallError> {
        let live = self.own_install(principal, ScopeKind::InstallWrite, id)?;
        if enabled {
            self.prepare(&live.version).await?;
        }
        if live.install.enabled == enabled {
            return Ok(live.install.clone());
        }
        let action = if enabled { AuditAction::Enabled } else { AuditAction::Disabled };
        fail_point!("enable.begin");
        let install = self.change_install(principal, action, id, move |install| {
            let differs = install.enabled != enabled;
            install.enabled = enabled;
            differs
        });
        let install = install.await?;
        fail_point!("enable.committed");
        Ok(install)
    }

    /// Removes an install with its grants, settings, secrets and log. The bundle stays; so does
    /// what it keeps, for `state.kept_days`, unless `purge` has that removed, too.
    ///
    /// To its end, also when whoever asked does not wait for it. What a crash leaves undone
    /// after the commit, the sweep does.
    pub async fn uninstall(
        self: &Arc<Self>,
        principal: &Principal,
        id: InstallId,
        purge: bool,
    ) -> Result<(), InstallError> {
        let live = self.own_install(principal, ScopeKind::InstallWrite, id)?;
        let (app, actor) = (Arc::clone(self), principal.actor());
        let uninstalled =
            tokio::spawn(async move { app.remove_install(actor, &live, purge).await });
        uninstalled.await.unwrap_or_else(|error| Err(RegistryError::Cancelled(error).into()))
    }

    async fn remove_install(
        &self,
        actor: Actor,
        live: &LiveInstall,
        purge: bool,
    ) -> Result<(), InstallError> {
        let (id, owner) = (live.install.id, Owner::of(&live.labels));
        let subject = format!("{} {}", live.install.name, live.install.version);
        let tenant = Some(live.install.tenant.clone());
        let event = self.event(actor.clone(), AuditAction::Uninstalled, tenant, subject);
        let purged = purge.then(|| self.wish_to_purge(actor.clone(), &live.install));
        let remove = move |registry: &Registry, learning: &Learning| {
            let lesson_end = learning.unsaid_end(id, event.at, actor);
            let write = |txn: &WriteTxn| {
                if installs::remove(txn, &id)?.is_none() {
                    return Ok(false);
                }
                for event in lesson_end.iter().chain([&event]) {
                    audit::append(txn, event)?;
                }
                if let Some((wish, event)) = &purged {
                    purges::put(txn, wish)?;
                    audit::append(txn, event)?;
                }
                Ok(true)
            };
            let found = registry.write_blocking(write)?;
            learning.forget(id);
            Ok(found)
        };
        let found = self.record_lessons(remove).await?;
        self.forget_secrets(owner).await;
        self.forget_lines(id).await;
        self.refused_calls.forget(id);
        if !found {
            return Err(InstallError::UnknownInstall(id.to_string()));
        }
        self.leave_state(&live.install, purge).await
    }

    /// Changes one install in one commit with its audit event, and gives what it is then.
    ///
    /// `change` says whether there is something to change: what it was read with may be past.
    pub(crate) async fn change_install(
        &self,
        principal: &Principal,
        action: AuditAction,
        id: InstallId,
        change: impl FnOnce(&mut Install) -> bool + Send + 'static,
    ) -> Result<Install, InstallError> {
        let change = move |_: &WriteTxn, install: &mut Install| Ok(Ok(change(install)));
        self.try_change_install(principal, action, id, change).await
    }

    /// The same, where `change` may also refuse, by what is in the registry then.
    pub(crate) async fn try_change_install(
        &self,
        principal: &Principal,
        action: AuditAction,
        id: InstallId,
        change: impl FnOnce(&WriteTxn, &mut Install) -> TriedChange + Send + 'static,
    ) -> Result<Install, InstallError> {
        let mut event = self.event(principal.actor(), action, None, String::new());
        let now = event.at;
        let write = move |txn: &WriteTxn| {
            let Some(mut install) = installs::get(txn, &id)? else {
                return Ok(Err(InstallError::UnknownInstall(id.to_string())));
            };
            let before = install.clone();
            match change(txn, &mut install)? {
                Ok(true) => {}
                Ok(false) => return Ok(Ok(install)),
                Err(refused) => return Ok(Err(refused)),
            }
            event.detail = changes::between(Some(&before), &install);
            install.updated_at = now;
            event.tenant = Some(install.tenant.clone());
            event.subject = format!("{} {}", install.name, install.version);
            installs::put(txn, &install)?;
            audit::append(txn, &event)?;
            Ok(Ok(install))
        };
        self.registry.write(write).await?
    }
}
