//! Whom a guest is told that it works for: a session, or the claims of a token.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::bundle_builder::BundleBuilder;
use crate::support::guests;
use crate::support::test_app::{ALL_SCOPES, Answer, TestApp};

const NAME: &str = "com.example.who";
const NOT_AVAILABLE: &str = "0";

fn bundle() -> BundleBuilder {
    BundleBuilder::new(NAME, "1.0.0")
        .component(guests::extension("tells_user"))
        .capabilities(&["cap:user.read"])
        .endpoint("GET", "/1")
        .endpoint("GET", "/2")
        .endpoint_with("GET", "/open/:version", &json!({"auth": "public"}))
}

async fn installed() -> TestApp {
    let app = TestApp::start().await;
    app.install(&bundle()).await;
    app
}

fn ada() -> Value {
    json!({
        "id": "u-17", "name": "Ada Lovelace", "email": "ada@example.com", "type": "client",
        "client_id": "c-4", "client_name": "Acme", "fields": {"role": "admin", "a.b": "ü"},
    })
}

async fn create(app: &TestApp, body: Value) -> Answer {
    app.post("/api/v1/tokens", body).await
}

async fn token_of(app: &TestApp, scope: &str, user: Value) -> String {
    let created = create(app, json!({"name": "site", "scopes": [scope], "user": user})).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.text());
    created.json()["token"].as_str().unwrap().to_owned()
}

async fn told(app: &TestApp, token: &str, path: &str) -> String {
    let call = app.call(Method::GET, &format!("/api/ext/{NAME}{path}")).token(token);
    // None of these says anything of a user.
    let call = call.header("x-user-id", "evil").header("x-user-email", "evil@example.com");
    let call = call.header("x-ext-user-id", "evil").header("x-alga-tenant", "other");
    let answer = call.send().await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.text()
}

#[tokio::test]
async fn a_guest_is_told_exactly_what_the_token_was_made_with() {
    let app = installed().await;
    let token = token_of(&app, "ext:invoke", ada()).await;

    let six = "default\nAcme\nu-17\nada@example.com\nAda Lovelace\nclient\n";
    assert_eq!(told(&app, &token, "/1").await, six);
    assert_eq!(told(&app, &token, "/2").await, format!("{six}c-4\na.b=ü\nrole=admin\n"));
    assert_eq!(told(&app, &token, "/open/1").await, six);

    let little = token_of(&app, "ext:invoke", json!({"id": "u-18"})).await;
    assert_eq!(told(&app, &little, "/2").await, "default\n\nu-18\n\n\n\n");
}

#[tokio::test]
async fn a_token_without_claims_is_nobody_and_a_session_is_its_operator() {
    let app = installed().await;
    let token = token_of(&app, "ext:invoke", Value::Null).await;

    assert_eq!(told(&app, &token, "/1").await, NOT_AVAILABLE);
    assert_eq!(told(&app, &token, "/2").await, NOT_AVAILABLE);
    let path = format!("/api/ext/{NAME}/2");
    let session = app.session().await;
    let call = app.call(Method::GET, &path).session(&session).same_origin();
    assert_eq!(call.send().await.text(), "default\n\nada\n\nada\ninternal\n");
}

#[tokio::test]
async fn a_public_endpoint_is_not_told_of_a_token_for_other_extensions() {
    let app = installed().await;
    let other = token_of(&app, "ext:invoke:com.example.other", ada()).await;

    assert_eq!(told(&app, &other, "/open/1").await, NOT_AVAILABLE);
}

#[tokio::test]
async fn the_tenant_is_the_tokens_own_whatever_is_claimed() {
    let app = installed().await;
    let theirs = app.make_token("other", &ALL_SCOPES).await;
    let install = app.call(Method::POST, "/api/v1/installs").token(&theirs);
    let install = install.json(json!({"name": NAME, "grants": ["cap:user.read"]})).send().await;
    let enable = format!("/api/v1/installs/{}/enable", install.json()["id"].as_str().unwrap());
    app.call(Method::POST, &enable).token(&theirs).send().await;
    let body = json!({"name": "site", "scopes": ["ext:invoke"], "user": {"id": "u-99"}});
    let made = app.call(Method::POST, "/api/v1/tokens").token(&theirs).json(body).send().await;
    let made = made.json()["token"].as_str().unwrap().to_owned();
    let ours = token_of(&app, "ext:invoke", ada()).await;

    assert_eq!(told(&app, &made, "/1").await, "other\n\nu-99\n\n\n\n");
    assert!(told(&app, &ours, "/1").await.starts_with("default\nAcme\nu-17\n"));
}

#[tokio::test]
async fn what_is_no_user_is_refused_and_what_is_one_is_listed() {
    let app = installed().await;
    for (scope, user, part) in [
        ("ext:invoke", json!({"name": "Ada"}), "a user has an id"),
        ("ext:invoke", json!({"id": "a\r\nx-user-id: b"}), "the id of a user has at most 256"),
        ("ext:invoke", json!({"id": "a", "name": "n".repeat(257)}), "the name of a user"),
        ("ext:invoke", json!({"id": "a", "fields": {"a b": "c"}}), "1 to 64 of"),
        ("ext:invoke", json!({"id": "a", "fields": {"a": "x".repeat(1025)}}), "1024 bytes"),
        ("install:read", json!({"id": "a"}), "ext:invoke"),
    ] {
        let answer = create(&app, json!({"name": "t", "scopes": [scope], "user": user})).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (422, "invalid_token_request".to_owned()),
            "{}",
            answer.text()
        );
        assert!(answer.text().contains(part), "{part}: {}", answer.text());
    }
    let unknown =
        json!({"name": "t", "scopes": ["ext:invoke"], "user": {"id": "a", "tenant": "b"}});
    assert_eq!(create(&app, unknown).await.code(), "malformed_request");

    token_of(&app, "ext:invoke", ada()).await;
    let listed = app.get("/api/v1/tokens").await.json();
    let rows = listed["tokens"].as_array().unwrap();
    let users: Vec<_> = rows.iter().filter_map(|row| row.get("user")).collect();
    assert_eq!(users, [&ada()]);
}
