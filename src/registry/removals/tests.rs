//! What is remembered of a removed version, and for how long.

use super::*;
use crate::model::{ExtensionVersion, StarVersion};
use crate::registry::samples::{at, registry, version};
use crate::registry::versions::Insertion;

fn tombstone(version: &ExtensionVersion) -> Tombstone {
    Tombstone {
        name: version.name.clone(),
        version: version.version.clone(),
        content_hash: version.content_hash,
        removed_at: at(100),
        removed_by: "operator ada".to_owned(),
        objects_removed: false,
    }
}

#[test]
fn the_number_of_a_removed_version_is_never_used_again() {
    let registry = registry();
    let (hello, again) = (version("hello", "1.0.0", "a"), version("hello", "1.0.0", "b"));
    let next = version("hello", "1.0.1", "c");

    let insertions = registry
        .write_blocking(|txn| {
            versions::insert(txn, &hello)?;
            bury(txn, &tombstone(&hello))?;
            let same = versions::insert(txn, &hello)?;
            Ok([same, versions::insert(txn, &again)?, versions::insert(txn, &next)?])
        })
        .unwrap();

    assert_eq!(insertions, [Insertion::Removed, Insertion::Removed, Insertion::Created]);
    let (rows, by_hash, graves) = registry
        .read_blocking(|txn| {
            let by_hash = versions::get_by_hash(txn, &hello.content_hash)?;
            Ok((versions::list(txn)?, by_hash, list_tombstones_of(txn, &hello.name)?))
        })
        .unwrap();
    assert_eq!((rows, by_hash, graves), (vec![next], None, vec![tombstone(&hello)]));
}

#[test]
fn a_removed_bundle_comes_back_under_no_other_number_of_its_star() {
    let registry = registry();
    let star = StarVersion { major: 1, minor: 2 };
    let mut first = version("hello", "1.2.0", "a");
    let mut again = first.clone();
    let (hash, name) = (first.content_hash, first.name.clone());

    let insertion = registry
        .write_blocking(|txn| {
            versions::insert_at_star(txn, &mut first, star)?;
            bury(txn, &tombstone(&first))?;
            versions::insert_at_star(txn, &mut again, star)
        })
        .unwrap();

    assert_eq!((insertion, &again.version), (Insertion::Removed, &first.version));
    let number = registry.read_blocking(|txn| versions::stands_for(txn, &hash, &name, star));
    assert_eq!(number.unwrap(), Some(first.version));
}

#[test]
fn a_removed_bundle_counts_as_known_for_its_time_only() {
    let registry = registry();
    let hello = version("hello", "1.0.0", "a");
    registry.write_blocking(|txn| bury(txn, &tombstone(&hello))).unwrap();

    let recent = |since| registry.read_blocking(|txn| removed_after(txn, since)).unwrap();

    assert_eq!(recent(at(99)), [hello.content_hash]);
    assert!(recent(at(100)).is_empty());
}

#[test]
fn the_objects_of_a_removed_version_are_due_at_their_time_and_once() {
    let registry = registry();
    let hello = version("hello", "1.0.0", "a");
    registry.write_blocking(|txn| bury(txn, &tombstone(&hello))).unwrap();
    let due_at = |second| registry.read_blocking(|txn| due(txn, at(second))).unwrap();
    assert!(due_at(99).is_empty());
    assert_eq!(due_at(100), [tombstone(&hello)]);

    registry.write_blocking(|txn| set_objects_removed(txn, tombstone(&hello))).unwrap();

    assert!(due_at(100).is_empty());
}

#[test]
fn a_yank_is_taken_back_and_is_of_one_version() {
    let registry = registry();
    let yanked = |number: &str| Yank {
        name: "hello".parse().unwrap(),
        version: number.parse().unwrap(),
        yanked_at: at(1),
        yanked_by: "operator ada".to_owned(),
        reason: None,
    };
    let (first, second) = (yanked("1.0.0"), yanked("1.1.0"));
    let name = first.name.clone();
    let done = registry
        .write_blocking(|txn| Ok([yank(txn, &first)?, yank(txn, &first)?, yank(txn, &second)?]))
        .unwrap();
    assert_eq!(done, [true, false, true]);

    let back = registry
        .write_blocking(|txn| {
            Ok([unyank(txn, &name, &first.version)?, unyank(txn, &name, &first.version)?])
        })
        .unwrap();

    assert_eq!(back, [true, false]);
    let left = registry.read_blocking(|txn| list_yanks_of(txn, &name)).unwrap();
    assert_eq!(left, [second]);
}
