//! Sweeping: what nobody refers to goes, and nothing else.

use std::collections::HashSet;

use jiff::Timestamp;

use super::harness::{Bench, small_bundle};

#[tokio::test]
async fn an_old_bundle_without_a_row_is_removed_from_a_disk_and_reported_of_a_bucket() {
    for bench in Bench::each().await {
        let known = bench.publish(&small_bundle("a")).await.content_hash;
        let orphan = bench.publish(&small_bundle("b")).await;
        bench.read(&orphan, "ui/index.html").await.unwrap();
        let rows = HashSet::from([known]);
        // The first sweep after a put lets it be.
        bench.store.sweep_orphans(&rows, Timestamp::MAX).await.unwrap();

        let removed = bench.store.sweep_orphans(&rows, Timestamp::MAX).await.unwrap();

        assert_eq!(removed, [orphan.content_hash]);
        assert!(bench.store.exists(&known).await.unwrap());
        // In a bucket it may be another appliance's: it is reported and stays.
        let stays = bench.store.exists(&orphan.content_hash).await.unwrap();
        assert_eq!(stays, bench.is_shared());
        assert_eq!(bench.read(&orphan, "ui/index.html").await.is_ok(), bench.is_shared());
    }
}

#[tokio::test]
async fn a_bundle_put_a_moment_ago_is_left_alone() {
    for bench in Bench::each().await {
        let hash = bench.publish(&small_bundle("a")).await.content_hash;

        let removed = bench.store.sweep_orphans(&HashSet::new(), Timestamp::MAX).await.unwrap();

        assert_eq!(removed, []);
        assert!(bench.store.exists(&hash).await.unwrap());
    }
}

#[tokio::test]
async fn a_young_bundle_is_left_alone() {
    for bench in Bench::each().await {
        let hash = bench.publish(&small_bundle("a")).await.content_hash;

        for _ in 0..3 {
            bench.store.sweep_orphans(&HashSet::new(), Timestamp::UNIX_EPOCH).await.unwrap();
        }

        assert!(bench.store.exists(&hash).await.unwrap());
    }
}

#[tokio::test]
async fn a_swept_bundle_can_be_published_again() {
    for bench in Bench::each().await {
        bench.publish(&small_bundle("a")).await;
        for _ in 0..2 {
            bench.store.sweep_orphans(&HashSet::new(), Timestamp::MAX).await.unwrap();
        }

        let version = bench.publish(&small_bundle("a")).await;

        assert!(bench.read(&version, "ui/index.html").await.is_ok());
    }
}

#[tokio::test]
async fn a_kept_bundle_without_a_row_is_removed_and_gives_its_room_back() {
    for bench in Bench::each().await {
        let hash = bench.quarantine(&small_bundle("a")).await;
        bench.store.sweep_quarantine(&HashSet::new(), Timestamp::MAX).await.unwrap();

        let removed = bench.store.sweep_quarantine(&HashSet::new(), Timestamp::MAX).await.unwrap();

        assert_eq!(removed, [hash]);
        assert!(bench.store.quarantined_upload(&hash, Vec::new()).await.is_err());
    }
}

#[tokio::test]
async fn old_uploads_are_swept_and_young_ones_are_not() {
    for bench in Bench::each().await {
        let _upload = bench.stage(b"x").await.unwrap();

        assert_eq!(bench.store.sweep_staging(Timestamp::UNIX_EPOCH).await.unwrap(), 0);
        assert_eq!(bench.store.sweep_staging(Timestamp::MAX).await.unwrap(), 1);
    }
}
