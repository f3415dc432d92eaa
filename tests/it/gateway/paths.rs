//! Paths: decoded once, and refused when two readers could differ.

use axum::http::StatusCode;

use super::extension;
use crate::support::bundle_builder::BundleBuilder;
use crate::support::test_app::TestApp;

const BASE: &str = "/api/ext/com.example.hello";

async fn telling() -> TestApp {
    let app = TestApp::start().await;
    app.install(&extension("echoes").endpoint("GET", "/items/:id").endpoint("GET", "/")).await;
    app
}

#[tokio::test]
async fn an_ambiguous_path_is_refused() {
    let app = telling().await;

    for path in [
        "/items/a%2fb",
        "/items/a%5cb",
        "/items/a\\b",
        "/items/..",
        "/items/%2e%2e",
        "/items/%2E%2e/admin",
        "/items/.",
        "/items/a%00",
        "/items/a%0d%0ax-b:1",
        "/items//a",
        "//",
        "//items/a",
        "/items/%252e%252e",
        "/items/a%3fb=1",
        "/items/a%23b",
    ] {
        let answer = app.get(&format!("{BASE}{path}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}: {}", answer.text());
        assert_eq!(answer.code(), "malformed_request", "{path}");
    }
}

#[tokio::test]
async fn a_path_is_decoded_once_and_a_query_never() {
    let app = telling().await;

    for (sent, seen) in [
        ("/items/a%20b", "/items/a b"),
        ("/items/%C3%A9;v=1", "/items/é;v=1"),
        ("/items/7?q=%2F..%2f&r=a%3Fb", "/items/7?q=%2F..%2f&r=a%3Fb"),
        ("/items/7?", "/items/7?"),
        ("/", "/"),
        ("", "/"),
    ] {
        let answer = app.get(&format!("{BASE}{sent}")).await;
        assert_eq!(answer.text(), seen, "{sent}");
    }
}

#[tokio::test]
async fn a_long_path_is_no_trouble() {
    let app = telling().await;

    let answer = app.get(&format!("{BASE}/items/{}", "a".repeat(8_000))).await;

    assert_eq!(answer.body.len(), 8_000 + "/items/".len());
}

#[tokio::test]
async fn a_path_of_any_characters_reaches_the_standard_world_as_it_was_sent() {
    let app = TestApp::start().await;
    let bundle = BundleBuilder::new("com.example.hello", "1.0.0")
        .component(crate::support::guests::proxy("http"))
        .endpoint("GET", "/:mood");
    app.install(&bundle).await;

    for path in ["/answers", "/a%20b", "/a%C3%A9", "/a%7B%22%3E", "/a?q=%20"] {
        let answer = app.get(&format!("{BASE}{path}")).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{path}: {}", answer.text());
    }
}
