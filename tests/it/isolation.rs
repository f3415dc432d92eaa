//! Tenant A never sees tenant B.

use axum::http::{Method, StatusCode};
use serde_json::json;

use crate::support::bundle_builder::BundleBuilder;
use crate::support::guests;
use crate::support::test_app::{ALL_SCOPES, TestApp};

fn hello() -> BundleBuilder {
    BundleBuilder::new("com.example.hello", "1.0.0")
        .component(guests::extension("answers"))
        .endpoint("GET", "/greeting")
}

#[tokio::test]
async fn an_install_of_another_tenant_is_unknown_by_every_route() {
    let app = TestApp::start().await;
    let id = app.install(&hello()).await;
    let other = app.make_token("other", &ALL_SCOPES).await;
    let path = format!("/api/v1/installs/{id}");
    let calls = [
        (Method::GET, path.clone(), json!({})),
        (Method::DELETE, path.clone(), json!({})),
        (Method::GET, format!("{path}/state"), json!({})),
        (Method::DELETE, format!("{path}/state"), json!({})),
        (Method::POST, format!("{path}/enable"), json!({})),
        (Method::POST, format!("{path}/disable"), json!({})),
        (Method::PUT, format!("{path}/version"), json!({"back": true})),
        (Method::PUT, format!("{path}/settings"), json!({})),
        (Method::GET, format!("{path}/logs"), json!({})),
        (Method::GET, format!("{path}/logs?follow=true"), json!({})),
        (Method::GET, format!("{path}/secrets"), json!({})),
        (Method::PUT, format!("{path}/secrets/api_key"), json!({"value": "x"})),
        (Method::DELETE, format!("{path}/secrets/api_key"), json!({})),
        (Method::GET, format!("/api/ext/{id}/greeting"), json!({})),
        (Method::GET, "/api/ext/com.example.hello/greeting".to_owned(), json!({})),
    ];

    for (method, path, body) in calls {
        let answer = app.call(method.clone(), &path).token(&other).json(body).send().await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {path} {}", answer.text());
        assert_eq!(answer.code(), "not_installed", "{method} {path}");
    }
    let listed = app.call(Method::GET, "/api/v1/installs").token(&other).send().await;
    assert_eq!(listed.json(), json!({"installs": []}));
}

#[tokio::test]
async fn the_tenant_is_never_taken_from_a_header_or_a_query() {
    let app = TestApp::start().await;
    app.install(&hello()).await;
    let other = app.make_token("other", &ALL_SCOPES).await;

    let answer = app
        .call(Method::GET, "/api/ext/com.example.hello/greeting?tenant=default")
        .token(&other)
        .header("x-tenant-id", "default")
        .header("x-alga-tenant", "default")
        .send()
        .await;

    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn two_tenants_install_the_same_version_each_for_itself() {
    let app = TestApp::start().await;
    let first = app.install(&hello()).await;
    let other = app.make_token("other", &ALL_SCOPES).await;

    let body = json!({"name": "com.example.hello"});
    let second = app.call(Method::POST, "/api/v1/installs").token(&other).json(body).send().await;

    assert_eq!(second.status, StatusCode::CREATED, "{}", second.text());
    assert_ne!(second.json()["id"], first);
    assert_eq!(second.json()["tenant"], "other");
}

#[tokio::test]
async fn a_token_lists_and_revokes_only_tokens_of_its_tenant() {
    let app = TestApp::start().await;
    let other = app.make_token("other", &ALL_SCOPES).await;
    let all = app.call(Method::GET, "/api/v1/tokens").send().await.json();
    let own_id = all["tokens"][0]["id"].as_str().unwrap().to_owned();

    let listed = app.call(Method::GET, "/api/v1/tokens").token(&other).send().await.json();
    let path = format!("/api/v1/tokens/{own_id}");
    let revoked = app.call(Method::DELETE, &path).token(&other).send().await;

    assert!(listed["tokens"].as_array().unwrap().iter().all(|row| row["tenant"] == "other"));
    assert_eq!(revoked.status, StatusCode::NOT_FOUND);
}
