//! The cross-site rule: which rows of its matrix pass
//! (docs/SECURITY.md, "Operators").

use axum::http::{Method, StatusCode};
use plugboard::app::sign_in::csrf_token;
use serde_json::json;

use crate::support::test_app::{ORIGIN, TestApp};

const SITES: [Option<&str>; 5] =
    [Some("same-origin"), Some("none"), Some("same-site"), Some("cross-site"), None];
const ORIGINS: [Option<&str>; 4] = [Some(ORIGIN), Some("null"), Some("http://evil.test"), None];

/// What is tried: a JSON call with the token in a header, and a page's form.
#[derive(Clone, Copy, Debug)]
enum Sender {
    Api,
    Page,
}

async fn passes(
    app: &TestApp,
    sender: Sender,
    site: Option<&str>,
    origin: Option<&str>,
    good_token: bool,
) -> bool {
    let cookie = app.session().await;
    let own = cookie.split_once('=').unwrap().1;
    let token = csrf_token(if good_token { own } else { "another session" });
    let mut call = match sender {
        Sender::Api => app
            .call(Method::POST, "/api/v1/tenants")
            .header("x-csrf-token", &token)
            .json(json!({"id": "default"})),
        Sender::Page => app.call(Method::POST, "/sign-out").form(&[("csrf_token", &token)]),
    }
    .session(&cookie);
    for (name, value) in [("sec-fetch-site", site), ("origin", origin)] {
        if let Some(value) = value {
            call = call.header(name, value);
        }
    }
    let answer = call.send().await;
    let refused = answer.status == StatusCode::FORBIDDEN;
    assert!(refused || [303, 409].contains(&answer.status.as_u16()), "{}", answer.text());
    !refused
}

#[tokio::test]
async fn only_a_page_of_ours_with_its_token_changes_something() {
    let app = TestApp::start().await;
    let mut passing = Vec::new();

    for sender in [Sender::Api, Sender::Page] {
        for (site, origin) in SITES.iter().flat_map(|site| ORIGINS.map(|origin| (*site, origin))) {
            for good_token in [true, false] {
                if passes(&app, sender, site, origin, good_token).await {
                    passing.push(format!("{sender:?} {site:?} {origin:?} {good_token}"));
                }
            }
        }
    }

    // Browsers set Sec-Fetch-Site themselves: where it says same-origin, a
    // missing or odd Origin is a matter of the page's referrer policy.
    insta::assert_snapshot!(passing.join("\n"), @r#"
    Api Some("same-origin") Some("http://127.0.0.1:7420") true
    Api Some("same-origin") Some("null") true
    Api Some("same-origin") Some("http://evil.test") true
    Api Some("same-origin") None true
    Api None Some("http://127.0.0.1:7420") true
    Page Some("same-origin") Some("http://127.0.0.1:7420") true
    Page Some("same-origin") Some("null") true
    Page Some("same-origin") Some("http://evil.test") true
    Page Some("same-origin") None true
    Page None Some("http://127.0.0.1:7420") true
    "#);
}

#[tokio::test]
async fn a_session_cookie_sent_from_elsewhere_does_not_reach_an_extension() {
    let app = super::installed().await;
    let cookie = app.session().await;
    let path = "/api/ext/com.example.hello/greeting";

    for (site, status) in [
        ("same-origin", StatusCode::OK),
        ("none", StatusCode::OK),
        ("same-site", StatusCode::FORBIDDEN),
        ("cross-site", StatusCode::FORBIDDEN),
    ] {
        let call = app.call(Method::GET, path).session(&cookie).header("sec-fetch-site", site);
        assert_eq!(call.send().await.status, status, "{site}");
    }
}
