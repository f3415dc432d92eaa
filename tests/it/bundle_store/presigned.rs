//! Addresses at the public endpoint: they allow what was signed, once and for a
//! while, and a public endpoint that allows more is not used.

use std::fs;
use std::time::Duration;

use hyper::header::HeaderValue;
use hyper::{Method, StatusCode, Uri};
use jiff::Timestamp;
use plugboard::model::{ContentHash, StoreCapability, StoreFacts, Upload, UploadId};
use plugboard::store::{SentAs, SignedRequest};

use super::harness::{Bench, small_bundle};
use super::uploads::row;
use crate::support::s3_server::{Fault, Manners, S3Server};
use crate::support::sender::{Sending, get, put};

const BYTES: &[u8] = b"abc";
const MINUTE: Duration = Duration::from_mins(1);

fn bench(manners: Manners) -> Bench {
    let server = S3Server::start_with(manners);
    Bench::on_server(server, S3Server::config_with_public_endpoint)
}

async fn probed(manners: Manners) -> Bench {
    let bench = bench(manners);
    bench.store.probe(Timestamp::UNIX_EPOCH).await;
    assert!(bench.store.presigns());
    bench
}

/// An upload of [`BYTES`] that has begun.
fn begun() -> Upload {
    row(BYTES.len() as u64, 0)
}

fn sent_as() -> SentAs {
    SentAs { content_type: HeaderValue::from_static("application/zstd"), cache_control: None }
}

/// An address for [`BYTES`], and the key it is for.
fn address(bench: &Bench, life: Duration) -> (SignedRequest, String) {
    let upload = begun();
    let signed = bench.store.presign_upload(&upload, &sent_as(), life).unwrap();
    (signed, format!("sha256/_staging/{}/bundle.tar.zst", upload.id))
}

fn sent(signed: &SignedRequest) -> Sending {
    put(&signed.url, &signed.headers, BYTES)
}

fn sentence(facts: &StoreFacts) -> &str {
    let fact = facts.facts.iter().find(|f| f.capability == StoreCapability::PublicEndpoint);
    &fact.unwrap().sentence
}

/// Whether the probe sends this request as a sender, or looks at what came of one.
fn is_of_a_sender(uri: &Uri) -> bool {
    uri.path().ends_with("/public") || uri.path().ends_with("/other")
}

#[tokio::test]
async fn a_public_endpoint_that_takes_what_was_not_signed_is_not_used() {
    for (number, what) in [
        (0, "another length"),
        (1, "another key"),
        (2, "other headers"),
        (4, "the same address twice"),
    ] {
        let bench = bench(Manners::default());
        let mut seen = 0;
        bench.server().fail(move |method, uri| {
            // Those that use the bucket itself are signed in a header.
            let by_sender = is_of_a_sender(uri) && uri.query().is_some() && method == Method::PUT;
            seen += usize::from(by_sender);
            (by_sender && seen == number + 1).then_some(Fault::Said(200, "Taken"))
        });

        let facts = bench.store.probe(Timestamp::UNIX_EPOCH).await;

        assert!(!bench.store.presigns(), "{what}");
        assert!(sentence(&facts).contains(what), "{what}: {}", sentence(&facts));
        assert_eq!(bench.server().keys(), Vec::<String>::new(), "{what}");
    }
}

#[tokio::test]
async fn a_public_endpoint_that_nobody_reaches_is_not_used() {
    let server = S3Server::start();
    let bench = Bench::on_server(server, |server| {
        let mut config = server.config();
        config.s3.public_endpoint = "http://127.0.0.1:1".to_owned();
        config
    });

    let facts = bench.store.probe(Timestamp::UNIX_EPOCH).await;

    assert!(!bench.store.presigns());
    assert!(sentence(&facts).contains("refused"), "{}", sentence(&facts));
    assert_eq!(facts.missing().count(), 1, "{facts:?}");
}

