//! Under `require`: what is unsigned waits for a person, and its sender is told.

use axum::http::{Method, StatusCode};
use serde_json::json;

use super::{hello, publish, refused};
use crate::support::test_app::{Answer, TestApp};

/// Sends an unsigned bundle and gives the answer.
async fn unsigned(app: &TestApp) -> Answer {
    publish(app, &hello("1.0.0")).await
}

async fn approve(app: &TestApp) -> Answer {
    let hash = app.content_hash(&hello("1.0.0"));
    let path = format!("/api/v1/quarantine/{hash}/approve");
    app.post(&path, json!({ "reason": "seen in review" })).await
}

#[tokio::test]
async fn an_unsigned_bundle_is_kept_and_the_answer_says_what_to_do() {
    let app = TestApp::start().await;

    let answer = unsigned(&app).await;

    let body = refused(&answer, StatusCode::FORBIDDEN, "SIGNATURE_REQUIRED");
    let details = &body["details"];
    assert_eq!(details["contentHash"], app.content_hash(&hello("1.0.0")).hex());
    assert_eq!(details["quarantined"], true);
    assert_eq!(details["report"]["verdict"], "quarantined");
    assert!(body["error"].as_str().unwrap().contains("approve this hash"), "{body}");
    let kept = app.get("/api/v1/quarantine").await.json();
    assert_eq!(kept["quarantined"].as_array().unwrap().len(), 1);
    // Nothing changes by asking.
    refused(&unsigned(&app).await, StatusCode::FORBIDDEN, "SIGNATURE_REQUIRED");
}

#[tokio::test]
async fn after_approving_the_hash_the_same_bundle_is_published_once() {
    let app = TestApp::start().await;
    unsigned(&app).await;
    assert_eq!(approve(&app).await.status, StatusCode::CREATED);

    let answer = unsigned(&app).await;

    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.json()["version"]["version"], "1.0.0");
    assert_eq!(unsigned(&app).await.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn after_attaching_a_signature_the_same_bundle_is_published_once() {
    let app = TestApp::start().await;
    unsigned(&app).await;
    let hash = app.content_hash(&hello("1.0.0"));
    let path = format!("/api/v1/quarantine/{hash}/signatures");
    let attach = app.call(Method::POST, &path).body(app.sign(&hello("1.0.0").build()));
    assert_eq!(attach.send().await.status, StatusCode::CREATED);

    let answer = unsigned(&app).await;

    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(unsigned(&app).await.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_tenant_that_never_waited_hears_of_a_conflict() {
    let app = TestApp::start().await;
    app.publish(&hello("1.0.0")).await;

    let answer = unsigned(&app).await;

    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text());
}

#[tokio::test]
async fn nobody_waits_longer_than_the_quarantine_lasts() {
    let app = TestApp::start().await;
    unsigned(&app).await;
    assert_eq!(approve(&app).await.status, StatusCode::CREATED);
    app.clock.advance(31 * 24 * 60 * 60);
    app.app.sweep().await.unwrap();

    let answer = unsigned(&app).await;

    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text());
}

#[tokio::test]
async fn a_placeholder_in_place_of_a_signature_changes_nothing() {
    let app = TestApp::start().await;
    let key = super::send(&app, &hello("1.0.0").build()).await;
    let signature = json!({ "text": "-----BEGIN PGP SIGNATURE-----\nx\n", "algorithm": "pgp" });

    let answer = app.post(super::FINALIZE, json!({ "key": key, "signature": signature })).await;

    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text());
}
