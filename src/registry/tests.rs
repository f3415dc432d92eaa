//! Tests of transactions and of the snapshot they leave.

mod file;
mod pages;

use std::collections::BTreeSet;
use std::{fs, thread};

use redb::ReadableTable;

use super::samples::{
    at, install, operator, registry, session, tenant, token, trusted_key, version, version_by,
};
use super::*;
use crate::model::{ExtensionVersion, Install, PreviousVersion};

/// Inserts a version and its install in the tenant.
fn installed(registry: &Registry, tenant: &str, version: &ExtensionVersion) -> Install {
    let row = install(tenant, version);
    registry
        .write_blocking(|txn| {
            versions::insert(txn, version)?;
            assert!(installs::insert(txn, &row)?);
            Ok(())
        })
        .unwrap();
    row
}

fn put(registry: &Registry, install: &Install) {
    assert!(registry.write_blocking(|txn| installs::put(txn, install)).unwrap());
}

/// The install after an upgrade to `version` at `second`.
fn upgraded(install: &Install, version: &ExtensionVersion, second: i64) -> Install {
    let previous = PreviousVersion {
        version: install.version.clone(),
        content_hash: install.content_hash,
        grants: install.grants.clone(),
        replaced_at: at(second),
    };
    Install {
        version: version.version.clone(),
        content_hash: version.content_hash,
        previous: Some(previous),
        ..install.clone()
    }
}

fn sorted<T: Ord>(rows: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    rows.into_iter().collect()
}

