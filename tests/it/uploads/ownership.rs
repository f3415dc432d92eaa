//! An upload is its owner's; for everybody else it does not exist.

use axum::http::{Method, StatusCode};
use serde_json::json;

use crate::support::test_app::TestApp;

#[tokio::test]
async fn an_upload_is_unknown_to_every_other_caller() {
    let app = TestApp::start().await;
    let path = app.begin(10).await;
    let colleague = app.make_token("default", &["bundle:publish"]).await;
    let stranger = app.make_token("acme", &["bundle:publish"]).await;

    for token in [&colleague, &stranger] {
        for call in [
            app.tus(Method::HEAD, &path),
            app.part(&path, 0, "12345"),
            app.tus(Method::DELETE, &path),
            app.call(Method::POST, &format!("{path}/publish")),
        ] {
            assert_eq!(call.token(token).send().await.status, StatusCode::NOT_FOUND);
        }
        let list = app.call(Method::GET, "/api/v1/uploads").token(token).send().await;
        assert_eq!(list.json(), json!({"uploads": []}));
    }
    assert_eq!(app.offset(&path).await, "0");
}

#[tokio::test]
async fn a_stranger_does_not_learn_that_an_upload_is_being_changed() {
    let app = TestApp::start().await;
    let path = app.begin(10).await;
    let stranger = app.make_token("acme", &["bundle:publish"]).await;
    let id = path.rsplit('/').next().unwrap().parse().unwrap();
    let _held = app.app.bundles.hold_upload(id).unwrap();

    let own = app.tus(Method::DELETE, &path).send().await;
    let others = app.tus(Method::DELETE, &path).token(&stranger).send().await;

    assert_eq!((own.status, others.status), (StatusCode::LOCKED, StatusCode::NOT_FOUND));
}

#[tokio::test]
async fn a_published_hash_is_no_secret_to_ask_for_without_the_right_to_its_name() {
    let app = TestApp::start().await;
    app.publish(&super::reports()).await;
    let hash = app.content_hash(&super::reports());
    let limited = app.make_token("default", &["bundle:publish:com.other.*"]).await;
    let line = super::metadata(&[("sha256", &hash.hex())]);

    let call = app.creation(10).token(&limited).header("upload-metadata", &line);
    let answer = call.send().await;

    assert_eq!(answer.header("upload-offset"), "0", "{}", answer.text());
    assert_eq!(answer.json()["published"], json!(null));
}
