//! What `/metrics` says, and what is counted for it where calls are refused.

use std::fs;

use rustix::fs::statvfs;

use super::App;
use super::call_rates::CallPolicy;
use super::dispatch::DispatchError;
use crate::runner::{ComponentCounts, ExecuteError};
use crate::telemetry::Standing;
use crate::traces::SpanCounts;

impl App {
    /// Every number, as OpenMetrics text. Blocks: some of them are asked of the system.
    pub fn read_metrics(&self) -> String {
        self.settle_usages();
        self.count_lines();
        self.metrics.observe_standing(&self.standing());
        self.metrics.encode(self.clock.now())
    }

    /// Counts a call that an extension would have answered, if it was not let through.
    pub fn count_refusal(&self, error: &DispatchError) {
        if let Some(reason) = refusal(error) {
            self.metrics.observe_refusal(reason);
        }
    }

    /// Counts a call whose body found no room beside those of others.
    pub fn count_body_without_room(&self) {
        self.metrics.observe_refusal("no_room");
    }

    fn standing(&self) -> Standing {
        let ComponentCounts { compiled, loaded, refused } = self.runner.component_counts();
        let slots = self.runner.slot_counts();
        let live = self.registry.live();
        let enabled = live.installs().filter(|row| row.install.enabled).count();
        let file = |name: &str| fs::metadata(self.data_dir.join(name)).map_or(0, |file| file.len());
        Standing {
            components: vec![("compiled", compiled), ("loaded", loaded), ("refused", refused)],
            component_bytes: self.runner.loaded_bytes(),
            component_waiters: self.waiting.count(),
            slots: slots.all,
            slots_in_use: slots.in_use,
            slot_waiters: slots.waiting,
            slot_waits: (slots.waits, slots.waited),
            egress_in_flight: self.runner.egress_in_flight(),
            spans: self.traces.counts().map(span_counts).unwrap_or_default(),
            installs_enabled: enabled,
            installs_disabled: live.installs().count() - enabled,
            idempotency_bytes: self.idempotency.kept_bytes(),
            staged_bytes: self.bundles.staged_bytes(),
            registry_bytes: file("registry.redb"),
            state_bytes: file("state.redb"),
            disk_free_bytes: statvfs(&self.data_dir)
                .map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
        }
    }
}

fn span_counts(counts: SpanCounts) -> Vec<(&'static str, u64)> {
    let SpanCounts { exported, over_limit, queue_full, refused } = counts;
    vec![
        ("exported", exported),
        ("left_out", over_limit),
        ("queue_full", queue_full),
        ("refused", refused),
    ]
}

/// Why the appliance did not let a call through, in one word. What the caller did wrong is
/// none of it, nor what an execution came to.
const fn refusal(error: &DispatchError) -> Option<&'static str> {
    match error {
        DispatchError::TooManyCalls(too_many) => Some(match too_many.policy {
            CallPolicy::Tenant => "tenant_rate",
            CallPolicy::Install => "install_rate",
            CallPolicy::Endpoint => "endpoint_rate",
        }),
        DispatchError::Failing { .. } => Some("failing"),
        DispatchError::Preparing(_) => Some("preparing"),
        DispatchError::Compile(_) => Some("not_ready"),
        DispatchError::Execute(error) => match error {
            ExecuteError::Busy => Some("busy"),
            ExecuteError::TenantBusy => Some("tenant_busy"),
            ExecuteError::InstallBusy => Some("install_busy"),
            ExecuteError::CpuSpent { .. } => Some("cpu_spent"),
            ExecuteError::NotPrepared => Some("not_ready"),
            ExecuteError::Stopped => Some("stopped"),
            ExecuteError::Deadline(_)
            | ExecuteError::Idle(_)
            | ExecuteError::Cpu(_)
            | ExecuteError::Memory(_)
            | ExecuteError::Trap(_)
            | ExecuteError::BadResponse(_)
            | ExecuteError::ResponseTooLarge { .. }
            | ExecuteError::RequestTooLarge { .. }
            | ExecuteError::RequestBrokeOff(_)
            | ExecuteError::RequestTooSlow(_)
            | ExecuteError::Gone => None,
        },
        DispatchError::NotInstalled(_)
        | DispatchError::Unauthenticated
        | DispatchError::Forbidden(_)
        | DispatchError::CrossSite
        | DispatchError::EndpointNotFound(_)
        | DispatchError::MethodNotAllowed(_)
        | DispatchError::NoComponent(_)
        | DispatchError::Key(_) => None,
    }
}
