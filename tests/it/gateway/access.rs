//! Who may call which endpoint.

use axum::http::{Method, StatusCode};
use plugboard::app::sign_in::csrf_token;
use plugboard::web::server::Peer;
use serde_json::json;

use super::extension;
use crate::support::test_app::{Call, TestApp};

const BASE: &str = "/api/ext/com.example.hello";

async fn with_every_auth() -> TestApp {
    let app = TestApp::start().await;
    let mut bundle = extension("answers");
    for auth in ["session", "token", "public"] {
        for method in ["GET", "POST"] {
            bundle = bundle.endpoint_with(method, auth, &json!({"auth": auth}));
        }
    }
    app.install(&bundle).await;
    app
}

/// The statuses of GET and POST for `session`, `token` and `public`.
async fn statuses<'a>(app: &'a TestApp, with: impl Fn(Call<'a>) -> Call<'a>) -> String {
    let mut statuses = Vec::new();
    for auth in ["session", "token", "public"] {
        for method in [Method::GET, Method::POST] {
            let call = with(app.call(method, &format!("{BASE}/{auth}")).anonymous());
            statuses.push(call.send().await.status.as_u16().to_string());
        }
    }
    statuses.join(" ")
}

#[tokio::test]
async fn the_endpoint_says_who_may_call_it() {
    let app = with_every_auth().await;
    let cookie = app.session().await;
    let csrf = csrf_token(cookie.split_once('=').unwrap().1);
    let invoke = app.make_token("default", &["ext:invoke"]).await;
    let ours = app.make_token("default", &["ext:invoke:com.example.*"]).await;
    let others = app.make_token("default", &["ext:invoke:com.other.*"]).await;
    let read = app.make_token("default", &["install:read", "install:write"]).await;

    // A POST without its CSRF token is the call of a stranger: fine where anyone may call.
    assert_eq!(statuses(&app, |call| call).await, "401 401 401 401 200 200");
    assert_eq!(statuses(&app, |call| call.session(&cookie)).await, "200 403 403 403 200 200");
    let of_page =
        statuses(&app, |call| call.session(&cookie).same_origin().header("x-csrf-token", &csrf));
    assert_eq!(of_page.await, "200 200 403 403 200 200");
    for (token, expected) in [
        (&invoke, "200 200 200 200 200 200"),
        (&ours, "200 200 200 200 200 200"),
        (&others, "403 403 403 403 200 200"),
        (&read, "403 403 403 403 200 200"),
        (&"plug_wrong".to_owned(), "401 401 401 401 401 401"),
    ] {
        assert_eq!(statuses(&app, |call| call.token(token)).await, expected);
    }
    let local = Peer::Unix { uid: 0 };
    assert_eq!(statuses(&app, |call| call.peer(local)).await, "200 200 200 200 200 200");
}

#[tokio::test]
async fn a_stranger_learns_nothing_about_what_is_installed() {
    let app = with_every_auth().await;

    let text = async |path: &str| {
        let call = app.call(Method::GET, path).anonymous().header("x-request-id", "r");
        let answer = call.send().await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        answer.text()
    };

    let declared = text("/api/ext/com.example.hello/session").await;
    assert_eq!(declared, text("/api/ext/com.example.hello/unknown").await);
    assert_eq!(declared, text("/api/ext/com.example.none/session").await);
    assert_eq!(declared, text("/api/ext/11111111-2222-4333-8444-555555555555/a").await);
}

#[tokio::test]
async fn whoever_may_call_a_public_path_is_told_its_methods() {
    let app = with_every_auth().await;
    let stranger =
        |method: Method, path: &str| app.call(method, &format!("{BASE}{path}")).anonymous();

    let options = stranger(Method::OPTIONS, "/public").send().await;
    let delete = stranger(Method::DELETE, "/public").send().await;
    let hidden = stranger(Method::OPTIONS, "/session").send().await;

    assert_eq!(
        (options.status, options.header("allow")),
        (StatusCode::NO_CONTENT, "GET, POST, OPTIONS, HEAD")
    );
    assert_eq!(delete.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(hidden.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_public_endpoint_is_that_of_the_default_tenant_or_of_the_install_named() {
    let app = TestApp::start().await;
    let public = extension("answers").endpoint_with("GET", "/a", &json!({"auth": "public"}));
    app.publish(&public).await;
    let other = app.make_token("other", &crate::support::test_app::ALL_SCOPES).await;
    let call = app.call(Method::POST, "/api/v1/installs").token(&other);
    let made = call.json(json!({"name": "com.example.hello"})).send().await;
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let enable = format!("/api/v1/installs/{id}/enable");
    app.call(Method::POST, &enable).token(&other).json(json!({})).send().await;

    let by_name = app.call(Method::GET, &format!("{BASE}/a")).anonymous().send().await;
    let by_id = app.call(Method::GET, &format!("/api/ext/{id}/a")).anonymous().send().await;

    assert_eq!(by_name.status, StatusCode::UNAUTHORIZED);
    assert_eq!(by_id.status, StatusCode::OK, "{}", by_id.text());
}