#[tokio::test]
async fn without_a_public_endpoint_nothing_is_said_of_one_and_nothing_is_signed() {
    let bench = Bench::on_s3(Manners::default());

    let facts = bench.store.probe(Timestamp::UNIX_EPOCH).await;

    assert!(facts.facts.iter().all(|f| f.capability != StoreCapability::PublicEndpoint));
    assert!(!bench.store.presigns());
    let signed = bench.store.presign_upload(&begun(), &sent_as(), MINUTE);
    signed.unwrap_err();
}

#[tokio::test]
async fn an_address_allows_the_request_that_was_signed_and_no_other() {
    let bench = probed(Manners::default()).await;
    let published = bench.publish(&small_bundle("a")).await;
    let canonical = format!("sha256/{}/bundle.tar.zst", published.content_hash.hex());
    let (signed, key) = address(&bench, MINUTE);
    let at = |url: String| put(&url, &signed.headers, BYTES);
    let other_key = key.replace("_staging", "_staging/x");
    let manifest = canonical.replace("bundle.tar.zst", "manifest.json");
    let before = fs::read(bench.server().object(&canonical)).unwrap();
    let keys = bench.server().keys();

    for (what, request) in [
        ("POST", sent(&signed).method(Method::POST)),
        ("DELETE", sent(&signed).method(Method::DELETE)),
        ("GET", sent(&signed).method(Method::GET)),
        ("another key", at(signed.url.replace(&key, &other_key))),
        ("the key of a published bundle", at(signed.url.replace(&key, &canonical))),
        ("the key of its manifest", at(signed.url.replace(&key, &manifest))),
        ("one byte more", put(&signed.url, &signed.headers, b"abcd")),
        ("one byte less", put(&signed.url, &signed.headers, b"ab")),
        ("no length", sent(&signed).chunked().await),
        ("another type", sent(&signed).header("content-type", "text/html")),
        ("no type", sent(&signed).without("content-type")),
        ("no condition", sent(&signed).without("if-none-match")),
        ("another condition", sent(&signed).header("if-none-match", "\"x\"")),
        ("a header of S3", sent(&signed).header("x-amz-acl", "public-read")),
        ("a source to copy", sent(&signed).header("x-amz-copy-source", "bundles/x")),
        ("metadata", sent(&signed).header("x-amz-meta-a", "b")),
        ("credentials, too", sent(&signed).header("authorization", "AWS4-HMAC-SHA256 x")),
        (
            "an unsigned stream",
            sent(&signed).header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ),
        ("a part", at(format!("{}&partNumber=1&uploadId=x", signed.url))),
        ("another parameter", at(format!("{}&x-id=PutObject", signed.url))),
        ("a permission", at(format!("{}&acl=", signed.url))),
        ("a parameter twice", at(format!("{}&X-Amz-Expires=60", signed.url))),
        ("a longer life", at(signed.url.replace("X-Amz-Expires=60", "X-Amz-Expires=600"))),
        ("fewer signed headers", at(signed.url.replace("content-length%3B", ""))),
        ("another signature", at(signed.url.replace("Signature=", "Signature=0"))),
        ("no signature", at(signed.url.split("&X-Amz-Signature").next().unwrap().to_owned())),
    ] {
        let answer = request.send().await;

        let refused = answer.status.is_client_error() || answer.status.as_u16() == 501;
        assert!(refused, "{what}: {} {}", answer.status, answer.text());
        assert_eq!(bench.server().keys(), keys, "{what}");
    }
    assert_eq!(fs::read(bench.server().object(&canonical)).unwrap(), before);
    assert_eq!(sent(&signed).send().await.status, StatusCode::OK);
    assert_eq!(fs::read(bench.server().object(&key)).unwrap(), BYTES);
}

#[tokio::test]
async fn an_address_is_not_good_when_its_time_is_over() {
    let bench = probed(Manners::default()).await;
    // Signed for a second that is over when it is full.
    let (signed, key) = address(&bench, Duration::ZERO);

    let answer = sent(&signed).send().await;

    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text());
    assert!(!bench.server().object(&key).exists());
}

