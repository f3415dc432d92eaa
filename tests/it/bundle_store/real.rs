//! What is special about a server that is not of this process: run on one that
//! the environment names, with whatever it does and does not do.

use std::sync::Arc;

use jiff::Timestamp;
use object_store::PutPayload;
use object_store::multipart::MultipartStore;
use plugboard::store::BundleStore;

use super::harness::{Bench, bundle_of_pages, noise, small_bundle, verified};

/// A store on the server, probed.
async fn bench() -> Bench {
    let bench = Bench::on_real_server().expect("PLUGBOARD_TEST_S3_ENDPOINT names a server");
    bench.store.probe(Timestamp::UNIX_EPOCH).await;
    bench
}

/// Whether parts that nobody completed are known to the server.
async fn unfinished(bench: &Bench) -> usize {
    bench.store.sweep_unfinished(Timestamp::MAX).await.unwrap()
}

#[tokio::test]
#[ignore = "run by .ci/soak garage, which starts the server"]
async fn a_probe_leaves_nothing_on_a_real_server() {
    let bench = bench().await;

    assert_eq!(bench.real_bucket().list().await, []);
    assert_eq!(unfinished(&bench).await, 0);
}

#[tokio::test]
#[ignore = "run by .ci/soak garage, which starts the server"]
async fn a_large_bundle_goes_to_a_real_server_in_parts_and_comes_back() {
    let bench = bench().await;
    let archive = bundle_of_pages("large", &[("ui/index.html", &noise(1, 20 * 1024 * 1024))]);

    let version = bench.publish(&archive).await;

    let stored = bench.object(&format!("{}/bundle.tar.zst", version.content_hash.hex())).await;
    assert!(stored == archive, "{} bytes of {}", stored.len(), archive.len());
    assert_eq!(bench.read(&version, "ui/index.html").await.unwrap(), noise(1, 20 * 1024 * 1024));
    assert_eq!(unfinished(&bench).await, 0);
}

#[tokio::test]
#[ignore = "run by .ci/soak garage, which starts the server"]
async fn parts_that_nobody_completed_are_swept_from_a_real_server() {
    let bench = bench().await;
    let bucket = bench.real_bucket();
    let key = bucket.key("left/bundle.tar.zst");
    let upload = bucket.objects.create_multipart(&key).await.unwrap();
    let part = PutPayload::from_static(b"left");
    bucket.objects.put_part(&key, &upload, 0, part).await.unwrap();

    assert_eq!(bench.store.sweep_unfinished(Timestamp::UNIX_EPOCH).await.unwrap(), 0);
    assert_eq!(unfinished(&bench).await, 1);
    assert_eq!(unfinished(&bench).await, 0);
}

#[tokio::test]
#[ignore = "run by .ci/soak garage, which starts the server"]
async fn two_appliances_on_one_real_bucket_store_a_bundle_once() {
    let bench = bench().await;
    let folder = tempfile::tempdir().unwrap();
    let other = BundleStore::open(&bench.real_bucket().config, folder.path()).unwrap();
    other.probe(Timestamp::UNIX_EPOCH).await;
    let staged = bench.stage(&small_bundle("a")).await.unwrap();
    let bundle = verified(&staged);

    let (first, second) = tokio::join!(bench.store.put(&bundle), other.put(&bundle));

    first.unwrap();
    second.unwrap();
    let archive = bench.object(&format!("{}/bundle.tar.zst", bundle.content_hash().hex())).await;
    assert_eq!(archive, small_bundle("a"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "run by .ci/soak garage, which starts the server"]
async fn many_bundles_are_put_on_a_real_server_at_once() {
    let bench = Arc::new(bench().await);
    let publishing = (0..16).map(|n| {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move { bench.publish(&small_bundle(&format!("n{n}"))).await })
    });

    for each in publishing.collect::<Vec<_>>() {
        let version = each.await.unwrap();
        assert!(bench.read(&version, "ui/index.html").await.is_ok());
    }
}
