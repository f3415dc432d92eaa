//! Signing in and out, and how sessions end.

use axum::http::{Method, StatusCode};
use futures_util::FutureExt;
use plugboard::app::sign_in::{PasswordError, SignInError, csrf_token};
use plugboard::model::Session;
use plugboard::registry::{WriteTxn, operators, sessions};
use plugboard::web::server::Peer;
use serde_json::json;

use crate::support::test_app::{Answer, Call, PASSWORD, TestApp};

fn try_to_sign_in<'a>(app: &'a TestApp, name: &str, password: &str) -> Call<'a> {
    app.call(Method::POST, "/sign-in")
        .anonymous()
        .same_origin()
        .form(&[("name", name), ("password", password)])
}

async fn sign_in(app: &TestApp, name: &str, password: &str) -> Answer {
    try_to_sign_in(app, name, password).send().await
}

/// Whether a cookie still shows the list of extensions.
async fn is_signed_in(app: &TestApp, cookie: &str) -> bool {
    let page = app.call(Method::GET, "/admin/extensions").session(cookie).send().await;
    assert!([200, 303].contains(&page.status.as_u16()), "{}", page.text());
    page.status == StatusCode::OK
}

#[tokio::test]
async fn the_session_cookie_is_for_this_host_and_no_script() {
    let app = TestApp::start().await;
    let tls = TestApp::start_with(|config| {
        config.server.public_origin = Some("https://plugboard.example.net".parse().unwrap());
    });

    let plain = sign_in(&app, "ada", PASSWORD).await;
    let secure = try_to_sign_in(&tls.await, "ada", PASSWORD).send().await;

    let attributes = |answer: &Answer| {
        let (name, rest) = answer.header("set-cookie").split_once('=').unwrap();
        format!("{name}{}", &rest[rest.find(';').unwrap()..])
    };
    assert_eq!(attributes(&plain), "plugboard; Path=/; HttpOnly; SameSite=Strict");
    assert_eq!(attributes(&secure), "__Host-plugboard; Path=/; HttpOnly; SameSite=Strict; Secure");
}

#[tokio::test]
async fn signing_out_ends_the_session_on_the_server() {
    let app = TestApp::start().await;
    let (cookie, other) = (app.sign_in().await, app.session().await);
    let token = csrf_token(cookie.split_once('=').unwrap().1);

    let call = app.call(Method::POST, "/sign-out").session(&cookie).same_origin();
    let answer = call.form(&[("csrf_token", &token)]).send().await;

    assert_eq!(answer.header("location"), "/sign-in");
    assert!(answer.header("set-cookie").contains("Max-Age=0"), "{:?}", answer.headers);
    assert!(!is_signed_in(&app, &cookie).await);
    assert!(is_signed_in(&app, &other).await);
}

#[tokio::test]
async fn a_session_id_is_new_at_each_sign_in_and_never_taken_from_the_browser() {
    let app = TestApp::start().await;
    let planted = format!("plugboard={}", "A".repeat(43));

    let call = try_to_sign_in(&app, "ada", PASSWORD).header("cookie", &planted);
    let answer = call.send().await;

    let given = answer.header("set-cookie").split(';').next().unwrap();
    assert_ne!(given, planted);
    assert_ne!(given, app.sign_in().await);
    assert!(!is_signed_in(&app, &planted).await);
}

#[tokio::test]
async fn two_session_cookies_are_none() {
    let app = TestApp::start().await;
    let cookie = app.session().await;

    assert!(is_signed_in(&app, &cookie).await);
    assert!(!is_signed_in(&app, &format!("{cookie}; plugboard=planted")).await);
    assert!(!is_signed_in(&app, &format!("{cookie}; {cookie}")).await);
}

#[tokio::test]
async fn a_session_ends_after_half_an_hour_without_a_request() {
    let app = TestApp::start().await;
    let cookie = app.session().await;

    app.clock.advance(29 * 60);
    assert!(is_signed_in(&app, &cookie).await);
    app.clock.advance(29 * 60);
    assert!(is_signed_in(&app, &cookie).await);
    app.clock.advance(30 * 60);

    assert!(!is_signed_in(&app, &cookie).await);
}

