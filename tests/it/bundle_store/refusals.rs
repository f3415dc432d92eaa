//! What the store refuses to keep, and what a server may not talk it into.

use std::fs;
use std::io::Write;
use std::net::TcpListener;

use hyper::Method;
use jiff::Timestamp;
use plugboard::model::{FactState, StoreCapability};
use plugboard::store::{BundleStore, StoreError};

use super::harness::{Bench, bundle_of_pages, small_bundle, verified};
use crate::support::random::noise;
use crate::support::s3_server::{Fault, Manners, config_for};

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

    let asked = bench.server().seen().into_iter();
    let lists = asked.filter(|(method, uri)| *method == Method::GET && uri.contains("uploads="));
    let queries: Vec<_> = lists.map(|(_, uri)| uri.split_once('?').unwrap().1.to_owned()).collect();
    assert_eq!(queries, ["prefix=sha256%2F&uploads="]);
}

#[tokio::test]
async fn a_refusal_after_which_the_object_is_another_is_no_create_only() {
    let careless = Manners { ignores_conditions: true, ..Manners::default() };
    let bench = Bench::on_s3(careless);
    let mut creations = 0;
    bench.server().fail(move |method, uri| {
        let creates = *method == Method::PUT && uri.path().ends_with("/create");
        creations += usize::from(creates);
        (creates && creations == 2).then_some(Fault::ErrorDocument("PreconditionFailed"))
    });

    let facts = bench.store.probe(Timestamp::UNIX_EPOCH).await;

    assert_eq!(facts.state(StoreCapability::CreateOnly), FactState::Missing);
}

#[tokio::test]
async fn a_checksum_that_is_refused_for_its_signature_is_not_checked() {
    let bench = Bench::on_s3(Manners::default());
    bench.server().fail(|method, uri| {
        let checks = *method == Method::PUT && uri.path().ends_with("/checksum");
        checks.then_some(Fault::Said(403, "SignatureDoesNotMatch"))
    });

    let facts = bench.store.probe(Timestamp::UNIX_EPOCH).await;

    assert_eq!(facts.state(StoreCapability::Checksums), FactState::Missing);
}

#[tokio::test]
async fn signed_addresses_that_a_server_refuses_do_not_work() {
    let bench = Bench::on_s3(Manners::default());
    bench.server().fail(|method, uri| {
        let signed = uri.query().is_some_and(|query| query.contains("X-Amz-Signature="));
        (signed && *method == Method::GET).then_some(Fault::Said(403, "AccessDenied"))
    });

    let facts = bench.store.probe(Timestamp::UNIX_EPOCH).await;

    assert_eq!(facts.state(StoreCapability::Presign), FactState::Missing);
}

#[tokio::test]
async fn a_removal_that_is_only_said_to_be_done_does_not_work() {
    let bench = Bench::on_s3(Manners::default());
    bench.server().fail(|method, _| (*method == Method::DELETE).then_some(Fault::Status(204)));

    let facts = bench.store.probe(Timestamp::UNIX_EPOCH).await;

    assert_eq!(facts.state(StoreCapability::Delete), FactState::Missing);
}

#[tokio::test]
async fn a_server_that_replaces_objects_is_asked_before_each_is_made() {
    let bench = Bench::on_s3(Manners { ignores_conditions: true, ..Manners::default() });
    bench.store.probe(Timestamp::UNIX_EPOCH).await;
    let puts = |bench: &Bench| {
        bench.server().seen().iter().filter(|(method, _)| *method == Method::PUT).count()
    };
    bench.publish(&small_bundle("a")).await;
    let before = puts(&bench);

    bench.publish(&small_bundle("a")).await;

    assert_eq!(puts(&bench), before);
}

#[tokio::test]
async fn an_answer_that_stands_still_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = config_for(&format!("http://{}", listener.local_addr().unwrap()));
    config.s3.idle_timeout_ms = 20;
    config.s3.tries = 1;
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/xml\r\ncontent-length: 99";
            stream.write_all(format!("{head}\r\n\r\n<List").as_bytes()).unwrap();
            open.push(stream);
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let store = BundleStore::open(&config, folder.path()).unwrap();

    let swept = store.sweep_unfinished(Timestamp::MAX).await;

    assert!(matches!(swept, Err(StoreError::Unavailable { .. })), "{swept:?}");
}
