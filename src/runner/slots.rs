//! Who may execute now: three queues in a row, install, tenant, appliance.

mod fair_queue;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use self::fair_queue::{FairQueue, Permit, Waits};

use super::cpu_account::{CpuAccount, CpuAllowance};
use super::error::ExecuteError;
use super::limits;
use super::line_rate::LineRate;
use super::standing::SlotCounts;
use super::timekeeper::Timekeeper;
use crate::config::RunnerConfig;
use crate::model::{InstallId, InstallLabels, TenantId};

/// Queues of installs kept before the idle ones are dropped.
const IDLE_LANES: usize = 1_024;

/// The slots of the appliance.
pub(super) struct Slots {
    lanes: Mutex<Lanes>,
    /// Tenants take turns.
    appliance: Arc<FairQueue<TenantId>>,
    queue: Duration,
    waits: Arc<Waits>,
}

/// The right to execute, until dropped.
pub(super) struct Slot {
    permits: Option<(Permit<()>, Permit<InstallId>, Permit<TenantId>)>,
    account: Arc<CpuAccount>,
    lines: Arc<LineRate>,
}

/// Takes what an execution has cost from its install when it is dropped.
pub(super) struct CpuCharge {
    account: Arc<CpuAccount>,
    time: Arc<Timekeeper>,
}

struct Lanes {
    installs: HashMap<InstallId, InstallLane>,
    tenants: HashMap<TenantId, Arc<FairQueue<InstallId>>>,
    slots_per_install: usize,
    slots_per_tenant: usize,
    allowance: CpuAllowance,
    waits: Arc<Waits>,
}

/// The lane of an install, with that of its tenant, so that one look-up finds both.
#[derive(Clone)]
struct InstallLane {
    own: Arc<FairQueue<()>>,
    /// The tenant's installs take turns.
    tenant: Arc<FairQueue<InstallId>>,
    account: Arc<CpuAccount>,
    lines: Arc<LineRate>,
}

impl Slots {
    pub(super) fn new(config: &RunnerConfig) -> Self {
        let waits = Arc::<Waits>::default();
        Self {
            lanes: Mutex::new(Lanes {
                installs: HashMap::new(),
                tenants: HashMap::new(),
                slots_per_install: config.slots_per_install,
                slots_per_tenant: config.slots_per_tenant,
                allowance: CpuAllowance::new(config),
                waits: Arc::clone(&waits),
            }),
            appliance: Arc::new(FairQueue::new(config.slots, &waits)),
            queue: Duration::from_millis(config.queue_ms),
            waits,
        }
    }

    /// How many there are, and who waits and waited.
    pub(super) fn counts(&self) -> SlotCounts {
        let (all, in_use, waiting) = self.appliance.counts();
        let (waits, waited) = self.waits.read();
        SlotCounts { all, in_use, waiting, waits, waited }
    }

    /// Takes a slot, waiting a little if all are taken.
    ///
    /// The narrow queue comes first, so that one busy install waits for itself
    /// and holds nothing that another could use.
    pub(super) async fn acquire(&self, install: &InstallLabels) -> Result<Slot, ExecuteError> {
        let until = Instant::now() + self.queue;
        // No code panics while it holds the lock.
        let lane = self.lanes.lock().unwrap_or_else(PoisonError::into_inner).get(install);
        if !limits::ENFORCED {
            return Ok(Slot { permits: None, account: lane.account, lines: lane.lines });
        }
        lane.account.check(Instant::now().into_std())?;
        let own = lane.own.acquire(&(), until).await.ok_or(ExecuteError::InstallBusy)?;
        let tenant = lane.tenant.acquire(&install.install, until).await;
        let tenant = tenant.ok_or(ExecuteError::TenantBusy)?;
        let appliance = self.appliance.acquire(&install.tenant, until).await;
        let appliance = appliance.ok_or(ExecuteError::Busy)?;
        Ok(Slot {
            permits: Some((own, tenant, appliance)),
            account: lane.account,
            lines: lane.lines,
        })
    }
}

impl Slot {
    /// Whether one of the three queues had none free.
    pub(super) fn was_waited_for(&self) -> bool {
        self.permits.as_ref().is_some_and(|(own, tenant, appliance)| {
            own.was_waited_for() || tenant.was_waited_for() || appliance.was_waited_for()
        })
    }

    /// What the install has of a processor, if an execution is expected to cost little.
    pub(super) fn quick_account(&self) -> Option<Arc<CpuAccount>> {
        self.account.is_quick().then(|| Arc::clone(&self.account))
    }

    /// What the install may write to the log.
    pub(super) fn lines(&self) -> Arc<LineRate> {
        Arc::clone(&self.lines)
    }

    /// Charges the install with what `time` will have counted when the execution ends.
    pub(super) fn charge(&self, time: &Arc<Timekeeper>) -> CpuCharge {
        CpuCharge { account: Arc::clone(&self.account), time: Arc::clone(time) }
    }
}

impl Drop for CpuCharge {
    fn drop(&mut self) {
        self.account.charge(self.time.spent(), self.time.end());
    }
}

impl Lanes {
    fn get(&mut self, install: &InstallLabels) -> InstallLane {
        if let Some(lane) = self.installs.get(&install.install) {
            return lane.clone();
        }
        let now = Instant::now().into_std();
        if self.installs.len() >= IDLE_LANES {
            self.installs.retain(|_, lane| !is_idle(&lane.own) || !lane.account.is_full(now));
            self.tenants.retain(|_, tenant| !is_idle(tenant));
        }
        let tenant = self.tenants.entry(install.tenant.clone());
        let (per_tenant, waits) = (self.slots_per_tenant, &self.waits);
        let tenant = tenant.or_insert_with(|| Arc::new(FairQueue::new(per_tenant, waits))).clone();
        let own = Arc::new(FairQueue::new(self.slots_per_install, &self.waits));
        let account = Arc::new(self.allowance.open(now));
        let lines = Arc::new(LineRate::new(now));
        let lane = InstallLane { own, tenant, account, lines };
        self.installs.insert(install.install, lane.clone());
        lane
    }
}

