//! The end of an upload: the same publish as with one request.

use axum::http::{Method, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use plugboard::trust::keys;
use serde_json::json;

use super::{metadata, reports};
use crate::support::test_app::{TestApp, sign_with};

#[tokio::test]
async fn a_bundle_in_parts_is_published_as_one_in_one_request() {
    let app = TestApp::start().await;
    let archive = reports().build();
    let path = app.begin(archive.len()).await;
    for (index, part) in archive.chunks(100).enumerate() {
        app.part(&path, index * 100, part.to_vec()).send().await;
    }

    let answer = app.publish_upload(&path, &app.sign(&archive)).await;

    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    assert_eq!(answer.json()["outcome"], "created");
    assert_eq!(answer.json()["content_hash"], app.content_hash(&reports()).to_string());
    assert_eq!(answer.json()["report"]["verdict"], "verified");
    assert_eq!((app.staged(), app.app.bundles.staged_bytes()), (0, 0));
    let page = app.get("/api/v1/extensions/com.example.reports/versions/1.2.0").await;
    assert_eq!(page.status, StatusCode::OK);
}

#[tokio::test]
async fn an_upload_that_was_published_answers_so_again() {
    let app = TestApp::start().await;
    let archive = reports().build();
    let path = app.send_whole(&archive).await;
    let first = app.publish_upload(&path, &app.sign(&archive)).await;

    let again = app.publish_upload(&path, &app.sign(&archive)).await;

    assert_eq!(again.status, StatusCode::OK, "{}", again.text());
    assert_eq!(again.json()["outcome"], "unchanged");
    assert_eq!(again.json()["report"], first.json()["report"]);
    assert_eq!(app.get(&path).await.json()["finished"], true);
}

#[tokio::test]
async fn an_upload_whose_signature_cannot_be_kept_stays_until_another_settles_it() {
    let app = TestApp::start().await;
    let archive = reports().build();
    let by_a_stranger = || sign_with(&keys::generate().unwrap(), &archive);
    let kept: Vec<_> = (0..8).map(|_| by_a_stranger()).collect();
    let waits = app.put_bundle(archive.clone(), &kept).await;
    assert_eq!(waits.status, StatusCode::ACCEPTED, "{}", waits.text());
    let path = app.send_whole(&archive).await;

    let refused = app.publish_upload(&path, &by_a_stranger()).await;
    let settled = app.publish_upload(&path, &app.sign(&archive)).await;

    assert_eq!(refused.code(), "too_many_signatures", "{}", refused.text());
    assert_eq!(settled.status, StatusCode::CREATED, "{}", settled.text());
}

#[tokio::test]
async fn an_upload_that_is_quarantined_answers_so_again() {
    let app = TestApp::start().await;
    let archive = reports().build();
    let path = app.send_whole(&archive).await;
    let publish = format!("{path}/publish");
    let first = app.call(Method::POST, &publish).send().await;

    let again = app.call(Method::POST, &publish).send().await;

    assert_eq!((first.status, again.status), (StatusCode::ACCEPTED, StatusCode::ACCEPTED));
    assert_eq!(again.json(), first.json());
    assert_eq!(app.staged(), 0);
}

#[tokio::test]
async fn what_became_of_an_upload_can_be_undone_and_then_it_is_gone() {
    let app = TestApp::start().await;
    let path = app.send_whole(&reports().build()).await;
    let publish = format!("{path}/publish");
    let hash = app.call(Method::POST, &publish).send().await.json()["content_hash"].clone();
    let kept = format!("/api/v1/quarantine/{}", hash.as_str().unwrap());
    app.call(Method::DELETE, &kept).send().await;

    let answer = app.call(Method::POST, &publish).send().await;

    assert_eq!((answer.status, answer.code()), (StatusCode::GONE, "gone".to_owned()));
}

#[tokio::test]
async fn signatures_may_come_as_json() {
    let app = TestApp::start().await;
    let archive = reports().build();
    let path = app.send_whole(&archive).await;
    let publish = format!("{path}/publish");

    let wrong = app.post(&publish, json!({"signatures": ["%"]})).await;
    let nine = app.post(&publish, json!({"signatures": vec!["eA=="; 9]})).await;
    let signature = STANDARD.encode(app.sign(&archive));
    let answer = app.post(&publish, json!({"signatures": [signature]})).await;

    assert_eq!((wrong.status, nine.status), (StatusCode::BAD_REQUEST, StatusCode::BAD_REQUEST));
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
}

#[tokio::test]
async fn an_upload_that_is_not_whole_is_not_published() {
    let app = TestApp::start().await;
    let path = app.begin(10).await;
    app.part(&path, 0, "12345").send().await;

    let answer = app.call(Method::POST, &format!("{path}/publish")).send().await;

    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert_eq!(answer.code(), "upload_incomplete");
    assert_eq!((&answer.json()["offset"], &answer.json()["length"]), (&json!(5), &json!(10)));
    assert_eq!(answer.header("upload-offset"), "5");
}

#[tokio::test]
async fn a_bundle_that_is_refused_leaves_nothing() {
    let app = TestApp::start().await;
    let path = app.send_whole(b"this is no bundle").await;

    let answer = app.call(Method::POST, &format!("{path}/publish")).send().await;

    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.code(), "invalid_bundle");
    assert_eq!(app.tus(Method::HEAD, &path).send().await.status, StatusCode::NOT_FOUND);
    assert_eq!((app.staged(), app.app.bundles.staged_bytes()), (0, 0));
}