#[tokio::test]
async fn an_address_is_good_for_one_object_where_the_store_looks() {
    let bench = probed(Manners::default()).await;
    let (signed, key) = address(&bench, MINUTE);
    sent(&signed).send().await;

    let again = put(&signed.url, &signed.headers, b"xyz").send().await;

    assert_eq!(again.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(fs::read(bench.server().object(&key)).unwrap(), BYTES);
}

#[tokio::test]
async fn a_store_that_does_not_look_is_not_asked_to() {
    let bench = probed(Manners { ignores_conditions: true, ..Manners::default() }).await;

    let (signed, _) = address(&bench, MINUTE);

    assert!(!signed.headers.contains_key("if-none-match"), "{signed:?}");
    assert!(signed.url.contains("content-length%3Bcontent-type%3Bhost"), "{signed:?}");
}

#[tokio::test]
async fn other_bytes_than_were_declared_do_not_arrive() {
    let bench = probed(Manners::default()).await;
    // One for each: `s3s-fs` refuses other bytes, and keeps them.
    let [first, second, third] = [(); 3]
        .map(|()| Upload { declared_hash: Some(ContentHash::of(BYTES)), ..begun() })
        .map(|declared| bench.store.presign_upload(&declared, &sent_as(), MINUTE).unwrap());

    let other = put(&first.url, &first.headers, b"xyz").send().await;
    let bare = sent(&second).without("x-amz-checksum-sha256").send().await;
    let good = sent(&third).send().await;

    assert_eq!(other.status, StatusCode::BAD_REQUEST, "{}", other.text());
    assert_eq!(bare.status, StatusCode::FORBIDDEN, "{}", bare.text());
    assert_eq!(good.status, StatusCode::OK, "{}", good.text());
}

#[tokio::test]
async fn a_download_address_reads_one_bundle_and_writes_nothing() {
    let bench = probed(Manners::default()).await;
    let archive = small_bundle("a");
    let published = bench.publish(&archive).await;
    let other = bench.publish(&small_bundle("b")).await.content_hash.hex();
    let hash = published.content_hash.hex();

    let url = bench.store.presign_download(&published, "a-1.0.0.tar.zst", MINUTE).unwrap();

    assert_eq!(get(&url).send().await.body, archive);
    assert_eq!(get(&url.replace(&hash, &other)).send().await.status, StatusCode::FORBIDDEN);
    for method in [Method::PUT, Method::DELETE, Method::POST] {
        let answer = get(&url).method(method.clone()).send().await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method}");
    }
    let over = bench.store.presign_download(&published, "a", Duration::ZERO).unwrap();
    assert_eq!(get(&over).send().await.status, StatusCode::FORBIDDEN);
}

/// A server with an upload in parts, whose listing fails so many times with this.
async fn failing_lists(times: usize, fault: Fault) -> (Bench, UploadId, String) {
    let bench = bench(Manners::default());
    let id = UploadId::random();
    let upload_id = bench.store.begin_parts(id).await.unwrap();
    let mut left = times;
    bench.server().fail(move |_, uri| {
        let fails = uri.query().is_some_and(|query| query.contains("max-parts=")) && left > 0;
        left -= usize::from(fails);
        fails.then_some(fault)
    });
    (bench, id, upload_id)
}

#[tokio::test]
async fn parts_are_asked_for_as_often_as_any_object_and_no_oftener() {
    for (failures, is_listed, asked) in [(0, true, 1), (2, true, 3), (3, false, 3)] {
        let (bench, id, upload_id) = failing_lists(failures, Fault::Status(500)).await;

        let parts = bench.store.list_parts(id, &upload_id).await;

        assert_eq!(parts.is_ok(), is_listed, "{failures}: {parts:?}");
        let seen = bench.server().seen();
        assert_eq!(seen.iter().filter(|(_, uri)| uri.contains("max-parts=")).count(), asked);
    }
}

#[tokio::test]
async fn an_upload_in_parts_is_over_only_when_the_server_says_just_that() {
    for (code, is_over) in [("NoSuchUpload", true), ("NoSuchUploadPolicy", false)] {
        let (bench, id, upload_id) = failing_lists(1, Fault::Said(404, code)).await;

        let parts = bench.store.list_parts(id, &upload_id).await;

        assert_eq!(matches!(parts, Ok(None)), is_over, "{code}: {parts:?}");
        assert_eq!(parts.is_err(), !is_over, "{code}");
    }
}
