//! `finalize` on storage that fails: each step has its code, and nothing is lost.

use std::fs;
use std::path::PathBuf;

use axum::http::{Method, StatusCode};
use serde_json::json;

use super::{FINALIZE, refused, send};
use crate::support::bundle_builder::BundleBuilder;
use crate::support::s3_server::{Fault, S3Server};
use crate::support::test_app::{Answer, TestApp};

const FAILED: StatusCode = StatusCode::INTERNAL_SERVER_ERROR;

/// What is wrong with the server when a bundle is finalized.
struct Case {
    /// Which object is there before, with another content.
    damaged: Option<&'static str>,
    /// Of this request on ...
    method: Method,
    /// ... for an object of this name.
    object: &'static str,
}

fn case(method: Method, object: &'static str) -> Case {
    Case { damaged: None, method, object }
}

fn bundle() -> BundleBuilder {
    let hello = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/hello/bundle/dist/main.wasm");
    BundleBuilder::new("com.example.hello", "1.0.0")
        .component(fs::read(hello).unwrap())
        .endpoint("GET", "/greeting")
}

/// Finalizes while the server fails, and again when it does not.
async fn finalize_twice(case: Case) -> [Answer; 2] {
    let server = S3Server::start();
    let app = TestApp::start_with_store(server.config()).await;
    let key = send(&app, &bundle().build()).await;
    if let Some(object) = case.damaged {
        let hash = app.content_hash(&bundle()).hex();
        let file = server.object(&format!("sha256/{hash}/{object}"));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "damaged").unwrap();
    }
    server.fail(move |method, uri| {
        let is_it = *method == case.method && uri.path().ends_with(case.object);
        is_it.then_some(Fault::Status(500))
    });
    let failed = app.post(FINALIZE, json!({ "key": key })).await;
    server.heal();
    let again = app.post(FINALIZE, json!({ "key": key })).await;
    [failed, again]
}

#[tokio::test]
async fn each_step_that_fails_has_its_code_and_the_same_request_again_succeeds() {
    let archive = "bundle.tar.zst";
    for (case, code) in [
        (case(Method::PUT, archive), "CANONICAL_MISSING"),
        (case(Method::PUT, "manifest.json"), "MANIFEST_STORE_FAILED"),
        (case(Method::PUT, "entry.wasm"), "INTERNAL_ERROR"),
        (Case { damaged: Some(archive), ..case(Method::GET, archive) }, "S3_GET_FAILED"),
        (Case { damaged: Some(archive), ..case(Method::HEAD, archive) }, "S3_HEAD_FAILED"),
        (Case { damaged: Some(archive), ..case(Method::DELETE, archive) }, "INTERNAL_ERROR"),
    ] {
        let [failed, again] = finalize_twice(case).await;

        let body = refused(&failed, FAILED, code);
        assert!(body.get("details").is_none(), "{body}");
        assert!(!failed.header("retry-after").is_empty());
        assert_eq!(again.status, StatusCode::OK, "{code}: {}", again.text());
    }
}

/// An appliance on disk with a bundle that waits; its key and its file.
async fn waiting() -> (TestApp, String, PathBuf) {
    let app = TestApp::start_on_disk().await;
    let key = send(&app, &bundle().build()).await;
    let file = app.stored().join(&key);
    assert!(file.is_file());
    (app, key, file)
}

#[tokio::test]
async fn bytes_that_are_lost_are_an_object_that_is_missing_and_then_no_upload() {
    let (app, key, file) = waiting().await;
    fs::remove_file(file).unwrap();

    let lost = app.post(FINALIZE, json!({ "key": key })).await;
    let again = app.post(FINALIZE, json!({ "key": key })).await;

    let body = refused(&lost, FAILED, "OBJECT_NOT_FOUND");
    assert!(body["error"].as_str().unwrap().ends_with("send the bundle again"), "{body}");
    refused(&again, StatusCode::BAD_REQUEST, "STAGING_NOT_FOUND");
}

#[tokio::test]
async fn an_upload_that_the_disk_does_not_give_back_is_a_get_that_failed() {
    let (app, key, file) = waiting().await;
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();

    let answer = app.post(FINALIZE, json!({ "key": key })).await;

    let body = refused(&answer, FAILED, "S3_GET_FAILED");
    assert!(!answer.text().contains("_staging"), "{body}");
}