#[tokio::test]
async fn a_session_ends_after_twelve_hours_whatever_it_does() {
    let app = TestApp::start().await;
    let cookie = app.session().await;

    for _ in 0..47 {
        app.clock.advance(15 * 60);
        assert!(is_signed_in(&app, &cookie).await);
    }
    app.clock.advance(15 * 60);

    assert!(!is_signed_in(&app, &cookie).await);
}

#[tokio::test]
async fn an_unknown_name_and_a_wrong_password_look_the_same() {
    let app = TestApp::start().await;

    let unknown = sign_in(&app, "eve", "not the password").await;
    let wrong = sign_in(&app, "ada", "not the password").await;

    assert_eq!(unknown.status, StatusCode::UNAUTHORIZED);
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert_eq!(wrong.header("www-authenticate"), "Bearer realm=\"plugboard\"");
    assert_eq!(unknown.text().replace("eve", "ada"), wrong.text());
    assert!(wrong.text().contains("The name or the password is wrong."), "{}", wrong.text());
    assert!(!wrong.text().contains("not the password"));
    assert!(!wrong.headers.contains_key("set-cookie"));
}

#[tokio::test]
async fn after_five_wrong_passwords_the_next_try_has_to_wait() {
    let app = TestApp::start().await;
    for _ in 0..5 {
        sign_in(&app, "ada", "not the password").await;
    }

    let early = sign_in(&app, "ada", PASSWORD).await;
    let wait: i64 = early.header("retry-after").parse().unwrap();
    app.clock.advance(wait);
    let later = sign_in(&app, "ada", PASSWORD).await;

    assert_eq!(early.status, StatusCode::TOO_MANY_REQUESTS);
    assert!((1..=3).contains(&wait), "{wait}");
    assert_eq!(later.status, StatusCode::SEE_OTHER, "{}", later.text());
}