/// The snapshot holds exactly what the tables hold.
fn assert_snapshot_is_true(registry: &Registry) {
    let live = registry.live();
    registry
        .read_blocking(|txn| {
            let rows = live.installs().map(|live| live.install.clone());
            assert_eq!(rows.collect::<Vec<_>>(), installs::list_all(txn)?);
            for install in live.installs() {
                let version = versions::get(txn, &install.install.name, &install.install.version)?;
                assert_eq!(version.as_ref(), Some(&*install.version));
            }
            for token in tokens::list_all(txn)? {
                assert_eq!(live.token(&token.id).map(|live| &**live), Some(&token));
            }
            for session in sessions::list(txn)? {
                assert_eq!(live.session(&session.id_sha256).map(|live| &**live), Some(&session));
            }
            assert_eq!(live.operator_count(), operators::list(txn)?.len());
            assert!(live.trusted_keys().iter().map(|key| &**key).eq(&trusted_keys::list(txn)?));
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_failed_write_changes_neither_tables_nor_snapshot() {
    let registry = registry();
    let before = registry.live();

    let result: Result<(), _> = registry.write_blocking(|txn| {
        operators::insert(txn, &operator("ada"))?;
        tokens::insert(txn, &token("acme", "aaaaaaaa"))?;
        Err(RegistryError::MissingVersion {
            name: "hello".parse().unwrap(),
            version: "1.0.0".parse().unwrap(),
        })
    });

    assert!(matches!(result, Err(RegistryError::MissingVersion { .. })));
    assert!(Arc::ptr_eq(&before, &registry.live()));
    assert_eq!(registry.read_blocking(operators::list).unwrap(), []);
}

#[test]
fn a_panic_in_a_write_rolls_back_and_the_next_write_works() {
    let registry = registry();

    let result: Result<(), _> = registry.write_blocking(|txn| {
        operators::insert(txn, &operator("ada"))?;
        let open_table = txn.rows(redb::TableDefinition::<&str, &[u8]>::new("setup"))?;
        assert!(open_table.first()?.is_some(), "deliberate");
        Ok(())
    });

    assert!(matches!(result, Err(RegistryError::Panicked(message)) if message == "deliberate"));
    assert!(!registry.live().is_set_up());
    assert!(registry.write_blocking(|txn| operators::insert(txn, &operator("ada"))).unwrap());
    assert_snapshot_is_true(&registry);
}

#[test]
fn a_panic_in_a_read_is_an_error_of_that_read_only() {
    let registry = registry();

    let result: Result<(), _> = registry.read_blocking(|_| panic!("deliberate {}", 1));

    assert!(matches!(result, Err(RegistryError::Panicked(message)) if message == "deliberate 1"));
    assert_eq!(registry.read_blocking(tenants::list).unwrap().len(), 1);
}

#[tokio::test]
async fn writes_and_reads_run_off_the_async_threads() {
    let registry = registry();
    let here = thread::current().id();

    let writer = registry.write(|_| Ok(thread::current().id())).await.unwrap();
    let reader = registry.read(|_| Ok(thread::current().id())).await.unwrap();

    assert!(writer != here && reader != here);
}

#[test]
fn the_snapshot_is_swapped_before_the_write_returns() {
    let registry = registry();
    let row = token("acme", "aaaaaaaa");

    registry.write_blocking(|txn| tokens::insert(txn, &row)).unwrap();

    assert_eq!(registry.live().token(&row.id).map(|live| &**live), Some(&row));
}

#[test]
fn rows_that_did_not_change_are_shared_between_snapshots() {
    let registry = registry();
    let row = installed(&registry, "acme", &version("hello", "1.0.0", "a"));
    let before = registry.live();

    installed(&registry, "acme", &version("other", "1.0.0", "b"));

    let of = |live: &Live| Arc::clone(live.install_by_id(&row.id).unwrap());
    assert!(Arc::ptr_eq(&of(&before), &of(&registry.live())));
}

#[test]
fn tenants_share_one_copy_of_a_version() {
    let registry = registry();
    let hello = version("hello", "1.0.0", "a");

    let (ours, theirs) =
        (installed(&registry, "acme", &hello), installed(&registry, "other", &hello));

    let live = registry.live();
    let of = |id| Arc::clone(&live.install_by_id(id).unwrap().version);
    assert!(Arc::ptr_eq(&of(&ours.id), &of(&theirs.id)));
}

#[test]
fn a_registry_that_is_opened_again_has_the_same_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("registry.redb");
    let open = || Registry::open(&file, 1 << 20, at(0)).unwrap();
    let first = open();
    let hello = version("hello", "1.0.0", "a");
    let row = installed(&first, "acme", &hello);
    let next = version("hello", "1.1.0", "b");
    first.write_blocking(|txn| versions::insert(txn, &next)).unwrap();
    put(&first, &upgraded(&row, &next, 5));
    first
        .write_blocking(|txn| {
            tokens::insert(txn, &token("acme", "aaaaaaaa"))?;
            sessions::insert(txn, &session("ada", 1, at(0)))?;
            trusted_keys::put(txn, &trusted_key(1))?;
            operators::insert(txn, &operator("ada"))
        })
        .unwrap();
    drop(first);

    let second = open();

    assert_snapshot_is_true(&second);
    let live = second.live();
    assert_eq!(live.installs().count(), 1);
    assert!(live.token(&"aaaaaaaa".parse().unwrap()).is_some());
    assert!(live.session(&[1; 32]).is_some());
    assert!(live.served(&hello.name, &hello.content_hash, at(6), 24).is_some());
}

#[test]
fn an_install_is_found_by_alias_in_its_own_tenant() {
    let registry = registry();
    let row = installed(&registry, "acme", &version("hello", "1.0.0", "a"));

    let live = registry.live();

    let found = live.install_by_alias(&tenant("acme"), "acme.hello").unwrap();
    assert_eq!(found.install.id, row.id);
    assert!(live.install_by_alias(&tenant("other"), "acme.hello").is_none());
    assert!(live.install_by_alias(&tenant("acme"), "hello").is_none());
}

#[test]
fn an_alias_that_two_extensions_share_names_neither() {
    let registry = registry();
    let first = version_by("a", "b.c", "1.0.0", "1");
    let second = version_by("a.b", "c", "1.0.0", "2");
    installed(&registry, "acme", &first);
    assert!(registry.live().install_by_alias(&tenant("acme"), "a.b.c").is_some());

    let row = installed(&registry, "acme", &second);

    assert!(registry.live().install_by_alias(&tenant("acme"), "a.b.c").is_none());
    registry.write_blocking(|txn| installs::remove(txn, &row.id)).unwrap();
    assert!(registry.live().install_by_alias(&tenant("acme"), "a.b.c").is_some());
}

#[test]
fn a_publisher_that_cannot_be_in_a_path_gives_no_alias() {
    let registry = registry();
    installed(&registry, "acme", &version_by("A/../b", "hello", "1.0.0", "1"));

    assert!(registry.live().install_by_alias(&tenant("acme"), "a/../b.hello").is_none());
}

#[test]
fn a_second_write_in_one_transaction_sees_the_first() {
    let registry = registry();
    let hello = version("hello", "1.0.0", "a");
    let row = install("acme", &hello);

    registry
        .write_blocking(|txn| {
            versions::insert(txn, &hello)?;
            installs::insert(txn, &row)?;
            installs::put(txn, &Install { enabled: false, ..row.clone() })?;
            installs::remove(txn, &row.id)
        })
        .unwrap();

    assert_eq!(registry.live().installs().count(), 0);
    assert_snapshot_is_true(&registry);
}

#[tokio::test]
async fn uses_are_remembered_in_memory_and_written_in_one_commit() {
    let registry = registry();
    let (row, desk) = (token("acme", "aaaaaaaa"), session("ada", 1, at(0)));
    registry
        .write_blocking(|txn| {
            tokens::insert(txn, &row)?;
            sessions::insert(txn, &desk)
        })
        .unwrap();

    registry.touch_token(&row.id, at(50));
    registry.touch_session(&desk.id_sha256, at(60));

    assert_eq!(registry.last_used(&row), Some(at(50)));
    assert_eq!(registry.last_seen(&desk), at(60));
    assert_eq!(registry.live().token(&row.id).unwrap().last_used_at, None);
    registry.flush_touches().await.unwrap();
    assert_eq!(registry.live().token(&row.id).unwrap().last_used_at, Some(at(50)));
    assert_eq!(registry.live().session(&desk.id_sha256).unwrap().last_seen_at, at(60));
    assert_snapshot_is_true(&registry);

    let before = registry.live();
    registry.flush_touches().await.unwrap();
    assert!(Arc::ptr_eq(&before, &registry.live()), "nothing new, nothing written");
}

#[tokio::test]
async fn a_use_of_a_revoked_token_is_forgotten() {
    let registry = registry();
    let row = token("acme", "aaaaaaaa");
    registry.write_blocking(|txn| tokens::insert(txn, &row)).unwrap();
    registry.touch_token(&row.id, at(50));
    registry.write_blocking(|txn| tokens::remove(txn, &row.id)).unwrap();

    registry.flush_touches().await.unwrap();

    assert!(registry.live().token(&row.id).is_none());
    assert_eq!(registry.last_used(&row), None);
}

#[tokio::test]
async fn when_an_install_was_called_last_outlives_its_process_and_its_upgrades() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("registry.redb");
    let open = || Registry::open(&file, 1 << 20, at(0)).unwrap();
    let last_use = |registry: &Registry, install: &Install| {
        registry.live().install_by_id(&install.id).unwrap().last_use.second()
    };
    let first = open();
    let (one, two) = (version("hello", "1.0.0", "a"), version("hello", "2.0.0", "b"));
    let install = installed(&first, "acme", &one);
    first.write_blocking(|txn| versions::insert(txn, &two)).unwrap();
    first.live().install_by_id(&install.id).unwrap().last_use.touch(at(50));

    put(&first, &upgraded(&install, &two, 60));
    assert_eq!(last_use(&first, &install), 50);
    first.flush_touches().await.unwrap();
    drop(first);

    let second = open();
    assert_eq!(last_use(&second, &install), 50);
    second.write_blocking(|txn| installs::remove(txn, &install.id)).unwrap();
    assert_eq!(second.read_blocking(|txn| uses::get(txn, &install.id)).unwrap(), 0);
}

#[test]
fn eight_writers_leave_a_snapshot_that_equals_the_tables() {
    let registry = registry();
    let hello = version("hello", "1.0.0", "a");
    registry.write_blocking(|txn| versions::insert(txn, &hello)).unwrap();

    thread::scope(|scope| {
        for writer in 0..8 {
            let (registry, hello) = (&registry, &hello);
            scope.spawn(move || {
                for round in 0..50 {
                    let row = install(&format!("w{writer}-{round}"), hello);
                    let commit = registry.write_blocking(|txn| installs::insert(txn, &row));
                    assert!(commit.unwrap());
                    assert!(registry.live().install_by_id(&row.id).is_some());
                }
            });
        }
    });

    assert_eq!(registry.live().installs().count(), 400);
    assert_snapshot_is_true(&registry);
    let ids = registry.live().installs().map(|live| live.install.id).collect::<Vec<_>>();
    assert_eq!(sorted(ids).len(), 400);
}

#[test]
fn commits_are_in_two_phases_and_synced() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("registry.redb");
    let registry = Registry::open(&file, 1 << 20, at(0)).unwrap();

    registry.write_blocking(|txn| operators::insert(txn, &operator("ada"))).unwrap();

    // Byte 9 of a redb file is its flags; bit 2 says how the last commit was made.
    assert_eq!(fs::read(&file).unwrap()[9] & 0b100, 0b100);
}
