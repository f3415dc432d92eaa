//! Bodies, their limits, and the `__method` of `/api/ext-proxy`.

use axum::body::{Body, Bytes};
use axum::http::{Method, StatusCode};
use futures_util::{FutureExt, StreamExt, stream};
use serde_json::json;
use tokio::sync::oneshot;

use super::{A, extension};
use crate::support::announced_body::announced;
use crate::support::bundle_builder::BundleBuilder;
use crate::support::guests;
use crate::support::test_app::{Answer, Call, TestApp};

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

/// Posts a body to `path` that does not come before `meanwhile` is over.
async fn post_while<T>(
    app: &TestApp,
    path: &str,
    meanwhile: impl Future<Output = T>,
) -> (Answer, T) {
    let (asked, begins) = oneshot::channel();
    let (go, goes_on) = oneshot::channel();
    let body = Body::from_stream(stream::once(async move {
        asked.send(()).unwrap();
        goes_on.await.map(|()| Bytes::from_static(b"body")).map_err(std::io::Error::other)
    }));
    let meanwhile = async {
        begins.await.unwrap();
        let outcome = meanwhile.await;
        go.send(()).unwrap();
        outcome
    };
    tokio::join!(app.call(Method::POST, path).body(body).send(), meanwhile)
}

#[tokio::test]
async fn an_install_that_is_disabled_while_a_body_arrives_does_not_run() {
    let app = TestApp::start().await;
    let id = app.install(&extension("echoes").endpoint("POST", "/a")).await;

    let path = format!("/api/v1/installs/{id}/disable");
    let (answer, _) = post_while(&app, A, app.post(&path, json!({}))).await;

    assert_eq!((answer.status, answer.code()), (StatusCode::NOT_FOUND, "not_installed".into()));
}

/// An extension that may keep values, if its operator says so.
fn keeping(version: &str, component: Bytes) -> BundleBuilder {
    BundleBuilder::new("com.example.hello", version)
        .capabilities(&["cap:storage.kv"])
        .component(component)
        .endpoint("POST", "/a")
}

#[tokio::test]
async fn an_old_version_whose_body_arrives_during_an_upgrade_has_the_grants_that_are_left() {
    for (grants, status) in [(json!(["cap:storage.kv"]), 200), (json!([]), 461)] {
        let app = TestApp::start().await;
        let id = app.install(&keeping("1.0.0", guests::wasi_extension("shelves"))).await;
        app.publish(&keeping("1.1.0", guests::extension("answers"))).await;
        let upgrade = json!({"version": "1.1.0", "grants": grants});

        let path = format!("/api/v1/installs/{id}/version");
        let upgrade = app.call(Method::PUT, &path).json(upgrade).send();
        let (answer, upgraded) = post_while(&app, &format!("{A}?s0k"), upgrade).await;

        assert_eq!(upgraded.json()["version"], "1.1.0", "{}", upgraded.text());
        assert_eq!((answer.status.as_u16(), answer.text()), (status, String::new()));
    }
}

