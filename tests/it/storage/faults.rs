//! A server that fails, resets, lies, cuts and stalls: every publish ends, and
//! none leaves a wrong state.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use futures_util::StreamExt;
use plugboard::config::S3Config;
use plugboard::model::ContentHash;

use crate::support::bundle_builder::BundleBuilder;
use crate::support::fault_proxy::{FaultProxy, Slowness};
use crate::support::random::noise;
use crate::support::s3_server::{Manners, S3Server, config_for};
use crate::support::test_app::{Answer, TestApp};
use crate::support::{note, rounds};

/// Publishes of one round, and how many at once.
const PUBLISHES: usize = 60;
const AT_ONCE: usize = 16;
/// The longest that a publisher may wait.
const LONGEST: Duration = Duration::from_mins(1);

/// A bundle of 64 to 256 KiB that does not compress.
fn bundle(round: u32, number: usize) -> BundleBuilder {
    let bytes = (64 + number * 37 % 190) * 1024;
    let noise = noise(u64::from(round) * PUBLISHES as u64 + number as u64, bytes);
    let version = format!("{}.0.0", round + 1);
    BundleBuilder::new(&format!("com.example.n{number}"), &version).file("ui/noise.bin", noise)
}

/// How patient the appliance is, and how slow its server can be: as they are,
/// or, in the test of every submission, both a twenty-fifth of it.
fn patience() -> (S3Config, Slowness) {
    let usual = S3Config::default();
    if rounds() > 1 {
        return (usual, Slowness { stall: Duration::from_secs(15), bytes_per_second: 64 * 1024 });
    }
    let (first_byte_timeout_ms, idle_timeout_ms) =
        (usual.first_byte_timeout_ms / 25, usual.idle_timeout_ms / 25);
    let breaker_ms = usual.breaker_ms / 25;
    let quick = S3Config { first_byte_timeout_ms, idle_timeout_ms, breaker_ms, ..usual };
    (quick, Slowness { stall: Duration::from_millis(600), bytes_per_second: 25 * 64 * 1024 })
}

/// An appliance that reaches its server through a proxy.
async fn behind(proxy: &FaultProxy) -> TestApp {
    let mut store = config_for(&proxy.endpoint);
    let (patience, _) = patience();
    store.s3.first_byte_timeout_ms = patience.first_byte_timeout_ms;
    store.s3.idle_timeout_ms = patience.idle_timeout_ms;
    store.s3.breaker_ms = patience.breaker_ms;
    TestApp::start_on_s3_as(store).await
}

/// One publish and how it ended.
struct Attempt {
    number: usize,
    answer: Answer,
    took: Duration,
}

impl Attempt {
    fn is_published(&self) -> bool {
        self.answer.status == StatusCode::CREATED
    }

    /// It was not done, and its publisher was told to come again.
    fn is_unavailable(&self) -> bool {
        self.answer.status == StatusCode::SERVICE_UNAVAILABLE
            && self.answer.code() == "storage_unavailable"
    }
}

/// How many ended in which way.
#[derive(Default)]
struct Tally {
    published: usize,
    unavailable: usize,
    other: Vec<String>,
    longest: Duration,
}

impl Tally {
    fn add(&mut self, seed: u64, attempt: &Attempt) {
        self.published += usize::from(attempt.is_published());
        self.unavailable += usize::from(attempt.is_unavailable());
        if !attempt.is_published() && !attempt.is_unavailable() {
            let Attempt { number, answer, .. } = attempt;
            self.other.push(format!("seed {seed}, n{number}: {} {}", answer.status, answer.text()));
        }
        self.longest = self.longest.max(attempt.took);
    }

    fn all(&self) -> usize {
        self.published + self.unavailable + self.other.len()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_publish_through_a_faulty_network_is_done_or_told_not_to_be() {
    let mut tally = Tally::default();
    for round in 0..rounds() {
        publish_through_faults(round, &mut tally).await;
    }
    note(&format!(
        "{} publishes, {AT_ONCE} at once: {} finished, {} failed with storage_unavailable, \
         {} ended otherwise; the longest took {:.1} s",
        tally.all(),
        tally.published,
        tally.unavailable,
        tally.other.len(),
        tally.longest.as_secs_f64(),
    ));
    assert!(tally.other.is_empty(), "{:#?}", tally.other);
    assert!(tally.longest <= LONGEST, "{:?}", tally.longest);
}

async fn publish_through_faults(round: u32, tally: &mut Tally) {
    let careless = Manners { ignores_conditions: round % 2 == 1, ..Manners::default() };
    let server = S3Server::start_with(careless);
    let address = server.endpoint.trim_start_matches("http://").parse().unwrap();
    let seed = 0x5eed + u64::from(round);
    let proxy = FaultProxy::start(address, seed, patience().1).await;
    let app = Arc::new(behind(&proxy).await);
    if round % 4 < 2 {
        // Through the faults: what the probe finds out may be wrong, and must not matter.
        app.app.probe_store().await;
    }

    let publishing = (0..PUBLISHES).map(|number| {
        let app = Arc::clone(&app);
        async move {
            let started = Instant::now();
            let answer = app.publish(&bundle(round, number)).await;
            Attempt { number, answer, took: started.elapsed() }
        }
    });
    let attempts: Vec<_> =
        futures_util::stream::iter(publishing).buffer_unordered(AT_ONCE).collect().await;

    for attempt in &attempts {
        tally.add(seed, attempt);
    }
    assert!(attempts.iter().any(Attempt::is_published), "seed {seed}: nothing got through");
    assert!(proxy.faults() >= PUBLISHES / 4, "seed {seed}: {} faults", proxy.faults());
    check_states(&app, &server, round, &attempts).await;
}

/// What was acknowledged is whole on the server, and only that is a version.
async fn check_states(app: &TestApp, server: &S3Server, round: u32, attempts: &[Attempt]) {
    let listed = app.get("/api/v1/extensions").await.json();
    let names: Vec<_> =
        listed["versions"].as_array().unwrap().iter().map(|v| v["name"].clone()).collect();
    for attempt in attempts {
        let name = format!("com.example.n{}", attempt.number);
        let is_version = names.iter().any(|listed| *listed == *name);
        assert_eq!(is_version, attempt.is_published(), "{name}");
        if is_version {
            let archive = bundle(round, attempt.number).build();
            let hash = ContentHash::of(&archive).hex();
            let stored = std::fs::read(server.object(&format!("sha256/{hash}/bundle.tar.zst")));
            assert!(stored.unwrap() == archive, "{name}");
        }
    }
}
