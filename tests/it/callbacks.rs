//! A guest asks the operator's own application. What is sent and read in each case is tested
//! beside the host functions; here is the way from a setting to a guest's answer.

mod limits;

use axum::http::{Method, StatusCode};
use serde_json::json;

use crate::support::bundle_builder::BundleBuilder;
use crate::support::guests;
use crate::support::internet::{Authority, Script, Server};
use crate::support::test_app::TestApp;

const NAME: &str = "com.example.asks";
const DENIED: &str = "1";
const ROUTE_NOT_FOUND: &str = "0";
/// Those of `http.fetch`.
const NOT_ALLOWED: &str = "1";
const TRANSPORT: &str = "2";

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
async fn the_time_of_a_call_ends_a_question_that_the_application_does_not_answer() {
    let server = Server::start(Script::Hang(Vec::new())).await;
    let app = TestApp::start_with(|config| {
        config.host_callbacks.ui_proxy_base_url = format!("http://{}", server.address);
        config.host_callbacks.ui_proxy_timeout_ms = 60_000;
        config.gateway.timeout_ms = 200;
    })
    .await;
    app.install(&bundle()).await;

    let (status, error) = answer(&app).await;

    assert_eq!(status, 504, "{error}");
    assert_eq!(server.connections(), 1);
    server.until_ended(1).await;
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

#[tokio::test]
async fn an_application_with_a_certificate_of_its_own_authority_is_asked_and_counted() {
    let authority = Authority::new(&["127.77.0.1"]);
    let server = authority.start(Script::body("Ada")).await;
    let app = TestApp::start_with(|config| {
        config.host_callbacks.ui_proxy_base_url = format!("https://{}", server.address);
        config.host_callbacks.ca_file.clone_from(&authority.ca_file);
    })
    .await;
    app.install(&bundle()).await;

    assert_eq!(answer(&app).await, (200, "Ada".to_owned()));

    let metrics = app.app.metrics.encode(app.app.clock.now());
    let line = "plugboard_callbacks_total{interface=\"ui-proxy\",outcome=\"answered\"} 1\n";
    assert!(metrics.contains(line), "{metrics}");
}

#[tokio::test]
async fn extensions_do_not_call_the_application_past_the_host() {
    let server = Server::start(Script::body("hello")).await;
    let entry = server.entry("*.example.com");
    let port = server.address.port();
    let app = TestApp::start_with(|config| {
        config.egress.allowlist = vec![entry.parse().unwrap()];
        config.host_callbacks.clients_url = format!("http://127.77.0.1:{port}/clients");
        let theirs = plugboard::config::TenantCallbacks {
            services_url: "https://inside.example.com/services".to_owned(),
            ..Default::default()
        };
        config.host_callbacks.tenants.insert("acme".parse().unwrap(), theirs);
    })
    .await;
    app.internet.name("inside.example.com", &["127.77.0.2"]);
    for (name, address) in [("a", "127.77.0.1"), ("b", "127.77.0.2"), ("c", "127.77.0.3")] {
        app.internet.name(&format!("{name}.example.com"), &[address]);
    }
    let bundle = BundleBuilder::new(NAME, "1.0.0")
        .component(guests::extension("calls"))
        .capabilities(&["cap:http.fetch"])
        .manifest("egress", json!([entry]))
        .endpoint("POST", "/call");
    let id = app.install(&bundle).await;
    let call = async |name: &str| {
        let call = app.call(Method::POST, &format!("/api/ext/{NAME}/call"));
        call.body(server.entry(name)).send().await.text()
    };

    for name in ["a.example.com", "b.example.com", "inside.example.com"] {
        assert_eq!(call(name).await, NOT_ALLOWED, "{name}");
    }
    assert_eq!(call("c.example.com").await, TRANSPORT, "nobody listens there");

    assert_eq!(server.connections(), 0);
    let report = app.get(&format!("/api/v1/installs/{id}/egress")).await;
    assert_eq!(report.status, StatusCode::OK);
    assert_eq!(report.json()["refused"].as_array().unwrap().len(), 3);
}
