//! `initiate-upload`: an address is good for exactly the bundle it was given out for.

use axum::http::{Method, StatusCode};
use plugboard::app::tokens::{CreatedToken, TokenRequest};
use plugboard::app::uploads::{AddressError, UploadAddress};
use plugboard::model::{ContentHash, TenantId, UploadId};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{FINALIZE, hello, published, refused, trusting, unfinished};
use crate::support::test_app::{Answer, Call, TestApp, local};

const INITIATE: &str = "/api/ext-bundles/initiate-upload";
const BYTES: &str = "abc";

/// Asks for an address for [`BYTES`] with more members.
async fn initiate(app: &TestApp, members: Value) -> Value {
    let mut body = members;
    body["filename"] = "bundle.tar.zst".into();
    body["size"] = BYTES.len().into();
    let answer = app.post(INITIATE, body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()
}

/// The path and query of an address.
fn target(answer: &Value) -> String {
    let url = answer["upload"]["url"].as_str().unwrap();
    url.split_once("/api/").map(|(_, rest)| format!("/api/{rest}")).unwrap()
}

/// A request to an address with the headers that its sender was told to send.
fn put<'a>(app: &'a TestApp, method: Method, target: &str) -> Call<'a> {
    let call = app.call(method, target).anonymous().header("if-none-match", "*");
    call.header("content-type", "application/octet-stream").body(BYTES)
}

async fn send(app: &TestApp, target: &str) -> Answer {
    put(app, Method::PUT, target).send().await
}

#[tokio::test]
async fn a_bundle_is_sent_to_an_address_and_finalized_by_its_key() {
    let app = trusting().await;
    let archive = hello("1.0.0").build();
    let hash = ContentHash::of(&archive).hex();
    let body = json!({
        "filename": "a.zst", "size": archive.len(), "declaredHash": hash,
        "contentType": "application/zstd", "cacheControl": "no-store",
    });
    let given = app.post(INITIATE, body).await.json();
    assert_eq!(given["upload"]["strategy"], "staging");
    assert_eq!(given["upload"]["method"], "PUT");
    assert_eq!(given["upload"]["expiresSeconds"], 900);
    let required = json!({
        "content-type": "application/zstd", "if-none-match": "*", "cache-control": "no-store",
    });
    assert_eq!(given["upload"]["requiredHeaders"], required);

    let mut call = app.call(Method::PUT, &target(&given)).anonymous();
    for (name, value) in required.as_object().unwrap() {
        call = call.header(name, value.as_str().unwrap());
    }
    let sent = call.body(archive).send().await;
    let finalized = app.post(FINALIZE, json!({ "key": given["upload"]["key"] })).await;

    assert_eq!(sent.status, StatusCode::OK, "{}", sent.text());
    assert_eq!(finalized.json()["contentHash"], hash, "{}", finalized.text());
}

#[tokio::test]
async fn a_bundle_that_is_published_needs_no_address() {
    let app = trusting().await;
    published(&app, &hello("1.0.0")).await;
    let hash = app.content_hash(&hello("1.0.0")).hex();
    let before = app.get("/api/v1/uploads").await.json();

    let answer = initiate(&app, json!({ "declaredHash": hash })).await;

    let expected = json!({
        "filename": "bundle.tar.zst", "size": 3, "declaredHash": hash,
        "upload": null, "exists": true,
    });
    assert_eq!(answer, expected);
    assert_eq!(app.get("/api/v1/uploads").await.json(), before);
}

#[tokio::test]
async fn requests_that_say_nothing_right_get_no_address() {
    let app = trusting().await;

    for body in [
        json!({ "size": 3 }),
        json!({ "filename": "a" }),
        json!({ "filename": "a", "size": 0 }),
        json!({ "filename": "a", "size": 209_715_201 }),
        json!({ "filename": "a", "size": 3, "declaredHash": "abc" }),
        json!({ "filename": "a", "size": 3, "contentType": "a\nb" }),
        json!({ "filename": "a", "size": 3, "cacheControl": 7 }),
    ] {
        refused(&app.post(INITIATE, body).await, StatusCode::BAD_REQUEST, "BAD_REQUEST");
    }
    assert_eq!(unfinished(&app).await.len(), 0);
}

#[tokio::test]
async fn an_address_is_good_once() {
    let app = trusting().await;
    let target = target(&initiate(&app, json!({})).await);

    let first = send(&app, &target).await;
    let again = send(&app, &target).await;

    assert_eq!(first.status, StatusCode::OK, "{}", first.text());
    refused(&again, StatusCode::PRECONDITION_FAILED, "ADDRESS_USED");
}

#[tokio::test]
async fn an_address_is_good_for_a_quarter_of_an_hour() {
    let app = trusting().await;
    let target = target(&initiate(&app, json!({})).await);
    app.clock.advance(900);

    let answer = send(&app, &target).await;

    refused(&answer, StatusCode::FORBIDDEN, "ADDRESS_EXPIRED");
}

