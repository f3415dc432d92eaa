//! Guests that fail, and what their clients see.

use axum::http::{Method, StatusCode};
use bytes::Bytes;
use plugboard::model::TargetWorld;
use plugboard::runner::ComponentCounts;
use serde_json::json;

use super::{A, extension, with_guest};
use crate::support::bundle_builder::BundleBuilder;
use crate::support::guests;
use crate::support::test_app::{Answer, TestApp};

fn status_and_code(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.code())
}

/// `loops` at `/a`, and something that answers at `/b` of another extension.
async fn looping(slots: usize, slots_per_tenant: usize, slots_per_install: usize) -> TestApp {
    let app = TestApp::start_with(|config| {
        config.gateway.timeout_ms = 400;
        config.runner.slots = slots;
        config.runner.slots_per_tenant = slots_per_tenant;
        config.runner.slots_per_install = slots_per_install;
        config.runner.queue_ms = 0;
    });
    let app = app.await;
    app.install(&extension("loops").endpoint("GET", "/a")).await;
    let other = BundleBuilder::new("com.example.other", "1.0.0")
        .component(guests::extension("answers"))
        .endpoint("GET", "/b");
    app.install(&other).await;
    app
}

#[tokio::test]
async fn a_guest_that_does_not_end_is_stopped_at_the_deadline() {
    let app = looping(8, 8, 8).await;

    let answer = app.get(A).await;

    assert_eq!(status_and_code(&answer), (504, "extension_timeout".into()));
    assert_eq!(answer.json()["error"], "bad_gateway");
}

#[tokio::test]
async fn an_endpoint_can_lower_its_deadline_and_not_raise_it() {
    let app = TestApp::start_with(|config| config.gateway.timeout_ms = 400).await;
    let bundle = extension("loops")
        .endpoint_with("GET", "/a", &json!({"timeout_ms": 50}))
        .endpoint_with("GET", "/b", &json!({"timeout_ms": 60_000}));
    app.install(&bundle).await;

    let lowered = app.get(A).await;
    let raised = app.get("/api/ext/com.example.hello/b").await;

    assert!(lowered.json()["detail"].as_str().unwrap().contains("50"), "{}", lowered.text());
    assert!(raised.json()["detail"].as_str().unwrap().contains("400"), "{}", raised.text());
}

#[tokio::test]
async fn a_guest_that_hoards_memory_is_stopped() {
    let app = with_guest("hoards").await;

    let answer = app.get(A).await;

    assert_eq!(status_and_code(&answer), (502, "extension_failed".into()));
    assert!(answer.json()["detail"].as_str().unwrap().contains("memory"), "{}", answer.text());
}

#[tokio::test]
async fn a_guest_that_traps_fails_its_own_request_only() {
    let app = with_guest("status").await;
    let traps = BundleBuilder::new("com.example.traps", "1.0.0")
        .component(guests::extension("traps"))
        .endpoint("GET", "/a");
    app.install(&traps).await;

    for _ in 0..3 {
        let trapped = app.get("/api/ext/com.example.traps/a").await;
        assert_eq!(status_and_code(&trapped), (502, "extension_failed".into()));
    }
    let fine = app.get("/healthz").await;

    assert_eq!(fine.status, StatusCode::OK);
}