#[tokio::test]
async fn bodies_that_arrive_have_so_much_memory_together() {
    let app = TestApp::start_with(|config| {
        config.gateway.max_body_bytes = 300_000;
        config.gateway.max_held_body_bytes = 400 * 1024;
    });
    let app = app.await;
    app.install(&extension("echoes").endpoint("POST", "/a")).await;
    let piece = |bytes: usize| Ok::<_, std::io::Error>(Bytes::from("x".repeat(bytes)));
    let (go, goes_on) = oneshot::channel();
    let slow = stream::once(async move { piece(300_000) }).chain(stream::once(async move {
        goes_on.await.map(|()| Bytes::new()).map_err(std::io::Error::other)
    }));
    let mut slow = Box::pin(app.call(Method::POST, A).body(Body::from_stream(slow)).send());
    assert!((&mut slow).now_or_never().is_none());

    let refused = app.call(Method::POST, A).body("x".repeat(200_000)).send().await;
    let small = app.call(Method::POST, A).body("x".repeat(100_000)).send().await;
    go.send(()).unwrap();
    let first = slow.await;
    let next = app.call(Method::POST, A).body("x".repeat(200_000)).send().await;

    assert_eq!((refused.status, refused.code()), (StatusCode::SERVICE_UNAVAILABLE, "busy".into()));
    assert!(refused.text().contains("409600 bytes"), "{}", refused.text());
    let counted = "plugboard_calls_refused_total{reason=\"no_room\"} 1\n";
    assert!(app.get("/metrics").await.text().contains(counted));
    for answer in [small, first, next] {
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    }
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

/// The answer to a JSON body of which nothing comes: it is there at once, or never.
fn at_once(call: Call<'_>) -> Answer {
    let call = call.header("content-type", "application/json").body(announced(1_000));
    call.send().now_or_never().expect("it waits for the body")
}

#[tokio::test]
async fn a_body_that_may_name_a_method_is_not_read_for_whom_no_method_is() {
    let app = echoing().await;
    let read = app.make_token("default", &["install:read"]).await;
    let post = |path: &str| app.call(Method::POST, path);

    let stranger = at_once(post(PROXY).anonymous());
    let other = at_once(post(PROXY).token(&read));
    let unknown = at_once(post("/api/ext-proxy/com.example.hello/b"));
    let hidden = at_once(post("/api/ext-proxy/com.example.hello/b").anonymous());
    let long = post(PROXY).header("content-type", "application/json").body(announced(1_001));
    let long = long.send().now_or_never().expect("it waits for the body");

    assert_eq!([stranger.status, hidden.status], [StatusCode::UNAUTHORIZED; 2]);
    assert_eq!(other.status, StatusCode::FORBIDDEN);
    assert_eq!(
        (unknown.status, unknown.code()),
        (StatusCode::NOT_FOUND, "endpoint_not_found".into())
    );
    assert_eq!(long.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_body_that_may_name_a_method_is_not_read_for_an_install_that_is_left_alone() {
    let app = TestApp::start_with(|config| config.runner.breaker_failures = 1).await;
    app.install(&extension("traps").endpoint("POST", "/a")).await;
    app.post(PROXY, json!({})).await;

    let refused = at_once(app.call(Method::POST, PROXY));

    assert_eq!((refused.status.as_u16(), refused.code()), (503, "extension_failing".into()));
}

#[tokio::test]
async fn a_body_that_may_name_a_method_is_read_no_further_than_an_endpoint_takes_it() {
    let app = TestApp::start().await;
    let small = json!({"max_body_bytes": 70_000});
    app.install(&extension("echoes").endpoint_with("PUT", "/a", &small)).await;
    let body = |bytes| {
        app.call(Method::POST, PROXY)
            .header("content-type", "application/json")
            .body(announced(bytes))
    };

    let within = body(70_000).send().now_or_never();
    let beyond = body(70_001).send().now_or_never().expect("it waits for the body");

    assert!(within.is_none(), "nothing of it came, and something was answered");
    assert_eq!(
        (beyond.status, &beyond.json()["limit_bytes"]),
        (StatusCode::PAYLOAD_TOO_LARGE, &json!(70_000))
    );
}

#[tokio::test]
async fn a_body_of_another_method_may_be_longer_than_its_endpoint_takes() {
    let app = TestApp::start().await;
    app.install(&extension("echoes").endpoint_with("GET", "/a", &json!({"max_body_bytes": 0})))
        .await;

    let get = app.post(PROXY, json!({"__method": "GET", "dropped": true})).await;

    assert_eq!((get.status, get.text()), (StatusCode::OK, "/a".into()));
}

#[tokio::test]
async fn a_session_needs_its_csrf_token_also_for_a_post_that_means_get() {
    let app = echoing().await;
    let cookie = app.session().await;

    let call = app.call(Method::POST, &format!("{PROXY}?__method=GET")).session(&cookie);
    let answer = call.same_origin().send().await;

    assert_eq!((answer.status, answer.code()), (StatusCode::FORBIDDEN, "cross_site".into()));
}
