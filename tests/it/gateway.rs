//! Calls to extensions: what reaches a guest, and what a client gets back.

mod access;
mod bodies;
mod failing;
mod headers;
mod idempotency;
mod long_answers;
mod paths;
mod rates;
mod settings;
mod streaming;
mod users;

use axum::http::{Method, StatusCode};
use plugboard::registry::WriteTxn;
use serde_json::json;

use crate::support::bundle_builder::BundleBuilder;
use crate::support::guests;
use crate::support::test_app::TestApp;

/// The extension of these tests, with one of the guests in it.
fn extension(guest: &str) -> BundleBuilder {
    BundleBuilder::new("com.example.hello", "1.0.0").component(guests::extension(guest))
}

/// An appliance with that extension, which answers GET and POST to `/a`.
async fn with_guest(guest: &str) -> TestApp {
    let app = TestApp::start().await;
    app.install(&extension(guest).endpoint("GET", "/a").endpoint("POST", "/a")).await;
    app
}

const A: &str = "/api/ext/com.example.hello/a";

#[tokio::test]
async fn an_extension_answers() {
    let app = with_guest("answers").await;

    let answer = app.get(A).await;

    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.text(), "hello");
    assert_eq!(answer.header("content-type"), "text/plain");
}

#[tokio::test]
async fn an_extension_is_called_by_name_by_alias_and_by_install() {
    let app = TestApp::start().await;
    let id = app.install(&extension("answers").endpoint("GET", "/a")).await;

    for name in ["com.example.hello", "example.com.example.hello", &id] {
        let answer = app.get(&format!("/api/ext/{name}/a")).await;
        assert_eq!(answer.text(), "hello", "{name}");
    }
    for name in ["com.example.hell", "Com.Example.Hello", "hello", "*", "..%2fhello"] {
        let answer = app.get(&format!("/api/ext/{name}/a")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{name}");
    }
}

#[tokio::test]
async fn a_disabled_or_uninstalled_extension_is_gone_at_once() {
    let app = TestApp::start().await;
    let id = app.install(&extension("answers").endpoint("GET", "/a")).await;
    let install = format!("/api/v1/installs/{id}");

    app.post(&format!("{install}/disable"), json!({})).await;
    let disabled = app.get(A).await;
    app.post(&format!("{install}/enable"), json!({})).await;
    let enabled = app.get(A).await;
    app.call(Method::DELETE, &install).send().await;
    let uninstalled = app.get(A).await;

    assert_eq!((disabled.status, disabled.code()), (StatusCode::NOT_FOUND, "not_installed".into()));
    assert_eq!(enabled.status, StatusCode::OK);
    assert_eq!(uninstalled.code(), "not_installed");
}

#[tokio::test]
async fn components_leave_memory_with_the_last_install_that_is_enabled() {
    let app = TestApp::start().await;
    let id = app.install(&extension("answers").endpoint("GET", "/a")).await;
    let live = app.app.registry.live();
    let hash = live.installs().next().unwrap().version.content_hash;
    app.app.release_components();
    assert!(app.app.runner.is_ready(&hash));

    app.post(&format!("/api/v1/installs/{id}/disable"), json!({})).await;
    app.app.release_components();

    assert!(!app.app.runner.is_ready(&hash));
    app.post(&format!("/api/v1/installs/{id}/enable"), json!({})).await;
    assert_eq!(app.get(A).await.status, StatusCode::OK);
}

#[tokio::test]
async fn head_says_no_length_that_the_guest_did_not_say() {
    let app = TestApp::start().await;
    app.install(&extension("status").endpoint("GET", "/:status")).await;

    for status in [200, 204, 304] {
        let path = format!("/api/ext/com.example.hello/{status}");
        let answer = app.call(Method::HEAD, &path).send().await;

        assert_eq!(answer.status.as_u16(), status);
        assert!(!answer.headers.contains_key("content-length"), "{status}");
    }
}

#[tokio::test]
async fn components_called_longest_ago_leave_memory_for_others() {
    let app = TestApp::start_with(|config| config.runner.loaded_bytes = 1).await;
    let b = BundleBuilder::new("com.example.other", "1.0.0")
        .component(guests::extension("answers_big"))
        .endpoint("GET", "/a");
    app.install(&extension("answers").endpoint("GET", "/a")).await;
    app.install(&b).await;
    let live = app.app.registry.live();
    let hash = |name: &str| {
        let mut installs = live.installs();
        let found = installs.find(|row| row.version.name.as_str() == name).unwrap();
        found.version.content_hash
    };
    let (a, b) = (hash("com.example.hello"), hash("com.example.other"));
    let loaded = || [a, b].map(|hash| app.app.runner.is_ready(&hash));

    assert_eq!(app.get(A).await.status, StatusCode::OK);
    assert_eq!(loaded(), [true, false]);
    assert_eq!(app.get("/api/ext/com.example.other/a").await.status, StatusCode::OK);
    assert_eq!(loaded(), [false, true]);
    assert_eq!(app.app.runner.loaded_bytes(), app.app.runner.loaded_bytes_of(&b).unwrap());
    app.app.release_components();
    assert_eq!(loaded(), [false, true], "the last one stays, though it is larger");
}

#[tokio::test]
async fn head_uses_the_get_endpoint_and_has_no_body() {
    let app = with_guest("answers").await;

    let answer = app.call(Method::HEAD, A).send().await;

    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-length"), "5");
    assert_eq!(answer.header("content-type"), "text/plain");
    assert!(answer.body.is_empty());
}

#[tokio::test]
async fn options_names_the_methods_and_allows_no_other_origin() {
    let app = with_guest("answers").await;

    let answer = app
        .call(Method::OPTIONS, A)
        .header("origin", "http://evil.test")
        .header("access-control-request-method", "POST")
        .send()
        .await;

    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(answer.header("allow"), "GET, POST, OPTIONS, HEAD");
    let cors = answer.headers.keys().filter(|name| name.as_str().starts_with("access-control"));
    assert_eq!(cors.count(), 0);
}

#[tokio::test]
async fn a_method_that_is_not_declared_is_refused_with_those_that_are() {
    let app = with_guest("answers").await;

    let answer = app.call(Method::DELETE, A).send().await;

    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.code(), "method_not_allowed");
    assert_eq!(answer.header("allow"), "GET, POST, OPTIONS, HEAD");
}

