//! `abort`: gives up what waits, and touches nothing that is published.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{FINALIZE, hello, published, refused, send, trusting, unfinished};
use crate::support::test_app::{Answer, TestApp};

async fn abort(app: &TestApp, key: Value) -> Answer {
    app.post("/api/ext-bundles/abort", json!({ "key": key, "reason": "changed my mind" })).await
}

#[tokio::test]
async fn an_upload_is_deleted_and_deleting_it_again_is_the_same() {
    let app = trusting().await;
    let key = send(&app, b"abc").await;

    for _ in 0..2 {
        let answer = abort(&app, json!(key)).await;

        assert_eq!(answer.status, StatusCode::OK);
        let expected = json!({ "status": "deleted", "key": key, "area": "staging" });
        assert_eq!(answer.json(), expected);
    }
    assert_eq!(unfinished(&app).await.len(), 0);
    let gone = app.post(FINALIZE, json!({ "key": key })).await;
    refused(&gone, StatusCode::BAD_REQUEST, "STAGING_NOT_FOUND");
}

#[tokio::test]
async fn what_is_published_stays() {
    let app = trusting().await;
    published(&app, &hello("1.0.0")).await;
    let hash = app.content_hash(&hello("1.0.0"));
    let key = format!("sha256/{}/bundle.tar.zst", hash.hex());

    let answer = abort(&app, json!(key)).await;

    let expected = json!({ "status": "noop", "key": key, "area": "canonical" });
    assert_eq!(answer.json(), expected);
    let version = app.get("/api/v1/extensions/com.example.hello/versions/1.0.0").await;
    assert_eq!(version.status, StatusCode::OK);
}

#[tokio::test]
async fn keys_that_are_none_are_refused() {
    let app = trusting().await;

    for key in [json!(null), json!(7), json!(""), json!("tenants/a/_staging/b/bundle.tar.zst")] {
        let answer = abort(&app, key).await;

        refused(&answer, StatusCode::BAD_REQUEST, "BAD_REQUEST");
    }
}

#[tokio::test]
async fn nobody_gives_up_the_upload_of_another() {
    let app = trusting().await;
    let key = send(&app, b"abc").await;
    let other = app.make_token("default", &["bundle:publish"]).await;

    let call = app.call(Method::POST, "/api/ext-bundles/abort").token(&other);
    let answer = call.json(json!({ "key": key })).send().await;

    // It cannot be told from one that is gone.
    assert_eq!(answer.json()["status"], "deleted");
    assert_eq!(unfinished(&app).await.len(), 1);
}
