//! What a client sees when the appliance or an extension fails: a code, and
//! neither path nor cause.

use std::fs;
use std::path::{Path, PathBuf};

use axum::http::StatusCode;
use serde_json::json;

use crate::support::bundle_builder::BundleBuilder;
use crate::support::guests;
use crate::support::test_app::{Answer, TestApp};
use crate::traces::lines::Log;

fn extension(guest: &str) -> BundleBuilder {
    BundleBuilder::new("com.example.hello", "1.0.0")
        .page("<h1>Hello</h1>")
        .component(guests::extension(guest))
        .endpoint("GET", "/a")
}

/// The files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// Turns a byte in the middle of every stored file.
fn damage(folder: &Path) {
    let found = files(folder);
    assert!(!found.is_empty(), "nothing is stored");
    for file in found {
        let mut bytes = fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::remove_file(&file).unwrap();
        fs::write(&file, bytes).unwrap();
    }
}

/// What every failure promises.
fn assert_tells_nothing(app: &TestApp, answer: &Answer) {
    let text = answer.text();
    let folder = app.app.data_dir.to_str().unwrap();
    assert!(!text.contains(folder), "{text}");
    for word in ["sha256/", ".zst", "/tmp", "src/", ".rs", "wasm", "unreachable", "panicked"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
    assert!(!answer.header("x-request-id").is_empty());
    assert_eq!(answer.header("cache-control"), "no-store");
}

fn shown(answer: &Answer) -> String {
    let json = answer.json();
    format!("{} {} {}", answer.status.as_u16(), json["code"], json["detail"])
}

#[tokio::test]
async fn a_page_whose_stored_bundle_was_changed_is_not_served() {
    let app = TestApp::start_on_disk().await;
    let bundle = extension("answers");
    app.install(&bundle).await;
    damage(&app.stored());

    let answer = app.get(&app.page_of(&bundle, "index.html")).await;

    insta::assert_snapshot!(shown(&answer), @r#"502 "integrity" "a stored object does not have the content it was stored with""#);
    assert_tells_nothing(&app, &answer);
}

#[tokio::test]
async fn a_page_whose_stored_bundle_is_missing_is_not_served() {
    let app = TestApp::start_on_disk().await;
    let bundle = extension("answers");
    app.install(&bundle).await;
    for file in files(&app.stored()) {
        fs::remove_file(file).unwrap();
    }

    let answer = app.get(&app.page_of(&bundle, "index.html")).await;

    insta::assert_snapshot!(shown(&answer), @r#"502 "integrity" "a stored object does not have the content it was stored with""#);
    assert_tells_nothing(&app, &answer);
}

#[tokio::test]
async fn a_component_that_was_changed_in_the_store_does_not_run() {
    let app = TestApp::start_on_disk().await;
    let bundle = extension("answers");
    let id = app.install(&bundle).await;
    damage(&app.stored());
    app.forget_compiled(&app.content_hash(&bundle));

    let call = app.get("/api/ext/com.example.hello/a").await;
    let enable = app.post(&format!("/api/v1/installs/{id}/enable"), json!({})).await;

    insta::assert_snapshot!(shown(&call), @r#"502 "integrity" "a stored object does not have the content it was stored with""#);
    assert_eq!((enable.status, enable.code()), (StatusCode::BAD_GATEWAY, "integrity".into()));
    assert_tells_nothing(&app, &call);
    assert_tells_nothing(&app, &enable);
}

#[tokio::test]
async fn failing_guests_tell_their_clients_nothing() {
    let mut seen = Vec::new();
    for guest in ["traps", "hoards", "recurses", "injects", "loops"] {
        let app = TestApp::start_with(|config| config.gateway.timeout_ms = 300).await;
        app.install(&extension(guest)).await;

        let answer = app.get("/api/ext/com.example.hello/a").await;

        assert_tells_nothing(&app, &answer);
        seen.push(format!("{guest}: {}", shown(&answer)));
    }
    insta::assert_snapshot!(seen.join("\n"), @r#"
    traps: 502 "extension_failed" "the extension stopped with an error"
    hoards: 502 "extension_failed" "the extension needs more memory than it may have"
    recurses: 502 "extension_failed" "the extension stopped with an error"
    injects: 502 "extension_failed" "the extension's answer is not well formed"
    loops: 504 "extension_timeout" "the extension did not finish within 300 ms"
    "#);
}

#[tokio::test]
async fn a_path_and_query_that_are_too_long_are_refused_as_anything_else_is() {
    let app = TestApp::start().await;
    let (lines, _listening) = Log::begin();
    let of = |bytes: usize| format!("/healthz?{}", "a".repeat(bytes - "/healthz?".len()));

    let fits = app.get(&of(8_192)).await;
    let refused = app.get(&of(8_193)).await;
    let long_path = app.get(&format!("/{}", "b".repeat(9_000))).await;

    assert_eq!(fits.status, StatusCode::OK);
    assert_eq!(
        shown(&refused),
        "414 \"url_too_long\" \"the path and query have 8193 bytes; up to 8192 are read\""
    );
    assert_tells_nothing(&app, &refused);
    assert_eq!(refused.header("x-content-type-options"), "nosniff");
    assert_eq!(long_path.status, StatusCode::URI_TOO_LONG);
    let log = lines.text();
    assert!(log.contains(&"b".repeat(255)) && !log.contains(&"b".repeat(256)), "{log}");
}
