//! What is special about bundles on a server.

use std::fs;
use std::sync::Arc;

use hyper::{Method, Uri};
use jiff::Timestamp;
use plugboard::model::{FactState, StoreCapability, StoreFacts};
use plugboard::store::{BundleStore, StoreError, examine};

use super::harness::{Bench, bundle_of_pages, small_bundle, verified};
use crate::support::random::noise;
use crate::support::s3_server::{Fault, Manners, S3Server, config_for};

/// A bundle that is sent in two parts.
fn large_bundle() -> Vec<u8> {
    bundle_of_pages("large", &[("ui/index.html", &noise(1, 9 * 1024 * 1024))])
}

fn states(facts: &StoreFacts) -> Vec<(StoreCapability, FactState)> {
    facts.facts.iter().map(|fact| (fact.capability, fact.state)).collect()
}

fn is_completion(method: &Method, uri: &Uri) -> bool {
    method == Method::POST && uri.query().is_some_and(|query| query.contains("uploadId="))
}

fn is_archive(uri: &Uri) -> bool {
    uri.path().ends_with("bundle.tar.zst")
}

/// Fails the first `count` of the requests that `which` picks.
fn first(
    count: usize,
    fault: Fault,
    which: impl Fn(&Method, &Uri) -> bool + Send + 'static,
) -> impl FnMut(&Method, &Uri) -> Option<Fault> + Send + 'static {
    let mut left = count;
    move |method, uri| {
        let fails = left > 0 && which(method, uri);
        left -= usize::from(fails);
        fails.then_some(fault)
    }
}

#[tokio::test]
async fn a_probe_sees_what_a_careful_server_can() {
    let server = S3Server::start();
    let bench = Bench::on_server(server, S3Server::config_with_public_endpoint);

    let facts = bench.store.probe(Timestamp::UNIX_EPOCH).await;

    let expected = StoreCapability::ALL.map(|capability| (capability, FactState::Works));
    assert_eq!(states(&facts), expected, "{facts:#?}");
}

#[tokio::test]
async fn a_probe_sees_what_a_careless_server_ignores() {
    let bench = Bench::on_s3(Manners::CARELESS);

    let facts = bench.store.probe(Timestamp::UNIX_EPOCH).await;

    let missing: Vec<_> = facts.missing().map(|fact| fact.capability).collect();
    assert_eq!(
        missing,
        [
            StoreCapability::CreateOnly,
            StoreCapability::CreateOnlyMultipart,
            StoreCapability::Checksums
        ],
        "{facts:#?}"
    );
}

#[tokio::test]
async fn a_probe_leaves_nothing_behind() {
    for bench in Bench::each_server() {
        bench.store.probe(Timestamp::UNIX_EPOCH).await;

        assert_eq!(bench.keys().await, Vec::<String>::new());
        assert_eq!(bench.unfinished().await, 0);
    }
}

#[tokio::test]
async fn a_probe_says_what_a_server_said() {
    let bench = Bench::on_s3(Manners::default());
    bench.server().fail(|_, _| Some(Fault::Status(403)));

    let facts = bench.store.probe(Timestamp::UNIX_EPOCH).await;

    let reach = &facts.facts[0];
    assert_eq!((reach.capability, reach.state), (StoreCapability::Reach, FactState::Missing));
    assert!(reach.sentence.contains("403"), "{reach:?}");
    assert!(facts.facts[1..].iter().all(|fact| fact.state == FactState::NotChecked), "{facts:?}");
}

#[tokio::test]
async fn a_store_on_disk_is_examined_beside_its_appliance() {
    let config = super::harness::config();
    let bench = Bench::directory(&config);
    let _upload = bench.store.stage().await.unwrap();

    let found = examine(&config, bench.folder.path(), Timestamp::UNIX_EPOCH).await.unwrap();

    let facts = found.facts.unwrap();
    assert_eq!(facts.missing().count(), 0, "{facts:?}");
    assert_eq!(facts.state(StoreCapability::CreateOnly), FactState::Works);
    assert!(found.staging.1.is_ok());
    // The upload that arrives is left alone, and nothing is left behind.
    assert_eq!(fs::read_dir(bench.stored("_staging")).unwrap().count(), 1);
    assert!(!bench.stored("_probe").exists());
}

#[tokio::test]
async fn a_large_bundle_is_sent_in_parts_and_comes_back() {
    let page = noise(1, 20 * 1024 * 1024);
    let archive = bundle_of_pages("large", &[("ui/index.html", &page)]);
    for bench in Bench::each_server() {
        bench.store.probe(Timestamp::UNIX_EPOCH).await;

        let version = bench.publish(&archive).await;

        let object = format!("{}/bundle.tar.zst", version.content_hash.hex());
        assert!(bench.object(&object).await == archive);
        assert!(bench.read(&version, "ui/index.html").await.unwrap() == page);
        assert_eq!(bench.unfinished().await, 0);
    }
}

