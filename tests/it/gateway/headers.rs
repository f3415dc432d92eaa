//! Headers both ways (docs/API.md, "Calls to extensions").

use axum::http::{Method, StatusCode};
use serde_json::json;

use super::{A, with_guest};
use crate::support::bundle_builder::BundleBuilder;
use crate::support::guests;
use crate::support::test_app::{Answer, TestApp};

async fn answered(headers: &[(&str, &str)], body: &str) -> Answer {
    let app = TestApp::start().await;
    let bundle = BundleBuilder::new("com.example.hello", "1.0.0")
        .component(guests::answering(headers, body))
        .endpoint("GET", "/a");
    app.install(&bundle).await;
    app.get(A).await
}

#[tokio::test]
async fn a_guest_sees_neither_credentials_nor_the_connection() {
    let app = with_guest("tells").await;
    let sent = [
        ("cookie", "plugboard=secret"),
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-host", "evil.test"),
        ("forwarded", "for=1.2.3.4"),
        ("x-alga-admin", "true"),
        ("x-alga-tenant", "other"),
        ("x-tenant-id", "other"),
        ("x-api-key", "secret"),
        ("x-csrf-token", "secret"),
        ("origin", "http://evil.test"),
        ("referer", "http://evil.test/secret"),
        ("connection", "x-ext-hop"),
        ("range", "bytes=0-1"),
        ("proxy-authorization", "secret"),
        ("accept", "text/plain"),
        ("x-ext-trace", "7"),
        ("x-request-id", "request-1"),
        ("x-idempotency-key", "once"),
    ];

    let call = app.call(Method::GET, &format!("{A}?b=1&c=%20"));
    let answer =
        sent.iter().fold(call, |call, (name, value)| call.header(name, value)).send().await;

    let mut told: Vec<_> = answer.text().lines().map(str::to_owned).collect();
    told[1..].sort_unstable();
    insta::assert_snapshot!(told.join("\n"), @r"
    GET /a?b=1&c=%20
    accept: text/plain
    x-alga-extension: com.example.hello
    x-alga-tenant: default
    x-ext-trace: 7
    x-idempotency-key: once
    x-request-id: request-1
    ");
}

#[tokio::test]
async fn a_guest_can_neither_set_cookies_nor_policies() {
    let forbidden = [
        ("set-cookie", "plugboard=planted"),
        ("access-control-allow-origin", "*"),
        ("access-control-allow-credentials", "true"),
        ("content-security-policy", "default-src *"),
        ("strict-transport-security", "max-age=0"),
        ("clear-site-data", "\"*\""),
        ("service-worker-allowed", "/"),
        ("refresh", "0;url=http://evil.test"),
        ("link", "</x>; rel=preload"),
        ("location", "http://evil.test/"),
        ("x-frame-options", "ALLOWALL"),
        ("x-request-id", "forged"),
        ("server", "guest"),
        ("www-authenticate", "Basic"),
    ];
    let allowed =
        [("content-type", "text/csv"), ("etag", "\"1\""), ("x-ext-page", "2"), ("vary", "accept")];

    let answer = answered(&[&forbidden[..], &allowed[..]].concat(), "a,b").await;

    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    for (name, value) in forbidden {
        assert_ne!(answer.header(name), value, "{name}");
    }
    for (name, value) in allowed {
        assert_eq!(answer.header(name), value, "{name}");
    }
    assert_eq!(answer.headers.get_all("content-security-policy").iter().count(), 1);
}

#[tokio::test]
async fn markup_of_a_guest_cannot_act_in_the_origin_of_the_pages() {
    let html = "<script>fetch('/api/v1/installs')</script>";
    let answer = answered(&[("content-type", "text/html")], html).await;

    assert_eq!(answer.text(), html);
    assert_eq!(answer.header("content-security-policy"), "sandbox; default-src 'none'");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin");
    assert_eq!(answer.header("x-frame-options"), "DENY");
}

#[tokio::test]
async fn an_answer_to_one_caller_is_private_whatever_the_guest_says() {
    let silent = answered(&[], "x").await;
    let said = answered(&[("cache-control", "max-age=60")], "x").await;

    assert_eq!(silent.header("cache-control"), "private, no-store");
    assert_eq!(said.header("cache-control"), "private, max-age=60");
}

#[tokio::test]
async fn only_what_anyone_may_call_is_for_shared_caches() {
    let app = TestApp::start().await;
    let bundle = BundleBuilder::new("com.example.hello", "1.0.0")
        .component(guests::answering(&[("cache-control", "public, max-age=60")], "x"))
        .endpoint("GET", "/a")
        .endpoint_with("GET", "/public", &json!({"auth": "public"}));
    app.install(&bundle).await;

    let own = app.get(A).await;
    let public = app.get("/api/ext/com.example.hello/public").await;

    assert_eq!(own.header("cache-control"), "private, no-store");
    assert_eq!(public.header("cache-control"), "public, max-age=60");
}

#[tokio::test]
async fn a_location_within_the_host_is_passed_on() {
    let answer = answered(&[("location", "/api/ext/com.example.hello/b?c=1")], "").await;

    assert_eq!(answer.header("location"), "/api/ext/com.example.hello/b?c=1");
}

#[tokio::test]
async fn a_location_that_a_browser_reads_as_another_host_is_dropped() {
    for elsewhere in ["//evil.test", "/\\evil.test", "/\t/evil.test", "javascript:alert(1)"] {
        let answer = answered(&[("location", elsewhere)], "").await;
        assert_eq!(answer.header("location"), "", "{elsewhere:?}");
    }
}

#[tokio::test]
async fn every_answer_has_a_request_id() {
    let app = with_guest("traps").await;
    let id = async |path: &str, sent: &str| {
        let call = app.call(Method::GET, path).header("x-request-id", sent);
        call.send().await.header("x-request-id").to_owned()
    };

    for path in [A, "/api/ext/com.example.hello/b", "/api/ext/none/a", "/healthz", "/nothing"] {
        assert_eq!(id(path, "my-request.7").await, "my-request.7", "{path}");
        for odd in ["", "a b", "a\"b", &"a".repeat(65)] {
            assert_eq!(id(path, odd).await.len(), 32, "{path} {odd}");
        }
    }
}
