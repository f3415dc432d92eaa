//! Installs that are left alone for a while.

use http_body_util::BodyExt;

use super::*;
use crate::support::test_app::Answer;

/// An extension that traps, installed; after three failures in a row it is left alone.
async fn trapping() -> (TestApp, String) {
    let app = TestApp::start_with(|config| config.runner.breaker_failures = 3).await;
    let id = app.install(&extension("traps")).await;
    (app, id)
}

/// The same, after these failures.
async fn left_alone() -> (TestApp, String) {
    let (app, id) = trapping().await;
    for _ in 0..3 {
        assert_eq!(app.get(A).await.code(), "extension_failed");
    }
    (app, id)
}

fn seconds(answer: &Answer) -> i64 {
    answer.header("retry-after").parse().unwrap()
}

#[tokio::test]
async fn an_extension_that_keeps_failing_is_left_alone() {
    let (app, _) = left_alone().await;

    let refused = app.get(A).await;

    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{}", refused.text());
    assert_eq!(refused.code(), "extension_failing");
    assert!((1..=2).contains(&seconds(&refused)), "{}", refused.header("retry-after"));
    let problem = refused.json();
    assert!(problem["detail"].as_str().unwrap().contains("3 executions failed"), "{problem}");
    assert!(problem["hint"].is_string(), "{problem}");
    assert_eq!(problem["error"], "bad_gateway");
}

#[tokio::test]
async fn a_refused_call_runs_nothing() {
    let (app, id) = left_alone().await;
    for _ in 0..5 {
        app.get(A).await;
    }

    let usage = usage_of(&app, &id).await;

    let minute = &usage["minutes"][0];
    assert_eq!((&minute["outcomes"], &minute["held_back"]), (&json!({"trap": 3}), &json!(5)));
}

#[tokio::test]
async fn after_the_pause_one_call_tries_and_each_failure_doubles_the_pause() {
    let (app, _) = left_alone().await;
    let mut waits = Vec::new();
    for _ in 0..4 {
        let wait = seconds(&app.get(A).await);
        app.clock.advance(wait);
        assert_eq!(app.get(A).await.code(), "extension_failed");
        waits.push(wait);
    }

    // Up to a tenth longer than 1, 2, 4 and 8 s, in whole seconds.
    let expected = [1..=2, 2..=3, 4..=5, 8..=9];
    let fits = waits.iter().zip(&expected).all(|(wait, range)| range.contains(wait));
    assert!(fits, "{waits:?}");
}

#[tokio::test]
async fn the_state_is_shown_with_its_reason() {
    let (app, id) = left_alone().await;

    let one = app.get(&format!("/api/v1/installs/{id}")).await.json();
    let all = app.get("/api/v1/installs").await.json();

    let failing = &one["failing"];
    assert_eq!(failing["failures"], 3);
    assert!(failing["reason"].as_str().unwrap().contains("trapped"), "{failing}");
    assert!(failing["next_try_at"].as_str() > failing["since"].as_str(), "{failing}");
    assert_eq!(all["installs"][0]["failing"], *failing);
    assert_eq!(usage_of(&app, &id).await["failing"], *failing);
    let metrics = app.get("/metrics").await.text();
    for line in [
        "plugboard_installs_failing 1",
        "plugboard_installs_left_alone_total{extension=\"com.example.hello\"} 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
    }
}

#[tokio::test]
async fn the_same_extension_of_another_tenant_is_not_affected() {
    let app = TestApp::start_with(|config| config.runner.breaker_failures = 3).await;
    app.install(&extension("status").endpoint("GET", "/999").endpoint("GET", "/204")).await;
    let other = app.make_token("other", &ALL_SCOPES).await;
    let body = json!({"name": "com.example.hello"});
    let installed =
        app.call(Method::POST, "/api/v1/installs").token(&other).json(body).send().await;
    let enable = format!("/api/v1/installs/{}/enable", installed.json()["id"].as_str().unwrap());
    app.call(Method::POST, &enable).token(&other).json(json!({})).send().await;
    for _ in 0..3 {
        app.get("/api/ext/com.example.hello/999").await;
    }

    let path = "/api/ext/com.example.hello/204";
    let (own, theirs) =
        (app.get(path).await, app.call(Method::GET, path).token(&other).send().await);

    assert_eq!(own.code(), "extension_failing");
    assert_eq!(theirs.status, StatusCode::NO_CONTENT, "{}", theirs.text());
}

#[tokio::test]
async fn a_call_that_is_answered_lets_the_others_through() {
    let app = TestApp::start_with(|config| config.runner.breaker_failures = 3).await;
    app.install(&extension("status").endpoint("GET", "/999").endpoint("GET", "/500")).await;
    for _ in 0..3 {
        app.get("/api/ext/com.example.hello/999").await;
    }
    app.clock.advance(2);

    // The guest's own 500 is an answer.
    let tried = app.get("/api/ext/com.example.hello/500").await;
    let next = app.get("/api/ext/com.example.hello/999").await;

    assert_eq!((tried.status.as_u16(), next.code()), (500, "extension_failed".into()));
}

#[tokio::test]
async fn an_operator_who_enables_it_again_begins_anew() {
    let (app, id) = left_alone().await;
    app.post(&format!("/api/v1/installs/{id}/disable"), json!({})).await;

    let disabled = app.get(&format!("/api/v1/installs/{id}")).await.json();
    app.clock.advance(1);
    app.post(&format!("/api/v1/installs/{id}/enable"), json!({})).await;

    assert_eq!(disabled["failing"], Value::Null);
    assert_eq!(app.get(A).await.code(), "extension_failed");
}

#[tokio::test]
async fn with_zero_failures_it_is_never_left_alone() {
    let app = TestApp::start_with(|config| config.runner.breaker_failures = 0).await;
    app.install(&extension("traps")).await;

    for _ in 0..30 {
        assert_eq!(app.get(A).await.code(), "extension_failed");
    }
}

#[tokio::test]
async fn the_pages_say_that_it_is_failing_and_why() {
    let (app, _) = left_alone().await;
    let cookie = app.session().await;
    let page = async |path: &str| {
        app.call(Method::GET, path).anonymous().header("cookie", &cookie).send().await.text()
    };

    let (list, overview) =
        (page("/admin/extensions").await, page("/admin/extensions/com.example.hello").await);

    assert!(list.contains("1 extension, 0 enabled, 1 failing"), "{list}");
    assert!(list.contains("3 executions failed"), "{list}");
    for part in ["It is failing, and is left alone for now", "unreachable", "3 failed (trapped)"] {
        assert!(overview.contains(part), "{part} is not in\n{overview}");
    }
}

#[tokio::test]
async fn a_stream_that_begins_lets_the_others_through_before_it_ends() {
    let app = TestApp::start_with(|config| config.runner.breaker_failures = 3).await;
    let streams = BundleBuilder::new("com.example.hello", "1.0.0")
        .component(guests::proxy("streams"))
        .endpoint("GET", "/ticks")
        .endpoint("GET", "/breaks");
    let id = app.install(&streams).await;
    for _ in 0..3 {
        let broken = app.call(Method::GET, "/api/ext/com.example.hello/breaks").open().await;
        broken.into_body().collect().await.unwrap_err();
    }
    let failing = usage_of(&app, &id).await;
    app.clock.advance(2);

    let ticks = app.call(Method::GET, "/api/ext/com.example.hello/ticks").open().await;

    assert_eq!(failing["failing"]["failures"], 3, "{failing}");
    assert_eq!(usage_of(&app, &id).await["failing"], Value::Null);
    drop(ticks);
}
