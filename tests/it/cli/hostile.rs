//! A server whose extensions mean harm, and one among them that does not.
//!
//! Every kind once; `PLUGBOARD_TEST_ROUNDS=24` has a thousand executions, and holds times and
//! memory against what is promised.

use std::collections::BTreeMap;
use std::fs;
use std::mem::replace;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::select;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::server::Server;
use crate::support::bundle_builder::BundleBuilder;
use crate::support::hostile::{self, Ending, Hostile};
use crate::support::{guests, note, rounds};

/// Time that an execution has.
const BUDGET: Duration = Duration::from_secs(1);
/// Hostile executions at once.
const AT_ONCE: usize = 4;
/// How often the neighbour is called.
const EVERY: Duration = Duration::from_millis(5);
/// Calls of it under way at most beside hundreds of other tests: an install may have 24 running and
/// waiting, which are soon there where a machine that is busy lets everybody wait for a while.
const UNDER_WAY: usize = 16;
/// How long it is called for alone, in each round.
const QUIET: Duration = Duration::from_secs(2);
/// What a call of it never takes, whatever else the machine has to do.
const PATIENCE: Duration = Duration::from_secs(10);
/// What the server may hold more of afterwards.
const ROOM_BYTES: u64 = 32 * 1024 * 1024;
/// Within which time a server gives back what it does not need any more.
const REST: Duration = Duration::from_secs(15);
/// Calls at once of a server that has been at work: what they leave warm is no loss.
const WARM: usize = 200;
const NEIGHBOUR: &str = "com.example.neighbour";

/// What a process holds.
#[derive(Clone, Copy, Debug)]
struct Holding {
    memory_bytes: u64,
    descriptors: usize,
    threads: usize,
}

/// Sends requests with the token of a server.
#[derive(Clone)]
struct Caller {
    client: reqwest::Client,
    url: String,
    token: String,
}

/// How it went for the neighbour.
#[derive(Clone, Copy, Debug)]
struct Neighbourly {
    calls: usize,
    left_out: usize,
    errors: usize,
    p99: Duration,
    longest: Duration,
}

/// One hostile execution too many: more than its time, or another end.
type Complaints = Arc<Mutex<BTreeMap<String, String>>>;

fn name(index: usize) -> String {
    format!("com.example.hostile-{index}")
}

/// A server with every kind of hostile guest that can be enabled, and the neighbour.
fn besieged(kinds: &[Hostile]) -> Server {
    let server = Server::ready_with(&[
        ("PLUGBOARD_GATEWAY__TIMEOUT_MS", "1000"),
        ("PLUGBOARD_GATEWAY__STREAM_TIMEOUT_MS", "1000"),
        ("PLUGBOARD_RUNNER__BREAKER_FAILURES", "0"),
        ("PLUGBOARD_RUNNER__CPU_PERCENT_PER_INSTALL", "0"),
        ("PLUGBOARD_UPLOADS__PUBLISHES_PER_MINUTE", "6000"),
        ("PLUGBOARD_UPLOADS__PUBLISHES_PER_MINUTE_PER_ADDRESS", "6000"),
    ]);
    for (index, kind) in kinds.iter().enumerate() {
        let bundle = BundleBuilder::new(&name(index), "1.0.0").endpoint("GET", kind.path);
        server.install(&bundle, &kind.component());
    }
    let bundle = BundleBuilder::new(NEIGHBOUR, "1.0.0").endpoint("GET", "/");
    server.install(&bundle, &guests::extension("answers"));
    server
}

