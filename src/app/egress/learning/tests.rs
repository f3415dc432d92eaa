//! What is remembered of lessons, and for how long.

use jiff::SignedDuration;
use semver::Version;

use super::*;

const START: Timestamp = Timestamp::UNIX_EPOCH;
const END: Timestamp = Timestamp::MAX;

fn labels(install: InstallId) -> InstallLabels {
    let (tenant, name) = (TenantId::default_tenant(), "com.example.a".parse().unwrap());
    InstallLabels::of(tenant, name, install, &Version::new(1, 0, 0))
}

fn lesson(install: InstallId, ends_at: Timestamp) -> Lesson {
    Lesson::new(&labels(install), START, ends_at)
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
    let ends_at = START + SignedDuration::from_secs(60);
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
