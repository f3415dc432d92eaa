//! How things stand: numbers that others count, taken over when somebody reads them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
use prometheus_client::registry::{Registry, Unit};

/// How things stand at one moment. Words are of a few that this program has.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// By outcome, since the start.
    pub components: Vec<(&'static str, u64)>,
    /// What loaded ones take.
    pub component_bytes: u64,
    /// Calls that wait for a component to be loaded or compiled.
    pub component_waiters: usize,
    pub slots: usize,
    pub slots_in_use: usize,
    pub slot_waiters: usize,
    /// Calls that had to wait for a slot, and how long all of them together, since the start.
    pub slot_waits: (u64, Duration),
    pub egress_in_flight: usize,
    /// By outcome, since the start; none if none are made.
    pub spans: Vec<(&'static str, u64)>,
    pub installs_enabled: usize,
    pub installs_disabled: usize,
    pub idempotency_bytes: u64,
    pub staged_bytes: u64,
    pub registry_bytes: u64,
    pub state_bytes: u64,
    pub disk_free_bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

type Seconds = Counter<f64, AtomicU64>;

/// The series of [`Standing`].
#[derive(Debug)]
pub(super) struct Standings {
    components: Family<Outcome, Counter>,
    component_waiters: Gauge,
    slots: Gauge,
    slots_in_use: Gauge,
    slot_waiters: Gauge,
    slot_waits: Counter,
    slot_wait: Seconds,
    egress_in_flight: Gauge,
    spans: Family<Outcome, Counter>,
    installs: Family<State, Gauge>,
    component_bytes: Gauge,
    idempotency: Gauge,
    staged: Gauge,
    registry: Gauge,
    state: Gauge,
    disk_free: Gauge,
}

impl Standings {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let (components, spans) = (Family::default(), Family::default());
        let help = "Components made ready: compiled, loaded from disk, refused from disk";
        registry.register("components_prepared", help, Family::clone(&components));
        let help = "Spans of traces: exported, or dropped and why";
        registry.register("plugboard_spans", help, Family::clone(&spans));
        let (slot_waits, slot_wait) = (Counter::default(), Seconds::default());
        let help = "Calls that found no slot free and waited for one, with or without success";
        registry.register("plugboard_slot_waits", help, slot_waits.clone());
        let (name, help) = ("plugboard_slot_wait", "Time that these calls waited together");
        registry.register_with_unit(name, help, Unit::Seconds, slot_wait.clone());
        let installs = Family::default();
        registry.register("plugboard_installs", "Installs", Family::clone(&installs));
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let component_waiters =
            gauge("plugboard_component_waiters", "Calls that wait for a component");
        let slots = gauge("plugboard_slots", "Executions that may go on at once");
        let slots_in_use = gauge("plugboard_slots_in_use", "Executions that go on");
        let slot_waiters =
            gauge("plugboard_slot_waiters", "Calls that wait for a slot of the appliance");
        let egress_in_flight = gauge("plugboard_egress_in_flight", "Calls to servers that go on");
        let mut bytes = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register_with_unit(name, help, Unit::Bytes, gauge.clone());
            gauge
        };
        Self {
            components,
            component_waiters,
            slots,
            slots_in_use,
            slot_waiters,
            slot_waits,
            slot_wait,
            egress_in_flight,
            spans,
            installs,
            component_bytes: bytes("plugboard_components_loaded", "Compiled components in memory"),
            idempotency: bytes("plugboard_idempotency", "Answers that are kept under keys"),
            staged: bytes("plugboard_staged", "Uploads and quarantined bundles"),
            registry: bytes("plugboard_registry", "The file of the registry"),
            state: bytes("plugboard_state", "The file of what extensions keep"),
            disk_free: bytes("plugboard_disk_free", "Free space where the data folder is"),
        }
    }

    pub(super) fn observe(&self, now: &Standing) {
        for (outcome, count) in &now.components {
            set(&self.components.get_or_create(&Outcome { outcome }), *count);
        }
        for (outcome, count) in &now.spans {
            set(&self.spans.get_or_create(&Outcome { outcome }), *count);
        }
        let (waits, waited) = now.slot_waits;
        set(&self.slot_waits, waits);
        set_seconds(&self.slot_wait, waited);
        for (state, count) in
            [("enabled", now.installs_enabled), ("disabled", now.installs_disabled)]
        {
            self.installs.get_or_create(&State { state }).set(number(count as u64));
        }
        for (gauge, count) in [
            (&self.component_waiters, now.component_waiters),
            (&self.slots, now.slots),
            (&self.slots_in_use, now.slots_in_use),
            (&self.slot_waiters, now.slot_waiters),
            (&self.egress_in_flight, now.egress_in_flight),
        ] {
            gauge.set(number(count as u64));
        }
        for (gauge, bytes) in [
            (&self.component_bytes, now.component_bytes),
            (&self.idempotency, now.idempotency_bytes),
            (&self.staged, now.staged_bytes),
            (&self.registry, now.registry_bytes),
            (&self.state, now.state_bytes),
            (&self.disk_free, now.disk_free_bytes),
        ] {
            gauge.set(number(bytes));
        }
    }
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// What others count since the start, so that it never becomes less.
fn set(counter: &Counter, count: u64) {
    counter.inner().store(count, Relaxed);
}

fn set_seconds(counter: &Seconds, time: Duration) {
    counter.inner().store(time.as_secs_f64().to_bits(), Relaxed);
}
