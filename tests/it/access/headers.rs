//! What browsers are told that pages of the appliance and answers of its API may do.

use axum::http::Method;

use super::installed;
use crate::support::test_app::{Answer, TestApp};

#[tokio::test]
async fn what_pages_and_the_api_may_do_in_a_browser_is_written_out() {
    let app = installed().await;

    let page = app.call(Method::GET, "/sign-in").anonymous().send().await;
    let api = app.get("/api/v1/installs").await;

    assert_eq!(browser_rules(&page), browser_rules(&api));
    insta::assert_snapshot!(browser_rules(&page), @r"
    content-security-policy: default-src 'none';
      script-src 'self';
      style-src 'self';
      img-src 'self' blob:;
      connect-src 'self';
      form-action 'self';
      base-uri 'none';
      frame-ancestors 'none';
      frame-src http://127.0.0.1:7420;
      require-trusted-types-for 'script'
    cross-origin-opener-policy: same-origin
    cross-origin-resource-policy: same-origin
    permissions-policy: accelerometer=(), camera=(), clipboard-read=(), display-capture=(), fullscreen=(), geolocation=(), gyroscope=(), hid=(), magnetometer=(), microphone=(), midi=(), payment=(), publickey-credentials-get=(), screen-wake-lock=(), serial=(), usb=(), web-share=(), xr-spatial-tracking=()
    referrer-policy: same-origin
    x-content-type-options: nosniff
    x-frame-options: DENY
    ");
}

/// The headers that tell a browser what an answer may do, a line each.
fn browser_rules(answer: &Answer) -> String {
    let told = [
        "content-security-policy",
        "cross-origin-opener-policy",
        "cross-origin-resource-policy",
        "permissions-policy",
        "referrer-policy",
        "strict-transport-security",
        "x-content-type-options",
        "x-frame-options",
    ];
    let sent = told.into_iter().filter(|name| answer.headers.contains_key(*name));
    let lines = sent.map(|name| format!("{name}: {}", answer.header(name).replace("; ", ";\n  ")));
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn browsers_come_back_over_tls_where_the_pages_are_reached_over_it() {
    let app = TestApp::start_with(|config| {
        config.server.public_origin = Some("https://plugboard.example.net".parse().unwrap());
    });

    let page = app.await.call(Method::GET, "/sign-in").anonymous().send().await;

    assert_eq!(page.header("strict-transport-security"), "max-age=31536000");
}
