//! What the store refuses to keep, and what a server may not talk it into.

use std::fs;

use hyper::Method;
use jiff::Timestamp;
use plugboard::store::StoreError;

use super::harness::{Bench, bundle_of_pages, noise, small_bundle, verified};
use crate::support::s3_server::{Fault, Manners};

/// One that goes in a single request, and one that is sent in two parts.
fn bundles() -> [Vec<u8>; 2] {
    let large = bundle_of_pages("large", &[("ui/index.html", &noise(1, 9 * 1024 * 1024))]);
    [small_bundle("a"), large]
}

async fn on_s3() -> Bench {
    let bench = Bench::on_s3(Manners::default());
    bench.store.probe(Timestamp::UNIX_EPOCH).await;
    bench
}

#[tokio::test]
async fn a_file_that_changed_since_it_was_verified_is_not_stored() {
    for archive in bundles() {
        let bench = on_s3().await;
        let staged = bench.stage(&archive).await.unwrap();
        let bundle = verified(&staged);
        fs::write(&staged.file, vec![7; archive.len()]).unwrap();

        let put = bench.store.put(&bundle).await;

        assert!(matches!(put, Err(StoreError::Integrity { .. })), "{put:?}");
        let stored = bench.server().keys();
        assert!(!stored.iter().any(|key| key.ends_with("bundle.tar.zst")), "{stored:?}");
        assert_eq!(bench.server().unfinished(), 0);
    }
}

#[tokio::test]
async fn a_damaged_archive_that_cannot_be_taken_away_is_no_success() {
    for archive in bundles() {
        let bench = on_s3().await;
        let version = bench.publish(&archive).await;
        let object = bench.stored(&version.content_hash.hex()).join("bundle.tar.zst");
        fs::write(&object, vec![0; archive.len()]).unwrap();
        // As under a bucket policy of a server that says yes and does nothing.
        bench.server().fail(|method, _| (*method == Method::DELETE).then_some(Fault::Status(204)));
        let staged = bench.stage(&archive).await.unwrap();

        let put = bench.store.put(&verified(&staged)).await;

        assert!(matches!(put, Err(StoreError::Integrity { .. })), "{put:?}");
    }
}

#[tokio::test]
async fn an_object_of_another_size_is_replaced_by_the_verified_one() {
    for archive in bundles() {
        let bench = on_s3().await;
        let version = bench.publish(&archive).await;
        let object = bench.stored(&version.content_hash.hex()).join("bundle.tar.zst");
        fs::write(&object, &archive[..archive.len() - 1]).unwrap();
        let staged = bench.stage(&archive).await.unwrap();

        let kept = bench.store.put(&verified(&staged)).await.unwrap();

        assert_eq!(kept.mended.len(), 1, "{kept:?}");
        assert_eq!(fs::read(&object).unwrap(), archive);
    }
}

#[tokio::test]
async fn a_server_that_does_not_list_unfinished_uploads_is_not_taken_to_have_none() {
    let bench = on_s3().await;
    bench.server().fail(|_, uri| {
        let lists = uri.query().is_some_and(|query| query.contains("uploads"));
        lists.then_some(Fault::Said(403, "AccessDenied"))
    });

    let swept = bench.store.sweep_unfinished(Timestamp::MAX).await;

    assert!(matches!(swept, Err(StoreError::Unavailable { .. })), "{swept:?}");
}

#[tokio::test]
async fn only_uploads_below_the_prefix_are_asked_for() {
    let bench = on_s3().await;

    bench.store.sweep_unfinished(Timestamp::MAX).await.unwrap();

    let asked: Vec<_> = bench.server().seen().into_iter().map(|(_, uri)| uri).collect();
    let lists: Vec<_> = asked.iter().filter(|uri| uri.contains("uploads=")).collect();
    assert_eq!(lists, ["/bundles?prefix=sha256%2F&uploads="]);
}
