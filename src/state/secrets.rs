//! Secrets: what an operator gives an install in confidence.
//!
//! `seal` makes of a value what is on disk, `rows` keeps it. Whoever holds a [`Secrets`] can
//! set and remove; a value comes out through [`InstallSecrets`] alone, the handle that an
//! execution gets, which knows one install and cannot name another.

mod rows;
mod seal;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use secrecy::SecretString;
use tokio::runtime::Handle;
use tokio::sync::RwLock;

pub use self::seal::{Broken, WrappingKey, WrappingKeyId};
use super::{Owner, State, StateError, blocking};
use crate::model::{
    BindingChange, EgressHost, EgressRule, Scheme, SecretFacts, SecretHeader, SecretName,
};

pub(super) use self::rows::create_tables;

/// Secrets of one install.
pub const MAX_SECRETS: usize = 64;
/// Bytes of one value.
pub const MAX_SECRET_BYTES: usize = 16 * 1024;

/// A cheap handle to everybody's secrets.
#[derive(Clone)]
pub struct Secrets(Arc<Inner>);

struct Inner {
    state: State,
    keys: ArcSwap<Keys>,
    /// Written to while the wrapping key changes: a value that is set in between would be
    /// sealed with a key that is about to be forgotten.
    changing: RwLock<()>,
}

/// The wrapping keys that count.
struct Keys {
    /// Seals and opens.
    current: Arc<WrappingKey>,
    /// Opens only: the one that follows, while data keys go over to it.
    next: Option<Arc<WrappingKey>>,
}

/// A value to keep.
pub struct NewSecret {
    pub name: SecretName,
    pub value: SecretString,
    pub set_at: Timestamp,
    /// In words.
    pub set_by: String,
    pub expires_at: Option<Timestamp>,
    pub binding: BindingChange,
}

/// What setting a secret found.
#[derive(Debug, PartialEq, Eq)]
pub enum Set {
    Created(SecretFacts),
    Replaced(SecretFacts),
    /// There are as many as there may be: so many. Nothing was written.
    Full(usize),
}

/// What asking for a secret found.
#[derive(Debug)]
pub enum Lookup {
    Found(SecretString),
    /// It goes to its hosts, and the extension does not read it.
    Bound,
    Expired,
    Missing,
}

/// What asking for a secret found that is to go with a call.
#[derive(Debug)]
pub enum CallLookup {
    /// The call is to one of its hosts: it goes in this header.
    Found(SecretHeader, SecretString),
    OtherHost,
    /// It is bound to no hosts: the extension reads it itself.
    Unbound,
    Expired,
    Missing,
}

/// A secret that was found, and has opened: what its facts say is true.
struct Opened {
    facts: SecretFacts,
    value: SecretString,
    is_expired: bool,
}

