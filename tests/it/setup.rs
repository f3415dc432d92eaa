//! First-run set-up: one token, one operator, once.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use axum::http::{Method, StatusCode};
use plugboard::model::OperatorName;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::support::test_app::{Answer, PASSWORD, TestApp};

async fn begin(app: &TestApp) -> String {
    app.app.begin_setup().await.unwrap().unwrap().expose_secret().to_owned()
}

async fn by_api(app: &TestApp, token: &str, name: &str, password: &str) -> Answer {
    let body = json!({"operator": name, "password": password});
    app.call(Method::POST, "/api/v1/setup").token(token).json(body).send().await
}

async fn by_page(app: &TestApp, token: &str, password: &str, again: &str) -> Answer {
    let form =
        [("token", token), ("name", "ada"), ("password", password), ("password_again", again)];
    let call = app.call(Method::POST, "/setup").anonymous().same_origin();
    call.form(&form).send().await
}

fn operators(app: &TestApp) -> usize {
    app.app.registry.live().operator_count()
}

#[tokio::test]
async fn the_api_sets_up_and_gives_a_token_that_works() {
    let app = TestApp::start_empty();
    let token = begin(&app).await;

    let done = by_api(&app, &token, "ada", PASSWORD).await;

    assert_eq!(done.status, StatusCode::CREATED, "{}", done.text());
    assert_eq!(done.json()["operator"], "ada");
    let first = done.json()["token"].as_str().unwrap().to_owned();
    let listed = app.call(Method::GET, "/api/v1/installs").token(&first).send().await;
    assert_eq!(listed.status, StatusCode::OK);
}

#[tokio::test]
async fn the_page_sets_up_and_signs_in() {
    let app = TestApp::start_empty();
    let token = begin(&app).await;

    let done = by_page(&app, &token, PASSWORD, PASSWORD).await;

    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    assert_eq!(done.header("location"), "/admin/extensions");
    let cookie = done.header("set-cookie").split(';').next().unwrap().to_owned();
    let page = app.call(Method::GET, "/admin/extensions").session(&cookie).send().await;
    assert_eq!(page.status, StatusCode::OK);
}

#[tokio::test]
async fn set_up_happens_once() {
    let app = TestApp::start_empty();
    let token = begin(&app).await;
    by_api(&app, &token, "ada", PASSWORD).await;

    let again = by_api(&app, &token, "mallory", PASSWORD).await;
    let page = by_page(&app, &token, PASSWORD, PASSWORD).await;

    assert_eq!((again.status, again.code()), (StatusCode::CONFLICT, "already_set_up".into()));
    assert_eq!(page.status, StatusCode::CONFLICT);
    assert_eq!(operators(&app), 1);
    assert!(app.app.begin_setup().await.unwrap().is_none());
    assert!(!app.app.setup_token_file().exists());
}

