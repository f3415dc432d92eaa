//! Whose signatures count: the registry's own trusted keys.

use super::{App, Denied};
use crate::model::{AuditAction, KeyId, KeyStatus, NameGlob, Principal, ScopeKind, TrustedKey};
use crate::registry::{RegistryError, WriteTxn, audit, trusted_keys};
use crate::trust::keys::{self, KeyError};

/// What to trust.
#[derive(Clone, Debug)]
pub struct TrustRequest {
    /// PEM or base64 of the public key's SPKI form.
    pub public_key: String,
    pub name: String,
    /// Empty: refused. Use `*` for every name.
    pub scopes: Vec<NameGlob>,
}

/// Why a key was not trusted or removed.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("a trusted key needs at least one name scope")]
    NoScope,
    #[error("a key name is 1 to 100 characters")]
    BadName,
    #[error("there is no trusted key {0} in the registry")]
    Unknown(KeyId),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl App {
    /// Every key that counts: the trust bundle's, then the registry's.
    pub fn list_trusted_keys(&self, principal: &Principal) -> Result<Vec<TrustedKey>, Denied> {
        check_every_name(principal)?;
        let live = self.registry.live();
        let own = live.trusted_keys().iter().map(AsRef::as_ref);
        Ok(self.trust.keys().iter().chain(own).cloned().collect())
    }

    /// Trusts a key for some extension names. The same key again replaces its row.
    pub async fn trust_key(
        &self,
        principal: &Principal,
        request: TrustRequest,
    ) -> Result<TrustedKey, TrustError> {
        check_every_name(principal)?;
        let name_length = request.name.trim().chars().count();
        if name_length == 0 || name_length > 100 || request.name.chars().any(char::is_control) {
            return Err(TrustError::BadName);
        }
        if request.scopes.is_empty() {
            return Err(TrustError::NoScope);
        }
        let public_key = keys::parse_public(&request.public_key)?;
        let key = TrustedKey {
            id: keys::key_id(&public_key),
            public_key: public_key.to_bytes(),
            name: request.name.trim().to_owned(),
            scopes: request.scopes,
            not_before: None,
            not_after: None,
            status: KeyStatus::Active,
            added_at: self.clock.now(),
            added_by: principal.actor().to_string(),
        };
        let mut event =
            self.event(principal.actor(), AuditAction::KeyTrusted, None, key.id.as_str());
        event.detail = Some(key.name.clone());
        let row = key.clone();
        let write = move |txn: &WriteTxn| {
            trusted_keys::put(txn, &row)?;
            audit::append(txn, &event)
        };
        self.registry.write(write).await?;
        Ok(key)
    }

    /// Stops trusting a key of the registry. What it signed stays published.
    pub async fn remove_key(&self, principal: &Principal, id: KeyId) -> Result<(), TrustError> {
        check_every_name(principal)?;
        let event = self.event(principal.actor(), AuditAction::KeyRemoved, None, id.as_str());
        let row = id.clone();
        let write = move |txn: &WriteTxn| {
            let removed = trusted_keys::remove(txn, &row)?.is_some();
            if removed {
                audit::append(txn, &event)?;
            }
            Ok(removed)
        };
        if self.registry.write(write).await? { Ok(()) } else { Err(TrustError::Unknown(id)) }
    }
}

/// A scope for some names is none for keys: the names that a key is for are as many as whoever
/// trusts it says.
fn check_every_name(principal: &Principal) -> Result<(), Denied> {
    let kind = ScopeKind::TrustWrite;
    if principal.allows(kind, None) { Ok(()) } else { Err(Denied { kind, name: None }) }
}
