//! Who may call: a token, and nobody else, in the token's own tenant.

use axum::http::{Method, StatusCode};

use super::{PROXY, refused, trusting};
use crate::support::test_app::{ORIGIN, TestApp};

const FILE: &str = "/api/ext-bundles/upload-proxy?filename=a&size=3";

#[tokio::test]
async fn a_token_is_taken_from_x_api_key_and_from_a_bearer() {
    let app = trusting().await;
    let token = app.make_token("default", &["bundle:publish"]).await;
    let call = || app.call(Method::POST, FILE).anonymous().body("abc");

    let key = call().header("x-api-key", &token).header("sec-fetch-mode", "cors").send().await;
    let bearer = call().token(&token).send().await;
    // The key counts: a proxy on the way may use the other header for itself.
    let both = call().header("x-api-key", &token).header("authorization", "Basic eA==");

    assert_eq!(key.status, StatusCode::OK, "{}", key.text());
    assert_eq!(bearer.status, StatusCode::OK);
    assert_eq!(both.send().await.status, StatusCode::OK);
}

#[tokio::test]
async fn without_a_token_nothing_opens_not_even_the_admin_header() {
    let app = trusting().await;
    let cookie = app.session().await;
    let call = || app.call(Method::POST, FILE).anonymous().header("x-alga-admin", "true");

    let session = call().header("cookie", &cookie).header("sec-fetch-site", "same-origin");
    for call in [
        call(),
        call().header("x-api-key", "plug_aaaaaaaa_x"),
        call().header("authorization", "Basic eA=="),
        session.header("origin", ORIGIN),
    ] {
        let answer = call.body("abc").send().await;

        refused(&answer, StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
        assert_eq!(answer.header("x-upload-proxy-why"), "unauthorized");
    }
}

#[tokio::test]
async fn a_token_without_the_scope_is_refused_in_the_shape_of_the_route() {
    let app = trusting().await;
    let token = app.make_token("default", &["install:read"]).await;
    let call = |path: &str| app.call(Method::POST, path).token(&token).body("{}");

    let proxy = call(PROXY).send().await;
    let finalize = call("/api/ext-bundles/finalize").send().await;
    let install = call("/api/v1/extensions/install").send().await;

    refused(&proxy, StatusCode::FORBIDDEN, "RBAC_FORBIDDEN");
    assert_eq!(proxy.header("x-upload-proxy-why"), "rbac_forbidden_missing_admin_header");
    refused(&finalize, StatusCode::FORBIDDEN, "RBAC_FORBIDDEN");
    assert_eq!(install.status, StatusCode::FORBIDDEN);
    assert_eq!(install.json()["error"]["code"], "FORBIDDEN");
    assert!(install.json()["error"]["message"].is_string());
}

#[tokio::test]
async fn the_tenant_in_the_header_is_the_tokens_or_the_request_is_refused() {
    let app = trusting().await;
    let acme = app.make_token("acme", &["bundle:publish", "install:write"]).await;
    let call = |path: &str| app.call(Method::POST, path).token(&acme);

    let own = call(FILE).header("x-tenant-id", "acme").body("abc").send().await;
    let other = call(FILE).header("x-tenant-id", "default").body("abc").send().await;
    let two = call(FILE).header("x-tenant-id", "acme").header("x-tenant-id", "default");
    let two = two.body("abc").send().await;
    let install = call("/api/v1/extensions/install").header("x-tenant-id", "default").send().await;

    assert_eq!(own.status, StatusCode::OK, "{}", own.text());
    refused(&other, StatusCode::FORBIDDEN, "TENANT_MISMATCH");
    refused(&two, StatusCode::FORBIDDEN, "TENANT_MISMATCH");
    assert_eq!(install.json()["error"]["code"], "TENANT_MISMATCH");
}

#[tokio::test]
async fn who_calls_too_often_is_told_when_to_come_back() {
    let app = TestApp::start_with(|config| config.uploads.publishes_per_minute = 1).await;
    app.call(Method::POST, FILE).body("abc").send().await;

    let again = app.call(Method::POST, FILE).body("abc").send().await;

    refused(&again, StatusCode::TOO_MANY_REQUESTS, "RATE_LIMIT");
    assert_eq!(again.header("x-upload-proxy-why"), "rate_limited");
    assert!(!again.header("retry-after").is_empty());
}

#[tokio::test]
async fn a_method_or_an_address_that_is_not_there_is_refused_in_json() {
    let app = trusting().await;

    let method = app.get(PROXY).await;
    let address = app.get("/api/ext-bundles/nothing").await;

    assert_eq!(method.header("allow"), "POST");
    refused(&method, StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED");
    refused(&address, StatusCode::NOT_FOUND, "NOT_FOUND");
}