#[tokio::test]
async fn every_change_to_an_address_is_refused() {
    let app = trusting().await;
    let target = target(&initiate(&app, json!({})).await);
    let (path, query) = target.split_once('?').unwrap();
    let pairs: Vec<_> = query.split('&').collect();
    let other = initiate(&app, json!({})).await["upload"]["key"].as_str().unwrap().to_owned();
    let other = other.split('/').nth(2).unwrap();

    for changed in [
        path.to_owned(),
        format!("{path}?{}", pairs[1..].join("&")),
        format!("{path}?{}", pairs[..4].join("&")),
        format!("{target}&partNumber=1"),
        format!("{target}&x-amz-acl=public-read"),
        format!("{target}&{}", pairs[0]),
        target.replace("expires=1", "expires=2"),
        target.replace("length=3", "length=4"),
        target.replace("length=3", "length=03"),
        target.replace("sha256=", &format!("sha256={}", "0".repeat(64))),
        format!("{path}?{}&{}&{}", pairs[1], pairs[0], pairs[2..].join("&")),
        format!("/api/ext-bundles/uploads/{other}?{query}"),
        target.replace("signature=", "signature=0"),
    ] {
        refused(&send(&app, &changed).await, StatusCode::FORBIDDEN, "ADDRESS_REFUSED");
    }
    assert_eq!(send(&app, &target).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_address_is_good_for_its_method_and_its_headers_only() {
    let app = trusting().await;
    let target = target(&initiate(&app, json!({})).await);
    let token = app.make_token("default", &["bundle:publish"]).await;
    let bare = || app.call(Method::PUT, &target).anonymous().body(BYTES);
    let typed = || bare().header("content-type", "application/octet-stream");

    for call in [
        typed(),
        typed().header("if-none-match", "\"x\""),
        bare().header("if-none-match", "*"),
        bare().header("if-none-match", "*").header("content-type", "text/html"),
        put(&app, Method::PUT, &target).header("cache-control", "no-store"),
        put(&app, Method::PUT, &target).header("x-amz-acl", "public-read"),
        put(&app, Method::PUT, &target)
            .header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        put(&app, Method::PUT, &target).token(&token),
        put(&app, Method::PUT, &target).header("x-api-key", &token),
    ] {
        refused(&call.send().await, StatusCode::FORBIDDEN, "ADDRESS_REFUSED");
    }
    let post = put(&app, Method::POST, &target).send().await;
    assert_eq!(post.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_body_of_another_length_is_refused_and_ends_the_address() {
    let app = trusting().await;

    for (length, body) in [(Some("4"), "abcd"), (Some("4"), "abc"), (None, "ab"), (None, "abcd")] {
        let target = target(&initiate(&app, json!({})).await);
        let mut call = put(&app, Method::PUT, &target);
        if let Some(length) = length {
            call = call.header("content-length", length);
        }
        let answer = call.body(body).send().await;

        refused(&answer, StatusCode::BAD_REQUEST, "LENGTH_MISMATCH");
    }
}

#[tokio::test]
async fn other_bytes_than_were_declared_are_refused() {
    let app = trusting().await;
    let hash = ContentHash::of(b"xyz").hex();
    let target = target(&initiate(&app, json!({ "declaredHash": hash })).await);

    let answer = send(&app, &target).await;

    refused(&answer, StatusCode::BAD_REQUEST, "HASH_MISMATCH");
    assert_eq!(unfinished(&app).await.len(), 0);
}

#[tokio::test]
async fn an_address_ends_with_its_token() {
    let app = trusting().await;
    let token = app.make_token("default", &["bundle:publish"]).await;
    let call = app.call(Method::POST, INITIATE).token(&token);
    let given = call.json(json!({ "filename": "a", "size": 3 })).send().await.json();
    let id = &token[5..13];
    app.call(Method::DELETE, &format!("/api/v1/tokens/{id}")).send().await;

    let answer = send(&app, &target(&given)).await;

    refused(&answer, StatusCode::FORBIDDEN, "ADDRESS_REFUSED");
}

/// A token of one day with one scope.
async fn token_of_a_day(app: &TestApp, scope: &str) -> CreatedToken {
    let request = TokenRequest {
        name: "tests".to_owned(),
        tenant: TenantId::default_tenant(),
        scopes: vec![scope.parse().unwrap()],
        days: Some(1),
        user: None,
    };
    app.app.create_token(&local(), request).await.unwrap()
}

#[tokio::test]
async fn an_address_ends_with_the_time_of_its_token() {
    let app = trusting().await;
    let secret = token_of_a_day(&app, "bundle:publish").await.secret;
    app.clock.advance(24 * 3600 - 60);
    let call = app.call(Method::POST, INITIATE).token(secret.expose_secret());
    let given = call.json(json!({ "filename": "a", "size": 3 })).send().await.json();
    app.clock.advance(60);

    let answer = send(&app, &target(&given)).await;

    refused(&answer, StatusCode::FORBIDDEN, "ADDRESS_REFUSED");
}

#[tokio::test]
async fn an_address_is_worth_nothing_to_a_token_that_may_not_publish() {
    let app = trusting().await;
    let address = UploadAddress {
        upload: UploadId::random(),
        token: token_of_a_day(&app, "install:read").await.token.id,
        expires_at: app.app.clock.now().as_second() + 60,
        length: 3,
        declared_hash: None,
        content_type: "application/zstd".to_owned(),
        cache_control: None,
    };
    let signature = app.app.sign_upload_address("PUT /a", &address);

    let opened = app.app.open_upload_address("PUT /a", &address, &signature);

    assert_eq!(opened.unwrap_err(), AddressError::TokenGone);
}

#[tokio::test]
async fn an_address_of_another_appliance_is_refused() {
    let (app, other) = (trusting().await, trusting().await);
    let target = target(&initiate(&other, json!({})).await);

    let answer = send(&app, &target).await;

    refused(&answer, StatusCode::FORBIDDEN, "ADDRESS_REFUSED");
}
