//! Answers that are all there: a long one keeps its slot until its client has taken it.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Response, StatusCode};
use http_body_util::BodyExt;
use plugboard::config::Config;
use tokio::time::sleep;

use super::extension;
use crate::support::test_app::TestApp;

/// The longest answer with which its slot is not kept.
const SHORT: usize = 256 * 1024;
/// Bytes that are handed on at once.
const PIECE: usize = 64 * 1024;

/// An install with one slot, which answers as many bytes as its address says.
async fn answering(change: impl FnOnce(&mut Config)) -> TestApp {
    let app = TestApp::start_with(|config| {
        config.runner.slots_per_install = 1;
        config.runner.queue_ms = 20;
        change(config);
    });
    let app = app.await;
    let bundle = extension("answers_big").endpoint("GET", "/:bytes").endpoint("POST", "/:bytes");
    app.install(&bundle).await;
    app
}

async fn open(app: &TestApp, method: Method, bytes: usize) -> Response<Body> {
    app.call(method, &format!("/api/ext/com.example.hello/{bytes}")).open().await
}

async fn status(app: &TestApp) -> StatusCode {
    open(app, Method::GET, 1).await.status()
}

#[tokio::test]
async fn a_long_one_keeps_its_slot_until_the_client_has_all_of_it() {
    let app = answering(|_| ()).await;

    let mut long = open(&app, Method::GET, 3 * SHORT).await.into_body();
    let mut pieces = Vec::new();
    while let Some(piece) = long.frame().await {
        assert_eq!(status(&app).await, StatusCode::TOO_MANY_REQUESTS);
        pieces.push(piece.unwrap().into_data().unwrap());
    }
    drop(long);
    assert_eq!(pieces.iter().map(bytes::Bytes::len).sum::<usize>(), 3 * SHORT);

    // Whoever sends them has not sent the last one yet.
    let last = pieces.pop();
    drop(pieces);
    assert_eq!(status(&app).await, StatusCode::TOO_MANY_REQUESTS);
    drop(last);
    assert_eq!(status(&app).await, StatusCode::OK);
}

#[tokio::test]
async fn a_client_that_goes_gives_the_slot_back() {
    let app = answering(|_| ()).await;
    let long = open(&app, Method::GET, SHORT + 1).await;
    assert_eq!(status(&app).await, StatusCode::TOO_MANY_REQUESTS);

    drop(long);

    assert_eq!(status(&app).await, StatusCode::OK);
}

#[tokio::test]
async fn a_short_one_and_one_without_a_body_keep_none() {
    let app = answering(|_| ()).await;

    for (method, bytes) in [(Method::GET, SHORT), (Method::HEAD, 3 * SHORT)] {
        let answer = open(&app, method, bytes).await;

        assert_eq!(answer.headers()["content-length"], bytes.to_string());
        assert_eq!(status(&app).await, StatusCode::OK);
        drop(answer);
    }
}

#[tokio::test]
async fn one_that_is_not_taken_in_time_is_given_up() {
    let timeout_ms = 1_000;
    let app = answering(|config| {
        config.gateway.timeout_ms = timeout_ms;
        config.gateway.stream_timeout_ms = timeout_ms;
    });
    let app = app.await;
    let mut long = open(&app, Method::GET, 3 * SHORT).await.into_body();
    assert!(long.frame().await.unwrap().is_ok());

    sleep(Duration::from_millis(timeout_ms)).await;

    let error = long.frame().await.unwrap().unwrap_err().to_string();
    assert!(error.contains(&(3 * SHORT - PIECE).to_string()), "{error}");
    assert!(long.frame().await.is_none());
    assert_eq!(status(&app).await, StatusCode::OK);
}

#[tokio::test]
async fn one_that_is_given_again_has_a_slot_as_well() {
    let app = answering(|_| ()).await;
    let path = format!("/api/ext/com.example.hello/{}", 3 * SHORT);
    let keyed = || app.call(Method::POST, &path).header("x-idempotency-key", "once");
    assert_eq!(keyed().send().await.body.len(), 3 * SHORT);
    assert_eq!(status(&app).await, StatusCode::OK);

    let again = keyed().open().await;
    assert_eq!(again.headers()["x-idempotency-replayed"], "true");
    let third = keyed().open().await;

    assert_eq!(third.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(status(&app).await, StatusCode::TOO_MANY_REQUESTS);
    drop(again);
    assert_eq!(keyed().send().await.body.len(), 3 * SHORT);
}
