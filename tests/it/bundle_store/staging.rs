//! Receiving: capped, counted, and gone when nobody wants it.

use std::fs;

use bytes::Bytes;
use futures_util::future::join_all;
use plugboard::config::StoreConfig;
use plugboard::model::ContentHash;
use plugboard::store::StoreError;

use super::harness::{Bench, config, names, small_bundle};
use crate::support::bundle_builder::BundleBuilder;
use crate::support::random::noise;

/// Large enough to be read while it arrives.
const LARGE: usize = 3 * 1024 * 1024;

#[tokio::test]
async fn an_upload_is_hashed_on_its_way() {
    for bench in Bench::each().await {
        let archive = noise(1, 100_000);

        let staged = bench.stage(&archive).await.unwrap();

        assert_eq!(staged.content_hash, ContentHash::of(&archive));
        assert_eq!(staged.size, 100_000);
        assert_eq!(fs::read(&staged.file).unwrap(), archive);
    }
}

#[tokio::test]
async fn a_large_upload_is_read_while_it_arrives() {
    for bench in Bench::each().await {
        let archive = BundleBuilder::new("com.example.large", "1.0.0")
            .file("ui/noise.bin", noise(1, LARGE))
            .build();

        let mut staged = bench.stage(&archive).await.unwrap();

        assert_eq!(staged.content_hash, ContentHash::of(&archive));
        assert_eq!(staged.size, archive.len() as u64);
        let reading = staged.upload(None, Vec::new()).reading;
        let contents = reading.unwrap().into_contents().unwrap();
        assert_eq!(contents.content_hash, staged.content_hash);
        assert!(contents.files.iter().any(|file| file.size == LARGE as u64));
    }
}

#[tokio::test]
async fn a_large_upload_that_is_no_bundle_is_received_whole() {
    let bench = Bench::directory(&config());
    let archive = noise(1, LARGE);

    let mut staged = bench.stage(&archive).await.unwrap();

    assert_eq!(staged.content_hash, ContentHash::of(&archive));
    let reading = staged.upload(None, Vec::new()).reading;
    assert!(reading.unwrap().into_contents().is_err());
}

#[tokio::test]
async fn more_large_uploads_than_are_read_at_once_arrive_as_well() {
    let bench = Bench::directory(&config());
    let archives: Vec<_> = (0..7).map(|seed| noise(seed, LARGE)).collect();

    let staged = join_all(archives.iter().map(|archive| bench.stage(archive))).await;

    for (staged, archive) in staged.into_iter().zip(&archives) {
        assert_eq!(staged.unwrap().content_hash, ContentHash::of(archive));
    }
}

#[tokio::test]
async fn a_large_upload_that_is_given_up_leaves_nothing() {
    let bench = Bench::directory(&config());
    let mut staging = bench.store.stage().await.unwrap();
    for chunk in noise(1, LARGE).chunks(64 * 1024) {
        staging.write(Bytes::copy_from_slice(chunk)).await.unwrap();
    }

    drop(staging);

    assert!(names(&bench.stored("_staging")).is_empty());
    assert_eq!(bench.store.staged_bytes(), 0);
}

#[tokio::test]
async fn a_large_upload_over_the_limit_stops_at_it_and_leaves_nothing() {
    let bench = Bench::directory(&StoreConfig { max_bundle_bytes: LARGE as u64 - 1, ..config() });

    let refused = bench.stage(&noise(1, LARGE)).await.err();

    assert!(matches!(refused, Some(StoreError::TooLarge { .. })), "{refused:?}");
    assert!(names(&bench.stored("_staging")).is_empty());
}

#[tokio::test]
async fn an_upload_that_is_given_up_leaves_nothing() {
    let bench = Bench::directory(&config());
    let mut staging = bench.store.stage().await.unwrap();
    staging.write(Bytes::from_static(b"half")).await.unwrap();
    assert_eq!(names(&bench.stored("_staging")).len(), 1);

    drop(staging);

    assert!(names(&bench.stored("_staging")).is_empty());
}

#[tokio::test]
async fn a_received_upload_that_is_refused_leaves_nothing() {
    let bench = Bench::directory(&config());
    let staged = bench.stage(b"no bundle").await.unwrap();

    drop(staged);

    assert!(names(&bench.stored("_staging")).is_empty());
}

#[tokio::test]
async fn an_upload_over_the_limit_stops_at_it_and_leaves_nothing() {
    let bench = Bench::directory(&StoreConfig { max_bundle_bytes: 5000, ..config() });
    assert!(bench.stage(&noise(1, 5000)).await.is_ok());

    let refused = bench.stage(&noise(1, 5001)).await.err();

    let at_the_limit =
        matches!(refused, Some(StoreError::TooLarge { limit: 5000, received: 5001 }));
    assert!(at_the_limit, "{refused:?}");
    assert!(names(&bench.stored("_staging")).is_empty());
}

#[tokio::test]
async fn uploads_and_quarantine_share_one_limit() {
    for make in [Bench::directory, Bench::in_memory] {
        let archive = small_bundle("a");
        let limit = archive.len() as u64 + 1000;
        let bench = make(&StoreConfig { max_staged_bytes: limit, ..config() });
        let hash = bench.quarantine(&archive).await;

        let refused = bench.stage(&noise(1, 1001)).await.err();
        bench.store.remove_quarantined(&hash).await.unwrap();

        assert!(matches!(refused, Some(StoreError::StagedFull { .. })), "{refused:?}");
        assert!(bench.stage(&noise(1, 1001)).await.is_ok());
    }
}

#[tokio::test]
async fn a_finished_upload_holds_its_room_until_it_is_dropped() {
    let bench = Bench::directory(&StoreConfig { max_staged_bytes: 1500, ..config() });
    let staged = bench.stage(&noise(1, 1000)).await.unwrap();
    assert!(bench.stage(&noise(2, 1000)).await.is_err());

    drop(staged);

    assert!(bench.stage(&noise(2, 1000)).await.is_ok());
}

#[tokio::test]
async fn no_upload_begins_on_a_disk_below_its_floor() {
    let bench = Bench::directory(&StoreConfig { min_free_bytes: u64::MAX, ..config() });

    let refused = bench.store.stage().await.err();

    assert!(matches!(refused, Some(StoreError::DiskFull { .. })), "{refused:?}");
    assert!(names(&bench.stored("_staging")).is_empty());
}

#[tokio::test]
async fn a_start_removes_what_a_crash_left() {
    let bench = Bench::directory(&config());
    let version = bench.publish(&small_bundle("a")).await;
    let folder = version.content_hash.hex();
    let upload = bench.stored("_staging/0c1a/bundle.tar.zst");
    fs::create_dir(upload.parent().unwrap()).unwrap();
    fs::write(upload, "half").unwrap();
    for leftover in ["manifest.json#1", "signatures/x.dsse.json#12"] {
        fs::write(bench.stored(&folder).join(leftover), "half").unwrap();
    }
    fs::write(bench.stored(&folder).join("keep#me"), "whole").unwrap();
    fs::create_dir(bench.folder.path().join("cache/tmp/half")).unwrap();

    let bench = bench.reopened();

    assert!(names(&bench.stored("_staging")).is_empty());
    assert!(names(&bench.stored(&folder).join("signatures")).is_empty());
    assert!(names(&bench.folder.path().join("cache/tmp")).is_empty());
    let mut kept = names(&bench.stored(&folder));
    kept.sort();
    assert_eq!(kept, ["bundle.tar.zst", "keep#me", "manifest.json", "signatures"]);
}