/// Nobody holds a slot, waits for one or is about to ask for one.
fn is_idle<K: fair_queue::Key>(queue: &Arc<FairQueue<K>>) -> bool {
    Arc::strong_count(queue) == 1
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

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

    fn install(tenant: &str) -> InstallLabels {
        let (tenant, extension) = (tenant.parse().unwrap(), "com.example.a".parse().unwrap());
        InstallLabels::of(tenant, extension, InstallId::random(), &"1.0.0".parse().unwrap())
    }

    async fn refusal(slots: &Slots, install: &InstallLabels) -> Option<ExecuteError> {
        slots.acquire(install).await.err()
    }

    #[tokio::test]
    async fn the_refusal_names_whose_slots_are_taken() {
        let slots = slots(3, 2, 1);
        let ones: [_; 3] = std::array::from_fn(|_| install("one"));
        let twos: [_; 2] = std::array::from_fn(|_| install("two"));
        let _first = slots.acquire(&ones[0]).await;
        let _second = slots.acquire(&ones[1]).await;

        assert!(matches!(refusal(&slots, &ones[0]).await, Some(ExecuteError::InstallBusy)));
        assert!(matches!(refusal(&slots, &ones[2]).await, Some(ExecuteError::TenantBusy)));
        let _third = slots.acquire(&twos[0]).await;
        assert!(matches!(refusal(&slots, &twos[1]).await, Some(ExecuteError::Busy)));
    }

    #[tokio::test]
    async fn a_slot_is_free_again_when_it_is_dropped() {
        let slots = slots(1, 1, 1);
        let install = install("default");
        let held = slots.acquire(&install).await;

        assert!(!held.as_ref().unwrap().was_waited_for());
        let (next, ()) = tokio::join!(slots.acquire(&install), async { drop(held) });

        assert!(next.unwrap().was_waited_for());
        let SlotCounts { all, in_use, waiting, waits, .. } = slots.counts();
        assert_eq!((all, in_use, waiting, waits), (1, 0, 0, 1));
    }

    #[tokio::test]
    async fn a_queue_has_an_end() {
        let slots = Slots { queue: Duration::from_hours(1), ..slots(1, 1, 1) };
        let install = install("default");
        let _held = slots.acquire(&install).await;
        let wait = || slots.acquire(&install);

        let third = tokio::select! {
            biased;
            _ = wait() => panic!("the slot is taken"),
            _ = wait() => panic!("the slot is taken"),
            third = wait() => third,
        };

        assert!(matches!(third, Err(ExecuteError::InstallBusy)));
    }

    /// Who of those that wait for what `held` has gets it when; each gives it back at once.
    async fn order<const N: usize>(
        slots: &Slots,
        held: Slot,
        waiting: [(&'static str, &InstallLabels); N],
    ) -> Vec<&'static str> {
        let order = Mutex::new(Vec::new());
        let waits = waiting.map(|(name, install)| {
            let order = &order;
            async move {
                let _slot = slots.acquire(install).await.unwrap();
                order.lock().unwrap().push(name);
            }
        });
        tokio::join!(join_all(waits), async { drop(held) });
        order.into_inner().unwrap()
    }

    #[tokio::test]
    async fn tenants_take_turns() {
        let slots = Slots { queue: Duration::from_hours(1), ..slots(2, 2, 1) };
        let (first, second, other) = (install("one"), install("one"), install("two"));
        let _stays = slots.acquire(&install("three")).await.unwrap();
        let held = slots.acquire(&install("three")).await.unwrap();

        let waiting = [("first", &first), ("second", &second), ("other", &other)];

        assert_eq!(order(&slots, held, waiting).await, ["first", "other", "second"]);
    }

    #[tokio::test]
    async fn installs_of_a_tenant_take_turns() {
        let slots = Slots { queue: Duration::from_hours(1), ..slots(3, 2, 2) };
        let (busy, other) = (install("one"), install("one"));
        let _stays = slots.acquire(&install("one")).await.unwrap();
        let held = slots.acquire(&install("one")).await.unwrap();

        let waiting = [("busy", &busy), ("busy again", &busy), ("other", &other)];

        assert_eq!(order(&slots, held, waiting).await, ["busy", "other", "busy again"]);
    }

    #[tokio::test]
    async fn queues_are_dropped_where_no_install_has_a_limit_of_processor_time() {
        let config = RunnerConfig { cpu_percent_per_install: 0, ..RunnerConfig::default() };
        let slots = Slots::new(&config);
        for _ in 0..2 * IDLE_LANES {
            let lane = slots.lanes.lock().unwrap().get(&install("one"));
            lane.account.charge(Duration::from_millis(1), Duration::ZERO);
        }

        assert!(slots.lanes.lock().unwrap().installs.len() <= IDLE_LANES);
    }

    #[tokio::test]
    async fn idle_queues_are_dropped_and_busy_ones_stay() {
        let slots = slots(3, 2, 1);
        let busy = install("busy");
        let _held = slots.acquire(&busy).await;
        for n in 0..3 * IDLE_LANES {
            slots.lanes.lock().unwrap().get(&install(&format!("t{n}")));
        }

        let lanes = slots.lanes.lock().unwrap();
        assert!(lanes.installs.len() <= IDLE_LANES && lanes.tenants.len() <= IDLE_LANES);
        assert!(lanes.installs.contains_key(&busy.install));
        assert!(lanes.tenants.contains_key(&busy.tenant));
    }
}