#[tokio::test]
async fn a_large_bundle_is_not_sent_twice() {
    let bench = Bench::on_s3(Manners::CARELESS);
    let archive = large_bundle();
    bench.publish(&archive).await;
    let sent = |bench: &Bench| {
        bench.server().seen().iter().filter(|(method, _)| *method == Method::PUT).count()
    };
    let before = sent(&bench);

    bench.publish(&archive).await;

    assert_eq!(sent(&bench), before);
}

#[tokio::test]
async fn a_large_object_that_does_not_have_its_hash_is_replaced_by_the_verified_one() {
    for manners in [Manners::default(), Manners::CARELESS] {
        let bench = Bench::on_s3(manners);
        let archive = large_bundle();
        let staged = bench.stage(&archive).await.unwrap();
        let object = bench.stored(&staged.content_hash.hex()).join("bundle.tar.zst");
        fs::create_dir_all(object.parent().unwrap()).unwrap();
        fs::write(&object, vec![0; archive.len()]).unwrap();

        let kept = bench.store.put(&verified(&staged)).await.unwrap();

        assert_eq!(kept.mended.len(), 1, "{kept:?}");
        assert_eq!(fs::read(&object).unwrap(), archive);
    }
}

#[tokio::test]
async fn two_appliances_on_one_bucket_store_a_bundle_once() {
    for bench in Bench::each_server() {
        let folder = tempfile::tempdir().unwrap();
        let other = bench.beside(folder.path());
        for store in [&bench.store, &other] {
            store.probe(Timestamp::UNIX_EPOCH).await;
        }
        let staged = bench.stage(&small_bundle("a")).await.unwrap();
        let bundle = verified(&staged);

        let (first, second) = tokio::join!(bench.store.put(&bundle), other.put(&bundle));

        first.unwrap();
        second.unwrap();
        assert!(other.exists(&bundle.content_hash()).await.unwrap());
        let object = format!("{}/bundle.tar.zst", bundle.content_hash().hex());
        assert_eq!(bench.object(&object).await, small_bundle("a"));
    }
}

#[tokio::test]
async fn a_server_that_fails_twice_is_asked_a_third_time() {
    let bench = Bench::on_s3(Manners::default());
    let put = |method: &Method, uri: &Uri| method == Method::PUT && is_archive(uri);
    bench.server().fail(first(2, Fault::Status(503), put));

    let version = bench.publish(&small_bundle("a")).await;

    assert!(bench.store.exists(&version.content_hash).await.unwrap());
}

#[tokio::test]
async fn a_put_that_was_done_and_not_acknowledged_is_done() {
    let bench = Bench::on_s3(Manners::default());
    let put = |method: &Method, uri: &Uri| method == Method::PUT && is_archive(uri);
    bench.server().fail(first(1, Fault::ErrorDocument("InternalError"), put));

    let version = bench.publish(&small_bundle("a")).await;

    assert!(bench.read(&version, "ui/index.html").await.is_ok());
}

#[tokio::test]
async fn a_completion_that_fails_with_status_200_is_looked_into() {
    for code in ["InternalError", "AccessDenied"] {
        let bench = Bench::on_s3(Manners::default());
        bench.server().fail(first(1, Fault::ErrorDocument(code), is_completion));

        let version = bench.publish(&large_bundle()).await;

        assert!(bench.read(&version, "ui/index.html").await.is_ok(), "{code}");
        assert_eq!(bench.server().unfinished(), 0);
    }
}

#[tokio::test]
async fn an_answer_that_is_an_error_is_no_damage() {
    let bench = Bench::on_s3(Manners::default());
    let version = bench.publish(&small_bundle("a")).await;
    let get = |method: &Method, uri: &Uri| method == Method::GET && is_archive(uri);
    bench.server().fail(first(9, Fault::ErrorDocument("InternalError"), get));

    let read = bench.read(&version, "ui/index.html").await;

    assert!(matches!(read, Err(StoreError::Unavailable { .. })), "{read:?}");
    bench.server().heal();
    assert!(bench.read(&version, "ui/index.html").await.is_ok());
}

#[tokio::test]
async fn a_bucket_that_is_gone_is_no_damage() {
    let bench = Bench::on_s3(Manners::default());
    let version = bench.publish(&small_bundle("a")).await;
    bench.server().fail(|_, _| Some(Fault::Said(404, "NoSuchBucket")));

    let read = bench.read(&version, "ui/index.html").await;

    assert!(matches!(read, Err(StoreError::Unavailable { .. })), "{read:?}");
}

