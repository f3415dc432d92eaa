//! The process, by the names that every Prometheus dashboard knows.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::metrics::{counter::Counter, gauge::Gauge, info::Info};
use prometheus_client::registry::{Registry, Unit};
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// What the system says of this process, asked when somebody reads it.
#[derive(Debug)]
pub(super) struct Process {
    started: Timestamp,
    uptime: Gauge,
    cpu: Counter<f64, AtomicU64>,
    resident_memory: Gauge,
    open_files: Gauge,
    max_files: Gauge,
}

impl Process {
    pub(super) fn new(registry: &mut Registry, started: Timestamp) -> Self {
        let (seconds, bytes) = (Some(Unit::Seconds), Some(Unit::Bytes));
        let mut gauge = |name: &str, help: &str, unit| {
            let gauge = Gauge::default();
            match unit {
                Some(unit) => registry.register_with_unit(name, help, unit, gauge.clone()),
                None => registry.register(name, help, gauge.clone()),
            }
            gauge
        };
        let start = gauge("process_start_time", "Start of the process since 1970", seconds.clone());
        start.set(started.as_second());
        let uptime = gauge("process_uptime", "Time since the start of the process", seconds);
        let resident_memory = gauge("process_resident_memory", "Memory in use", bytes);
        let open_files = gauge("process_open_fds", "Open file descriptors", None);
        let max_files = gauge("process_max_fds", "File descriptors that may be open", None);
        let cpu = Counter::default();
        let help = "Processor time of the process";
        registry.register_with_unit("process_cpu", help, Unit::Seconds, cpu.clone());
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("plugboard_build", "The version that runs", build);
        Self { started, uptime, cpu, resident_memory, open_files, max_files }
    }

    pub(super) fn observe(&self, now: Timestamp) {
        self.uptime.set((now.as_second() - self.started.as_second()).max(0));
        self.resident_memory.set(resident_memory_bytes().unwrap_or(0));
        self.open_files.set(open_file_count().unwrap_or(0));
        // Without a limit: as many as the number can say.
        let most = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        self.max_files.set(i64::try_from(most).unwrap_or(i64::MAX));
        self.cpu.inner().store(cpu_time().as_secs_f64().to_bits(), Relaxed);
    }
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
}

/// From `/proc/self`, which is there even when the rest of `/proc` is hidden.
fn resident_memory_bytes() -> Option<i64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

fn open_file_count() -> Option<i64> {
    // One of them is the folder being read.
    let count = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
    i64::try_from(count).ok()
}
