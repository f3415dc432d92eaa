//! Bodies, their limits, and the `__method` of `/api/ext-proxy`.

use axum::body::{Body, Bytes};
use axum::http::{Method, StatusCode};
use futures_util::stream;
use serde_json::json;

use super::{A, extension};
use crate::support::test_app::TestApp;

const PROXY: &str = "/api/ext-proxy/com.example.hello/a";

async fn echoing() -> TestApp {
    let app = TestApp::start_with(|config| config.gateway.max_body_bytes = 1_000).await;
    let bundle = extension("echoes")
        .endpoint("GET", "/a")
        .endpoint("POST", "/a")
        .endpoint("PUT", "/a")
        .endpoint_with("POST", "/small", &json!({"max_body_bytes": 10}))
        .endpoint_with("POST", "/large", &json!({"max_body_bytes": 5_000}));
    app.install(&bundle).await;
    app
}

#[tokio::test]
async fn a_body_reaches_the_guest_and_comes_back() {
    let app = echoing().await;

    let answer = app.call(Method::POST, A).body("x".repeat(1_000)).send().await;

    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    assert_eq!(answer.text(), "x".repeat(1_000));
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_with_the_limit() {
    let app = echoing().await;
    let chunk = |_| Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 500]));
    let chunks = stream::iter((0..3).map(chunk));

    for (path, body, limit) in [
        (A, Body::from("x".repeat(1_001)), 1_000),
        (A, Body::from_stream(chunks), 1_000),
        ("/api/ext/com.example.hello/small", Body::from("x".repeat(11)), 10),
        ("/api/ext/com.example.hello/large", Body::from("x".repeat(1_001)), 1_000),
        ("/api/ext-proxy/com.example.hello/small", Body::from("x".repeat(11)), 10),
    ] {
        let answer = app.call(Method::POST, path).body(body).send().await;

        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{path}");
        assert_eq!(answer.code(), "too_large");
        assert_eq!(answer.json()["error"], "payload_too_large");
        assert_eq!(answer.json()["limit_bytes"], limit);
    }
}

#[tokio::test]
async fn a_post_can_name_another_method_in_its_query() {
    let app = echoing().await;

    let get = app.post(&format!("{PROXY}?x=1&__method=get&y=2"), json!({"dropped": true})).await;
    let put = app.post(&format!("{PROXY}?__method=PUT"), json!({"kept": true})).await;

    assert_eq!((get.status, get.text()), (StatusCode::OK, "/a?x=1&y=2".into()));
    assert_eq!((put.status, put.json()), (StatusCode::CREATED, json!({"kept": true})));
}

#[tokio::test]
async fn a_post_can_name_another_method_in_its_json() {
    let app = echoing().await;

    let get = app.post(PROXY, json!({"__method": "GET", "dropped": true})).await;
    let put = app.post(PROXY, json!({"__method": "put", "kept": true})).await;
    let plain = app.post(PROXY, json!({"kept": true})).await;

    assert_eq!((get.status, get.text()), (StatusCode::OK, "/a".into()));
    assert_eq!((put.status, put.json()), (StatusCode::CREATED, json!({"kept": true})));
    assert_eq!(plain.json(), json!({"kept": true}));
}

#[tokio::test]
async fn a_method_is_not_overridden_elsewhere() {
    let app = echoing().await;

    let direct = app.post(&format!("{A}?__method=GET"), json!({"kept": 1})).await;
    let odd = app.post(&format!("{PROXY}?__method=TRACE"), json!({"kept": 1})).await;
    let undeclared = app.post(&format!("{PROXY}?__method=DELETE"), json!({})).await;

    assert_eq!((direct.status, direct.json()), (StatusCode::CREATED, json!({"kept": 1})));
    assert_eq!((odd.status, odd.json()), (StatusCode::CREATED, json!({"kept": 1})));
    assert_eq!(undeclared.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_session_needs_its_csrf_token_also_for_a_post_that_means_get() {
    let app = echoing().await;
    let cookie = app.session().await;

    let call = app.call(Method::POST, &format!("{PROXY}?__method=GET")).session(&cookie);
    let answer = call.same_origin().send().await;

    assert_eq!((answer.status, answer.code()), (StatusCode::FORBIDDEN, "cross_site".into()));
}
