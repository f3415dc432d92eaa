//! Usage for the samples, and what a person reads of it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use plugboard::app::usage::{Tally, UsageReport};
use plugboard::model::Failing;
use plugboard::runner::{Outcome, Usage};
use plugboard::web::pages::UsageView;

use super::subjects::{HOSTILE, now};

/// What some executions of about `ms` took.
fn tally(answered: u64, trapped: u64, ms: u64) -> Tally {
    let mut tally = Tally::default();
    let usage = |n: u64| Usage {
        duration: Duration::from_micros(ms * 1_000 + n * 97),
        cpu: Duration::from_micros(ms * 300),
        peak_memory_bytes: (3 + ms % 9) << 20,
        host_calls: 4,
        request_bytes: 120,
        response_bytes: 2_048,
        ..Usage::default()
    };
    (0..answered).for_each(|n| tally.note(&usage(n), Outcome::Answered));
    (0..trapped).for_each(|n| tally.note(&usage(n), Outcome::Trap));
    tally
}

/// A hill of calls each day, with trouble at its end.
fn slots(count: u64, slot_s: i64) -> Vec<(Timestamp, Tally)> {
    let begin = |slot: u64| {
        let back = i64::try_from(count - 1 - slot).unwrap() * slot_s;
        now() - SignedDuration::from_secs(back)
    };
    let hill = |slot: u64| (slot % 24).min(24 - slot % 24) * 3;
    let trouble = |slot: u64| if slot + 4 > count { 9 } else { u64::from(slot % 17 == 3) };
    (0..count).map(|slot| (begin(slot), tally(hill(slot), trouble(slot), 2 + slot % 13))).collect()
}

fn busy() -> UsageReport {
    let since = now() - SignedDuration::from_hours(24 * 9);
    UsageReport { since, failing: None, minutes: slots(60, 60), hours: slots(168, 3_600) }
}

fn idle() -> UsageReport {
    let empty = |count| vec![(now(), Tally::default()); count];
    let since = now() - SignedDuration::from_hours(3);
    UsageReport { since, failing: None, minutes: empty(60), hours: empty(168) }
}

pub(super) fn of_a_busy_install() -> UsageView {
    UsageView::new(&busy(), now())
}

pub(super) fn of_an_idle_install() -> UsageView {
    UsageView::new(&idle(), now())
}

pub(super) fn of_a_failing_install() -> UsageView {
    let mut report = busy();
    report.minutes.last_mut().unwrap().1.hold_back();
    report.hours.last_mut().unwrap().1.hold_back();
    let failing = Failing {
        since: now() - SignedDuration::from_mins(3),
        next_try_at: now() + SignedDuration::from_secs(42),
        failures: 17,
        reason: format!("the extension trapped: unreachable instruction, in `{HOSTILE}`"),
    };
    UsageView::new(&UsageReport { failing: Some(failing), ..report }, now())
}

#[test]
fn calls_are_told_in_words_with_what_became_of_them() {
    let mut minutes = idle().minutes;
    let last = &mut minutes.last_mut().unwrap().1;
    *last = tally(1_190, 8, 3);
    last.note(&Usage::default(), Outcome::Caller);
    last.note(&Usage::default(), Outcome::Refused);
    last.hold_back();
    let report = UsageReport { since: now(), failing: None, hours: minutes.clone(), minutes };

    let summary = UsageView::new(&report, now()).spans[0].summary.clone();

    assert_eq!(
        summary,
        "1,201 calls: 1,190 answered, 8 failed (trapped), 1 given up by the caller, \
         1 refused for want of a slot, 1 refused while it was failing"
    );
}

#[test]
fn every_slot_is_in_the_table_too() {
    let [hour, week] = &of_a_busy_install().spans[..] else { panic!("two spans") };

    assert_eq!((hour.rows.len(), week.rows.len()), (6, 7));
    assert_eq!(hour.rows[5].failed, "28");
    assert_eq!(week.rows[6].begin, "Mar 3, 16:22");
}

#[test]
fn an_install_without_calls_has_no_graphs() {
    assert!(of_an_idle_install().spans.is_empty());
}
