//! Two tenants take turns in the same slot, and look for what the other has left there, while
//! the kernel moves its pages (where this process may tell it to: as root).
//!
//! `PLUGBOARD_TEST_ROUNDS=50` has 10,000 pairs.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};

use super::*;
use crate::support::rounds;

const PAIRS_PER_ROUND: u32 = 200;

/// Has the kernel compact memory, again and again.
struct Compaction {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Compaction {
    fn start() -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let compact = move || {
            while !over.load(Relaxed) && std::fs::write("/proc/sys/vm/compact_memory", "1").is_ok()
            {
                thread::sleep(Duration::from_millis(2));
            }
        };
        Self { is_over, thread: Some(thread::spawn(compact)) }
    }
}

impl Drop for Compaction {
    fn drop(&mut self) {
        self.is_over.store(true, Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

/// A runner with room for one execution, two components in it that differ in a byte that
/// nothing reads, and an invocation of each by a tenant of its own.
async fn two_tenants() -> (Runner, [Arc<InstallLabels>; 2], [ContentHash; 2]) {
    let config = RunnerConfig { slots: 1, memories: 1, instances: 4, ..small() };
    let runner = Runner::new(&config, RunnerParts::default()).unwrap();
    let hashes = [ContentHash::of(b"one"), ContentHash::of(b"two")];
    for (hash, section) in hashes.iter().zip([[0, 2, 1, b'1'], [0, 2, 1, b'2']]) {
        let component = [&*guests::extension("searches"), &section].concat();
        runner.prepare(*hash, TargetWorld::Extension, component.into()).await.unwrap();
    }
    let installs = ["one", "two"].map(|tenant| {
        let (extension, version) = ("com.example.guest".parse().unwrap(), "1.2.3".parse().unwrap());
        let tenant = tenant.parse().unwrap();
        Arc::new(InstallLabels::of(tenant, extension, InstallId::random(), &version))
    });
    (runner, installs, hashes)
}

/// How much the guest of one tenant finds.
async fn finds(
    runner: &Runner,
    content_hash: ContentHash,
    install: &Arc<InstallLabels>,
    path: &str,
) -> u64 {
    let context = ExecutionContext {
        request_id: "request-1".into(),
        install: Arc::clone(install),
        trace: Trace::default(),
    };
    let invocation = Invocation { content_hash, context, ..get(TargetWorld::Extension, path) };
    let response = runner.execute(invocation).await.unwrap();
    let GuestBody::Whole(body) = response.body else { panic!("a stream") };
    u64::from_le_bytes(body[..].try_into().unwrap())
}

#[tokio::test]
async fn nothing_of_one_tenant_is_there_for_another() {
    let (runner, [one, two], [hash_one, hash_two]) = two_tenants().await;
    let there = finds(&runner, hash_one, &one, "/first").await;
    assert_eq!(there, (34 * 65_536 - 16_384) / 8 + 64, "what it has left itself");
    let pairs = PAIRS_PER_ROUND * rounds();
    let _compaction = Compaction::start();

    let mut found = 0;
    for pair in 0..pairs {
        // Of another component every second time: a slot that keeps its image is cleared in
        // another way than one that gets a new one.
        let theirs = if pair % 2 == 0 { hash_one } else { hash_two };
        found += finds(&runner, hash_one, &one, "/").await;
        found += finds(&runner, theirs, &two, "/").await;
    }

    note(&format!("{pairs} pairs of executions by two tenants: {found} words found"));
    assert_eq!(found, 0);
}
