//! Putting and reading back, on every kind of store.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use ed25519_dalek::SigningKey;
use plugboard::model::ContentHash;
use plugboard::store::StoreError;
use plugboard::trust;

use super::harness::{
    self, Bench, bundle_with_component, config, small_bundle, snapshot, verified, verified_by,
    version_of,
};

#[tokio::test]
async fn what_is_put_comes_back_on_every_store() {
    for bench in Bench::each().await {
        let version = bench.publish(&small_bundle("a")).await;

        assert!(bench.store.exists(&version.content_hash).await.unwrap());
        assert_eq!(bench.read(&version, "ui/a/b.js").await.unwrap(), b"let b;");
    }
}

#[tokio::test]
async fn a_component_comes_back_on_every_store() {
    for bench in Bench::each().await {
        let version = bench.publish(&bundle_with_component()).await;

        let component = bench.store.component(&version).await.unwrap();

        assert_eq!(component, harness::component());
    }
}

#[tokio::test]
async fn a_bundle_of_pages_has_no_component() {
    for bench in Bench::each().await {
        let version = bench.publish(&small_bundle("a")).await;

        let component = bench.store.component(&version).await;

        assert!(matches!(component, Err(StoreError::NotFound { .. })), "{component:?}");
    }
}

#[tokio::test]
async fn a_bundle_that_was_not_put_is_not_there() {
    for bench in Bench::each().await {
        assert!(!bench.store.exists(&ContentHash::of(b"x")).await.unwrap());
    }
}

#[tokio::test]
async fn putting_twice_is_idempotent() {
    for bench in Bench::each().await {
        let staged = bench.stage(&small_bundle("a")).await.unwrap();
        let bundle = verified(&staged);
        bench.store.put(&bundle).await.unwrap();

        bench.store.put(&bundle).await.unwrap();

        assert!(bench.read(&version_of(&bundle), "ui/index.html").await.is_ok());
    }
}

#[tokio::test]
async fn a_second_upload_of_a_bundle_leaves_its_objects_unchanged() {
    for bench in Bench::each_in_reach().await {
        bench.publish(&small_bundle("a")).await;
        let before = bench.objects().await;

        bench.publish(&small_bundle("a")).await;

        assert_eq!(bench.objects().await, before);
    }
}

#[tokio::test]
async fn a_put_that_is_repeated_after_its_upload_went_is_done() {
    for bench in Bench::each().await {
        let staged = bench.stage(&small_bundle("a")).await.unwrap();
        let bundle = verified(&staged);
        bench.store.put(&bundle).await.unwrap();
        drop(staged);

        let repeated = bench.store.put(&bundle).await;

        assert!(repeated.is_ok(), "{repeated:?}");
    }
}

#[tokio::test]
async fn a_put_whose_upload_went_before_fails() {
    for bench in Bench::each().await {
        let staged = bench.stage(&small_bundle("a")).await.unwrap();
        let bundle = verified(&staged);
        drop(staged);

        assert!(bench.store.put(&bundle).await.is_err());
        assert!(!bench.store.exists(&bundle.content_hash()).await.unwrap());
    }
}

#[tokio::test]
async fn the_archive_becomes_the_object_without_a_copy() {
    let bench = Bench::directory(&config());
    let staged = bench.stage(&small_bundle("a")).await.unwrap();
    let received = snapshot(staged.file.parent().unwrap());
    let bundle = verified(&staged);

    bench.store.put(&bundle).await.unwrap();

    let folder = bench.stored(&bundle.content_hash().hex());
    let stored = snapshot(&folder).remove(&folder.join("bundle.tar.zst"));
    assert_eq!(stored, received.into_values().next());
}

#[tokio::test]
async fn the_layout_is_the_documented_one() {
    for bench in Bench::each_in_reach().await {
        let key = SigningKey::from_bytes(&[7; 32]);
        let staged = bench.stage(&bundle_with_component()).await.unwrap();
        let bundle = verified_by(&key, &staged);

        bench.store.put(&bundle).await.unwrap();
        drop(staged);

        let folder = bundle.content_hash().hex();
        let key_id = trust::keys::key_id(&key.verifying_key()).to_string();
        let envelope = format!("signatures/{}.dsse.json", key_id.trim_start_matches("sha256:"));
        let found = bench.objects().await;
        let expected = ["bundle.tar.zst", "entry.wasm", "manifest.json", &envelope]
            .map(|name| format!("{folder}/{name}"));
        assert!(found.keys().eq(&expected), "{:?}", found.keys());
        assert_eq!(found[&expected[3]].1, bundle.signatures()[0].1);
    }
}

#[tokio::test]
async fn nobody_else_can_enter_the_store() {
    let bench = Bench::directory(&config());

    for folder in ["store", "cache"] {
        let mode = fs::metadata(bench.folder.path().join(folder)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{folder}");
    }
}

#[tokio::test]
async fn a_prefix_of_two_folders_works() {
    let config = plugboard::config::StoreConfig { base: "bundles/v2/".to_owned(), ..config() };
    let bench = Bench::directory(&config);

    let version = bench.publish(&small_bundle("a")).await;

    let hex = version.content_hash.hex();
    assert!(bench.folder.path().join("store/bundles/v2").join(hex).is_dir());
    assert!(bench.read(&version, "ui/index.html").await.is_ok());
}

#[tokio::test]
async fn a_file_the_version_does_not_have_is_not_found() {
    for bench in Bench::each().await {
        let version = bench.publish(&small_bundle("a")).await;
        let mut other = harness::file(&version, "ui/index.html").clone();
        other.path = "ui/other.html".parse().unwrap();

        let opened = bench.store.asset(&version, &other).await;

        assert!(matches!(opened, Err(StoreError::NotFound { .. })), "{opened:?}");
    }
}

#[tokio::test]
async fn a_store_says_that_it_can_be_written() {
    for bench in Bench::each().await {
        bench.store.check_writable().await.unwrap();
        bench.store.check_free_bytes().await.unwrap();
        assert!(bench.store.free_bytes().await.unwrap() > 0);
    }
}
