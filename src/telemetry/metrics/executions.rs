//! What executions take, as histograms. The number of their series is bounded.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::{
    counter::Counter, family::Family, gauge::Gauge, histogram::Histogram,
};
use prometheus_client::registry::{Registry, Unit};

use super::LATENCY_STEPS;

/// Pairs of extension and outcome that have series of their own; those after them share the
/// extension `other`.
const MAX_SERIES: usize = 200;
const OTHER: &str = "other";

const CPU_S: [f64; 10] = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 10.0];
const MEMORY_BYTES: [f64; 7] =
    [262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0, 67_108_864.0, 268_435_456.0, 536_870_912.0];
const HOST_CALLS: [f64; 6] = [0.0, 1.0, 10.0, 100.0, 1_000.0, 10_000.0];
const RESPONSE_BYTES: [f64; 7] =
    [0.0, 1_024.0, 16_384.0, 131_072.0, 1_048_576.0, 8_388_608.0, 1_073_741_824.0];

type Histograms = Family<Execution, Histogram, fn() -> Histogram>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Execution {
    extension: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Extension {
    extension: String,
}

/// Everything about executions.
#[derive(Debug)]
pub(super) struct Executions {
    duration: Histograms,
    cpu: Histograms,
    memory: Histograms,
    host_calls: Histograms,
    response_bytes: Histograms,
    left_alone: Family<Extension, Counter>,
    failing: Gauge,
    /// The pairs that have series of their own.
    named: Mutex<HashSet<(String, &'static str)>>,
}

/// The histograms of one extension and one outcome, looked up once and not per execution.
#[derive(Debug)]
pub struct ExecutionMetrics {
    duration: Histogram,
    cpu: Histogram,
    memory: Histogram,
    host_calls: Histogram,
    response_bytes: Histogram,
}

impl Executions {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let mut histogram = |name, help, unit, new: fn() -> Histogram| {
            let family: Histograms = Family::new_with_constructor(new);
            match unit {
                Some(unit) => registry.register_with_unit(name, help, unit, family.clone()),
                None => registry.register(name, help, family.clone()),
            }
            family
        };
        let (seconds, bytes) = (Some(Unit::Seconds), Some(Unit::Bytes));
        let duration = histogram(
            "plugboard_execution_duration",
            "Time of an execution, without the wait for a slot",
            seconds.clone(),
            || Histogram::new(LATENCY_STEPS),
        );
        let cpu =
            histogram("plugboard_execution_cpu", "Processor time of an execution", seconds, || {
                Histogram::new(CPU_S)
            });
        let memory = histogram(
            "plugboard_execution_memory",
            "Memory of an execution at its largest",
            bytes.clone(),
            || Histogram::new(MEMORY_BYTES),
        );
        let host_calls = histogram(
            "plugboard_execution_host_calls",
            "Calls of an execution to the host that count against its limit",
            None,
            || Histogram::new(HOST_CALLS),
        );
        let response_bytes = histogram(
            "plugboard_execution_response",
            "Bytes of the response body of an execution",
            bytes,
            || Histogram::new(RESPONSE_BYTES),
        );
        let (left_alone, failing) = (Family::default(), Gauge::default());
        let help = "How often an install began to be left alone because it failed";
        registry.register("plugboard_installs_left_alone", help, Family::clone(&left_alone));
        let help = "Installs that are left alone because they fail";
        registry.register("plugboard_installs_failing", help, failing.clone());
        let named = Mutex::default();
        Self { duration, cpu, memory, host_calls, response_bytes, left_alone, failing, named }
    }

    pub(super) fn of(&self, extension: &str, outcome: &'static str) -> ExecutionMetrics {
        let extension = self.bounded(extension, outcome);
        let labels = Execution { extension, outcome };
        let one = |family: &Histograms| family.get_or_create(&labels).clone();
        ExecutionMetrics {
            duration: one(&self.duration),
            cpu: one(&self.cpu),
            memory: one(&self.memory),
            host_calls: one(&self.host_calls),
            response_bytes: one(&self.response_bytes),
        }
    }

    pub(super) fn count_left_alone(&self, extension: &str) {
        let extension = self.bounded(extension, "left_alone");
        self.left_alone.get_or_create(&Extension { extension }).inc();
    }

    pub(super) fn set_failing(&self, installs: usize) {
        self.failing.set(i64::try_from(installs).unwrap_or(i64::MAX));
    }

    /// Publishers choose names, and everyone who scrapes pays for each.
    fn bounded(&self, extension: &str, what: &'static str) -> String {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        let pair = (extension.to_owned(), what);
        if !named.contains(&pair) {
            if named.len() >= MAX_SERIES {
                return OTHER.to_owned();
            }
            named.insert(pair);
        }
        extension.to_owned()
    }
}

impl ExecutionMetrics {
    /// Counts one execution.
    pub fn observe(
        &self,
        duration: Duration,
        cpu: Duration,
        memory_bytes: u64,
        host_calls: u32,
        response_bytes: u64,
    ) {
        self.duration.observe(duration.as_secs_f64());
        self.cpu.observe(cpu.as_secs_f64());
        self.memory.observe(float(memory_bytes));
        self.host_calls.observe(f64::from(host_calls));
        self.response_bytes.observe(float(response_bytes));
    }
}

/// Exact up to 2^53: beyond that nobody counts bytes.
#[expect(clippy::cast_precision_loss, reason = "a histogram takes floats")]
fn float(bytes: u64) -> f64 {
    bytes as f64
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    fn encoded(registry: &Registry) -> String {
        let mut text = String::new();
        encode(&mut text, registry).unwrap();
        text
    }

    #[test]
    fn what_an_execution_took_is_in_five_histograms() {
        let mut registry = Registry::default();
        let executions = Executions::new(&mut registry);
        let (duration, cpu) = (Duration::from_millis(20), Duration::from_millis(3));
        executions.of("com.example.a", "trap").observe(duration, cpu, 2_000_000, 7, 0);
        executions.count_left_alone("com.example.a");
        executions.set_failing(1);

        let text = encoded(&registry);

        let labels = "extension=\"com.example.a\",outcome=\"trap\"";
        for line in [
            format!("plugboard_execution_duration_seconds_bucket{{le=\"0.025\",{labels}}} 1"),
            format!("plugboard_execution_cpu_seconds_bucket{{le=\"0.001\",{labels}}} 0"),
            format!("plugboard_execution_cpu_seconds_bucket{{le=\"0.005\",{labels}}} 1"),
            format!("plugboard_execution_memory_bytes_bucket{{le=\"4194304.0\",{labels}}} 1"),
            format!("plugboard_execution_host_calls_sum{{{labels}}} 7.0"),
            format!("plugboard_execution_response_bytes_bucket{{le=\"0.0\",{labels}}} 1"),
            "plugboard_installs_left_alone_total{extension=\"com.example.a\"} 1".to_owned(),
            "plugboard_installs_failing 1".to_owned(),
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn series_are_bounded_and_the_rest_is_counted_together() {
        let mut registry = Registry::default();
        let executions = Executions::new(&mut registry);
        for n in 0..MAX_SERIES + 50 {
            let one = executions.of(&format!("com.example.n{n}"), "answered");
            one.observe(Duration::ZERO, Duration::ZERO, 0, 0, 0);
        }

        let text = encoded(&registry);

        let series = text.matches("plugboard_execution_duration_seconds_count{").count();
        assert_eq!(series, MAX_SERIES + 1);
        let rest = "plugboard_execution_duration_seconds_count{extension=\"other\",outcome=\"answered\"} 50";
        assert!(text.lines().any(|found| found == rest), "{rest} is not in\n{text}");
    }
}
