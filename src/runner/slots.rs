//! Who may execute now: three queues in a row, install, tenant, appliance.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::error::ExecuteError;
use crate::config::RunnerConfig;
use crate::model::{InstallId, TenantId};

/// Executions that may wait for each slot of a queue.
const WAITING_PER_SLOT: usize = 2;
/// Queues kept per kind before the idle ones are dropped.
const IDLE_LANES: usize = 1_024;

/// The slots of the appliance.
pub(super) struct Slots {
    installs: Lanes<InstallId>,
    tenants: Lanes<TenantId>,
    appliance: Lane,
    queue: Duration,
}

/// The right to execute, until dropped.
pub(super) struct Slot {
    _permits: [OwnedSemaphorePermit; 3],
}

struct Lanes<K> {
    lanes: Mutex<HashMap<K, Lane>>,
    slots: usize,
}

#[derive(Clone)]
struct Lane {
    free: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    slots: usize,
}

impl Slots {
    pub(super) fn new(config: &RunnerConfig) -> Self {
        Self {
            installs: Lanes::new(config.slots_per_install),
            tenants: Lanes::new(config.slots_per_tenant),
            appliance: Lane::new(config.slots),
            queue: Duration::from_millis(config.queue_ms),
        }
    }

    /// Takes a slot, waiting a little if all are taken.
    ///
    /// The narrow queue comes first, so that one busy install waits for itself
    /// and holds nothing that another could use.
    pub(super) async fn acquire(
        &self,
        tenant: &TenantId,
        install: &InstallId,
    ) -> Result<Slot, ExecuteError> {
        let until = Instant::now() + self.queue;
        let install = self.installs.get(install).acquire(until).await;
        let install = install.ok_or(ExecuteError::InstallBusy)?;
        let tenant = self.tenants.get(tenant).acquire(until).await;
        let tenant = tenant.ok_or(ExecuteError::TenantBusy)?;
        let appliance = self.appliance.clone().acquire(until).await;
        let appliance = appliance.ok_or(ExecuteError::Busy)?;
        Ok(Slot { _permits: [install, tenant, appliance] })
    }
}

impl<K: Clone + Eq + Hash> Lanes<K> {
    fn new(slots: usize) -> Self {
        Self { lanes: Mutex::default(), slots }
    }

    fn get(&self, key: &K) -> Lane {
        // No code panics while it holds the lock.
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get(key) {
            return lane.clone();
        }
        if lanes.len() >= IDLE_LANES {
            lanes.retain(|_, lane| !lane.is_idle());
        }
        let lane = Lane::new(self.slots);
        lanes.insert(key.clone(), lane.clone());
        lane
    }
}

impl Lane {
    fn new(slots: usize) -> Self {
        let slots = slots.clamp(1, Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(slots)), waiting: Arc::default(), slots }
    }

    /// Nobody holds a slot, waits for one or is about to ask for one.
    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.free) == 1
    }

    async fn acquire(self, until: Instant) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            return Some(permit);
        }
        let waiting = Waiting::new(&self.waiting);
        if waiting.ahead >= self.slots.saturating_mul(WAITING_PER_SLOT) {
            return None;
        }
        timeout_at(until, self.free.acquire_owned()).await.ok()?.ok()
    }
}

/// A place in a queue; given up when dropped, also by a caller that goes away.
struct Waiting<'a> {
    count: &'a AtomicUsize,
    ahead: usize,
}

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        Self { count, ahead: count.fetch_add(1, Relaxed) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(slots: usize, per_tenant: usize, per_install: usize) -> Slots {
        let config = RunnerConfig {
            slots,
            slots_per_tenant: per_tenant,
            slots_per_install: per_install,
            queue_ms: 20,
            ..RunnerConfig::default()
        };
        Slots::new(&config)
    }

    async fn refusal(slots: &Slots, tenant: &str, install: &InstallId) -> Option<ExecuteError> {
        slots.acquire(&tenant.parse().unwrap(), install).await.err()
    }

    #[tokio::test]
    async fn the_refusal_names_whose_slots_are_taken() {
        let slots = slots(3, 2, 1);
        let [a, b, c, d] = std::array::from_fn(|_| InstallId::random());
        let (one, two) = ("one".parse().unwrap(), "two".parse().unwrap());
        let _a = slots.acquire(&one, &a).await;
        let _b = slots.acquire(&one, &b).await;

        assert!(matches!(refusal(&slots, "one", &a).await, Some(ExecuteError::InstallBusy)));
        assert!(matches!(refusal(&slots, "one", &c).await, Some(ExecuteError::TenantBusy)));
        let _c = slots.acquire(&two, &c).await;
        assert!(matches!(refusal(&slots, "two", &d).await, Some(ExecuteError::Busy)));
    }

    #[tokio::test]
    async fn a_slot_is_free_again_when_it_is_dropped() {
        let slots = slots(1, 1, 1);
        let (tenant, install) = (TenantId::default_tenant(), InstallId::random());
        let held = slots.acquire(&tenant, &install).await;

        let (next, ()) = tokio::join!(slots.acquire(&tenant, &install), async { drop(held) });

        assert!(next.is_ok());
    }

    #[tokio::test]
    async fn a_queue_has_an_end() {
        let slots = Slots { queue: Duration::from_hours(1), ..slots(1, 1, 1) };
        let (tenant, install) = (TenantId::default_tenant(), InstallId::random());
        let _held = slots.acquire(&tenant, &install).await;
        let wait = || slots.acquire(&tenant, &install);

        let third = tokio::select! {
            biased;
            _ = wait() => panic!("the slot is taken"),
            _ = wait() => panic!("the slot is taken"),
            third = wait() => third,
        };

        assert!(matches!(third, Err(ExecuteError::InstallBusy)));
    }

    #[test]
    fn idle_queues_are_dropped() {
        let lanes = Lanes::new(1);
        for _ in 0..3 * IDLE_LANES {
            lanes.get(&InstallId::random());
        }

        assert!(lanes.lanes.lock().unwrap().len() <= IDLE_LANES);
    }
}
