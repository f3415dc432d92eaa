//! Slots that fill, pass and come round again.

use std::time::Duration;

use super::*;

const START: i64 = 1_790_000_040;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(START + second).unwrap()
}

fn usage(ms: u64) -> Usage {
    Usage {
        duration: Duration::from_millis(ms),
        cpu: Duration::from_millis(ms / 2),
        peak_memory_bytes: ms * 1_000,
        host_calls: 2,
        request_bytes: 3,
        response_bytes: 5,
        ..Usage::default()
    }
}

/// How many executions each slot has, oldest first.
fn counts(ring: &Ring, now: Timestamp) -> Vec<u64> {
    ring.read(now).iter().map(|(_, tally)| tally.ran()).collect()
}

#[test]
fn executions_of_one_slot_add_up() {
    let mut ring = Ring::new(3, 60);
    ring.at(at(0)).note(&usage(10), Outcome::Answered);
    ring.at(at(59)).note(&usage(30), Outcome::Trap);

    let read = ring.read(at(59));

    let (begin, tally) = read.last().unwrap();
    assert_eq!((read.len(), *begin), (3, at(0)));
    assert_eq!((tally.answered(), tally.failed(), tally.of(Outcome::Trap)), (1, 1, 1));
    assert_eq!((tally.peak_memory_bytes, tally.host_calls), (30_000, 4));
    assert_eq!((tally.request_bytes, tally.response_bytes, tally.mean_cpu_us()), (6, 10, 10_000));
}

#[test]
fn slots_stand_in_order_and_a_gap_is_empty() {
    let mut ring = Ring::new(4, 60);
    ring.at(at(0)).note(&usage(1), Outcome::Answered);
    ring.at(at(120)).note(&usage(1), Outcome::Answered);

    assert_eq!(counts(&ring, at(120)), [0, 1, 0, 1]);
    assert_eq!(counts(&ring, at(180)), [1, 0, 1, 0]);
    let begins: Vec<_> = ring.read(at(185)).into_iter().map(|(begin, _)| begin).collect();
    assert_eq!(begins, [at(0), at(60), at(120), at(180)]);
}

#[test]
fn the_newest_takes_the_place_of_the_oldest() {
    let mut ring = Ring::new(3, 60);
    for minute in 0..5 {
        for _ in 0..=minute {
            ring.at(at(minute * 60)).note(&usage(1), Outcome::Answered);
        }
    }

    assert_eq!(counts(&ring, at(4 * 60)), [3, 4, 5]);
}

#[test]
fn what_is_past_is_not_shown_even_where_nothing_took_its_place() {
    let mut ring = Ring::new(3, 60);
    ring.at(at(0)).note(&usage(1), Outcome::Answered);

    assert_eq!(counts(&ring, at(180)), [0, 0, 0]);
    assert_eq!(counts(&ring, at(3 * 60 * 1_000)), [0, 0, 0]);
    ring.at(at(180)).note(&usage(1), Outcome::Answered);
    assert_eq!(counts(&ring, at(180)), [0, 0, 1]);
}

#[test]
fn a_clock_that_is_set_back_begins_its_slot_anew() {
    let mut ring = Ring::new(3, 60);
    ring.at(at(180)).note(&usage(1), Outcome::Answered);

    ring.at(at(0)).note(&usage(1), Outcome::Answered);

    assert_eq!(counts(&ring, at(0)), [0, 0, 1]);
}

#[test]
fn nineteen_of_twenty_executions_are_within_the_percentile() {
    let mut tally = Tally::default();
    assert_eq!(tally.p95_us(), 0);
    (0..19).for_each(|_| tally.note(&usage(3), Outcome::Answered));
    tally.note(&usage(900), Outcome::Answered);

    assert_eq!((tally.p95_us(), tally.longest_us()), (4_000, 900_000));

    tally.note(&usage(900), Outcome::Answered);
    assert_eq!(tally.p95_us(), 900_000);
}

#[test]
fn durations_of_any_length_have_a_step() {
    for (us, expected) in [(0, 0), (250, 0), (251, 1), (500, 1), (501, 2), (u64::MAX >> 1, 15)] {
        assert_eq!(step(us), expected, "{us}");
    }
}

#[test]
fn a_call_that_never_ran_has_no_duration() {
    let mut tally = Tally::default();

    tally.note(&Usage::default(), Outcome::Refused);

    assert_eq!((tally.ran(), tally.of(Outcome::Refused), tally.is_empty()), (0, 1, false));
}
