//! How much may wait to be written, in bytes: in all, of one tenant, and of one install.
//!
//! When the disk stalls, executions end and their guests try again, and what they wanted
//! written waits on: without a bound it is the memory of the appliance that fills. The shares
//! leave room to the others when one install or one tenant fills its own.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::StateError;
use crate::model::{InstallId, InstallLabels, TenantId};

/// Bytes that wait, of everybody; operators and the appliance itself have more on top.
const ALL: usize = 64 * 1024 * 1024;
/// Bytes that wait, of one tenant.
const OF_TENANT: usize = 32 * 1024 * 1024;
/// Bytes that wait, of one install.
const OF_INSTALL: usize = 16 * 1024 * 1024;
/// Bytes that may wait where extensions have filled their part: to remove them, say.
const OF_OPERATORS: usize = 16 * 1024 * 1024;
/// What a write counts for beside its values: so many small ones have a bound, too.
const OF_WRITE: usize = 1024;

/// What waits, and whose it is.
#[derive(Clone, Default)]
pub(super) struct Queue(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    bytes: usize,
    of_tenants: HashMap<TenantId, usize>,
    of_installs: HashMap<InstallId, usize>,
}

/// The room that one write takes, until this is dropped.
pub(super) struct Room {
    queue: Queue,
    whose: Option<Arc<InstallLabels>>,
    bytes: usize,
}

impl Queue {
    /// Takes room for a write of so many bytes, for an install or for the appliance itself.
    ///
    /// Where nothing waits, a write has room however large it is: it could never be made
    /// otherwise.
    pub(super) fn enter(
        &self,
        whose: Option<Arc<InstallLabels>>,
        bytes: usize,
    ) -> Result<Room, StateError> {
        let bytes = bytes.saturating_add(OF_WRITE);
        let mut waiting = self.waiting();
        let all = if whose.is_some() { ALL } else { ALL + OF_OPERATORS };
        let mut has_room = fits(waiting.bytes, bytes, all);
        if let Some(labels) = &whose {
            let of_tenant = waiting.of_tenants.get(&labels.tenant).copied().unwrap_or_default();
            let of_install = waiting.of_installs.get(&labels.install).copied().unwrap_or_default();
            has_room &= fits(of_tenant, bytes, OF_TENANT) && fits(of_install, bytes, OF_INSTALL);
        }
        if !has_room {
            return Err(StateError::Busy);
        }
        waiting.bytes += bytes;
        if let Some(labels) = &whose {
            *waiting.of_tenants.entry(labels.tenant.clone()).or_default() += bytes;
            *waiting.of_installs.entry(labels.install).or_default() += bytes;
        }
        drop(waiting);
        Ok(Room { queue: self.clone(), whose, bytes })
    }

    /// Bytes that wait.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.waiting().bytes
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut waiting = self.queue.waiting();
        waiting.bytes -= self.bytes;
        if let Some(labels) = &self.whose {
            give_back(&mut waiting.of_tenants, &labels.tenant, self.bytes);
            give_back(&mut waiting.of_installs, &labels.install, self.bytes);
        }
    }
}

const fn fits(waiting: usize, more: usize, limit: usize) -> bool {
    waiting == 0 || waiting.saturating_add(more) <= limit
}

/// Who has nothing that waits is forgotten.
fn give_back<K: Eq + Hash>(shares: &mut HashMap<K, usize>, whose: &K, bytes: usize) {
    if let Some(share) = shares.get_mut(whose) {
        *share -= bytes;
        if *share == 0 {
            shares.remove(whose);
        }
    }
}

#[cfg(test)]
mod tests {
    use semver::Version;

    use super::*;

    const MIB: usize = 1024 * 1024;

    fn install(tenant: &str) -> Arc<InstallLabels> {
        let (tenant, name) = (tenant.parse().unwrap(), "com.example.a".parse().unwrap());
        let labels = InstallLabels::of(tenant, name, InstallId::random(), &Version::new(1, 0, 0));
        Arc::new(labels)
    }

    /// What of this many writes of 1 MiB has room.
    fn enter(queue: &Queue, whose: Option<&Arc<InstallLabels>>, writes: usize) -> Vec<Room> {
        (0..writes).map_while(|_| queue.enter(whose.cloned(), MIB).ok()).collect()
    }

    #[test]
    fn an_install_a_tenant_and_all_together_have_a_share() {
        let queue = Queue::default();
        let (a, b, c) = (install("a"), install("a"), install("a"));

        let of_a = enter(&queue, Some(&a), 100);
        let of_b = enter(&queue, Some(&b), 100);
        let of_c = enter(&queue, Some(&c), 100);
        let of_others: Vec<_> = (0..9).map(|_| enter(&queue, Some(&install("b")), 100)).collect();
        let own = enter(&queue, None, 100);

        // With what each write counts for beside its value.
        assert_eq!([of_a.len(), of_b.len(), of_c.len()], [15, 15, 1], "of one tenant");
        assert_eq!(of_others.iter().map(Vec::len).sum::<usize>(), 31, "of another");
        assert_eq!(own.len(), 17, "of the appliance");
        assert!(queue.bytes() <= ALL + OF_OPERATORS);
        drop((of_a, of_b, of_c, of_others, own));
        let left = queue.waiting();
        assert!(left.bytes == 0 && left.of_installs.is_empty() && left.of_tenants.is_empty());
    }

    #[test]
    fn a_write_that_is_larger_than_a_share_has_room_when_nothing_waits() {
        let queue = Queue::default();
        let whose = Some(install("a"));

        let large = queue.enter(whose.clone(), 2 * ALL).unwrap();
        let refused = queue.enter(whose.clone(), 1).is_err() && queue.enter(None, 1).is_err();
        drop(large);

        assert!(refused);
        assert!(queue.enter(whose, 1).is_ok());
    }
}
