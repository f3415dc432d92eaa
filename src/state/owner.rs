//! Whose a row is: the first part of every key of the state.

use sha2::{Digest, Sha256};

use crate::model::{InstallId, InstallLabels, TenantId};

/// Bytes of an owner: a SHA-256 and a UUID.
pub(super) const OWNER_BYTES: usize = 32 + 16;

/// An install of a tenant, in a form of fixed width.
///
/// The tenant stands in it as the SHA-256 of its id: ids differ in length, and of
/// two forms of one width neither is a prefix of the other, so that no choice of
/// namespace and key reaches from one owner's rows into another's. Two tenants
/// would need a collision of SHA-256 to share a form, and then still a collision
/// of two random install ids. The guest has no part in any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner([u8; OWNER_BYTES]);

impl Owner {
    /// The owner of what an install of a tenant keeps.
    pub fn new(tenant: &TenantId, install: InstallId) -> Self {
        let mut bytes = [0; OWNER_BYTES];
        let (first, second) = bytes.split_at_mut(32);
        first.copy_from_slice(&Sha256::digest(tenant.as_str()));
        second.copy_from_slice(install.as_bytes());
        Self(bytes)
    }

    /// The owner of what the install of these labels keeps.
    pub fn of(labels: &InstallLabels) -> Self {
        Self::new(&labels.tenant, labels.install)
    }

    /// Its form in keys.
    pub const fn as_bytes(&self) -> &[u8; OWNER_BYTES] {
        &self.0
    }

    /// The next form in the order of keys, before which all rows of this owner end;
    /// none after the last.
    pub fn next(&self) -> Option<Self> {
        let mut bytes = self.0;
        for byte in bytes.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                return Some(Self(bytes));
            }
        }
        None
    }
}

impl From<[u8; OWNER_BYTES]> for Owner {
    fn from(bytes: [u8; OWNER_BYTES]) -> Self {
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_and_installs_have_owners_of_their_own() {
        let (a, ab): (TenantId, TenantId) = ("a".parse().unwrap(), "ab".parse().unwrap());
        let (one, two) = (InstallId::random(), InstallId::random());

        assert_ne!(Owner::new(&a, one), Owner::new(&ab, one));
        assert_ne!(Owner::new(&a, one), Owner::new(&a, two));
    }

    #[test]
    fn the_next_form_comes_right_after() {
        let mut bytes = [0; OWNER_BYTES];
        bytes[OWNER_BYTES - 2..].copy_from_slice(&[7, 0xff]);
        let mut next = [0; OWNER_BYTES];
        next[OWNER_BYTES - 2] = 8;

        assert_eq!(Owner(bytes).next(), Some(Owner(next)));
        assert_eq!(Owner([0xff; OWNER_BYTES]).next(), None);
    }
}
