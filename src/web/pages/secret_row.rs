//! One secret, as far as it may be shown.

use jiff::Timestamp;

use super::Moment;
use crate::model::{SecretBinding, SecretFacts, SecretName};

/// What may be shown of one secret.
#[derive(Clone, Debug)]
pub struct SecretRow {
    pub name: SecretName,
    pub version: u64,
    pub set: Moment,
    pub set_by: String,
    pub expires: Option<Moment>,
    pub is_expired: bool,
    /// Where it goes; `None`: the extension reads it.
    pub binding: Option<SecretBinding>,
}

impl SecretRow {
    /// The row of a secret.
    pub fn new(facts: &SecretFacts, now: Timestamp) -> Self {
        Self {
            name: facts.name.clone(),
            version: facts.version,
            set: Moment::new(facts.set_at, now),
            set_by: facts.set_by.clone(),
            expires: facts.expires_at.map(|at| Moment::new(at, now)),
            is_expired: facts.is_expired(now),
            binding: facts.binding.clone(),
        }
    }
}