impl Caller {
    fn of(server: &Server) -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let token = fs::read_to_string(server.desk.path("token")).unwrap().trim().to_owned();
        Self { client: reqwest::Client::new(), url: server.url.clone(), token }
    }

    /// Status and code of the error, which is empty for an answer.
    async fn call(&self, extension: &str, path: &str) -> (u16, String) {
        let url = format!("{}/api/ext/{extension}{path}", self.url);
        let response = self.client.get(url).bearer_auth(&self.token).send().await.unwrap();
        let status = response.status().as_u16();
        let body = response.bytes().await.unwrap_or_default();
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        (status, problem["code"].as_str().unwrap_or_default().to_owned())
    }

    /// Has the server do as much at once as it may get to do later on a machine that is busy.
    async fn warm_up(&self) {
        // Its connections end with it.
        let warming = Self { client: reqwest::Client::new(), ..self.clone() };
        let mut calls = JoinSet::new();
        for _ in 0..WARM {
            let caller = warming.clone();
            calls.spawn(async move { caller.call(NEIGHBOUR, "/").await });
        }
        calls.join_all().await;
    }

    /// Calls the neighbour at its rate while `during` goes on, with at most `under_way` calls at
    /// once: how long each took from the time at which it was due, how many went wrong, and how
    /// many were left out.
    async fn call_neighbour<T>(
        &self,
        under_way: usize,
        during: impl Future<Output = T>,
    ) -> (T, Neighbourly) {
        let (places, mut left_out) = (Arc::new(Semaphore::new(under_way)), 0);
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let (mut calls, mut during) = (JoinSet::new(), pin!(during));
        let outcome = loop {
            let due = select! {
                outcome = &mut during => break outcome,
                due = ticks.tick() => due,
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                left_out += 1;
                continue;
            };
            let caller = self.clone();
            calls.spawn(async move {
                let (status, _) = caller.call(NEIGHBOUR, "/").await;
                drop(place);
                (due.elapsed(), status != 200)
            });
        };
        let done = calls.join_all().await;
        let mut times: Vec<_> = done.iter().map(|(time, _)| *time).collect();
        times.sort_unstable();
        let errors = done.iter().filter(|(_, wrong)| *wrong).count();
        let (p99, longest) = (times[times.len() * 99 / 100], times[times.len() - 1]);
        (outcome, Neighbourly { calls: times.len(), left_out, errors, p99, longest })
    }

    /// Has every kind executed, some at once, and notes what did not end as it should.
    async fn besiege(&self, kinds: Arc<Vec<Hostile>>, rounds: usize) -> (Complaints, Duration) {
        let next = Arc::new(AtomicUsize::new(0));
        let (complaints, mut workers) = (Complaints::default(), JoinSet::new());
        for _ in 0..AT_ONCE {
            let (caller, kinds) = (self.clone(), Arc::clone(&kinds));
            let (next, complaints) = (Arc::clone(&next), Arc::clone(&complaints));
            workers.spawn(async move {
                let mut longest = Duration::ZERO;
                loop {
                    let number = next.fetch_add(1, Relaxed);
                    let Some(kind) = kinds.get(number % kinds.len()) else { return longest };
                    if number >= rounds * kinds.len() {
                        return longest;
                    }
                    let started = Instant::now();
                    let answer = caller.call(&name(number % kinds.len()), kind.path).await;
                    longest = longest.max(started.elapsed());
                    // Among hundreds of other tests each may be at the end of its time first.
                    let is_late = rounds == 1 && is_expected(Ending::Time, &answer);
                    if !is_late && !is_expected(kind.ending, &answer) {
                        let what = format!("{answer:?}, not {:?}", kind.ending);
                        complaints
                            .lock()
                            .unwrap()
                            .insert(format!("{}{}", kind.guest, kind.path), what);
                    }
                }
            });
        }
        let longest = workers.join_all().await.into_iter().max().unwrap();
        (complaints, longest)
    }
}

fn is_expected(ending: Ending, (status, code): &(u16, String)) -> bool {
    const FAILED: (u16, &str) = (502, "extension_failed");
    let answered = matches!(status, 200 | 201) && code.is_empty();
    let answer = (*status, code.as_str());
    match ending {
        Ending::Time => answer == (504, "extension_timeout"),
        Ending::Response => answered,
        Ending::Memory | Ending::Trap(_) | Ending::NoResponse => answer == FAILED,
        // A stream that has begun breaks off.
        Ending::TooLarge => answered || answer == FAILED,
        Ending::Unusable(_) => unreachable!("it is not installed"),
    }
}

