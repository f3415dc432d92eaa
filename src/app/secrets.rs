//! The secrets of an install: set, listed and removed from outside, and never shown.

mod binding;

pub use binding::{BindingError, BindingRequest, MAX_SECRET_HOSTS};

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::App;
use super::install::InstallError;
use crate::model::{
    AuditAction, AuditEvent, BindingChange, ExtensionName, Install, InstallId, InvalidSecretName,
    Principal, ScopeKind, SecretFacts, SecretName,
};
use crate::registry::{RegistryError, WriteTxn, audit};
use crate::state::secrets::{MAX_SECRET_BYTES, MAX_SECRETS, NewSecret, SecretsError, Set};
use crate::state::{Owner, StateError};

/// What a door was sent for one secret.
#[derive(Debug)]
pub struct SecretRequest {
    pub name: String,
    pub value: SecretString,
    pub expires_at: Option<Timestamp>,
    pub binding: BindingRequest,
}

/// What setting a secret did.
#[derive(Debug)]
pub struct SecretKept {
    pub facts: SecretFacts,
    /// False when it is in the place of another value.
    pub created: bool,
}

/// Why a secret was not set, listed or removed.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error(transparent)]
    Name(#[from] InvalidSecretName),
    #[error("a secret has 1 to {MAX_SECRET_BYTES} bytes; this one has none")]
    Empty,
    #[error("a secret has 1 to {MAX_SECRET_BYTES} bytes; this one has {0}")]
    TooLarge(usize),
    #[error("a secret cannot expire at {at}: it is {now} now")]
    Past { at: Timestamp, now: Timestamp },
    #[error("{0}")]
    Binding(BindingError),
    #[error("{extension} has {count} secrets; {MAX_SECRETS} are allowed")]
    TooMany { extension: ExtensionName, count: usize },
    #[error("{extension} has no secret {name}")]
    Unknown { extension: ExtensionName, name: String },
    #[error(transparent)]
    Install(#[from] InstallError),
    #[error(transparent)]
    Sealing(#[from] SecretsError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl App {
    /// What may be shown of the secrets of an install, by name.
    pub async fn list_secrets(
        &self,
        principal: &Principal,
        id: InstallId,
    ) -> Result<Vec<SecretFacts>, SecretError> {
        let live = self.own_install(principal, ScopeKind::InstallRead, id)?;
        Ok(self.secrets.list(Owner::of(&live.labels)).await?)
    }

    /// Keeps a value for an install, in place of the one with its name.
    ///
    /// The registry has who did it before the state has the value: a crash between the two
    /// leaves a record of a secret that is not there, never a secret that nobody has set.
    pub async fn set_secret(
        &self,
        principal: &Principal,
        id: InstallId,
        request: SecretRequest,
    ) -> Result<SecretKept, SecretError> {
        let live = self.own_install(principal, ScopeKind::InstallWrite, id)?;
        let (install, owner) = (&live.install, Owner::of(&live.labels));
        let name = self.check_secret(&request)?;
        let SecretRequest { value, expires_at, binding, .. } = request;
        let binding = binding.check(self.config.egress.secrets_in_clear)?;
        let too_many = |count| SecretError::TooMany { extension: install.name.clone(), count };
        let known = self.secrets.list(owner).await?;
        if known.len() >= MAX_SECRETS && known.iter().all(|facts| facts.name != name) {
            return Err(too_many(known.len()));
        }
        let before = known.iter().find(|facts| facts.name == name);
        let stays = before.is_some_and(|facts| facts.binding.is_some());
        let is_bound = match &binding {
            BindingChange::Keep => stays,
            BindingChange::Unbind => false,
            BindingChange::Bind(_) => true,
        };
        if is_bound && !binding::fits_header(value.expose_secret()) {
            return Err(BindingError::NotForHeaders.into());
        }
        let detail = describe(&binding);
        self.record_secret(principal, AuditAction::SecretSet, (install, &name), detail).await?;
        let (set_at, set_by) = (self.clock.now(), principal.actor().to_string());
        let new = NewSecret { name, value, set_at, set_by, expires_at, binding };
        let set = self.secrets.set(owner, new).await?;
        if self.registry.live().install_by_id(&id).is_none() {
            // Uninstalled meanwhile, perhaps before there was this one to delete.
            self.secrets.remove_all(owner).await?;
            return Err(InstallError::UnknownInstall(id.to_string()).into());
        }
        match set {
            Set::Created(facts) => Ok(SecretKept { facts, created: true }),
            Set::Replaced(facts) => Ok(SecretKept { facts, created: false }),
            Set::Full(count) => Err(too_many(count)),
        }
    }

    /// Removes a secret of an install.
    pub async fn remove_secret(
        &self,
        principal: &Principal,
        id: InstallId,
        name: &str,
    ) -> Result<(), SecretError> {
        let live = self.own_install(principal, ScopeKind::InstallWrite, id)?;
        let (install, owner) = (&live.install, Owner::of(&live.labels));
        let unknown =
            || SecretError::Unknown { extension: install.name.clone(), name: name.to_owned() };
        let known = self.secrets.list(owner).await?;
        let found = known.into_iter().find(|facts| facts.name.as_str() == name);
        let name = found.ok_or_else(unknown)?.name;
        let removed = AuditAction::SecretRemoved;
        self.record_secret(principal, removed, (install, &name), None).await?;
        if self.secrets.remove(owner, name).await? { Ok(()) } else { Err(unknown()) }
    }

    /// Deletes the secrets of an install that is gone. What cannot be deleted now, the next
    /// sweep finds.
    pub(crate) async fn forget_secrets(&self, owner: Owner) {
        if let Err(error) = self.secrets.remove_all(owner).await {
            tracing::error!(error = %error, "Could not delete the secrets of an install: {error}");
        }
    }

    /// Deletes secrets whose install is gone; says of how many installs.
    pub(crate) async fn sweep_secrets(&self) -> Result<usize, StateError> {
        // In this order: an install is there before it has secrets.
        let owners = self.secrets.owners().await?;
        let live = self.registry.live();
        let known: Vec<_> = live.installs().map(|row| Owner::of(&row.labels)).collect();
        let mut removed = 0;
        for owner in owners.into_iter().filter(|owner| !known.contains(owner)) {
            self.secrets.remove_all(owner).await?;
            removed += 1;
        }
        Ok(removed)
    }

    fn check_secret(&self, request: &SecretRequest) -> Result<SecretName, SecretError> {
        let name = request.name.parse()?;
        match request.value.expose_secret().len() {
            0 => return Err(SecretError::Empty),
            found if found > MAX_SECRET_BYTES => return Err(SecretError::TooLarge(found)),
            _ => {}
        }
        let now = self.clock.now();
        match request.expires_at {
            Some(at) if at <= now => Err(SecretError::Past { at, now }),
            _ => Ok(name),
        }
    }

    async fn record_secret(
        &self,
        principal: &Principal,
        action: AuditAction,
        (install, name): (&Install, &SecretName),
        detail: Option<String>,
    ) -> Result<(), RegistryError> {
        let (tenant, subject) = (install.tenant.clone(), format!("{} {name}", install.name));
        let event = self.event(principal.actor(), action, Some(tenant), subject);
        let event = AuditEvent { detail, ..event };
        let write = move |txn: &WriteTxn| audit::append(txn, &event);
        self.registry.write(write).await.map(|_number| ())
    }
}

/// What is on record of the hosts of a secret.
fn describe(change: &BindingChange) -> Option<String> {
    match change {
        BindingChange::Keep => None,
        BindingChange::Unbind => Some("is for the extension to read".to_owned()),
        BindingChange::Bind(binding) => Some(binding.to_string()),
    }
}
