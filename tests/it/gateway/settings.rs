//! Extensions that read their settings, called through the gateway.

use axum::http::{Method, StatusCode};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::support::bundle_builder::BundleBuilder;
use crate::support::guests;
use crate::support::test_app::{ALL_SCOPES, Answer, TestApp};

const ASKS: &str = "com.example.asks";

fn asking(version: &str, component: Bytes) -> BundleBuilder {
    let schema = json!({"type": "object", "properties": {
        "greeting": {"type": "string", "default": "Hello"},
        "limit": {"type": "integer"},
        "rooms": {"default": ["a"]},
    }});
    let bundle = BundleBuilder::new(ASKS, version).component(component).endpoint("GET", "/a");
    bundle.manifest("settings", schema)
}

fn extension() -> Bytes {
    guests::wasi_extension("asks")
}

/// An appliance with a guest that asks, and the id of its install.
async fn started(component: Bytes) -> (TestApp, String) {
    let app = TestApp::start().await;
    let id = app.install(&asking("1.0.0", component)).await;
    (app, id)
}

async fn set(app: &TestApp, id: &str, settings: Value) {
    let path = format!("/api/v1/installs/{id}/settings");
    let answer = app.call(Method::PUT, &path).json(settings).send().await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
}

async fn ask(app: &TestApp, key: &str) -> Answer {
    app.get(&format!("/api/ext/{ASKS}/a?{key}")).await
}

#[tokio::test]
async fn what_is_not_set_has_its_default_and_a_change_counts_from_the_next_call_on() {
    for component in [extension(), guests::proxy("asks_http")] {
        let (app, id) = started(component).await;

        assert_eq!(ask(&app, "greeting").await.text(), "Hello");
        assert_eq!(ask(&app, "limit").await.status, StatusCode::NOT_FOUND);

        set(&app, &id, json!({"greeting": "Servus", "limit": 60})).await;
        assert_eq!(ask(&app, "greeting").await.text(), "Servus");
        assert_eq!(ask(&app, "limit").await.text(), "60");
        assert_eq!(ask(&app, "rooms").await.text(), r#"["a"]"#);

        set(&app, &id, json!({"greeting": ""})).await;
        let empty = ask(&app, "greeting").await;
        assert_eq!((empty.status, empty.text()), (StatusCode::OK, String::new()));
        assert_eq!(ask(&app, "limit").await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn all_settings_are_read_at_once_as_text() {
    let (app, id) = started(extension()).await;
    set(&app, &id, json!({"limit": 1, "more": null, "nested": {"deep": [true, "x"]}})).await;

    let all = app.get(&format!("/api/ext/{ASKS}/a")).await.text();

    let lines =
        ["greeting=Hello", "limit=1", "more=", r#"nested={"deep":[true,"x"]}"#, "rooms=[\"a\"]"];
    assert_eq!(all.lines().collect::<Vec<_>>(), lines);
}

#[tokio::test]
async fn another_tenant_has_settings_of_its_own() {
    let (app, id) = started(extension()).await;
    set(&app, &id, json!({"greeting": "Servus"})).await;
    let other = app.make_token("other", &ALL_SCOPES).await;
    let post = |path: String, body| app.call(Method::POST, &path).token(&other).json(body).send();
    let install = post("/api/v1/installs".to_owned(), json!({"name": ASKS})).await.json();
    let theirs = install["id"].as_str().unwrap();
    post(format!("/api/v1/installs/{theirs}/enable"), json!({})).await;

    let path = format!("/api/ext/{ASKS}/a?greeting");
    let answer = app.call(Method::GET, &path).token(&other).send().await;

    assert_eq!(answer.text(), "Hello");
    assert_eq!(ask(&app, "greeting").await.text(), "Servus");
}

#[tokio::test]
async fn an_upgrade_brings_its_own_defaults_and_the_way_back_the_old_ones() {
    let (app, id) = started(extension()).await;
    set(&app, &id, json!({"limit": 3})).await;
    let newer = json!({"properties": {"greeting": {"default": "Moin"}, "limit": {"default": 9}}});
    app.publish(&asking("1.1.0", extension()).manifest("settings", newer)).await;
    let path = format!("/api/v1/installs/{id}/version");
    let put = |body: Value| app.call(Method::PUT, &path).json(body).send();

    put(json!({"version": "1.1.0"})).await;
    let after = [ask(&app, "greeting").await.text(), ask(&app, "limit").await.text()];
    put(json!({"back": true})).await;

    assert_eq!(after, ["Moin", "3"]);
    assert_eq!(ask(&app, "greeting").await.text(), "Hello");
}

#[tokio::test]
async fn unknown_imports_of_the_same_name_are_refused_when_published() {
    let app = TestApp::start().await;
    for interface in
        ["wasi:config/store@9.0.0", "wasi:config/store@0.2.0-rc.2", "wasi:config/other@0.2.0-rc.1"]
    {
        let wasm = format!(r#"(component (import "{interface}" (instance)))"#);
        let bundle = asking("1.0.0", wat::parse_str(wasm).unwrap().into());
        let answer = app.put_bundle(bundle.build(), &[]).await;
        assert!(answer.text().contains("unknown_import"), "{interface}: {}", answer.text());
    }
}

#[tokio::test]
async fn the_page_of_the_settings_says_who_changed_them_and_when() {
    let (app, id) = started(extension()).await;
    let page = format!("/admin/extensions/{ASKS}/settings");
    let session = app.sign_in().await;
    let shown = || async { app.call(Method::GET, &page).session(&session).send().await.text() };
    assert!(!shown().await.contains("Last changes"));

    for number in 0..7 {
        set(&app, &id, json!({"greeting": format!("secretive {number}"), "limit": number})).await;
    }

    let shown = shown().await;
    let (_, changes) = shown.split_once("Last changes").unwrap();
    assert_eq!(changes.matches(": token ").count(), 5, "{changes}");
    assert_eq!(changes.matches(&format!("{ASKS} 1.0.0")).count(), 5, "{changes}");
    assert!(!changes.contains("secretive"), "{changes}");
    assert!(changes.contains("/admin/audit?action=settings_changed"), "{changes}");
}

#[tokio::test]
async fn changes_of_an_earlier_install_and_of_longer_names_are_not_shown() {
    let (app, id) = started(extension()).await;
    set(&app, &id, json!({"greeting": "before"})).await;
    app.call(Method::DELETE, &format!("/api/v1/installs/{id}")).send().await;
    app.clock.advance(60);
    app.install_published(ASKS, json!([])).await;
    let longer = BundleBuilder::new("com.example.asks-more", "1.0.0").component(extension());
    let longer = longer.manifest("settings", json!({})).endpoint("GET", "/a");
    let other = app.install(&longer).await;
    set(&app, &other, json!({"a": 1})).await;

    let session = app.sign_in().await;
    let page = format!("/admin/extensions/{ASKS}/settings");
    let shown = app.call(Method::GET, &page).session(&session).send().await.text();

    assert!(shown.contains("Save settings") && !shown.contains("Last changes"), "{shown}");
}
