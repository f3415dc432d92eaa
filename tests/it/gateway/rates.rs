//! How often extensions may be called, and what clients are told of it.

use axum::http::{Method, StatusCode};
use plugboard::config::Config;
use serde_json::json;
use sfv::{BareItem, Key, List, ListEntry, Parser};

use super::{A, extension};
use crate::support::bundle_builder::BundleBuilder;
use crate::support::guests;
use crate::support::test_app::{ALL_SCOPES, Answer, TestApp};

/// With GET `/a` and `/b`; one call a second, and `burst` at once, by the rate that `set` sets.
async fn limited(burst: u32, set: impl FnOnce(&mut Config, u32)) -> TestApp {
    let app = TestApp::start_with(|config| {
        config.gateway.calls_per_minute_per_tenant = 0;
        config.gateway.calls_per_minute_per_install = 0;
        config.gateway.call_burst_s = burst;
        set(config, 60);
    })
    .await;
    app.install(&extension("answers").endpoint("GET", "/a").endpoint("GET", "/b")).await;
    app
}

fn by_install(config: &mut Config, per_minute: u32) {
    config.gateway.calls_per_minute_per_install = per_minute;
}

/// How many of some calls are answered.
async fn answered(app: &TestApp, path: &str, calls: usize) -> usize {
    let mut answered = 0;
    for _ in 0..calls {
        answered += usize::from(app.get(path).await.status == StatusCode::OK);
    }
    answered
}

/// The members of a list of structured fields: a string and whole numbers.
fn members(answer: &Answer, field: &str) -> Vec<(String, Vec<(String, i64)>)> {
    let list: List = Parser::new(answer.header(field)).parse().unwrap();
    let member = |entry: ListEntry| {
        let ListEntry::Item(item) = entry else { panic!("{entry:?}") };
        let BareItem::String(name) = item.bare_item else { panic!("{:?}", item.bare_item) };
        let number = |(key, value): (Key, BareItem)| {
            let BareItem::Integer(value) = value else { panic!("{value:?}") };
            (key.as_str().to_owned(), value.into())
        };
        (name.as_str().to_owned(), item.params.into_iter().map(number).collect())
    };
    list.into_iter().map(member).collect()
}

fn member(name: &str, parameters: [(&str, i64); 2]) -> (String, Vec<(String, i64)>) {
    (name.to_owned(), parameters.map(|(key, value)| (key.to_owned(), value)).into())
}

#[tokio::test]
async fn a_burst_is_answered_whole_and_the_next_call_is_refused() {
    let app = limited(5, by_install).await;

    assert_eq!(answered(&app, A, 5).await, 5);
    assert_eq!(answered(&app, A, 5).await, 0);
    app.clock.advance(1);
    assert_eq!(answered(&app, A, 5).await, 1);
    app.clock.advance(3);
    assert_eq!(answered(&app, A, 5).await, 3);
    app.clock.advance(3600);
    assert_eq!(answered(&app, A, 9).await, 5);
}

