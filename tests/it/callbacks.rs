//! A guest asks the operator's own application. What is sent and read in each case is tested
//! beside the host functions; here is the way from a setting to a guest's answer.

use axum::http::Method;
use serde_json::json;

use crate::support::bundle_builder::BundleBuilder;
use crate::support::guests;
use crate::support::internet::{Script, Server};
use crate::support::test_app::TestApp;

const NAME: &str = "com.example.asks";
const DENIED: &str = "1";
const ROUTE_NOT_FOUND: &str = "0";

fn bundle() -> BundleBuilder {
    BundleBuilder::new(NAME, "1.0.0")
        .component(guests::extension("asks_host"))
        .capabilities(&["cap:ui.proxy"])
        .endpoint("GET", "/a")
}

async fn answer(app: &TestApp) -> (u16, String) {
    let answer = app.get(&format!("/api/ext/{NAME}/a")).await;
    (answer.status.as_u16(), answer.text())
}

#[tokio::test]
async fn a_guest_reaches_the_application_that_the_operator_has_named() {
    let server = Server::start(Script::body("Ada")).await;
    let app = TestApp::start_with(|config| {
        config.host_callbacks.ui_proxy_base_url = format!("http://{}", server.address);
        config.host_callbacks.token = "a-token-of-it".to_owned().into();
    })
    .await;
    let id = app.install(&bundle()).await;
    let secret = format!("/api/v1/installs/{id}/secrets/api_key");
    app.call(Method::PUT, &secret).json(json!({"value": "its-key"})).send().await;

    assert_eq!(answer(&app).await, (200, "Ada".to_owned()));

    let [request] = &server.requests()[..] else { panic!("{:?}", server.requests()) };
    for part in [
        &format!("GET /{NAME}/me HTTP/1.1\r\n"),
        "\r\nx-alga-tenant: default\r\n",
        &format!("\r\nx-ext-install-id: {id}\r\n"),
        "\r\nx-runner-auth: a-token-of-it\r\n",
        "\r\nx-api-key: its-key\r\n",
    ] {
        assert!(request.contains(part), "{part}: {request}");
    }
}

#[tokio::test]
async fn without_the_grant_or_the_setting_the_guest_is_told() {
    let server = Server::start(Script::body("Ada")).await;
    let app = TestApp::start_with(|config| {
        config.host_callbacks.ui_proxy_base_url = format!("http://{}", server.address);
    })
    .await;
    app.publish(&bundle()).await;
    app.install_published(NAME, json!([])).await;
    assert_eq!(answer(&app).await, (500, DENIED.to_owned()));

    let app = TestApp::start().await;
    app.install(&bundle()).await;
    assert_eq!(answer(&app).await, (500, ROUTE_NOT_FOUND.to_owned()));
    assert_eq!(server.connections(), 0);
}