#[tokio::test]
async fn tries_that_nobody_has_time_for_do_not_count() {
    let app = TestApp::start().await;
    let names: Vec<_> = (0..18).map(|number| format!("name{number}")).collect();
    let others = names.iter().map(|name| app.app.sign_in(name, PASSWORD.into(), None));
    let mut others: Vec<_> = others.map(Box::pin).collect();
    for other in &mut others {
        assert!(other.now_or_never().is_none(), "two are hashed, the others wait");
    }

    for _ in 0..6 {
        let busy = app.app.sign_in("ada", PASSWORD.into(), None).await;
        let busy = busy.unwrap_err();
        assert!(matches!(busy, SignInError::Password(PasswordError::Busy)), "{busy}");
    }
    drop(others);

    assert_eq!(sign_in(&app, "ada", PASSWORD).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn one_address_gets_twenty_tries_a_minute() {
    let app = TestApp::start().await;
    let from = |last: u8| Peer::Tcp(([192, 0, 2, last], 40_000).into());
    for count in 0..20 {
        let call = try_to_sign_in(&app, &format!("name{count}"), "not the password");
        // A forwarded address counts only if a trusted proxy says it.
        let call = call.header("x-forwarded-for", &format!("10.0.0.{count}"));
        assert_eq!(call.peer(from(count)).send().await.status, StatusCode::UNAUTHORIZED);
    }

    let same_network = try_to_sign_in(&app, "ada", PASSWORD).peer(from(99)).send().await;
    let elsewhere = Peer::Tcp(([198, 51, 100, 1], 40_000).into());
    let other_network = try_to_sign_in(&app, "ada", PASSWORD).peer(elsewhere).send().await;

    assert_eq!(same_network.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(!same_network.header("retry-after").is_empty());
    assert_eq!(other_network.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn ten_minutes_after_the_password_dangerous_actions_ask_for_it_again() {
    let app = TestApp::start().await;
    let cookie = app.sign_in().await;
    let token = csrf_token(cookie.split_once('=').unwrap().1);
    let create = || {
        app.call(Method::POST, "/api/v1/tokens")
            .session(&cookie)
            .same_origin()
            .header("x-csrf-token", &token)
            .json(json!({"name": "ci", "scopes": ["install:read"]}))
    };

    let fresh = create().send().await;
    app.clock.advance(10 * 60);
    let stale = create().send().await;

    assert_eq!(fresh.status, StatusCode::CREATED, "{}", fresh.text());
    assert_eq!((stale.status, stale.code()), (StatusCode::FORBIDDEN, "step_up_required".into()));
    assert!(is_signed_in(&app, &cookie).await);
}

#[tokio::test]
async fn a_new_password_ends_all_sessions_of_the_operator() {
    let app = TestApp::start().await;
    let cookies = [app.session().await, app.session().await];
    let reset = app
        .call(Method::PUT, "/api/v1/operators/ada/password")
        .anonymous()
        .peer(Peer::Unix { uid: 0 })
        .json(json!({"password": "another socket in the board"}));

    assert_eq!(reset.send().await.status, StatusCode::NO_CONTENT);

    assert!(!is_signed_in(&app, &cookies[0]).await);
    assert!(!is_signed_in(&app, &cookies[1]).await);
    assert_eq!(sign_in(&app, "ada", PASSWORD).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_operator_who_is_there_is_not_made_again_with_another_password() {
    let app = TestApp::start().await;
    let create = app.call(Method::POST, "/api/v1/operators").anonymous();
    let create = create.peer(Peer::Unix { uid: 0 });

    let body = json!({"name": "ada", "password": "another socket in the board"});
    let answer = create.json(body).send().await;

    let expected = (StatusCode::CONFLICT, "operator_exists".to_owned());
    assert_eq!((answer.status, answer.code()), expected);
    assert_eq!(sign_in(&app, "ada", PASSWORD).await.status, StatusCode::SEE_OTHER);
}

/// What somebody else's reset of ada's password commits.
fn reset(txn: &WriteTxn) {
    let mut ada = operators::get(txn, &"ada".parse().unwrap()).unwrap().unwrap();
    ada.password_hash.push_str("of another");
    operators::put(txn, &ada).unwrap();
    sessions::remove_of(txn, &ada.name).unwrap();
}

/// Has somebody change the registry once a password is being checked.
fn change_meanwhile(app: &mut TestApp, change: impl FnOnce(&WriteTxn) + Send + 'static) {
    let registry = app.app.registry.clone();
    app.meanwhile(move || {
        let write = |txn: &WriteTxn| {
            change(txn);
            Ok(())
        };
        registry.write_blocking(write).unwrap();
    });
}

async fn all_sessions(app: &TestApp) -> Vec<Session> {
    app.app.registry.read(sessions::list).await.unwrap()
}

#[tokio::test]
async fn a_new_password_ends_a_sign_in_that_is_under_way() {
    let mut app = TestApp::start().await;
    change_meanwhile(&mut app, reset);

    let signed_in = app.app.sign_in("ada", PASSWORD.into(), None).await;

    assert!(matches!(signed_in, Err(SignInError::Wrong)), "{signed_in:?}");
    assert_eq!(all_sessions(&app).await, []);
}

#[tokio::test]
async fn a_new_password_or_signing_out_ends_a_step_up_that_is_under_way() {
    let ways: [fn(&WriteTxn); 2] = [reset, |txn| {
        sessions::remove_of(txn, &"ada".parse().unwrap()).unwrap();
    }];
    for end in ways {
        let mut app = TestApp::start().await;
        app.session().await;
        let session = all_sessions(&app).await.remove(0);
        change_meanwhile(&mut app, end);

        let stepped_up = app.app.step_up(&session, PASSWORD.into(), None).await;

        assert!(matches!(stepped_up, Err(SignInError::Wrong)), "{stepped_up:?}");
        assert_eq!(all_sessions(&app).await, []);
    }
}

#[tokio::test]
async fn signing_in_leads_only_to_pages_of_the_appliance() {
    let app = TestApp::start().await;

    for (next, location) in [
        ("/admin/upload", "/admin/upload"),
        ("//evil.test", "/admin/extensions"),
        ("https://evil.test/admin/", "/admin/extensions"),
        ("/admin/\\evil.test", "/admin/extensions"),
        ("/admin//evil.test", "/admin/extensions"),
        ("/sign-out", "/admin/extensions"),
    ] {
        let form = [("name", "ada"), ("password", PASSWORD), ("next", next)];
        let call = app.call(Method::POST, "/sign-in").anonymous().same_origin().form(&form);
        assert_eq!(call.send().await.header("location"), location, "{next}");
    }
}

#[tokio::test]
async fn a_sign_in_address_works_for_an_hour() {
    let app = TestApp::start().await;
    let path = format!("/sign-in/{}", app.sign_in_link());

    let followed = app.call(Method::GET, &path).anonymous().send().await;
    app.clock.advance(60 * 60);
    let late = app.call(Method::GET, &path).anonymous().send().await;

    assert_eq!(followed.header("location"), "/admin/extensions");
    assert!(followed.header("set-cookie").starts_with("plugboard="));
    assert_eq!(late.status, StatusCode::UNAUTHORIZED);
    assert!(!late.headers.contains_key("set-cookie"));
}

fn step_up<'a>(app: &'a TestApp, cookie: &str, password: &str, next: &str) -> Call<'a> {
    let token = csrf_token(cookie.split_once('=').unwrap().1);
    let fields = [("csrf_token", token.as_str()), ("password", password), ("next", next)];
    app.call(Method::POST, "/admin/step-up").session(cookie).same_origin().form(&fields)
}

/// What a session may do for some minutes after its password.
async fn lists_operators(app: &TestApp, cookie: &str) -> Answer {
    app.call(Method::GET, "/api/v1/operators").session(cookie).same_origin().send().await
}

#[tokio::test]
async fn the_password_again_opens_what_an_old_session_may_not_do() {
    let app = TestApp::start().await;
    let old = app.session().await;
    app.clock.advance(601);
    let refused = lists_operators(&app, &old).await;
    assert_eq!(refused.code(), "step_up_required");
    assert!(refused.text().contains("/admin/step-up"), "{}", refused.text());

    let next = "/admin/extensions?done=saved";
    let answer = step_up(&app, &old, PASSWORD, next).send().await;

    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    assert_eq!(answer.header("location"), next);
    let new = answer.header("set-cookie").split(';').next().unwrap();
    assert_eq!(lists_operators(&app, new).await.status, StatusCode::OK);
    assert!(!is_signed_in(&app, &old).await);
}

#[tokio::test]
async fn a_wrong_password_asks_again_and_counts_against_the_limit() {
    let app = TestApp::start().await;
    let cookie = app.session().await;

    for _ in 0..5 {
        let answer = step_up(&app, &cookie, "not the password", "/admin/upload").send().await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"plugboard\"");
        assert!(answer.text().contains("The password is wrong."), "{}", answer.text());
        assert!(answer.text().contains("value=\"/admin/upload\""), "{}", answer.text());
    }
    let limited = step_up(&app, &cookie, PASSWORD, "").send().await;

    assert_eq!(limited.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(limited.header("retry-after"), "3");
    assert!(is_signed_in(&app, &cookie).await);
}

#[tokio::test]
async fn stepping_up_leads_only_to_pages_of_this_appliance() {
    let app = TestApp::start().await;
    for next in ["https://evil.example", "//evil.example", "/admin//evil", "/api/v1/tokens", ""] {
        let cookie = app.session().await;

        let answer = step_up(&app, &cookie, PASSWORD, next).send().await;

        assert_eq!(answer.header("location"), "/admin/extensions", "{next}");
    }
}
