//! Finding versions, and the numbers they may have.

use super::*;
use crate::registry::samples::{registry, version};

#[test]
fn a_version_is_found_by_number_and_by_hash() {
    let registry = registry();
    let hello = version("hello", "1.2.0", "a");
    let row = hello.clone();
    let inserted = registry.write_blocking(|txn| insert(txn, &row)).unwrap();

    let found = registry
        .read_blocking(|txn| {
            Ok((get(txn, &row.name, &row.version)?, get_by_hash(txn, &row.content_hash)?))
        })
        .unwrap();

    assert_eq!(inserted, Insertion::Created);
    assert_eq!(found, (Some(hello.clone()), Some(hello)));
}

#[test]
fn a_version_cannot_change_its_content() {
    let registry = registry();
    let (first, second) = (version("hello", "1.2.0", "a"), version("hello", "1.2.0", "b"));

    let insertions = registry
        .write_blocking(|txn| {
            Ok([insert(txn, &first)?, insert(txn, &first)?, insert(txn, &second)?])
        })
        .unwrap();

    assert_eq!(insertions, [Insertion::Created, Insertion::Unchanged, Insertion::Taken]);
    let kept = registry.read_blocking(|txn| get(txn, &first.name, &first.version)).unwrap();
    assert_eq!(kept, Some(first));
    let by_hash = registry.read_blocking(|txn| get_by_hash(txn, &second.content_hash));
    assert_eq!(by_hash.unwrap(), None);
}

#[test]
fn the_highest_version_is_semantic_and_of_this_name_only() {
    let registry = registry();
    let rows = [
        version("hello", "1.9.0", "a"),
        version("hello", "1.10.0", "b"),
        version("hello", "1.10.0-rc.1", "c"),
        version("hello2", "9.0.0", "d"),
        version("hell", "8.0.0", "e"),
    ];
    registry
        .write_blocking(|txn| rows.iter().try_for_each(|row| insert(txn, row).map(drop)))
        .unwrap();

    let (highest, numbers) = registry
        .read_blocking(|txn| {
            let name = &rows[0].name;
            let numbers = list_of(txn, name)?.into_iter().map(|row| row.version.to_string());
            Ok((highest(txn, name)?, numbers.collect::<Vec<_>>()))
        })
        .unwrap();

    assert_eq!(highest, Some(Version::new(1, 10, 0)));
    assert_eq!(numbers, ["1.10.0", "1.10.0-rc.1", "1.9.0"]);
    assert_eq!(registry.read_blocking(list).unwrap().len(), 5);
}

#[test]
fn a_star_takes_the_next_patch_and_equal_bytes_keep_theirs() {
    let registry = registry();
    let star = StarVersion { major: 1, minor: 2 };
    let mut first = version("hello", "1.2.0", "a");
    let mut second = version("hello", "1.2.0", "b");
    let mut again = version("hello", "1.2.0", "a");

    let insertions = registry
        .write_blocking(|txn| {
            insert(txn, &version("hello", "1.2.6", "c"))?;
            insert(txn, &version("hello", "1.2.9-rc.1", "d"))?;
            Ok([&mut first, &mut second, &mut again]
                .map(|row| insert_at_star(txn, row, star).unwrap()))
        })
        .unwrap();

    assert_eq!(insertions, [Insertion::Created, Insertion::Created, Insertion::Unchanged]);
    let numbers = [&first, &second, &again].map(|row| row.version.to_string());
    assert_eq!(numbers, ["1.2.7", "1.2.8", "1.2.7"]);
    assert_eq!(second.manifest.version, second.version);
}
