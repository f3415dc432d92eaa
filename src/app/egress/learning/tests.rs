//! What is remembered of lessons, and for how long.

use jiff::SignedDuration;
use semver::Version;

use super::*;
use crate::app::egress::MAX_HOSTS;
use crate::egress::{Caller, EgressError};
use crate::model::{Allowance, InstallLabels, TenantId};

const START: Timestamp = Timestamp::UNIX_EPOCH;
const END: Timestamp = Timestamp::MAX;

fn labels(install: InstallId) -> InstallLabels {
    let (tenant, name) = (TenantId::default_tenant(), "com.example.a".parse().unwrap());
    InstallLabels::of(tenant, name, install, &Version::new(1, 0, 0))
}

fn lesson(install: InstallId, ends_at: Timestamp) -> Lesson {
    Lesson::new(&labels(install), START, ends_at)
}

fn in_a_minute() -> Timestamp {
    START + SignedDuration::from_secs(60)
}

fn destination(number: usize) -> Destination {
    Destination::parse(&format!("https://n{number}.example.com/")).unwrap()
}

/// Ends a call that was let through.
fn end(learning: &Learning, install: InstallId, to: &Destination, error: Option<&EgressError>) {
    let caller = Caller {
        request_id: "request-1".into(),
        install: Arc::new(labels(install)),
        allowance: Arc::new(Allowance { requested: None, granted: Vec::new() }),
    };
    let ended = Ended {
        caller: &caller,
        destination: to,
        address: None,
        status: None,
        sent_bytes: 0,
        received_bytes: 0,
        duration: std::time::Duration::ZERO,
        error,
        is_learned: true,
    };
    learning.note(&ended, START);
}

#[test]
fn calls_that_go_on_have_their_places_and_those_that_are_refused_give_them_back() {
    let (learning, install) = (Learning::default(), InstallId::random());
    learning.begin(install, lesson(install, END));
    let lets = |number| learning.lets(install, &destination(number), START);

    assert!((0..MAX_HOSTS).all(lets));
    assert!(!lets(MAX_HOSTS));
    assert!(lets(7), "it has its place");
    assert_eq!(learning.of(install).unwrap().calls, [], "none has ended");
    end(&learning, install, &destination(7), None);
    let refused = EgressError::OwnHost("n7.example.com".to_owned());
    end(&learning, install, &destination(7), Some(&refused));
    assert!(!lets(MAX_HOSTS), "it was called");
    end(&learning, install, &destination(8), Some(&refused));
    assert!(lets(MAX_HOSTS));

    let calls = learning.of(install).unwrap().calls;
    let counts: Vec<_> = calls.iter().map(|call| (call.entry.to_string(), call.count)).collect();
    assert_eq!(counts, [("https://n7.example.com".to_owned(), 1)]);
}

#[test]
fn the_end_of_a_lesson_is_to_be_told_until_it_is_on_record() {
    let (learning, install) = (Learning::default(), InstallId::random());
    learning.begin(install, lesson(install, in_a_minute()));
    assert!(learning.unsettled(START).is_empty());

    let unsettled = || learning.unsettled(in_a_minute());
    assert_eq!((unsettled().len(), unsettled().len()), (1, 1));
    learning.settle(&unsettled());
    assert!(unsettled().is_empty());
}

#[test]
fn a_lesson_that_was_stopped_has_ended_before_that_is_on_record() {
    let (learning, install) = (Learning::default(), InstallId::random());
    learning.begin(install, lesson(install, END));

    let stopped = learning.stop(install, in_a_minute()).unwrap();

    assert!(!learning.lets(install, &destination(1), in_a_minute()));
    let unsettled = || learning.unsettled(in_a_minute()).len();
    assert_eq!(unsettled(), 1);
    learning.settle(&[(install, stopped)]);
    assert_eq!(unsettled(), 0);
}

#[test]
fn as_many_installs_learn_as_are_remembered_and_one_of_them_again() {
    let learning = Learning::default();
    let begin = |id| learning.has_room(id) && learning.begin(id, lesson(id, END));
    let ids: Vec<_> = (0..MAX_INSTALLS).map(|_| InstallId::random()).collect();

    assert!(ids.iter().all(|id| begin(*id)));
    assert!(!begin(InstallId::random()));
    assert!(!learning.begin(InstallId::random(), learning.of(ids[0]).unwrap()));
    assert!(begin(ids[0]));
    learning.forget(ids[0]);
    assert!(begin(InstallId::random()));
}

#[test]
fn what_is_granted_is_forgotten_and_nothing_else() {
    let (learning, install) = (Learning::default(), InstallId::random());
    let ends_at = in_a_minute();
    let mut called = lesson(install, ends_at);
    for entry in ["a.example.com", "b.example.net"] {
        let entry = entry.parse().unwrap();
        called.calls.push(LearnedHost { entry, count: 1, last_at: START, was_granted: false });
    }
    learning.begin(install, called);
    let grant = |host: &str| learning.forget_granted(install, &[host.parse().unwrap()], ends_at);

    grant("*.example.com");
    let left = learning.of(install).unwrap().proposal();
    assert_eq!(left, ["b.example.net".parse::<EgressRule>().unwrap()]);
    grant("b.example.net");
    assert!(learning.of(install).is_none());
}