#[tokio::test]
async fn a_bundle_that_is_not_the_declared_one_is_refused() {
    let app = TestApp::start().await;
    let archive = reports().build();
    let line = metadata(&[("sha256", &"0".repeat(64))]);
    let call = app.creation(archive.len()).header("upload-metadata", &line);
    let path = call.send().await.header("location").to_owned();
    app.part(&path, 0, archive.clone()).send().await;

    let answer = app.publish_upload(&path, &app.sign(&archive)).await;

    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text());
    assert!(answer.text().contains("hash_mismatch"), "{}", answer.text());
}

#[tokio::test]
async fn a_bundle_that_is_published_already_needs_no_bytes() {
    let app = TestApp::start().await;
    app.publish(&reports()).await;
    let hash = app.content_hash(&reports());
    let length = reports().build().len();
    let line = metadata(&[("sha256", &hash.hex())]);

    let answer = app.creation(length).header("upload-metadata", &line).send().await;

    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    assert_eq!(answer.header("upload-offset"), length.to_string());
    assert_eq!(answer.json()["published"]["outcome"], "unchanged");
    assert_eq!(answer.json()["published"]["version"], "1.2.0");
    let path = answer.header("location").to_owned();
    let published = app.call(Method::POST, &format!("{path}/publish")).send().await;
    assert_eq!(published.status, StatusCode::OK);
    assert_eq!(published.json(), answer.json()["published"]);
}

#[tokio::test]
async fn finished_uploads_are_forgotten_when_there_are_many() {
    let app = TestApp::start().await;
    app.publish(&reports()).await;
    let line = metadata(&[("sha256", &app.content_hash(&reports()).hex())]);
    let mut last = String::new();

    for _ in 0..103 {
        let answer = app.creation(10).header("upload-metadata", &line).send().await;
        answer.header("location").clone_into(&mut last);
    }

    let found = app.get("/api/v1/uploads").await.json();
    assert_eq!(found["uploads"].as_array().unwrap().len(), 100);
    assert_eq!(app.get(&last).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_caller_who_may_not_publish_the_name_is_refused_and_nothing_is_kept() {
    let app = TestApp::start().await;
    let limited = app.make_token("default", &["bundle:publish:com.other.*"]).await;
    let archive = reports().build();
    let path = app.creation(archive.len()).token(&limited).send().await;
    let path = path.header("location").to_owned();
    app.part(&path, 0, archive).token(&limited).send().await;

    let call = app.call(Method::POST, &format!("{path}/publish")).token(&limited);
    let answer = call.send().await;

    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text());
    assert_eq!(app.staged(), 0);
}