#[tokio::test]
async fn an_answer_that_is_not_http_fails() {
    let app = TestApp::start().await;
    let injects = BundleBuilder::new("com.example.injects", "1.0.0")
        .component(guests::extension("injects"))
        .endpoint("GET", "/a");
    app.install(&injects).await;
    let status = extension("status")
        .endpoint("GET", "/101")
        .endpoint("GET", "/0")
        .endpoint("GET", "/999")
        .endpoint("GET", "/404");
    app.install(&status).await;

    for path in ["com.example.injects/a", "com.example.hello/101", "com.example.hello/0"] {
        let answer = app.get(&format!("/api/ext/{path}")).await;
        assert_eq!(status_and_code(&answer), (502, "extension_failed".into()), "{path}");
    }
    assert_eq!(app.get("/api/ext/com.example.hello/404").await.body.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_install_cannot_take_the_slots_of_the_others() {
    let app = looping(8, 8, 1).await;

    let (first, second) = tokio::join!(app.get(A), app.get(A));
    let (_, other) = tokio::join!(app.get(A), app.get("/api/ext/com.example.other/b"));

    let mut codes = [status_and_code(&first), status_and_code(&second)];
    codes.sort();
    assert_eq!(codes, [(429, "rate_limited".into()), (504, "extension_timeout".into())]);
    let refused = if first.status == StatusCode::TOO_MANY_REQUESTS { first } else { second };
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(other.status, StatusCode::OK, "{}", other.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_tenant_cannot_take_the_slots_of_the_others() {
    let app = looping(8, 1, 1).await;
    let second = BundleBuilder::new("com.example.second", "1.0.0")
        .component(guests::extension("loops"))
        .endpoint("GET", "/a");
    app.install(&second).await;

    let (first, second) = tokio::join!(app.get(A), app.get("/api/ext/com.example.second/a"));

    let mut codes = [status_and_code(&first), status_and_code(&second)];
    codes.sort();
    assert_eq!(codes, [(429, "rate_limited".into()), (504, "extension_timeout".into())]);
    let refused = if first.status == StatusCode::TOO_MANY_REQUESTS { first } else { second };
    assert_eq!(refused.header("retry-after"), "1");
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("tenant"), "{detail}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_appliance_without_a_slot_says_that_it_is_busy() {
    let app = looping(1, 8, 8).await;

    let (first, second) = tokio::join!(app.get(A), app.get(A));

    let mut codes = [status_and_code(&first), status_and_code(&second)];
    codes.sort();
    assert_eq!(codes, [(503, "busy".into()), (504, "extension_timeout".into())]);
    let refused = if first.status == StatusCode::SERVICE_UNAVAILABLE { first } else { second };
    assert_eq!(refused.header("retry-after"), "1");
}

#[tokio::test]
async fn an_endpoint_without_a_component_does_not_publish() {
    let app = TestApp::start().await;

    let answer =
        app.publish(&BundleBuilder::new("com.example.hello", "1.0.0").endpoint("GET", "/a")).await;

    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text());
    assert_eq!(app.call(Method::GET, A).send().await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn all_who_call_a_component_that_is_not_kept_wait_for_one_compilation() {
    // Room for two: nobody waits for a turn, so the second has to join the first.
    let app = TestApp::start_with(|config| config.runner.compile_threads = 2).await;
    let bundle = extension("answers").endpoint("GET", "/a");
    app.install(&bundle).await;
    app.forget_compiled(&app.content_hash(&bundle));
    let before = app.app.runner.component_counts();

    let (first, second) = tokio::join!(app.get(A), app.get(A));

    assert_eq!([first.status, second.status], [StatusCode::OK; 2]);
    let once = ComponentCounts { compiled: before.compiled + 1, ..before };
    assert_eq!(app.app.runner.component_counts(), once);
}

#[tokio::test]
async fn a_component_that_was_refused_is_not_compiled_again_for_each_call() {
    let app = TestApp::start().await;
    let bundle = extension("answers").endpoint("GET", "/a");
    app.install(&bundle).await;
    let hash = app.content_hash(&bundle);
    let runner = &app.app.runner;
    app.forget_compiled(&hash);
    let nothing = Bytes::from_static(b"no component");
    runner.prepare(hash, TargetWorld::Extension, nothing).await.unwrap_err();
    let before = runner.component_counts();

    let answers = [app.get(A).await, app.get(A).await];

    for answer in &answers {
        assert_eq!(status_and_code(answer), (502, "extension_failed".into()));
    }
    assert_eq!(runner.component_counts(), before);
}
