//! What executions took, and installs that are left alone because they fail.

mod failing;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::bundle_builder::BundleBuilder;
use crate::support::guests;
use crate::support::test_app::{ALL_SCOPES, TestApp};

const A: &str = "/api/ext/com.example.hello/a";

fn extension(guest: &str) -> BundleBuilder {
    BundleBuilder::new("com.example.hello", "1.0.0")
        .component(guests::extension(guest))
        .endpoint("GET", "/a")
        .endpoint("POST", "/a")
}

async fn usage_of(app: &TestApp, id: &str) -> Value {
    app.get(&format!("/api/v1/installs/{id}/usage")).await.json()
}

#[tokio::test]
async fn calls_are_in_the_usage_of_their_install_by_minute_and_by_hour() {
    let app = TestApp::start().await;
    let id = app.install(&extension("echoes")).await;
    app.call(Method::POST, A).body("hello").send().await;
    app.clock.advance(60);
    app.call(Method::POST, A).body("hello").send().await;
    app.call(Method::POST, A).body("hello").send().await;

    let usage = usage_of(&app, &id).await;

    let calls = |slots: &Value| {
        let slots = slots.as_array().unwrap();
        slots.iter().map(|slot| slot["outcomes"]["answered"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(calls(&usage["minutes"]), [1, 2]);
    assert_eq!(calls(&usage["hours"]), [3]);
    let hour = &usage["hours"][0];
    assert_eq!((&hour["request_bytes"], &hour["response_bytes"]), (&json!(15), &json!(15)));
    assert!(hour["peak_memory_bytes"].as_u64().unwrap() >= 64 * 1024, "{hour}");
    assert!(hour["p95_us"].as_u64().unwrap() > 0, "{hour}");
}

#[tokio::test]
async fn a_call_that_fails_is_counted_with_what_it_took() {
    let app = TestApp::start().await;
    let id = app.install(&extension("hoards")).await;
    app.get(A).await;

    let usage = usage_of(&app, &id).await;

    let minute = &usage["minutes"][0];
    assert_eq!(minute["outcomes"], json!({"memory": 1}));
    assert!(minute["peak_memory_bytes"].as_u64().unwrap() > 200 * 1024 * 1024, "{minute}");
}

#[tokio::test]
async fn an_hour_later_the_minutes_are_gone_and_a_week_later_the_hours() {
    let app = TestApp::start().await;
    let id = app.install(&extension("answers")).await;
    app.get(A).await;

    app.clock.advance(60 * 60);
    let hour_later = usage_of(&app, &id).await;
    app.clock.advance(7 * 24 * 60 * 60);
    let week_later = usage_of(&app, &id).await;

    assert_eq!(hour_later["minutes"], json!([]));
    assert_eq!(hour_later["hours"].as_array().unwrap().len(), 1);
    assert_eq!(week_later["hours"], json!([]));
}

#[tokio::test]
async fn usage_is_shown_to_the_tenant_of_the_install_only() {
    let app = TestApp::start().await;
    let id = app.install(&extension("answers")).await;
    let other = app.make_token("other", &ALL_SCOPES).await;
    let path = format!("/api/v1/installs/{id}/usage");

    let answer = app.call(Method::GET, &path).token(&other).send().await;

    assert_eq!((answer.status, answer.code()), (StatusCode::NOT_FOUND, "not_installed".into()));
}

#[tokio::test]
async fn an_install_that_is_made_again_begins_without_usage() {
    let app = TestApp::start().await;
    let id = app.install(&extension("answers")).await;
    app.get(A).await;
    app.call(Method::DELETE, &format!("/api/v1/installs/{id}")).send().await;
    app.get("/metrics").await;

    let again = app.install(&extension("answers")).await;

    assert_eq!(usage_of(&app, &again).await["minutes"], json!([]));
    assert_eq!(app.get(&format!("/api/v1/installs/{id}/usage")).await.code(), "not_installed");
}

#[tokio::test]
async fn executions_are_histograms_in_the_metrics() {
    let app = TestApp::start().await;
    app.install(&extension("answers")).await;
    app.get(A).await;

    let text = app.get("/metrics").await.text();

    let labels = "{extension=\"com.example.hello\",outcome=\"answered\"}";
    for name in ["duration_seconds", "cpu_seconds", "memory_bytes", "host_calls", "response_bytes"]
    {
        let line = format!("plugboard_execution_{name}_count{labels} 1");
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}
