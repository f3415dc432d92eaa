//! Which pages the snapshot lets be served, and for how long.

use super::*;

#[test]
fn pages_are_served_while_some_tenant_has_the_version_enabled() {
    let registry = registry();
    let hello = version("hello", "1.0.0", "a");
    let served = || {
        let live = registry.live();
        live.served(&hello.name, &hello.content_hash, at(1), 24).is_some()
    };
    let off = |row: &Install| Install { enabled: false, ..row.clone() };
    assert!(!served());
    let (ours, theirs) =
        (installed(&registry, "acme", &hello), installed(&registry, "other", &hello));

    put(&registry, &off(&ours));
    assert!(served());
    put(&registry, &off(&theirs));
    assert!(!served());
    put(&registry, &ours);
    assert!(served());
    registry.write_blocking(|txn| installs::remove(txn, &ours.id)).unwrap();
    assert!(!served());
}

#[test]
fn pages_are_served_under_their_own_name_only() {
    let registry = registry();
    let hello = version("hello", "1.0.0", "a");
    installed(&registry, "acme", &hello);

    let live = registry.live();

    assert!(live.served(&"other".parse().unwrap(), &hello.content_hash, at(1), 24).is_none());
}

#[test]
fn the_previous_version_is_served_for_a_day_while_the_install_is_enabled() {
    let registry = registry();
    let (old, new) = (version("hello", "1.0.0", "a"), version("hello", "1.1.0", "b"));
    let row = installed(&registry, "acme", &old);
    registry.write_blocking(|txn| versions::insert(txn, &new)).unwrap();
    let row = upgraded(&row, &new, 1000);
    put(&registry, &row);
    let day = 24 * 60 * 60;
    let served = |second| {
        let live = registry.live();
        live.served(&old.name, &old.content_hash, at(second), 24).is_some()
    };

    assert!(served(1000 + day - 1));
    assert!(!served(1000 + day));
    put(&registry, &Install { enabled: false, ..row });
    assert!(!served(1001));
}

#[test]
fn a_version_that_another_tenant_still_has_is_served_after_the_day() {
    let registry = registry();
    let (old, new) = (version("hello", "1.0.0", "a"), version("hello", "1.1.0", "b"));
    let row = installed(&registry, "acme", &old);
    installed(&registry, "other", &old);
    registry.write_blocking(|txn| versions::insert(txn, &new)).unwrap();

    put(&registry, &upgraded(&row, &new, 0));

    let live = registry.live();
    assert!(live.served(&old.name, &old.content_hash, at(1_000_000), 24).is_some());
}