impl Holding {
    fn of(server: &Server) -> Self {
        let status = fs::read_to_string(server.process_file("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kib: u64 = line.split_whitespace().next().unwrap().parse().unwrap();
        let read = |folder| fs::read_dir(server.process_file(folder)).unwrap();
        // Each component that was called keeps the image of its memory, as one.
        let is_image = |path: &Path| path.to_string_lossy().contains("wasm-memory-image");
        let open = read("fd").filter_map(|file| fs::read_link(file.unwrap().path()).ok());
        let descriptors = open.filter(|path| !is_image(path)).count();
        Self { memory_bytes: kib * 1024, descriptors, threads: read("task").count() }
    }

    /// What a server holds when nothing has gone on for a while; it keeps connections, threads
    /// that wait for work and memory for a few seconds.
    async fn at_rest(server: &Server, before: Option<&Self>) -> Self {
        if rounds() > 1 {
            sleep(REST).await;
        }
        let mut holding = Self::of(server);
        for _ in 0..120 {
            sleep(Duration::from_millis(500)).await;
            let earlier = replace(&mut holding, Self::of(server));
            let is_back = before.is_some_and(|before| {
                holding.descriptors <= before.descriptors
                    && holding.threads <= before.threads
                    && holding.memory_bytes <= before.memory_bytes + ROOM_BYTES
            });
            if is_back {
                break;
            }
            if before.is_none() && holding.descriptors == earlier.descriptors {
                break;
            }
        }
        holding
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_extensions_harm_neither_the_server_nor_their_neighbour() {
    let rounds = rounds();
    let can_be_enabled = |kind: &Hostile| !matches!(kind.ending, Ending::Unusable(_));
    let kinds: Arc<Vec<_>> =
        Arc::new(hostile::kinds().into_iter().filter(can_be_enabled).collect());
    let server = {
        let kinds = Arc::clone(&kinds);
        tokio::task::spawn_blocking(move || besieged(&kinds)).await.unwrap()
    };
    let caller = Caller::of(&server);
    caller.warm_up().await;
    let under_way = if rounds == 1 { UNDER_WAY } else { Semaphore::MAX_PERMITS };
    let quietly = sleep(QUIET * rounds.min(10));
    let ((), quiet) = caller.call_neighbour(under_way, quietly).await;
    let before = Holding::at_rest(&server, None).await;

    let siege = caller.besiege(Arc::clone(&kinds), rounds as usize);
    let ((complaints, longest), besieged) = caller.call_neighbour(under_way, siege).await;
    drop(caller);
    let after = Holding::at_rest(&server, Some(&before)).await;

    let executions = rounds as usize * kinds.len();
    note(&format!(
        "{executions} hostile executions of {} kinds, {AT_ONCE} at once, the longest took \
         {longest:?}\nthe server before and after: {before:?}, {after:?}\n\
         its neighbour in quiet and then: {quiet:?}, {besieged:?}",
        kinds.len(),
    ));
    let complaints = complaints.lock().unwrap();
    assert!(complaints.is_empty(), "{complaints:#?}");
    for calls in [quiet, besieged] {
        assert!(calls.calls > calls.left_out && calls.longest < PATIENCE, "{calls:?}");
    }
    assert_eq!((quiet.errors, besieged.errors), (0, 0));
    assert!(after.descriptors <= before.descriptors && after.threads <= before.threads);
    assert!(after.memory_bytes <= before.memory_bytes + ROOM_BYTES);
    if rounds > 1 {
        assert!(longest <= BUDGET + Duration::from_millis(100), "{longest:?}");
        let limit = 2 * quiet.p99 + Duration::from_millis(20);
        assert!(besieged.p99 <= limit, "{besieged:?}, and the limit is {limit:?}");
    }
}

#[test]
fn a_server_takes_memory_in_small_pages() {
    let server = Server::ready();

    let has_large = |status: PathBuf| {
        let status = fs::read_to_string(status).unwrap();
        status.lines().any(|line| line == "THP_enabled:\t1")
    };
    if !has_large("/proc/self/status".into()) {
        note("proves nothing: no process has large pages here");
    }
    assert!(!has_large(server.process_file("status")));
}
