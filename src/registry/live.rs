//! What requests need to know, in memory: a snapshot of the tables as of one commit.
//!
//! Rows are shared, so the next snapshot copies pointers and not rows. It is made
//! by the table functions inside a write transaction and becomes visible with its
//! commit; nothing else changes it.

mod installs;

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use redb::ReadTransaction;

use crate::model::{
    ContentHash, ExtensionName, ExtensionVersion, Install, InstallId, Operator, OperatorName,
    Session, TenantId, Token, TokenId, TrustedKey,
};

use super::{RegistryError, installs as install_rows, operators, sessions, tokens, trusted_keys};
use installs::InstallIndex;

pub use installs::LiveInstall;

/// A snapshot of everything that the warm paths read.
#[derive(Clone, Default)]
pub struct Live {
    installs: Arc<InstallIndex>,
    tokens: Arc<HashMap<TokenId, Arc<Token>>>,
    /// By the SHA-256 of the cookie.
    sessions: Arc<HashMap<[u8; 32], Arc<Session>>>,
    operators: Arc<HashMap<OperatorName, Arc<Operator>>>,
    /// Sorted by key id.
    trusted_keys: Arc<Vec<Arc<TrustedKey>>>,
}

impl Live {
    /// Reads the whole snapshot from the tables.
    pub(super) fn load(txn: &ReadTransaction) -> Result<Self, RegistryError> {
        let mut live = Self::default();
        for install in install_rows::list_all(txn)? {
            let install = live.joined(txn, install)?;
            live.put_install(install);
        }
        tokens::list_all(txn)?.into_iter().for_each(|token| live.put_token(token));
        sessions::list(txn)?.into_iter().for_each(|session| live.put_session(session));
        operators::list(txn)?.into_iter().for_each(|operator| live.put_operator(operator));
        trusted_keys::list(txn)?.into_iter().for_each(|key| live.put_trusted_key(key));
        live.settle();
        Ok(live)
    }

    /// The install of the extension `name` in `tenant`, enabled or not.
    pub fn install(&self, tenant: &TenantId, name: &ExtensionName) -> Option<&Arc<LiveInstall>> {
        self.installs.by_name(tenant, name)
    }

    /// The install in `tenant` whose extension has the alias `publisher.name`.
    ///
    /// An alias that two installed extensions share names neither: it must not
    /// be possible to take over another's requests by choosing a publisher.
    pub fn install_by_alias(&self, tenant: &TenantId, alias: &str) -> Option<&Arc<LiveInstall>> {
        self.installs.by_alias(tenant, alias)
    }

    /// The install with this id, in whichever tenant.
    pub fn install_by_id(&self, id: &InstallId) -> Option<&Arc<LiveInstall>> {
        self.installs.by_id(id)
    }

    /// Every install, by tenant and name.
    pub fn installs(&self) -> impl Iterator<Item = &Arc<LiveInstall>> {
        self.installs.all()
    }

    /// The installs of one tenant, by name.
    pub fn installs_of(&self, tenant: &TenantId) -> impl Iterator<Item = &Arc<LiveInstall>> {
        self.installs.of(tenant)
    }

    /// The installs that were called since that was last written, and in which second.
    pub(super) fn pending_uses(&self) -> Vec<(Arc<LiveInstall>, i64)> {
        let pending = |install: &Arc<LiveInstall>| {
            install.last_use.pending().map(|second| (Arc::clone(install), second))
        };
        self.installs().filter_map(pending).collect()
    }

    /// The version with this hash, if its pages may be shown at `now`: some tenant has it
    /// enabled, or had it until an upgrade less than `previous_hours` ago and has the
    /// extension enabled still.
    pub fn served(
        &self,
        name: &ExtensionName,
        hash: &ContentHash,
        now: Timestamp,
        previous_hours: u32,
    ) -> Option<&Arc<ExtensionVersion>> {
        self.installs.served(name, hash, now, SignedDuration::from_hours(previous_hours.into()))
    }

    /// The token with this id, expired or not.
    pub fn token(&self, id: &TokenId) -> Option<&Arc<Token>> {
        self.tokens.get(id)
    }

    /// The session whose cookie has this SHA-256, expired or not.
    pub fn session(&self, id_sha256: &[u8; 32]) -> Option<&Arc<Session>> {
        self.sessions.get(id_sha256)
    }

    /// The operator of this name.
    pub fn operator(&self, name: &OperatorName) -> Option<&Arc<Operator>> {
        self.operators.get(name)
    }

    /// How many operators there are.
    pub fn operator_count(&self) -> usize {
        self.operators.len()
    }

    /// Whether someone can sign in: set-up is over once there is an operator.
    pub fn is_set_up(&self) -> bool {
        !self.operators.is_empty()
    }

    /// The registry's own trusted keys, whatever their status, by key id.
    pub fn trusted_keys(&self) -> &[Arc<TrustedKey>] {
        &self.trusted_keys
    }

    /// The version with this hash, if an install uses it or used it before its upgrade.
    pub(super) fn version(&self, hash: &ContentHash) -> Option<&Arc<ExtensionVersion>> {
        self.installs.version(hash)
    }

    pub(super) fn put_install(&mut self, install: LiveInstall) {
        Arc::make_mut(&mut self.installs).put(Arc::new(install));
    }

    pub(super) fn remove_install(&mut self, install: &Install) {
        Arc::make_mut(&mut self.installs).remove(install);
    }

    pub(super) fn put_token(&mut self, token: Token) {
        Arc::make_mut(&mut self.tokens).insert(token.id.clone(), Arc::new(token));
    }

    pub(super) fn remove_token(&mut self, id: &TokenId) {
        Arc::make_mut(&mut self.tokens).remove(id);
    }

    pub(super) fn put_session(&mut self, session: Session) {
        Arc::make_mut(&mut self.sessions).insert(session.id_sha256, Arc::new(session));
    }

    pub(super) fn remove_session(&mut self, id_sha256: &[u8; 32]) {
        Arc::make_mut(&mut self.sessions).remove(id_sha256);
    }

    pub(super) fn put_operator(&mut self, operator: Operator) {
        Arc::make_mut(&mut self.operators).insert(operator.name.clone(), Arc::new(operator));
    }

    pub(super) fn put_trusted_key(&mut self, key: TrustedKey) {
        let keys = Arc::make_mut(&mut self.trusted_keys);
        match keys.binary_search_by(|known| known.id.cmp(&key.id)) {
            Ok(index) => keys[index] = Arc::new(key),
            Err(index) => keys.insert(index, Arc::new(key)),
        }
    }

    pub(super) fn remove_trusted_key(&mut self, key: &TrustedKey) {
        Arc::make_mut(&mut self.trusted_keys).retain(|known| known.id != key.id);
    }

    /// Derives what depends on many rows, once the rows of a transaction are in.
    pub(super) fn settle(&mut self) {
        if self.installs.is_unsettled() {
            Arc::make_mut(&mut self.installs).settle();
        }
    }
}
