//! Which installs are remembered, and for how long.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;

use super::meter::{HOURS, MINUTES};
use super::*;
use crate::model::{ContentHash, TenantId};
use crate::runner::{Ended, Outcome, Usage};

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_790_000_000).unwrap()
    }
}

fn usages(breaker_failures: u32) -> Usages {
    let metrics = Arc::new(Metrics::new(Still.now()));
    let config = RunnerConfig { breaker_failures, ..RunnerConfig::default() };
    Usages::new(&config, Arc::new(Still), metrics)
}

fn install() -> Install {
    let now = Still.now();
    Install {
        id: InstallId::random(),
        tenant: TenantId::default_tenant(),
        name: "com.example.a".parse().unwrap(),
        version: semver::Version::new(1, 0, 0),
        content_hash: ContentHash::of(b"a"),
        enabled: true,
        grants: BTreeSet::new(),
        egress: Vec::new(),
        settings: serde_json::Map::new(),
        previous: None,
        installed_at: now,
        updated_at: now,
    }
}

/// Lets a call to `install` through that ends so.
fn call(usages: &Usages, install: &Install, outcome: Outcome) -> Result<(), LeftAlone> {
    end(usages, &admit(usages, install)?, outcome);
    Ok(())
}

fn admit(usages: &Usages, install: &Install) -> Result<Admitted, LeftAlone> {
    let last_use = Arc::new(LastUse::default());
    last_use.touch(Still.now());
    usages.admit(install, &Arc::new(InstallLabels::new(install)), &last_use)
}

fn end(usages: &Usages, call: &Admitted, outcome: Outcome) {
    let usage = Usage { duration: Duration::from_millis(1), ..Usage::default() };
    let ended = Ended { usage: &usage, outcome, error: None };
    call.meter.note(call.era, &ended, Still.now(), &usages.metrics);
}

fn calls(usages: &Usages, install: &Install) -> u64 {
    let report = usages.report(install);
    report.hours.iter().map(|(_, tally)| tally.ran()).sum()
}

#[test]
fn what_an_install_took_is_in_minutes_and_hours() {
    let (usages, install) = (usages(10), install());
    call(&usages, &install, Outcome::Answered).unwrap();
    call(&usages, &install, Outcome::Trap).unwrap();

    let report = usages.report(&install);

    assert_eq!((report.minutes.len(), report.hours.len()), (MINUTES, HOURS));
    for (_, tally) in [report.minutes.last().unwrap(), report.hours.last().unwrap()] {
        assert_eq!((tally.answered(), tally.failed()), (1, 1));
    }
}

#[test]
fn the_installs_not_called_for_longest_are_forgotten_beyond_the_bound() {
    let (usages, old) = (usages(10), std::array::from_fn::<_, FORGOTTEN, _>(|_| install()));
    for old in &old {
        // Its last use is the oldest there is.
        usages.admit(old, &Arc::new(InstallLabels::new(old)), &Arc::default()).unwrap();
    }
    for _ in FORGOTTEN..MAX_INSTALLS {
        call(&usages, &install(), Outcome::Answered).unwrap();
    }
    assert_eq!(usages.meters.read().unwrap().len(), MAX_INSTALLS);

    call(&usages, &install(), Outcome::Answered).unwrap();

    let meters = usages.meters.read().unwrap();
    assert_eq!(meters.len(), MAX_INSTALLS - FORGOTTEN + 1);
    assert!(old.iter().all(|old| !meters.contains_key(&old.id)));
}

#[test]
fn how_an_install_fails_is_not_forgotten_for_others() {
    let (usages, fails) = (usages(3), install());
    for _ in 0..3 {
        // Its last use is the oldest there is.
        usages.admit(&fails, &Arc::new(InstallLabels::new(&fails)), &Arc::default()).unwrap();
        call(&usages, &fails, Outcome::Trap).unwrap();
        for _ in 0..MAX_INSTALLS {
            call(&usages, &install(), Outcome::Answered).unwrap();
        }
    }

    assert!(!usages.meters.read().unwrap().contains_key(&fails.id));
    assert_eq!(usages.check(&fails).unwrap_err().failures, 3);
    assert_eq!(usages.failing(&fails).unwrap().failures, 3);
    assert!(call(&usages, &fails, Outcome::Answered).is_err());
}

