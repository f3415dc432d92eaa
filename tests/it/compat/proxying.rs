//! `upload-proxy`: the bundle in one request, and every reason to refuse it.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use futures_util::stream;
use serde_json::json;

use super::{PROXY, refused, trusting, unfinished};
use crate::support::test_app::{Answer, TestApp};

const HASH: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

async fn proxy(app: &TestApp, query: &str, body: impl Into<Body>) -> Answer {
    app.call(Method::POST, &format!("{PROXY}?{query}")).body(body).send().await
}

/// A body that does not say how long it is.
fn in_chunks(chunks: &'static [&'static str]) -> Body {
    Body::from_stream(stream::iter(chunks.iter().map(|chunk| Ok::<_, std::io::Error>(*chunk))))
}

#[tokio::test]
async fn a_bundle_is_taken_and_gets_a_key() {
    let app = trusting().await;

    let answer =
        proxy(&app, &format!("filename=a%20b.zst&size=3&declaredHash={HASH}"), "abc").await;

    let mut body = answer.json();
    let key = body["upload"]["key"].take();
    assert_eq!(
        body,
        json!({
            "upload": { "key": null, "strategy": "staging" },
            "filename": "a b.zst", "size": 3, "declaredHash": HASH,
        })
    );
    let id = key.as_str().unwrap().strip_prefix("sha256/_staging/").unwrap();
    assert!(uuid::Uuid::parse_str(id.strip_suffix("/bundle.tar.zst").unwrap()).is_ok());
    assert!(!answer.header("x-request-id").is_empty());
    assert!(!answer.headers.contains_key("x-upload-proxy-why"));
}

#[tokio::test]
async fn a_hash_that_was_not_declared_is_not_answered() {
    let app = trusting().await;

    let answer = proxy(&app, "filename=a&size=3", "abc").await;

    assert!(answer.json().get("declaredHash").is_none());
}

#[tokio::test]
async fn every_refusal_says_why() {
    let app = TestApp::start_with(|config| config.store.max_bundle_bytes = 1000).await;
    let upper = HASH.to_uppercase();

    for (query, body, why) in [
        ("", "abc", "filename_required"),
        ("filename=%20&size=3", "abc", "filename_required"),
        ("filename=a", "abc", "size_required"),
        ("filename=a&size=", "abc", "size_required"),
        ("filename=a&size=0", "abc", "size_invalid"),
        ("filename=a&size=-3", "abc", "size_invalid"),
        ("filename=a&size=three", "abc", "size_invalid"),
        ("filename=a&size=1001", "abc", "size_exceeds_cap"),
        ("filename=a&size=3&declaredHash=abc", "abc", "declared_hash_invalid"),
        (&format!("filename=a&size=3&declaredHash={upper}"), "abc", "declared_hash_invalid"),
        ("filename=a&size=3", "", "missing_body"),
    ] {
        let answer = proxy(&app, query, body).await;

        refused(&answer, StatusCode::BAD_REQUEST, "BAD_REQUEST");
        assert_eq!(answer.header("x-upload-proxy-why"), why, "{query}");
    }
    assert_eq!(unfinished(&app).await, Vec::<serde_json::Value>::new());
}

#[tokio::test]
async fn a_bundle_over_the_cap_is_refused_with_both_numbers() {
    let app = TestApp::start_with(|config| config.store.max_bundle_bytes = 1000).await;

    let answer = proxy(&app, "filename=a&size=1001", "abc").await;

    assert!(answer.text().contains("1001 bytes; 1000 are allowed"), "{}", answer.text());
}

#[tokio::test]
async fn a_length_that_differs_from_the_size_is_refused_before_a_byte_is_read() {
    let app = trusting().await;
    let call = app.call(Method::POST, &format!("{PROXY}?filename=a&size=4"));

    let answer = call.header("content-length", "3").body("abc").send().await;

    refused(&answer, StatusCode::BAD_REQUEST, "BAD_REQUEST");
    assert_eq!(answer.header("x-upload-proxy-why"), "content_length_mismatch");
    assert_eq!(unfinished(&app).await.len(), 0);
}

#[tokio::test]
async fn a_body_that_is_shorter_or_longer_than_its_size_leaves_nothing() {
    let app = trusting().await;

    for chunks in [&["ab"][..], &["ab", "cd"][..]] {
        let answer = proxy(&app, "filename=a&size=3", in_chunks(chunks)).await;

        refused(&answer, StatusCode::BAD_REQUEST, "BAD_REQUEST");
        assert_eq!(answer.header("x-upload-proxy-why"), "content_length_mismatch");
    }
    assert_eq!(unfinished(&app).await.len(), 0);
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_nothing() {
    let app = trusting().await;
    let broken = stream::iter([Ok("ab"), Err(std::io::Error::other("the wire was cut"))]);

    let answer = proxy(&app, "filename=a&size=3", Body::from_stream(broken)).await;

    refused(&answer, StatusCode::BAD_REQUEST, "BAD_REQUEST");
    assert_eq!(answer.header("x-upload-proxy-why"), "missing_body");
    assert_eq!(unfinished(&app).await.len(), 0);
}

#[tokio::test]
async fn bundles_that_were_never_finalized_are_in_the_way_for_a_quarter_of_an_hour() {
    let app = trusting().await;
    for _ in 0..16 {
        assert_eq!(proxy(&app, "filename=a&size=3", "abc").await.status, StatusCode::OK);
    }

    let one_more = proxy(&app, "filename=a&size=3", "abc").await;
    app.clock.advance(15 * 60);
    let later = proxy(&app, "filename=a&size=3", "abc").await;

    refused(&one_more, StatusCode::TOO_MANY_REQUESTS, "RATE_LIMIT");
    assert_eq!(one_more.json()["details"]["limit"], 16);
    assert_eq!(later.status, StatusCode::OK, "{}", later.text());
}

#[tokio::test]
async fn storage_that_fails_is_a_500_that_says_nothing_of_it() {
    let app = TestApp::start_on_disk().await;
    let staging = app.stored().join("sha256/_staging");
    std::fs::remove_dir_all(&staging).unwrap();
    std::fs::write(&staging, "no folder").unwrap();

    let answer = proxy(&app, "filename=a&size=3", "abc").await;

    let body = refused(&answer, StatusCode::INTERNAL_SERVER_ERROR, "S3_PUT_FAILED");
    assert_eq!(answer.header("x-upload-proxy-why"), "s3_put_failed");
    assert!(body.get("details").is_none() && !answer.text().contains("_staging"), "{body}");
}

#[tokio::test]
async fn a_length_that_is_not_the_size_is_refused_before_an_upload_begins() {
    let app = trusting().await;

    let call = app.call(Method::POST, &format!("{PROXY}?filename=a&size=3"));
    let answer = call.header("content-length", "4").body("abc").send().await;

    refused(&answer, StatusCode::BAD_REQUEST, "BAD_REQUEST");
    assert_eq!(answer.header("x-upload-proxy-why"), "content_length_mismatch");
    let all = app.get("/api/v1/uploads").await.json();
    assert_eq!(all["uploads"], json!([]));
}