#[tokio::test]
async fn a_path_that_is_not_declared_is_unknown() {
    let app = with_guest("answers").await;

    for path in ["", "/", "/b", "/a/b", "/A"] {
        let answer = app.get(&format!("/api/ext/com.example.hello{path}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.code(), "endpoint_not_found", "{path}");
    }
}

#[tokio::test]
async fn errors_have_the_members_of_both_worlds() {
    let app = with_guest("answers").await;

    let call = app.call(Method::GET, "/api/ext/com.example.hello/b").header("x-request-id", "r-1");
    let answer = call.send().await;

    assert_eq!(answer.header("content-type"), "application/problem+json");
    insta::assert_json_snapshot!(answer.json(), @r#"
    {
      "code": "endpoint_not_found",
      "detail": "com.example.hello declares no endpoint for this path",
      "error": "endpoint_not_found",
      "hint": "an extension answers only what its manifest lists under `api.endpoints`",
      "requestId": "r-1",
      "request_id": "r-1",
      "status": 404,
      "title": "Not Found",
      "type": "about:blank"
    }
    "#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_warm_call_writes_nothing_and_reads_no_stored_file() {
    let app = TestApp::start_on_disk().await;
    app.install(&extension("answers").endpoint("GET", "/a")).await;
    std::fs::remove_dir_all(app.stored()).unwrap();
    // As long as this write is not over no other can begin.
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (taken, ready) = tokio::sync::oneshot::channel();
    let registry = app.app.registry.clone();
    let write = move |_: &WriteTxn| {
        taken.send(()).unwrap();
        held.recv().ok();
        Ok(())
    };
    let writer = tokio::spawn(async move { registry.write(write).await });
    ready.await.unwrap();

    let statuses = [app.get(A).await.status, app.get(A).await.status];

    release.send(()).unwrap();
    writer.await.unwrap().unwrap();
    assert_eq!(statuses, [StatusCode::OK; 2]);
}
