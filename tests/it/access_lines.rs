//! What the log says of a request, and what it never does.

use axum::http::Method;
use plugboard::web::routes::{Route, table};
use tracing::Level;

use crate::support::test_app::{Call, TestApp};
use crate::traces::lines::Log;

/// What nobody must find in a log.
const CANARY: &str = "CANARY";

/// A request for a route, with something in each of its places.
fn call<'a>(app: &'a TestApp, route: &Route, query: &str) -> Call<'a> {
    let method = if route.method == "*" { "GET" } else { route.method };
    let filled = |part: &str| match part {
        "{secret}" => format!("{CANARY}-0"),
        part if part.starts_with('{') => "x".to_owned(),
        part => part.to_owned(),
    };
    let path: Vec<String> = route.path.split('/').map(filled).collect();
    app.call(method.parse().unwrap(), &format!("{}{query}", path.join("/"))).anonymous()
}

fn lines(log: &Log) -> Vec<String> {
    log.text().lines().filter(|line| line.contains("http.path")).map(str::to_owned).collect()
}

#[tokio::test]
async fn no_line_has_a_query_a_cookie_or_a_credential() {
    let app = TestApp::start().await;
    let (log, heard) = Log::begin_at(Level::TRACE);
    let query = format!("?access_token={CANARY}-1&signature={CANARY}-1");

    for route in table() {
        let cookie = format!("plugboard={CANARY}-2; other={CANARY}-2");
        let headers = [("authorization", format!("Bearer {CANARY}-3")), ("cookie", cookie)];
        for (name, value) in &headers {
            call(&app, &route, &query).header(name, value).send().await;
        }
        let key = call(&app, &route, &query).header("x-api-key", &format!("{CANARY}-4"));
        key.header("referer", &format!("http://127.0.0.1/?a={CANARY}-5")).send().await;
    }
    drop(heard);

    assert_eq!(lines(&log).len(), 3 * table().len());
    let wrong: Vec<String> =
        log.text().lines().filter(|line| line.contains(CANARY)).map(str::to_owned).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn an_address_that_signs_in_is_logged_without_its_secret() {
    let app = TestApp::start().await;
    let secret = app.sign_in_link();
    let (log, heard) = Log::begin_at(Level::TRACE);

    for (method, path, status) in [
        (Method::GET, format!("/sign-in/{secret}"), 303),
        (Method::HEAD, format!("/sign-in/{secret}"), 303),
        (Method::POST, format!("/sign-in/{secret}"), 405),
        (Method::GET, format!("/sign-in/{secret}/"), 404),
        (Method::GET, format!("/sign-in/{secret}/a"), 404),
        (Method::GET, format!("/sign-in/{secret}?a={secret}"), 303),
    ] {
        let answer = app.call(method.clone(), &path).anonymous().send().await;
        assert_eq!(answer.status, status, "{method} {path}");
    }
    drop(heard);

    let lines = lines(&log);
    assert_eq!(lines.len(), 6);
    assert!(
        lines.iter().all(|line| line.contains(" http.path=\"/sign-in/{secret}\" ")),
        "{lines:?}"
    );
    assert!(!log.text().contains(&secret), "{}", log.text());
}
