//! API tokens: what makes one good, what one may make, and what is kept of it.

use std::fs;
use std::sync::Arc;

use axum::http::{Method, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use plugboard::registry::Registry;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::support::test_app::{ALL_SCOPES, Answer, TestApp};
use crate::support::tokens::with_another_secret;

const DAY_S: i64 = 24 * 60 * 60;

/// Asks for a token with this one.
async fn create(app: &TestApp, token: &str, body: Value) -> Answer {
    app.call(Method::POST, "/api/v1/tokens").token(token).json(body).send().await
}

/// A tenant's token that may make others and knows some extensions.
async fn maker(app: &TestApp) -> String {
    app.make_token("other", &["token:write", "install:read:com.a.*"]).await
}

async fn count(app: &TestApp, token: &str) -> usize {
    let listed = app.call(Method::GET, "/api/v1/tokens").token(token).send().await.json();
    listed["tokens"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_token_with_another_secret_is_none() {
    let app = TestApp::start().await;
    let token = app.make_token("default", &ALL_SCOPES).await;

    let guessed = with_another_secret(&token);
    let answer = app.call(Method::GET, "/api/v1/installs").token(&guessed).send().await;

    assert!(app.app.authenticate_token(&token).is_some());
    assert!(app.app.authenticate_token(&guessed).is_none());
    let expected = (StatusCode::UNAUTHORIZED, "unauthenticated".to_owned());
    assert_eq!((answer.status, answer.code()), expected);
}

#[tokio::test]
async fn a_token_gives_away_nothing_that_it_does_not_have() {
    let app = TestApp::start().await;
    let maker = maker(&app).await;
    let before = count(&app, &maker).await;

    for more in ["trust:write", "install:read", "install:read:com.*", "install:write:com.a.*"] {
        let body = json!({"name": "more", "scopes": ["token:write", more]});
        let answer = create(&app, &maker, body).await;

        let expected = (StatusCode::FORBIDDEN, "capability_denied".to_owned());
        assert_eq!((answer.status, answer.code()), expected, "{more}: {}", answer.text());
        let detail = format!("the scope {more} is more than the caller has");
        assert_eq!(answer.json()["detail"], detail);
    }
    assert_eq!(count(&app, &maker).await, before);
    let same = json!({"name": "same", "scopes": ["install:read:com.a.*", "token:write"]});
    assert_eq!(create(&app, &maker, same).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_scope_for_all_extensions_gives_away_one_for_some() {
    let app = TestApp::start().await;
    let maker = app.make_token("default", &["token:write", "install:read"]).await;

    let body = json!({"name": "less", "scopes": ["install:read:com.a.*"]});
    let answer = create(&app, &maker, body).await;

    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    assert_eq!(answer.json()["scopes"], json!(["install:read:com.a.*"]));
}

#[tokio::test]
async fn a_token_makes_none_of_another_tenant() {
    let app = TestApp::start().await;
    let maker = maker(&app).await;
    let body = |tenant: &str| json!({"name": "t", "scopes": ["token:write"], "tenant": tenant});

    for tenant in ["default", "nobody"] {
        let answer = create(&app, &maker, body(tenant)).await;

        // The same for one that is there: a token learns of no other tenant.
        assert_eq!((answer.status, answer.code()), (StatusCode::NOT_FOUND, "not_found".to_owned()));
        assert_eq!(answer.json()["detail"], format!("there is no tenant {tenant}"));
    }
    for body in [body("other"), json!({"name": "t", "scopes": ["token:write"]})] {
        let answer = create(&app, &maker, body).await;
        assert_eq!(
            (answer.status, &answer.json()["tenant"]),
            (StatusCode::CREATED, &json!("other"))
        );
    }
}

#[tokio::test]
async fn a_token_lives_1_to_365_days_and_90_unless_asked_otherwise() {
    let app = TestApp::start().await;
    let maker = maker(&app).await;
    let with_days = |days: Value| json!({"name": "t", "scopes": ["token:write"], "days": days});

    for days in [0, 366, u32::MAX] {
        let answer = create(&app, &maker, with_days(json!(days))).await;
        let expected = (StatusCode::UNPROCESSABLE_ENTITY, "invalid_token_request".to_owned());
        assert_eq!((answer.status, answer.code()), expected, "{days}");
        let detail = format!("a token lives 1 to 365 days, not {days}");
        assert_eq!(answer.json()["detail"], detail);
    }
    for (days, lives) in [(Value::Null, 90), (json!(1), 1), (json!(365), 365)] {
        let made = create(&app, &maker, with_days(days)).await.json();
        let at = |name: &str| made[name].as_str().unwrap().parse::<Timestamp>().unwrap();
        assert_eq!(at("expires_at").as_second() - at("created_at").as_second(), lives * DAY_S);
    }
}

#[tokio::test]
async fn a_token_without_a_scope_or_with_a_name_that_is_none_is_not_made() {
    let app = TestApp::start().await;
    let maker = maker(&app).await;
    let (name, some) = ("a token name is 1 to 100 characters", json!(["token:write"]));

    for (body, detail) in [
        (json!({"name": "t", "scopes": []}), "a token needs at least one scope"),
        (json!({"name": " ", "scopes": some}), name),
        (json!({"name": "a".repeat(101), "scopes": some}), name),
        (json!({"name": "a\u{1b}b", "scopes": some}), name),
    ] {
        let answer = create(&app, &maker, body).await;
        let expected = (StatusCode::UNPROCESSABLE_ENTITY, "invalid_token_request".to_owned());
        assert_eq!((answer.status, answer.code()), expected, "{}", answer.text());
        assert_eq!(answer.json()["detail"], detail);
    }
}

/// A secret as a file could have it.
fn spellings(text: &str) -> Vec<Vec<u8>> {
    let raw = URL_SAFE_NO_PAD.decode(text).unwrap();
    let numbers = serde_json::to_string(&raw).unwrap();
    vec![text.as_bytes().to_owned(), hex::encode(&raw).into_bytes(), numbers.into_bytes(), raw]
}

#[tokio::test]
async fn the_registry_keeps_no_token_no_session_and_no_setup_token() {
    let mut app = TestApp::start_empty();
    let file = app.app.data_dir.join("registry.redb");
    let registry = Registry::open(&file, 1 << 20, Timestamp::UNIX_EPOCH).unwrap();
    Arc::get_mut(&mut app.app).unwrap().registry = registry;
    let setup = app.app.begin_setup().await.unwrap().unwrap().expose_secret().to_owned();
    let before = fs::read(&file).unwrap();
    app.add_operator("ada").await;
    let token = app.make_token("default", &["install:read"]).await;
    let session = app.session().await.split_once('=').unwrap().1.to_owned();

    let kept = [before, fs::read(&file).unwrap()].concat();

    let is_kept = |text: &[u8]| memchr::memmem::find(&kept, text).is_some();
    assert!(is_kept(&token.as_bytes()[5..13]), "the row of the token is there");
    for secret in [&token[14..57], &session, &setup] {
        for spelling in spellings(secret) {
            assert!(!is_kept(&spelling), "{secret} as {spelling:?}");
        }
    }
}
