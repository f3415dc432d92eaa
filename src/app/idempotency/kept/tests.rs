//! What is kept, for how long and how much of it.

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn bounded(all_rows: u64, install_rows: u64) -> Kept {
    let row = ROW_BYTES + 100;
    Kept::new(Bounds { all_bytes: all_rows * row, install_bytes: install_rows * row })
}

fn keyed(scope: u8, install: InstallId) -> Keyed {
    Keyed { scope: [scope; 32], body: [0; 32], install }
}

fn answer(bytes: usize) -> KeptAnswer {
    KeptAnswer { status: 200, headers: HeaderMap::new(), body: vec![b'x'; bytes].into() }
}

/// Makes a call whose answer has 100 bytes.
fn make(kept: &Kept, keyed: &Keyed) {
    assert_eq!(seen(kept, keyed, 0), "new");
    kept.keep(keyed, Some(answer(100)), at(0));
}

fn seen(kept: &Kept, keyed: &Keyed, oldest: i64) -> &'static str {
    let (_, receiver) = watch::channel(());
    match kept.see(keyed, &receiver, at(oldest - 3600)) {
        Seen::New => "new",
        Seen::Running(_) => "running",
        Seen::Answer(_) => "answer",
        Seen::Spent => "spent",
        Seen::OtherBody => "other body",
    }
}

fn bytes(kept: &Kept) -> u64 {
    let state = kept.state();
    assert_eq!(state.installs.values().map(|share| share.bytes).sum::<u64>(), state.bytes);
    assert_eq!(state.by_age.len(), state.installs.values().map(|s| s.by_age.len()).sum::<usize>());
    state.bytes
}

#[test]
fn a_call_is_new_then_running_then_over() {
    let kept = bounded(9, 9);
    let call = keyed(1, InstallId::random());

    assert_eq!(seen(&kept, &call, 0), "new");
    assert_eq!(seen(&kept, &call, 0), "running");
    kept.keep(&call, Some(answer(100)), at(0));
    assert_eq!(seen(&kept, &call, 0), "answer");
    assert_eq!(seen(&kept, &Keyed { body: [1; 32], ..call }, 0), "other body");
    kept.forget(&call);
    assert_eq!((bytes(&kept), seen(&kept, &call, 0)), (0, "new"));
}

#[test]
fn what_is_old_is_forgotten() {
    let kept = bounded(9, 9);
    let call = keyed(1, InstallId::random());
    make(&kept, &call);

    assert_eq!(seen(&kept, &call, 3599), "answer");
    assert_eq!(seen(&kept, &call, 3600), "new");
    assert_eq!(bytes(&kept), 0);
}

#[test]
fn an_install_that_keeps_much_loses_its_own_oldest_and_nobody_elses() {
    let kept = bounded(9, 2);
    let (busy, quiet) = (InstallId::random(), InstallId::random());
    make(&kept, &keyed(1, quiet));
    for scope in 2..=5 {
        make(&kept, &keyed(scope, busy));
    }

    assert_eq!(bytes(&kept), 3 * (ROW_BYTES + 100));
    assert_eq!(seen(&kept, &keyed(1, quiet), 0), "answer");
    assert_eq!(seen(&kept, &keyed(5, busy), 0), "answer");
    assert_eq!(seen(&kept, &keyed(3, busy), 0), "new");
}

#[test]
fn all_installs_together_have_a_bound() {
    let kept = bounded(3, 2);
    for scope in 1..=9 {
        make(&kept, &keyed(scope, InstallId::random()));
    }

    assert_eq!(bytes(&kept), 3 * (ROW_BYTES + 100));
    assert_eq!(kept.state().rows.len(), 3);
}

#[test]
fn an_answer_that_is_too_large_leaves_only_that_it_was_given() {
    let kept = bounded(3, 2);
    let call = keyed(1, InstallId::random());
    seen(&kept, &call, 0);

    kept.keep(&call, Some(answer(10_000)), at(0));

    assert_eq!(seen(&kept, &call, 0), "spent");
    assert_eq!(bytes(&kept), ROW_BYTES);
}
