//! Whose keys count, for what, and when.

use super::*;
use crate::trust::fixtures::{at, key, now, trusted};

const NAME: &str = "com.acme.demo";

#[test]
fn a_key_of_either_source_may_sign() {
    let ring = KeyRing::new(&[trusted(&key(1)), trusted(&key(2))]);

    for seed in [1, 2] {
        assert!(ring.permission(&id(seed), &NAME.parse().unwrap(), now()).is_ok());
    }
    assert!(!ring.contains(&id(3)));
}

#[test]
fn revoked_in_either_is_revoked() {
    let active = trusted(&key(1));
    let revoked = TrustedKey { status: KeyStatus::Revoked, ..trusted(&key(1)) };

    assert_eq!(refusals(&[active.clone(), revoked.clone()]), "key_revoked");
    assert_eq!(refusals(&[revoked, active]), "key_revoked");
}

#[test]
fn each_entry_is_a_permission_of_its_own() {
    let expired = TrustedKey { not_after: Some(now()), ..trusted(&key(1)) };
    let elsewhere = TrustedKey { scopes: vec!["com.other.*".parse().unwrap()], ..expired.clone() };

    assert_eq!(refusals(&[elsewhere.clone(), expired.clone()]), "key_out_of_scope");
    assert_eq!(refusals(&[elsewhere, expired, trusted(&key(1))]), "ok");
}

#[test]
fn two_half_permissions_are_none() {
    let expired = TrustedKey { not_after: Some(now()), ..trusted(&key(1)) };
    let elsewhere = TrustedKey { scopes: vec!["com.other.*".parse().unwrap()], ..trusted(&key(1)) };

    assert_eq!(refusals(&[expired, elsewhere]), "key_expired");
}

#[test]
fn a_key_signs_only_names_in_its_scope() {
    for (scope, code) in [
        ("*", "ok"),
        ("com.acme.*", "ok"),
        ("com.acme.demo", "ok"),
        ("com.acme.dem0", "key_out_of_scope"),
        ("com.acme.demo.*", "key_out_of_scope"),
        ("com.ac.*", "key_out_of_scope"),
    ] {
        let entry = TrustedKey { scopes: vec![scope.parse().unwrap()], ..trusted(&key(1)) };
        assert_eq!(refusals(&[entry]), code, "{scope}");
    }
    let nothing = TrustedKey { scopes: vec![], ..trusted(&key(1)) };
    assert_eq!(refusals(&[nothing]), "key_out_of_scope");
}

#[test]
fn a_key_signs_only_while_it_is_valid() {
    let (before, after) = ("2026-11-23T11:59:59Z", "2026-11-23T12:00:01Z");
    for (not_before, not_after, code) in [
        (Some(before), Some(after), "ok"),
        (Some("2026-11-23T12:00:00Z"), None, "ok"),
        (Some(after), None, "key_not_yet_valid"),
        (None, Some("2026-11-23T12:00:00Z"), "key_expired"),
        (None, Some(before), "key_expired"),
    ] {
        let (not_before, not_after) = (not_before.map(at), not_after.map(at));
        let entry = TrustedKey { not_before, not_after, ..trusted(&key(1)) };
        assert_eq!(refusals(&[entry]), code, "{not_before:?} {not_after:?}");
    }
}

#[test]
fn a_retired_key_signs_nothing_new() {
    let entry = TrustedKey { status: KeyStatus::Retired, ..trusted(&key(1)) };

    assert_eq!(refusals(&[entry]), "key_retired");
}

#[test]
fn a_stored_id_is_not_believed() {
    let entry = TrustedKey { id: id(2), ..trusted(&key(1)) };

    let ring = KeyRing::new(&[entry]);

    assert!(ring.contains(&id(1)));
    assert!(!ring.contains(&id(2)));
}

#[test]
fn a_weak_key_in_the_registry_verifies_nothing() {
    let mut identity = [0; 32];
    identity[0] = 1;
    let entry = TrustedKey { public_key: identity, ..trusted(&key(1)) };

    let ring = KeyRing::new(&[entry]);

    assert_eq!(ring.find(None, |_| true), None);
}

#[test]
fn the_search_begins_with_the_claimed_key() {
    let entries: Vec<_> = (1..6).map(|seed| trusted(&key(seed))).collect();
    let ring = KeyRing::new(&entries);

    for seed in 1..6 {
        assert_eq!(ring.find(Some(&id(seed)), |_| true), Some(&id(seed)));
        assert_eq!(ring.find(Some(&id(9)), |k| *k == key(seed).verifying_key()), Some(&id(seed)));
    }
}

fn id(seed: u8) -> KeyId {
    keys::key_id(&key(seed).verifying_key())
}

fn refusals(entries: &[TrustedKey]) -> String {
    let ring = KeyRing::new(entries);
    let permission = ring.permission(&id(1), &NAME.parse().unwrap(), now());
    permission.map_or_else(|finding| finding.code.into_owned(), |_| "ok".to_owned())
}
