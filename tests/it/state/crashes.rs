//! The state on a disk that loses power, and on one that is full for a moment.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::*;
use crate::support::disk::Disk;
use crate::support::random::Random;
use crate::support::rounds;

const WRITERS: usize = 4;

fn open(disk: &Arc<Disk>) -> Result<State, StateError> {
    let disk = Arc::clone(disk);
    let limits = StateConfig { cache_bytes: 1 << 20, ..StateConfig::default() };
    State::open_on(move || disk.connect(), &limits, Arc::new(SystemClock))
}

/// Values of different sizes, some of several pages.
fn put_number(
    state: &State,
    owner: &Arc<InstallLabels>,
    number: u64,
) -> Result<Putting, StateError> {
    let size = usize::try_from(number % 7).unwrap() * 900;
    put(state, owner, &number.to_string(), &vec![7; size])
}

/// The numbers that are there, after a recount.
fn numbers(state: &State, owner: &InstallLabels) -> BTreeSet<u64> {
    let (entries, usage) = look(state, owner);
    assert_eq!(usage, recount(&entries));
    entries.iter().map(|entry| entry.key.parse().unwrap()).collect()
}

/// What writers have been told, and what each was doing when the power was cut.
#[derive(Default)]
struct Told {
    acknowledged: BTreeSet<u64>,
    in_doubt: BTreeSet<u64>,
}

/// Several threads write, in groups, until the power is cut.
fn write_until_cut(state: &State, owner: &Arc<InstallLabels>, next: &AtomicU64) -> Told {
    let told = Mutex::new(Told::default());
    thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    let written = put_number(state, owner, number);
                    let mut told = told.lock().unwrap();
                    if let Ok(put) = written {
                        assert_eq!(put, Putting::Done(1));
                        told.acknowledged.insert(number);
                    } else {
                        told.in_doubt.insert(number);
                        break;
                    }
                }
            });
        }
    });
    told.into_inner().unwrap()
}

#[test]
fn a_power_cut_loses_no_acknowledged_value_and_counts_what_is_there() {
    let owner = labels("default", InstallId::random());
    let mut random = Random::new(0x57a7e);
    for round in 0..6 * rounds() {
        let mut disk = Disk::empty(random.next());
        drop(open(&disk).unwrap());
        let (next, mut known) = (AtomicU64::new(1), BTreeSet::new());
        for crash in 0..12 {
            disk.cut_after(random.below(120));
            let mut told = Told::default();
            if let Ok(state) = open(&disk) {
                told = write_until_cut(&state, &owner, &next);
            }
            disk = disk.after_the_cut();

            let found = numbers(&open(&disk).unwrap(), &owner);

            known.extend(told.acknowledged);
            assert!(known.is_subset(&found), "round {round}, crash {crash}: lost");
            let doubted: BTreeSet<_> = found.difference(&known).copied().collect();
            assert!(doubted.is_subset(&told.in_doubt), "round {round}, crash {crash}: ghosts");
            known = found;
        }
        assert!(known.len() > 20, "the run must do some work: {}", known.len());
    }
}

#[test]
fn a_disk_that_was_full_for_a_moment_needs_no_restart() {
    let owner = labels("default", InstallId::random());
    for steps in 0..12 {
        let disk = Disk::empty(steps);
        let state = open(&disk).unwrap();
        put_number(&state, &owner, 1).unwrap();

        disk.fail_once_after(steps);
        let failed = (2..10).find_map(|number| put_number(&state, &owner, number).err());

        let error = failed.unwrap();
        assert!(error.is_disk_full(), "step {steps}: {error:?}");
        assert_eq!(put_number(&state, &owner, 100).unwrap(), Putting::Done(1), "step {steps}");
        assert!(numbers(&state, &owner).contains(&1), "step {steps}");
    }
}

#[test]
fn a_disk_that_stays_full_costs_few_openings_and_no_read() {
    let owner = labels("default", InstallId::random());
    let disk = Disk::empty(1);
    let opened = Arc::new(AtomicU64::new(0));
    let (count, connected) = (Arc::clone(&opened), Arc::clone(&disk));
    let connect = move || {
        count.fetch_add(1, Ordering::SeqCst);
        connected.connect()
    };
    let state = State::open_on(connect, &StateConfig::default(), Arc::new(SystemClock)).unwrap();
    put_number(&state, &owner, 1).unwrap();
    disk.fill();

    // What is free in the file is written first.
    let large =
        |number: u64| put(&state, &owner, &(1_000 + number).to_string(), &vec![7; 1024 * 1024]);
    let first = (0..100).find_map(|number| large(number).err()).unwrap();
    let mut errors = vec![first];
    for number in 100..119 {
        errors.push(large(number).unwrap_err());
        assert!(numbers(&state, &owner).contains(&1), "{number}");
    }

    assert!(errors.iter().all(StateError::is_disk_full), "{errors:?}");
    let opened = opened.load(Ordering::SeqCst);
    assert!(opened <= 1 + 2, "opened {opened} times");
    let last = errors.last().unwrap().to_string();
    assert!(last.contains("is left alone for"), "{last}");
}
