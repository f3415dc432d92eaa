//! `initiate-upload` where senders reach the store: the bundle is sent there, looked at
//! here, and is under the same limits as every other.

use std::fs;

use axum::http::{Method, StatusCode};
use plugboard::model::ContentHash;
use serde_json::{Value, json};

use super::{FINALIZE, hello, refused, unfinished};
use crate::support::bundle_builder::BundleBuilder;
use crate::support::random::noise;
use crate::support::s3_server::{Fault, Manners, S3Server};
use crate::support::sender::{Sending, put, told};
use crate::support::test_app::{ORIGIN, TestApp};

const INITIATE: &str = "/api/ext-bundles/initiate-upload";
const ABORT: &str = "/api/ext-bundles/abort";

async fn initiate(app: &TestApp, archive: &[u8]) -> Value {
    let body = json!({ "filename": "bundle.tar.zst", "size": archive.len() });
    let answer = app.post(INITIATE, body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()["upload"].clone()
}

fn key(upload: &Value) -> String {
    upload["key"].as_str().unwrap().to_owned()
}

/// The request that a sender was told to make.
fn sending(upload: &Value, archive: &[u8]) -> Sending {
    put(upload["url"].as_str().unwrap(), &told(&upload["requiredHeaders"]), archive)
}

/// Begins an upload and sends it; gives what was told about it.
async fn sent(app: &TestApp, archive: &[u8]) -> Value {
    let upload = initiate(app, archive).await;
    let answer = sending(&upload, archive).send().await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    upload
}

/// A bundle that does not compress, so that it comes in several pieces.
fn large() -> BundleBuilder {
    hello("1.0.0").file("ui/noise.bin", noise(1, 128 * 1024))
}

#[tokio::test]
async fn a_bundle_is_sent_to_the_store_and_fetched_from_there_once() {
    let server = S3Server::start();
    let app = TestApp::start_with_public_store(&server).await;
    let archive = hello("1.0.0").build();
    let upload = initiate(&app, &archive).await;
    let url = upload["url"].as_str().unwrap();
    let key = key(&upload);
    assert!(url.starts_with(&format!("{}/bundles/{key}?", server.public_endpoint())), "{url}");
    assert_eq!((&upload["strategy"], &upload["method"]), (&"staging".into(), &"PUT".into()));
    assert_eq!(upload["expiresSeconds"], 900);
    let required = json!({ "content-type": "application/octet-stream", "if-none-match": "*" });
    assert_eq!(upload["requiredHeaders"], required);

    let put = sending(&upload, &archive).send().await;
    let finalized = app.post(FINALIZE, json!({ "key": key })).await;

    assert_eq!(put.status, StatusCode::OK, "{}", put.text());
    let hash = ContentHash::of(&archive).hex();
    assert_eq!(finalized.json()["contentHash"], hash, "{}", finalized.text());
    let path = format!("/bundles/{key}");
    let reads = |(method, uri): &&(Method, String)| *method == Method::GET && *uri == path;
    assert_eq!(server.seen().iter().filter(reads).count(), 1);
    assert!(!server.object(&key).exists());
    let stored = server.object(&format!("sha256/{hash}/bundle.tar.zst"));
    assert_eq!(fs::read(stored).unwrap(), archive);
    assert_eq!(app.app.bundles.staged_bytes(), 0);
}

#[tokio::test]
async fn without_a_public_endpoint_that_works_the_address_is_our_own() {
    let server = S3Server::start();
    let mut unreachable = server.config();
    unreachable.s3.public_endpoint = "http://127.0.0.1:1".to_owned();

    for store in [server.config(), unreachable] {
        let app = TestApp::start_with_store(store).await;
        let upload = initiate(&app, b"abc").await;

        let url = upload["url"].as_str().unwrap();
        assert!(url.starts_with(&format!("{ORIGIN}/api/ext-bundles/uploads/")), "{url}");
    }
}

#[tokio::test]
async fn headers_that_the_sender_chose_are_part_of_the_address() {
    let server = S3Server::start();
    let app = TestApp::start_with_public_store(&server).await;
    let archive = hello("1.0.0").build();
    let hash = ContentHash::of(&archive).hex();
    let body = json!({
        "filename": "a", "size": archive.len(), "declaredHash": hash,
        "contentType": "application/zstd", "cacheControl": "no-store",
    });
    let upload = app.post(INITIATE, body).await.json()["upload"].clone();

    let other = sending(&upload, &archive).header("cache-control", "public").send().await;
    let good = sending(&upload, &archive).send().await;

    assert_eq!(other.status, StatusCode::FORBIDDEN);
    assert_eq!(good.status, StatusCode::OK, "{}", good.text());
    let required = told(&upload["requiredHeaders"]);
    assert_eq!(required["content-type"], "application/zstd");
    assert!(required.contains_key("x-amz-checksum-sha256"), "{required:?}");
}

#[tokio::test]
async fn a_bundle_that_was_not_sent_yet_can_still_be() {
    let server = S3Server::start();
    let app = TestApp::start_with_public_store(&server).await;
    let archive = hello("1.0.0").build();
    let upload = initiate(&app, &archive).await;

    let early = app.post(FINALIZE, json!({ "key": upload["key"] })).await;
    sending(&upload, &archive).send().await;
    let late = app.post(FINALIZE, json!({ "key": upload["key"] })).await;

    refused(&early, StatusCode::BAD_REQUEST, "STAGING_NOT_FOUND");
    assert_eq!(late.status, StatusCode::OK, "{}", late.text());
}

#[tokio::test]
async fn aborting_removes_what_was_sent() {
    let server = S3Server::start();
    let app = TestApp::start_with_public_store(&server).await;
    let upload = sent(&app, b"abc").await;

    let aborted = app.post(ABORT, json!({ "key": upload["key"] })).await;

    assert_eq!(aborted.json()["status"], "deleted", "{}", aborted.text());
    assert_eq!(server.keys(), Vec::<String>::new());
    assert_eq!(unfinished(&app).await.len(), 0);
    assert_eq!(app.app.bundles.staged_bytes(), 0);
}

#[tokio::test]
async fn an_abort_that_does_not_reach_the_store_says_so_and_can_be_repeated() {
    let server = S3Server::start();
    let app = TestApp::start_with_public_store(&server).await;
    let upload = sent(&app, b"abc").await;
    server.fail(|method, _| (*method == Method::DELETE).then_some(Fault::Status(400)));

    let failed = app.post(ABORT, json!({ "key": upload["key"] })).await;
    server.heal();
    app.post(ABORT, json!({ "key": upload["key"] })).await;

    assert_eq!(failed.status, StatusCode::INTERNAL_SERVER_ERROR, "{}", failed.text());
    assert_eq!(server.keys(), Vec::<String>::new());
}

#[tokio::test]
async fn what_was_promised_counts_before_it_is_sent() {
    let server = S3Server::start();
    let app = TestApp::start_with_public_store(&server).await;
    for _ in 0..16 {
        initiate(&app, b"abc").await;
    }

    let one_more = app.post(INITIATE, json!({ "filename": "a", "size": 3 })).await;
    let too_large = app.post(INITIATE, json!({ "filename": "a", "size": 209_715_201 })).await;

    refused(&one_more, StatusCode::TOO_MANY_REQUESTS, "RATE_LIMIT");
    refused(&too_large, StatusCode::BAD_REQUEST, "BAD_REQUEST");
    assert_eq!(app.app.bundles.staged_bytes(), 48);
}

#[tokio::test]
async fn the_room_of_everybody_holds_for_what_goes_to_the_store() {
    let server = S3Server::start();
    let mut store = server.config_with_public_endpoint();
    store.max_staged_bytes = 5;
    let app = TestApp::start_with_store(store).await;
    initiate(&app, b"abc").await;

    let second = app.post(INITIATE, json!({ "filename": "a", "size": 3 })).await;

    refused(&second, StatusCode::INSUFFICIENT_STORAGE, "DISK_FULL");
}

#[tokio::test]
async fn a_bundle_that_nobody_finalizes_is_swept_after_half_an_hour() {
    let server = S3Server::start();
    let app = TestApp::start_with_public_store(&server).await;
    let upload = sent(&app, b"abc").await;
    app.clock.advance(30 * 60);

    app.app.sweep().await.unwrap();

    assert_eq!(server.keys(), Vec::<String>::new());
    assert_eq!(app.app.bundles.staged_bytes(), 0);
    let late = app.post(FINALIZE, json!({ "key": upload["key"] })).await;
    refused(&late, StatusCode::BAD_REQUEST, "STAGING_NOT_FOUND");
}

#[tokio::test]
async fn an_object_replaced_while_it_is_fetched_is_never_mixed_with_the_old_one() {
    let server = S3Server::start();
    let app = TestApp::start_with_public_store(&server).await;
    let archive = large().build();
    let upload = sent(&app, &archive).await;
    let staged = key(&upload);
    let replace = server.replacing(&staged, &vec![0; archive.len()]);
    let mut reads = 0;
    server.fail(move |method, uri| {
        let read = method == Method::GET && uri.path().ends_with(&staged);
        reads += usize::from(read);
        match reads {
            1 if read => Some(Fault::Cut),
            // What was cut off is asked for again: by then it is another object.
            2 if read => {
                replace();
                None
            }
            _ => None,
        }
    });

    let finalized = app.post(FINALIZE, json!({ "key": upload["key"] })).await;

    refused(&finalized, StatusCode::INTERNAL_SERVER_ERROR, "S3_GET_FAILED");
    let listed = app.get("/api/v1/extensions").await.json();
    assert_eq!(listed["versions"], json!([]));
    server.heal();
    let again = app.post(FINALIZE, json!({ "key": upload["key"] })).await;
    // Read from its beginning it is that object, and that is no bundle.
    refused(&again, StatusCode::BAD_REQUEST, "INVALID_BUNDLE");
}

#[tokio::test]
async fn what_a_careless_store_let_replace_is_what_is_looked_at() {
    let server = S3Server::start_with(Manners { ignores_conditions: true, ..Manners::default() });
    let app = TestApp::start_with_public_store(&server).await;
    let archive = hello("1.0.0").build();
    let upload = sent(&app, &archive).await;
    let other = vec![0; archive.len()];
    assert_eq!(sending(&upload, &other).send().await.status, StatusCode::OK);

    let body = json!({ "key": upload["key"], "declaredHash": ContentHash::of(&archive).hex() });
    let finalized = app.post(FINALIZE, body).await;

    let error = refused(&finalized, StatusCode::BAD_REQUEST, "HASH_MISMATCH");
    assert_eq!(error["details"]["computed"], ContentHash::of(&other).hex());
    assert_eq!(server.keys(), Vec::<String>::new());
}

#[tokio::test]
async fn an_object_of_another_length_is_refused_and_removed() {
    let server = S3Server::start();
    let app = TestApp::start_with_public_store(&server).await;
    for content in [&b"ab"[..], b"abcd"] {
        let upload = initiate(&app, b"abc").await;
        server.replace(&key(&upload), content);

        let finalized = app.post(FINALIZE, json!({ "key": upload["key"] })).await;

        let error = refused(&finalized, StatusCode::BAD_REQUEST, "LENGTH_MISMATCH");
        let numbers = json!({ "length": 3, "received_bytes": content.len() });
        assert_eq!(error["details"], numbers);
        assert_eq!(server.keys(), Vec::<String>::new());
        assert_eq!(unfinished(&app).await.len(), 0);
    }
}

#[tokio::test]
async fn a_bundle_that_could_not_be_fetched_is_fetched_by_the_next_try() {
    let server = S3Server::start();
    let app = TestApp::start_with_public_store(&server).await;
    let upload = sent(&app, &hello("1.0.0").build()).await;
    let path = key(&upload);
    server.fail(move |method, uri| {
        (method == Method::GET && uri.path().ends_with(&path)).then_some(Fault::Status(400))
    });

    let failed = app.post(FINALIZE, json!({ "key": upload["key"] })).await;
    server.heal();
    let good = app.post(FINALIZE, json!({ "key": upload["key"] })).await;

    refused(&failed, StatusCode::INTERNAL_SERVER_ERROR, "S3_GET_FAILED");
    assert_eq!(good.status, StatusCode::OK, "{}", good.text());
}

#[tokio::test]
async fn what_is_fetched_stays_what_it_was_whatever_is_sent_later() {
    let server = S3Server::start();
    let app = TestApp::start_with_public_store(&server).await;
    let archive = hello("1.0.0").build();
    let upload = sent(&app, &archive).await;
    app.post(FINALIZE, json!({ "key": upload["key"] })).await;

    // The address is still good, and its key is free again.
    let again = sending(&upload, &vec![0; archive.len()]).send().await;

    assert_eq!(again.status, StatusCode::OK);
    let hash = ContentHash::of(&archive).hex();
    let stored = server.object(&format!("sha256/{hash}/bundle.tar.zst"));
    assert_eq!(fs::read(stored).unwrap(), archive);
    app.clock.advance(60 * 60 * 24 * 365 * 50);
    app.app.sweep().await.unwrap();
    assert!(!server.object(&key(&upload)).exists());
}

#[tokio::test]
async fn bytes_that_go_to_the_store_do_not_come_here_too() {
    let server = S3Server::start();
    let app = TestApp::start_with_public_store(&server).await;
    let upload = initiate(&app, b"abc").await;
    let id = key(&upload).split('/').nth(2).unwrap().to_owned();

    let part = app
        .call(Method::PATCH, &format!("/api/v1/uploads/{id}"))
        .header("tus-resumable", "1.0.0")
        .header("content-type", "application/offset+octet-stream")
        .header("upload-offset", "0")
        .body("abc")
        .send()
        .await;

    assert_eq!((part.status, part.code()), (StatusCode::CONFLICT, "sent_to_store".to_owned()));
}
