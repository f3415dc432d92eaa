//! The sample extensions, from their folder to an answer through the gateway.

use std::path::{Path, PathBuf};

use axum::http::{Method, StatusCode};
use plugboard::bundle;
use serde_json::{Value, json};

use crate::examples::hello_js;
use crate::support::test_app::TestApp;

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name).join("bundle")
}

/// An appliance with the extension of a folder: packed, signed, published,
/// installed with every grant, enabled.
async fn running(folder: &Path) -> TestApp {
    let app = TestApp::start_with(|config| config.gateway.timeout_ms = 30_000).await;
    let mut archive = Vec::new();
    bundle::pack(folder, &mut archive).unwrap();
    let signature = app.sign(&archive);
    let published = app.put_bundle(archive, &[signature]).await;
    assert_eq!(published.status, StatusCode::CREATED, "{}", published.text());
    let manifest = std::fs::read(folder.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let grants = manifest.get("capabilities").cloned().unwrap_or(json!([]));
    app.install_published(manifest["name"].as_str().unwrap(), grants).await;
    app
}

async fn greets(app: &TestApp, name: &str) {
    let path = format!("/api/ext/{name}/greeting?name=Ada");
    let greeting = app.get(&path).await;

    assert_eq!(greeting.status, StatusCode::OK, "{}", greeting.text());
    assert!(greeting.text().contains("Ada"), "{}", greeting.text());
    assert!(greeting.header("content-type").starts_with("application/json"));
}

async fn echoes(app: &TestApp, name: &str) {
    let path = format!("/api/ext/{name}/echo?x=1");
    let call = app.call(Method::POST, &path).header("cookie", "secret=1");
    let echoed = call.json(json!({"word": "board"})).send().await;

    assert_eq!(echoed.status, StatusCode::OK, "{}", echoed.text());
    assert!(echoed.text().contains("board"), "{}", echoed.text());
    assert!(!echoed.text().contains("secret"), "{}", echoed.text());
}

#[tokio::test]
async fn hello_answers_through_the_gateway() {
    let app = running(&sample("hello")).await;

    greets(&app, "com.example.hello").await;
    echoes(&app, "com.example.hello").await;
}

#[tokio::test]
async fn hello_knows_who_is_asking() {
    let app = running(&sample("hello")).await;
    let cookie = app.session().await;

    let call = app.call(Method::GET, "/api/ext/com.example.hello/user").session(&cookie);
    let operator = call.send().await;
    let token = app.get("/api/ext/com.example.hello/user").await;

    assert!(operator.text().contains("ada"), "{}", operator.text());
    assert!(!token.text().contains("ada"), "{}", token.text());
}

#[tokio::test]
async fn anyone_may_ask_hello_how_it_is() {
    let app = running(&sample("hello")).await;

    let call = app.call(Method::GET, "/api/ext/com.example.hello/health").anonymous();
    let health = call.send().await;

    assert_eq!(health.status, StatusCode::OK, "{}", health.text());
}

#[tokio::test]
async fn hello_shows_its_page() {
    let app = running(&sample("hello")).await;
    let cookie = app.session().await;
    let installs = app.get("/api/v1/installs").await.json();
    let id = installs["installs"][0]["id"].as_str().unwrap().to_owned();

    let open = app.call(Method::GET, &format!("/admin/open/{id}")).session(&cookie).send().await;
    let text = open.text();
    let source = text.split("<iframe").nth(1).unwrap().split("src=\"").nth(1).unwrap();
    let source = source.split('"').next().unwrap().replace("&amp;", "&").replace("&#38;", "&");
    let path = source.split_once("/ext-ui/").unwrap().1;
    let page = app.call(Method::GET, &format!("/ext-ui/{path}")).anonymous().send().await;

    assert_eq!(page.status, StatusCode::OK, "{source}");
    assert!(page.header("content-type").starts_with("text/html"));
}

#[tokio::test]
async fn hello_wasi_answers_through_the_gateway() {
    let app = running(&sample("hello-wasi")).await;

    greets(&app, "com.example.hello-wasi").await;
    echoes(&app, "com.example.hello-wasi").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hello_js_answers_through_the_gateway() {
    let folder = tokio::task::spawn_blocking(hello_js).await.unwrap();
    let app = running(&folder).await;

    greets(&app, "com.example.hello-js").await;
    echoes(&app, "com.example.hello-js").await;
}