/// Why a secret could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    #[error(
        "the secrets of the install are sealed with the master key {found}, and that of this \
         appliance is {own}"
    )]
    OtherKey { found: WrappingKeyId, own: WrappingKeyId },
    #[error("a sealed row of the state file is broken: {0}")]
    Broken(#[from] Broken),
    #[error(transparent)]
    State(#[from] StateError),
}

impl Keys {
    fn unwrap(&self, wrapped: &[u8], owner: Owner) -> Result<seal::DataKey, SecretsError> {
        let found = WrappingKeyId::of(wrapped)?;
        let mut keys = [Some(&self.current), self.next.as_ref()].into_iter().flatten();
        let key = keys.find(|key| key.id() == found);
        let own = self.current.id();
        let key = key.ok_or(SecretsError::OtherKey { found, own })?;
        Ok(key.unwrap(wrapped, owner)?)
    }
}

impl Secrets {
    /// The secrets in `state`, sealed with `key`.
    pub fn new(state: State, key: WrappingKey) -> Self {
        let keys = Keys { current: Arc::new(key), next: None };
        let (keys, changing) = (ArcSwap::from_pointee(keys), RwLock::default());
        Self(Arc::new(Inner { state, keys, changing }))
    }

    /// What may be shown of the secrets of an install, by name.
    pub async fn list(&self, owner: Owner) -> Result<Vec<SecretFacts>, StateError> {
        self.0.state.read(move |txn| rows::list(txn, owner)).await
    }

    /// Keeps a value, in place of the one with its name.
    pub async fn set(&self, owner: Owner, new: NewSecret) -> Result<Set, SecretsError> {
        let _steady = self.0.changing.read().await;
        let keys = self.0.keys.load_full();
        let write = move |txn: &_| rows::put(txn, owner, &new, &keys, MAX_SECRETS);
        self.0.state.write(write).await?
    }

    /// Removes a secret; false when there is none.
    pub async fn remove(&self, owner: Owner, name: SecretName) -> Result<bool, StateError> {
        self.0.state.write(move |txn| rows::remove(txn, owner, &name)).await
    }

    /// Removes all secrets of an install, and its data key; says how many.
    pub async fn remove_all(&self, owner: Owner) -> Result<usize, StateError> {
        self.0.state.write(move |txn| rows::remove_all(txn, owner)).await
    }

    /// Everyone who has secrets.
    pub async fn owners(&self) -> Result<Vec<Owner>, StateError> {
        self.0.state.read(rows::owners).await
    }

    /// The wrapping key that is in use.
    pub fn key_id(&self) -> WrappingKeyId {
        self.0.keys.load().current.id()
    }

    /// Goes over to another wrapping key: all data keys in one transaction. While it runs,
    /// values are read as ever, and those that are set wait. After it, the old key is gone
    /// from memory. Says how many data keys there were. It has to be run to its end.
    ///
    /// When the state file fails, nobody knows what is on the disk: then both keys stay in
    /// memory. On every other error nothing has changed.
    pub async fn rewrap(&self, key: WrappingKey) -> Result<usize, SecretsError> {
        let _alone = self.0.changing.write().await;
        let (old, key) = (Arc::clone(&self.0.keys.load().current), Arc::new(key));
        let both = Keys { current: Arc::clone(&old), next: Some(Arc::clone(&key)) };
        self.0.keys.store(Arc::new(both));
        let (from, to) = (Arc::clone(&old), Arc::clone(&key));
        let rewrapped = self.0.state.write(move |txn| rows::rewrap(txn, &from, &to)).await;
        let rewrapped = rewrapped.map_err(SecretsError::State).flatten();
        let current = match &rewrapped {
            Ok(_) => key,
            Err(SecretsError::State(_)) => return rewrapped,
            Err(SecretsError::OtherKey { .. } | SecretsError::Broken(_)) => old,
        };
        self.0.keys.store(Arc::new(Keys { current, next: None }));
        rewrapped
    }

    /// The handle of one install, for an execution. Made on a thread of the runtime, it can
    /// be asked on any.
    pub fn of(&self, owner: Owner) -> InstallSecrets {
        InstallSecrets { secrets: self.clone(), owner, runtime: Handle::current() }
    }

    fn open(&self, owner: Owner, name: &SecretName) -> Result<Option<Opened>, SecretsError> {
        // The keys before the row: a row that is older than its keys would not open with them.
        let keys = self.0.keys.load_full();
        let state = &self.0.state;
        let Some(sealed) = state.read_blocking(|txn| rows::get(txn, owner, name))? else {
            return Ok(None);
        };
        let data_key = keys.unwrap(&sealed.data_key, owner)?;
        let value = data_key.open(&sealed.value, owner, &sealed.facts)?;
        let is_expired = sealed.facts.is_expired(state.now());
        Ok(Some(Opened { facts: sealed.facts, value, is_expired }))
    }
}

/// With which wrapping keys the data keys in `state` are sealed, and how many with each.
pub fn wrapping_keys_in(state: &State) -> Result<BTreeMap<WrappingKeyId, usize>, StateError> {
    state.read_blocking(rows::wrapped_with)
}

/// Seals with `to` the data keys that are sealed with `from`, in one transaction: before
/// anybody has a handle to them. Says how many.
pub fn rewrap_at_start(
    state: &State,
    from: WrappingKey,
    to: Arc<WrappingKey>,
) -> Result<usize, SecretsError> {
    state.write_blocking(move |txn| rows::rewrap(txn, &from, &to))?
}

/// The secrets of one install, and of no other.
#[derive(Clone)]
pub struct InstallSecrets {
    secrets: Secrets,
    owner: Owner,
    runtime: Handle,
}

impl InstallSecrets {
    /// The value of a secret.
    pub async fn get(&self, name: SecretName) -> Result<Lookup, SecretsError> {
        Ok(match self.open(name).await? {
            None => Lookup::Missing,
            Some(Opened { facts, .. }) if facts.binding.is_some() => Lookup::Bound,
            Some(Opened { is_expired: true, .. }) => Lookup::Expired,
            Some(Opened { value, .. }) => Lookup::Found(value),
        })
    }

    /// The value of a secret that is to go with a call, if the call is to one of its hosts.
    pub async fn for_call(
        &self,
        name: SecretName,
        (scheme, host, port): (Scheme, &EgressHost, u16),
    ) -> Result<CallLookup, SecretsError> {
        let Some(Opened { facts, value, is_expired }) = self.open(name).await? else {
            return Ok(CallLookup::Missing);
        };
        Ok(match facts.binding {
            None => CallLookup::Unbound,
            Some(binding) if !EgressRule::any_allows(&binding.hosts, scheme, host, port) => {
                CallLookup::OtherHost
            }
            Some(_) if is_expired => CallLookup::Expired,
            Some(binding) => CallLookup::Found(binding.header, value),
        })
    }

    async fn open(&self, name: SecretName) -> Result<Option<Opened>, SecretsError> {
        let Self { secrets, owner, runtime } = self.clone();
        let open = move || match secrets.open(owner, &name) {
            // The wrapping key may have changed between the two looks.
            Err(SecretsError::OtherKey { .. }) => secrets.open(owner, &name),
            found => found,
        };
        blocking(&runtime, open).await.unwrap_or(Err(StateError::Stopped.into()))
    }

    /// The names of the secrets, sorted; expired ones, too.
    pub async fn names(&self) -> Result<Vec<SecretName>, StateError> {
        let Self { secrets, owner, runtime } = self.clone();
        let list = move || secrets.0.state.read_blocking(|txn| rows::list(txn, owner));
        let listed = blocking(&runtime, list).await.unwrap_or(Err(StateError::Stopped))?;
        Ok(listed.into_iter().map(|facts| facts.name).collect())
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.key_id())
    }
}

impl fmt::Debug for InstallSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InstallSecrets(…)")
    }
}

impl fmt::Debug for NewSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewSecret({})", self.name)
    }
}