#[test]
fn an_install_that_is_gone_is_forgotten() {
    let (usages, gone, kept) = (usages(10), install(), install());
    call(&usages, &gone, Outcome::Answered).unwrap();
    call(&usages, &kept, Outcome::Answered).unwrap();

    usages.retain(|id| *id == kept.id);

    assert_eq!((calls(&usages, &gone), calls(&usages, &kept)), (0, 1));
    assert_eq!(usages.watches.read().unwrap().len(), 1);
}

#[test]
fn an_install_that_fails_is_left_alone_and_others_are_not() {
    let (usages, fails, works) = (usages(3), install(), install());
    for _ in 0..3 {
        call(&usages, &fails, Outcome::Deadline).unwrap();
    }

    let refused = call(&usages, &fails, Outcome::Answered).unwrap_err();

    assert_eq!(refused.failures, 3);
    // A second, and up to a tenth more by the id of the install, which is random.
    assert!((1..=2).contains(&refused.wait_s()), "{} s", refused.wait_s());
    assert!(usages.failing(&fails).is_some());
    assert_eq!(usages.check(&works), Ok(()));
    let report = usages.report(&fails);
    assert_eq!(report.minutes.last().unwrap().1.held_back, 1);
}

#[test]
fn a_change_of_the_install_begins_anew() {
    let (usages, mut fails) = (usages(3), install());
    for _ in 0..3 {
        call(&usages, &fails, Outcome::Memory).unwrap();
    }
    fails.updated_at += SignedDuration::from_secs(1);

    assert!(usages.failing(&fails).is_none());
    assert_eq!(usages.check(&fails), Ok(()));
    assert_eq!(call(&usages, &fails, Outcome::Memory), Ok(()));
}

#[test]
fn what_began_before_a_change_of_the_install_says_nothing_of_it_afterwards() {
    let (usages, mut install) = (usages(3), install());
    let begun: Vec<_> = (0..4).map(|_| admit(&usages, &install).unwrap()).collect();
    install.updated_at += SignedDuration::from_secs(1);
    let after = admit(&usages, &install).unwrap();

    for call in &begun {
        end(&usages, call, Outcome::Trap);
    }

    assert_eq!(usages.check(&install), Ok(()));
    assert_eq!(calls(&usages, &install), 4, "they are counted all the same");
    for call in [&after, &after, &after] {
        end(&usages, call, Outcome::Trap);
    }
    assert_eq!(usages.check(&install).unwrap_err().failures, 3);
}

#[test]
fn what_goes_on_with_an_old_version_leaves_the_breaker_of_the_new_one_alone() {
    let (usages, old) = (usages(3), install());
    let new = Install { updated_at: old.updated_at + SignedDuration::from_secs(1), ..old.clone() };
    for _ in 0..3 {
        call(&usages, &new, Outcome::Trap).unwrap();
    }
    let labels = Arc::new(InstallLabels::new(&old));

    let late = usages.admit_outdated(&old, &labels, &Arc::default());
    end(&usages, &late, Outcome::Answered);
    late.note_begun(Still.now());

    assert_eq!(usages.check(&new).unwrap_err().failures, 3);
    assert_eq!(calls(&usages, &new), 4, "it is counted all the same");
}

#[test]
fn callers_who_give_up_are_no_failure_of_the_install() {
    let (usages, install) = (usages(3), install());
    for _ in 0..20 {
        call(&usages, &install, Outcome::Caller).unwrap();
        call(&usages, &install, Outcome::Refused).unwrap();
    }

    assert_eq!(usages.check(&install), Ok(()));
}
