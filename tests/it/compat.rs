//! Existing clients: the routes they call answer as they always did.

mod aborting;
mod addresses;
mod callers;
mod failing_store;
mod finalizing;
mod installing;
mod presigned;
mod proxying;
mod stars;
mod waiting;

use axum::http::{Method, StatusCode};
use plugboard::config::SigningPolicy;
use serde_json::{Value, json};

use crate::support::bundle_builder::BundleBuilder;
use crate::support::test_app::{Answer, TestApp};

const PROXY: &str = "/api/ext-bundles/upload-proxy";
const FINALIZE: &str = "/api/ext-bundles/finalize";

/// An appliance that takes unsigned bundles, as these clients send them.
async fn trusting() -> TestApp {
    TestApp::start_with(|config| config.signing.policy = SigningPolicy::AllowUnsigned).await
}

fn hello(version: &str) -> BundleBuilder {
    BundleBuilder::new("com.example.hello", version)
}

/// Sends a bundle as the first of the three requests; gives its key.
async fn send(app: &TestApp, archive: &[u8]) -> String {
    let path = format!("{PROXY}?filename=bundle.tar.zst&size={}", archive.len());
    let answer = app.call(Method::POST, &path).body(archive.to_vec()).send().await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()["upload"]["key"].as_str().unwrap().to_owned()
}

/// Sends a bundle and publishes it.
async fn publish(app: &TestApp, bundle: &BundleBuilder) -> Answer {
    let key = send(app, &bundle.build()).await;
    app.post(FINALIZE, json!({ "key": key })).await
}

/// The same, for a bundle that is accepted; gives its version.
async fn published(app: &TestApp, bundle: &BundleBuilder) -> String {
    let answer = publish(app, bundle).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()["version"]["version"].as_str().unwrap().to_owned()
}

/// The keys of uploads that are still there.
async fn unfinished(app: &TestApp) -> Vec<Value> {
    let mut list = app.get("/api/v1/uploads").await.json()["uploads"].as_array().unwrap().clone();
    list.retain(|upload| upload["finished"] != true);
    list
}

/// The one object of the bundle routes' errors.
fn refused(answer: &Answer, status: StatusCode, code: &str) -> Value {
    let body = answer.json();
    assert_eq!((answer.status, &body["code"]), (status, &code.into()), "{body}");
    assert!(body["error"].as_str().is_some_and(|text| text.len() > 10), "{body}");
    assert_eq!(answer.header("content-type"), "application/json");
    assert!(!answer.header("x-request-id").is_empty());
    body
}