#[tokio::test]
async fn guesses_do_not_set_up_and_do_not_use_the_token_up() {
    let app = TestApp::start_empty();
    let token = begin(&app).await;

    for guess in ["", "x", "AAAAAAAAAAAAAAAAAAAAAA", &token.to_lowercase(), &token[1..]] {
        for answer in [
            by_api(&app, guess, "mallory", PASSWORD).await,
            by_page(&app, guess, PASSWORD, PASSWORD).await,
        ] {
            assert!(answer.status.is_client_error(), "{guess}: {}", answer.text());
        }
    }

    assert_eq!(operators(&app), 0);
    assert_eq!(by_api(&app, &token, "ada", PASSWORD).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn the_file_of_the_setup_token_is_for_its_owner_alone_whatever_was_there() {
    let app = TestApp::start_empty();
    let file = app.app.setup_token_file();
    for left in [&file, &file.with_extension("new")] {
        fs::write(left, "left").unwrap();
        fs::set_permissions(left, fs::Permissions::from_mode(0o666)).unwrap();
    }

    let token = begin(&app).await;

    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_to_string(&file).unwrap().trim_end(), token);
    assert!(!file.with_extension("new").exists());
}

#[tokio::test]
async fn the_setup_token_lives_a_day() {
    let app = TestApp::start_empty();
    let token = begin(&app).await;

    app.clock.advance(24 * 60 * 60);
    let late = by_api(&app, &token, "ada", PASSWORD).await;

    assert_eq!((late.status, late.code()), (StatusCode::UNAUTHORIZED, "unauthenticated".into()));
    assert_eq!(operators(&app), 0);
}

#[tokio::test]
async fn a_new_setup_token_replaces_the_former() {
    let app = TestApp::start_empty();
    let (first, second) = (begin(&app).await, begin(&app).await);

    let former = by_api(&app, &first, "ada", PASSWORD).await;
    let current = by_api(&app, &second, "ada", PASSWORD).await;

    assert_eq!(former.status, StatusCode::UNAUTHORIZED);
    assert_eq!(current.status, StatusCode::CREATED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_callers_at_the_same_time_exactly_one_becomes_the_operator() {
    let app = TestApp::start_empty();
    let token = begin(&app).await;
    let names = ["ada", "bob", "cyd", "dot"];
    let calls = names.map(|name| {
        let (app, token) = (app.app.clone(), token.clone());
        let name: OperatorName = name.parse().unwrap();
        tokio::spawn(async move { app.complete_setup(&token, name, PASSWORD.into(), true).await })
    });

    let mut done = 0;
    for call in calls {
        done += usize::from(call.await.unwrap().is_ok());
    }

    assert_eq!(done, 1);
    assert_eq!(operators(&app), 1);
}

#[tokio::test]
async fn a_weak_password_is_refused_and_set_up_stays_open() {
    let app = TestApp::start_empty();
    let token = begin(&app).await;

    for weak in ["", "short", "aaaaaaaaaaaaaaaa", "password1234"] {
        let api = by_api(&app, &token, "ada", weak).await;
        let page = by_page(&app, &token, weak, weak).await;

        assert_eq!((api.status.as_u16(), api.code()), (422, "weak_password".into()), "{weak}");
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{weak}");
        assert!(weak.is_empty() || !page.text().contains(weak), "the page repeats a password");
    }
    assert_eq!(by_page(&app, &token, PASSWORD, "another one").await.status.as_u16(), 422);

    assert_eq!(operators(&app), 0);
    assert_eq!(by_page(&app, &token, PASSWORD, PASSWORD).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_page_of_another_site_cannot_set_up() {
    let app = TestApp::start_empty();
    let token = begin(&app).await;
    let form = [
        ("token", token.as_str()),
        ("name", "eve"),
        ("password", PASSWORD),
        ("password_again", PASSWORD),
    ];

    for site in ["same-site", "cross-site", "none"] {
        let call = app.call(Method::POST, "/setup").anonymous().header("sec-fetch-site", site);
        assert_eq!(call.form(&form).send().await.status, StatusCode::FORBIDDEN, "{site}");
    }

    assert_eq!(operators(&app), 0);
}

#[tokio::test]
async fn readiness_says_that_set_up_is_pending() {
    let app = TestApp::start_empty();

    let before = app.call(Method::GET, "/readyz").anonymous().send().await;

    assert_eq!(before.status, StatusCode::OK);
    let Value::Object(before) = before.json() else { panic!("not an object") };
    assert_eq!(before["status"], "setup_pending");
}

#[tokio::test]
async fn a_person_is_led_to_set_up_and_a_program_is_told() {
    let app = TestApp::start_empty();
    for path in ["/", "/sign-in", "/admin/extensions"] {
        let answer = app.call(Method::GET, path).anonymous().send().await;
        assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/setup"));
    }
    let calls = [
        (Method::POST, "/sign-in"),
        (Method::GET, "/api/v1/extensions"),
        (Method::GET, "/metrics"),
        (Method::GET, "/api/ext/com.example.a/b"),
    ];
    for (method, path) in calls {
        let answer = app.call(method, path).anonymous().send().await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}: {}", answer.text());
    }
}