#[tokio::test]
async fn a_refusal_says_when_to_come_back_and_what_the_limit_is() {
    let app = limited(1, by_install).await;
    app.get(A).await;

    let refused = app.get(A).await;

    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.header("content-type"), "application/problem+json");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(members(&refused, "ratelimit"), [member("install", [("r", 0), ("t", 1)])]);
    assert_eq!(members(&refused, "ratelimit-policy"), [member("install", [("q", 1), ("w", 1)])]);
    let problem = refused.json();
    assert_eq!(
        (&problem["code"], &problem["error"]),
        (&json!("rate_limited"), &json!("rate_limited"))
    );
    assert_eq!(problem["detail"], "one install may be called 60 times a minute, 1 of them at once");
    let hint = problem["hint"].as_str().unwrap();
    assert!(hint.contains("gateway.calls_per_minute_per_install"), "{hint}");
    app.clock.advance(1);
    assert_eq!(app.get(A).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_left_is_told_once_it_is_less_than_half() {
    let app = limited(4, by_install).await;
    let (first, second) = (app.get(A).await, app.get(A).await);

    let third = app.get(A).await;

    assert_eq!((first.header("ratelimit"), second.header("ratelimit")), ("", ""));
    assert_eq!(members(&first, "ratelimit-policy"), [member("install", [("q", 4), ("w", 4)])]);
    assert_eq!(members(&third, "ratelimit"), [member("install", [("r", 1), ("t", 1)])]);
}

#[tokio::test]
async fn every_rate_has_its_name() {
    let app = limited(2, |config, per_minute| {
        config.gateway.calls_per_minute_per_tenant = 3 * per_minute;
        config.gateway.calls_per_minute_per_install = 2 * per_minute;
        config.gateway.calls_per_minute_per_endpoint = per_minute;
    })
    .await;

    app.get(A).await;
    let answer = app.get(A).await;

    let policies = [
        member("tenant", [("q", 6), ("w", 2)]),
        member("install", [("q", 4), ("w", 2)]),
        member("endpoint", [("q", 2), ("w", 2)]),
    ];
    assert_eq!(members(&answer, "ratelimit-policy"), policies);
    let left = [
        member("tenant", [("r", 4), ("t", 1)]),
        member("install", [("r", 2), ("t", 1)]),
        member("endpoint", [("r", 0), ("t", 1)]),
    ];
    assert_eq!(members(&answer, "ratelimit"), left);
}

#[tokio::test]
async fn an_endpoint_has_a_rate_of_its_own() {
    let app = limited(2, |config, rate| config.gateway.calls_per_minute_per_endpoint = rate).await;

    assert_eq!(answered(&app, A, 5).await, 2);
    assert_eq!(answered(&app, "/api/ext/com.example.hello/b", 5).await, 2);
}

#[tokio::test]
async fn a_call_that_one_rate_refuses_does_not_count_for_the_others() {
    let app = limited(2, |config, rate| {
        config.gateway.calls_per_minute_per_tenant = 2 * rate;
        config.gateway.calls_per_minute_per_install = 2 * rate;
        config.gateway.calls_per_minute_per_endpoint = rate;
    })
    .await;
    // Four at once for the tenant and for the install, two for each endpoint.
    assert_eq!(answered(&app, A, 20).await, 2);

    assert_eq!(answered(&app, "/api/ext/com.example.hello/b", 20).await, 2);
}

#[tokio::test]
async fn the_installs_of_a_tenant_share_its_rate_and_a_neighbour_has_its_own() {
    let app = limited(3, |config, rate| config.gateway.calls_per_minute_per_tenant = rate).await;
    let other = BundleBuilder::new("com.example.other", "1.0.0")
        .component(guests::extension("answers"))
        .endpoint("GET", "/a");
    app.install(&other).await;
    let neighbour = app.make_token("neighbour", &ALL_SCOPES).await;
    let body = json!({"name": "com.example.hello"});
    let call = app.call(Method::POST, "/api/v1/installs").token(&neighbour);
    let id = call.json(body).send().await.json()["id"].as_str().unwrap().to_owned();
    let enable = format!("/api/v1/installs/{id}/enable");
    app.call(Method::POST, &enable).token(&neighbour).send().await;

    assert_eq!(answered(&app, A, 2).await, 2);
    assert_eq!(answered(&app, "/api/ext/com.example.other/a", 5).await, 1);
    let theirs = app.call(Method::GET, A).token(&neighbour).send().await;
    assert_eq!(theirs.status, StatusCode::OK, "{}", theirs.text());
}

#[tokio::test]
async fn calls_that_are_refused_for_another_reason_are_not_counted() {
    let app = limited(1, by_install).await;

    for _ in 0..5 {
        let anonymous = app.call(Method::GET, A).anonymous().send().await;
        assert_eq!(anonymous.status, StatusCode::UNAUTHORIZED);
        let unknown = app.get("/api/ext/com.example.hello/c").await;
        assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    }

    assert_eq!(app.get(A).await.status, StatusCode::OK);
}

#[tokio::test]
async fn another_version_does_not_begin_a_new_burst() {
    let app = limited(2, by_install).await;
    assert_eq!(answered(&app, A, 5).await, 2);
    let next = BundleBuilder::new("com.example.hello", "1.1.0")
        .component(guests::extension("answers"))
        .endpoint("GET", "/a");
    app.publish(&next).await;
    let installs = app.get("/api/v1/installs").await.json();
    let path =
        format!("/api/v1/installs/{}/version", installs["installs"][0]["id"].as_str().unwrap());
    let upgraded = app.call(Method::PUT, &path).json(json!({"version": "1.1.0"})).send().await;
    assert_eq!(upgraded.status, StatusCode::OK, "{}", upgraded.text());

    assert_eq!(app.get(A).await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn what_is_gone_is_forgotten_and_what_is_there_is_not() {
    let app = limited(1, by_install).await;
    assert_eq!(answered(&app, A, 2).await, 1);

    app.app.settle_usages();

    assert_eq!(answered(&app, A, 2).await, 0);
}

#[tokio::test]
async fn without_rates_there_is_no_limit_and_no_field() {
    let app = limited(1, |_, _| ()).await;

    let answer = app.get(A).await;

    assert_eq!(answered(&app, A, 20).await, 20);
    assert_eq!((answer.header("ratelimit"), answer.header("ratelimit-policy")), ("", ""));
}