#[tokio::test]
async fn a_server_that_is_down_is_left_alone() {
    let bench = Bench::on_s3(Manners::default());
    let staged = bench.stage(&small_bundle("a")).await.unwrap();
    let bundle = verified(&staged);
    bench.server().fail(|_, _| Some(Fault::Status(500)));
    for _ in 0..2 {
        bench.store.put(&bundle).await.unwrap_err();
    }
    let asked = bench.server().seen().len();

    let put = bench.store.put(&bundle).await;

    assert!(matches!(put, Err(StoreError::Unavailable { .. })), "{put:?}");
    assert_eq!(bench.server().seen().len(), asked);
    let problem = bench.store.check_reachable().await.unwrap_err();
    assert!(problem.contains("5 times in a row"), "{problem}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = config_for(&format!("http://{}", listener.local_addr().unwrap()));
    config.s3.first_byte_timeout_ms = 20;
    config.s3.tries = 2;
    let folder = tempfile::tempdir().unwrap();
    let store = BundleStore::open(&config, folder.path()).unwrap();

    let problem = store.check_reachable().await.unwrap_err();

    assert!(problem.contains("did not begin to answer in 20 ms"), "{problem}");
}

#[tokio::test]
async fn nobody_at_the_address_is_said_at_once() {
    let address = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let store = BundleStore::open(&config_for(&format!("http://{address}")), folder.path());

    let problem = store.unwrap().check_reachable().await.unwrap_err();

    assert!(problem.contains("refused"), "{problem}");
}

#[tokio::test]
async fn reachability_is_asked_once_in_five_seconds() {
    let bench = Bench::on_s3(Manners::default());

    for _ in 0..10 {
        bench.store.check_reachable().await.unwrap();
    }

    assert_eq!(bench.server().seen().len(), 1);
}

#[tokio::test]
async fn parts_that_nobody_completed_are_swept() {
    for bench in Bench::each_server() {
        bench.leave_part().await;

        assert_eq!(bench.store.sweep_unfinished(Timestamp::UNIX_EPOCH).await.unwrap(), 0);
        assert_eq!(bench.store.sweep_unfinished(Timestamp::MAX).await.unwrap(), 1);
        assert_eq!(bench.unfinished().await, 0);
    }
}

#[tokio::test]
async fn parts_that_could_not_be_given_back_are_swept() {
    let bench = Bench::on_s3(Manners::default());
    let staged = bench.stage(&large_bundle()).await.unwrap();
    // The parts fail for good, and so does giving them back.
    bench.server().fail(|method, uri| {
        let part = uri.query().is_some_and(|query| query.contains("uploadId="));
        (part && *method != Method::POST).then_some(Fault::Status(400))
    });
    bench.store.put(&verified(&staged)).await.unwrap_err();
    bench.server().heal();
    assert_eq!(bench.server().unfinished(), 1);

    assert_eq!(bench.store.sweep_unfinished(Timestamp::UNIX_EPOCH).await.unwrap(), 0);
    assert_eq!(bench.server().unfinished(), 1);
    assert_eq!(bench.store.sweep_unfinished(Timestamp::MAX).await.unwrap(), 1);
    assert_eq!(bench.server().unfinished(), 0);
}

#[tokio::test]
async fn leftovers_of_probes_and_of_staged_objects_are_swept_by_age() {
    let bench = Bench::on_s3(Manners::default());
    for below in ["_probe/x", "_staging/y"] {
        fs::create_dir_all(bench.stored(below)).unwrap();
        fs::write(bench.stored(below).join("object"), "x").unwrap();
    }
    let version = bench.publish(&small_bundle("a")).await;

    assert_eq!(bench.store.sweep_unfinished(Timestamp::UNIX_EPOCH).await.unwrap(), 0);
    assert_eq!(bench.store.sweep_unfinished(Timestamp::MAX).await.unwrap(), 2);
    assert!(bench.store.exists(&version.content_hash).await.unwrap());
}

#[tokio::test]
async fn a_start_counts_what_is_kept_on_the_server() {
    let bench = Bench::on_s3(Manners::default());
    let archive = small_bundle("a");
    bench.quarantine(&archive).await;
    let mut config = bench.server().config();
    config.max_staged_bytes = archive.len() as u64 + 10;
    let store = BundleStore::open(&config, bench.folder.path()).unwrap();

    store.probe(Timestamp::UNIX_EPOCH).await;

    let mut staging = store.stage().await.unwrap();
    assert!(matches!(staging.write(vec![0; 11].into()).await, Err(StoreError::StagedFull { .. })));
}

#[tokio::test]
async fn requests_are_signed() {
    let server = S3Server::start();
    let mut config = server.config();
    config.s3.secret_key = "another".to_owned().into();
    let folder = tempfile::tempdir().unwrap();
    let store = BundleStore::open(&config, folder.path()).unwrap();

    let facts = store.probe(Timestamp::UNIX_EPOCH).await;

    assert_eq!(facts.state(StoreCapability::Reach), FactState::Missing);
    assert_eq!(server.keys(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_bundles_are_put_at_once() {
    for bench in Bench::each_server() {
        let bench = Arc::new(bench);
        let publishing = (0..16).map(|n| {
            let bench = Arc::clone(&bench);
            tokio::spawn(async move { bench.publish(&small_bundle(&format!("n{n}"))).await })
        });

        for each in publishing.collect::<Vec<_>>() {
            let version = each.await.unwrap();
            assert!(bench.read(&version, "ui/index.html").await.is_ok());
        }
    }
}
