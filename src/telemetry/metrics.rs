//! The numbers at `/metrics`, as OpenMetrics text.

mod executions;
mod process;
mod standing;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use self::executions::Executions;
use self::process::Process;
use self::standing::Standings;

pub use self::executions::ExecutionMetrics;
pub use self::standing::Standing;

/// Seconds at which a request stops counting as that fast.
const LATENCY_STEPS: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// What is counted, and the process it is counted in.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    latency: Family<Route, Histogram, fn() -> Histogram>,
    swept: Family<Leftovers, Counter>,
    orphans: Gauge,
    executions: Executions,
    egress_calls: Family<Called, Counter>,
    egress_duration: Family<Called, Histogram, fn() -> Histogram>,
    egress_bytes: Family<Carried, Counter>,
    guest_lines: Family<Written, Counter>,
    followers: Gauge,
    callbacks: Family<Asked, Counter>,
    callback_time: Family<Interface, Counter<f64, AtomicU64>>,
    refusals: Family<Refused, Counter>,
    replays: Counter,
    certificate: Gauge,
    standings: Standings,
    process: Process,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: String,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Leftovers {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    interface: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Interface {
    interface: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Called {
    verdict: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Carried {
    direction: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Written {
    outcome: &'static str,
}

/// The numbers of one route, looked up once and not per request.
#[derive(Debug)]
pub struct RouteMetrics {
    route: String,
    /// By class of status; a series begins with its first request.
    requests: [OnceLock<Counter>; STATUS_CLASSES.len()],
    latency: OnceLock<Histogram>,
}

impl Metrics {
    /// Starts counting.
    pub fn new(started: Timestamp) -> Self {
        let requests = Family::default();
        let latency: Family<_, _, fn() -> Histogram> = Family::new_with_constructor(histogram);
        let mut registry = Registry::default();
        let process = Process::new(&mut registry, started);
        let standings = Standings::new(&mut registry);
        registry.register("http_requests", "Requests answered", Family::clone(&requests));
        registry.register_with_unit(
            "http_request_duration",
            "Time from the request head to the response head",
            Unit::Seconds,
            Family::clone(&latency),
        );
        let (swept, orphans) = (Family::default(), Gauge::default());
        registry.register("store_swept", "Leftovers removed by the sweep", Family::clone(&swept));
        let help = "Bundles in the bucket that no version here refers to";
        registry.register("store_orphans", help, orphans.clone());
        let (guest_lines, followers) = (Family::default(), Gauge::default());
        let help = "Lines of extensions: kept, over_limit, queue_full, not_written";
        registry.register("plugboard_extension_log_lines", help, Family::clone(&guest_lines));
        let help = "Callers that follow lines of extensions";
        registry.register("plugboard_extension_log_followers", help, followers.clone());
        let callbacks = Family::default();
        let help = "Questions to the operator's own application, by interface and how they ended";
        registry.register("plugboard_callbacks", help, Family::clone(&callbacks));
        let callback_time = Family::default();
        let (name, help) = ("plugboard_callback_time", "Time that these questions took together");
        registry.register_with_unit(name, help, Unit::Seconds, Family::clone(&callback_time));
        let (egress_calls, egress_duration, egress_bytes) = register_egress(&mut registry);
        let (refusals, replays) = (Family::default(), Counter::default());
        let help = "Calls to extensions that the appliance did not let through";
        registry.register("plugboard_calls_refused", help, Family::clone(&refusals));
        let help = "Calls that got the answer which was kept under their idempotency key";
        registry.register("plugboard_idempotency_replays", help, replays.clone());
        let (name, help) =
            ("plugboard_tls_certificate_expires", "End of the certificate since 1970");
        let certificate = Gauge::default();
        registry.register_with_unit(name, help, Unit::Seconds, certificate.clone());
        let executions = Executions::new(&mut registry);
        Self {
            registry,
            requests,
            latency,
            swept,
            orphans,
            executions,
            egress_calls,
            egress_duration,
            egress_bytes,
            guest_lines,
            followers,
            callbacks,
            callback_time,
            refusals,
            replays,
            certificate,
            standings,
            process,
        }
    }

    /// Counts what a sweep has removed, by kind, and the bundles it found that are
    /// not its to remove; `None`: it could not look.
    pub fn observe_sweep(&self, removed: &[(&'static str, usize)], orphans: Option<usize>) {
        for (kind, count) in removed {
            self.swept.get_or_create(&Leftovers { kind }).inc_by(*count as u64);
        }
        if let Some(orphans) = orphans {
            self.orphans.set(i64::try_from(orphans).unwrap_or(i64::MAX));
        }
    }

    /// Bundles in the bucket that no version here refers to, as the last sweep found.
    pub fn orphans(&self) -> u64 {
        self.orphans.get().unsigned_abs()
    }

    /// The numbers of the executions of one extension that ended so.
    pub fn executions(&self, extension: &str, outcome: &'static str) -> ExecutionMetrics {
        self.executions.of(extension, outcome)
    }

    /// Counts that an install of an extension began to be left alone.
    pub fn observe_left_alone(&self, extension: &str) {
        self.executions.count_left_alone(extension);
    }

    /// Takes over how many installs are failing.
    pub fn observe_failing(&self, installs: usize) {
        self.executions.set_failing(installs);
    }

    /// Takes over when the certificate of the server ends; 0: it has none that ends.
    pub fn observe_certificate(&self, ends_at: Option<Timestamp>) {
        self.certificate.set(ends_at.map_or(0, Timestamp::as_second));
    }

    /// Takes over how things stand.
    pub fn observe_standing(&self, now: &Standing) {
        self.standings.observe(now);
    }

    /// Counts a call that was not let through.
    pub fn observe_refusal(&self, reason: &'static str) {
        self.refusals.get_or_create(&Refused { reason }).inc();
    }

    /// Counts a call that got an answer which was kept.
    pub fn observe_replay(&self) {
        self.replays.inc();
    }

    /// Takes over what became of the lines of extensions, and how many follow them.
    pub fn observe_guest_lines(&self, counts: &[(&'static str, u64)], followers: usize) {
        for (outcome, count) in counts {
            let counter = self.guest_lines.get_or_create(&Written { outcome });
            counter.inner().store(*count, Ordering::Relaxed);
        }
        self.followers.set(i64::try_from(followers).unwrap_or(i64::MAX));
    }

    /// Counts one call of an extension to a server.
    pub fn observe_egress(
        &self,
        verdict: &'static str,
        duration: Duration,
        [sent, received]: [u64; 2],
    ) {
        self.egress_calls.get_or_create(&Called { verdict }).inc();
        let histogram = self.egress_duration.get_or_create(&Called { verdict });
        histogram.observe(duration.as_secs_f64());
        for (direction, bytes) in [("sent", sent), ("received", received)] {
            self.egress_bytes.get_or_create(&Carried { direction }).inc_by(bytes);
        }
    }

    /// Counts one question to the operator's own application.
    pub fn observe_callback(&self, interface: &'static str, outcome: &'static str, took: Duration) {
        self.callbacks.get_or_create(&Asked { interface, outcome }).inc();
        self.callback_time.get_or_create(&Interface { interface }).inc_by(took.as_secs_f64());
    }

    /// Counts one request of a route.
    pub fn observe_request(&self, route: &RouteMetrics, status: u16, duration: Duration) {
        let class = status_class(status);
        let requests = route.requests[class].get_or_init(|| {
            let (route, status) = (route.route.clone(), STATUS_CLASSES[class]);
            self.requests.get_or_create(&Answered { route, status }).clone()
        });
        requests.inc();
        let latency = route.latency.get_or_init(|| {
            self.latency.get_or_create(&Route { route: route.route.clone() }).clone()
        });
        latency.observe(duration.as_secs_f64());
    }

    /// Everything, as text of the media type `application/openmetrics-text`.
    pub fn encode(&self, now: Timestamp) -> String {
        self.process.observe(now);
        let mut text = String::new();
        let written = encode(&mut text, &self.registry);
        debug_assert!(written.is_ok(), "writing to a string does not fail");
        text
    }
}

type Calls = Family<Called, Counter>;
type CallDurations = Family<Called, Histogram, fn() -> Histogram>;

/// What is counted of calls to servers.
fn register_egress(registry: &mut Registry) -> (Calls, CallDurations, Family<Carried, Counter>) {
    let (calls, bytes) = (Calls::default(), Family::default());
    let durations: CallDurations = Family::new_with_constructor(histogram);
    let help = "Calls of extensions to servers: answered, failed, refused";
    registry.register("plugboard_egress_calls", help, Family::clone(&calls));
    let (name, help) =
        ("plugboard_egress_duration", "Time of these calls, to the end of the answer");
    registry.register_with_unit(name, help, Unit::Seconds, Family::clone(&durations));
    let help = "Bytes of the bodies of these calls: sent, received";
    registry.register_with_unit("plugboard_egress", help, Unit::Bytes, Family::clone(&bytes));
    (calls, durations, bytes)
}

fn histogram() -> Histogram {
    Histogram::new(LATENCY_STEPS)
}

impl RouteMetrics {
    /// `route` is the pattern and not the path: there are few of them.
    pub fn new(route: &str) -> Self {
        Self { route: route.to_owned(), requests: Default::default(), latency: OnceLock::new() }
    }
}

const STATUS_CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The index in [`STATUS_CLASSES`].
fn status_class(status: u16) -> usize {
    match status {
        100..=199 => 0,
        200..=299 => 1,
        300..=399 => 2,
        400..=499 => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests;
