//! The appliance with its bundles on a server: everything works, what is
//! tampered with is found, and what breaks is told and breaks nothing else.

mod connections;
mod doctor;
mod faults;
mod garage;
mod packaging;
mod redirects;

use std::fs;
use std::sync::Arc;

use axum::http::{Method, StatusCode};
use futures_util::future::join_all;
use plugboard::app::compile::CompileError;
use plugboard::app::sweep::SweepError;
use plugboard::config::Config;
use serde_json::json;

use crate::support::bundle_builder::BundleBuilder;
use crate::support::guests;
use crate::support::s3_server::{Fault, Manners, S3Server};
use crate::support::test_app::TestApp;

const CALL: &str = "/api/ext/com.example.hello/a";

fn extension() -> BundleBuilder {
    BundleBuilder::new("com.example.hello", "1.0.0")
        .page("<h1>Hello</h1>")
        .component(guests::extension("answers"))
        .endpoint("GET", "/a")
}

/// Publishes, installs, executes, serves a page, and publishes again.
async fn everything_works(app: &TestApp) {
    let bundle = extension();

    app.install(&bundle).await;

    assert_eq!(app.get(CALL).await.text(), "hello");
    let page = app.get(&app.page_of(&bundle, "index.html")).await;
    assert_eq!((page.status, page.text()), (StatusCode::OK, "<h1>Hello</h1>".to_owned()));
    assert_eq!(app.publish(&bundle).await.status, StatusCode::OK);
}

#[tokio::test]
async fn publish_install_execute_and_pages_work_on_a_server() {
    for manners in [Manners::default(), Manners::CARELESS] {
        let server = S3Server::start_with(manners);
        let app = TestApp::start_on_s3(&server).await;

        everything_works(&app).await;

        let folder = format!("sha256/{}/", app.content_hash(&extension()).hex());
        let keys = server.keys();
        assert_eq!(keys.len(), 4, "{keys:?}");
        assert!(keys.iter().all(|key| key.starts_with(&folder)), "{keys:?}");
    }
}

#[tokio::test]
async fn a_version_keeps_its_content_on_a_server_that_overwrites() {
    let server = S3Server::start_with(Manners::CARELESS);
    let app = TestApp::start_on_s3(&server).await;
    app.install(&extension()).await;

    let other = app.publish(&extension().page("<h1>Other</h1>")).await;

    assert_eq!((other.status, other.code()), (StatusCode::CONFLICT, "version_taken".to_owned()));
    let page = app.get(&app.page_of(&extension(), "index.html")).await;
    assert_eq!(page.text(), "<h1>Hello</h1>");
}

/// Which byte of an object is flipped, in halves of its length: the first, a middle one, the last.
const PLACES: [usize; 3] = [0, 1, 2];

/// An appliance with an extension of which one byte of one object was changed since.
async fn tampered(object: &str, place: usize) -> (S3Server, TestApp, String) {
    let server = S3Server::start();
    let app = TestApp::start_on_s3(&server).await;
    let id = app.install(&extension()).await;
    let hash = app.content_hash(&extension());
    let file = server.object(&format!("sha256/{}/{object}", hash.hex()));
    let mut content = fs::read(&file).unwrap();
    let last = content.len() - 1;
    content[last * place / 2] ^= 1;
    fs::write(&file, content).unwrap();
    app.forget_compiled(&hash);
    (server, app, id)
}

#[tokio::test]
async fn an_archive_that_is_tampered_with_anywhere_is_not_served() {
    for place in PLACES {
        let (_server, app, _) = tampered("bundle.tar.zst", place).await;

        let page = app.get(&app.page_of(&extension(), "index.html")).await;

        let expected = (StatusCode::BAD_GATEWAY, "integrity".to_owned());
        assert_eq!((page.status, page.code()), expected, "{place}");
        assert!(!page.text().contains("Hello"), "{place}: {}", page.text());
    }
}

#[tokio::test]
async fn a_component_that_is_tampered_with_anywhere_is_taken_from_the_archive() {
    for place in PLACES {
        let (_server, app, id) = tampered("entry.wasm", place).await;

        let enable = app.post(&format!("/api/v1/installs/{id}/enable"), json!({})).await;

        assert_eq!(enable.status, StatusCode::OK, "{place}: {}", enable.text());
        assert_eq!(app.get(CALL).await.text(), "hello", "{place}");
        let page = app.get(&app.page_of(&extension(), "index.html")).await;
        assert_eq!(page.status, StatusCode::OK, "{place}");
    }
}

#[tokio::test]
async fn a_component_tampered_with_in_both_places_does_not_run() {
    let server = S3Server::start();
    let app = TestApp::start_on_s3(&server).await;
    let bundle = extension();
    app.install(&bundle).await;
    let hash = app.content_hash(&bundle);
    for object in ["bundle.tar.zst", "entry.wasm"] {
        let file = server.object(&format!("sha256/{}/{object}", hash.hex()));
        let mut content = fs::read(&file).unwrap();
        *content.last_mut().unwrap() ^= 1;
        fs::write(&file, content).unwrap();
    }
    app.forget_compiled(&hash);

    let call = app.get(CALL).await;

    assert_eq!((call.status, call.code()), (StatusCode::BAD_GATEWAY, "integrity".to_owned()));
}

/// How often a component was read.
fn reads(server: &S3Server) -> usize {
    let is_read = |(method, address): &&(Method, String)| {
        *method == Method::GET && address.contains("entry.wasm")
    };
    server.seen().iter().filter(is_read).count()
}

#[tokio::test]
async fn a_component_is_read_once_however_many_call_it() {
    let server = S3Server::start();
    let app = TestApp::start_on_s3(&server).await;
    let bundle = extension();
    app.install(&bundle).await;
    app.forget_compiled(&app.content_hash(&bundle));
    let before = reads(&server);

    let answers = join_all((0..8).map(|_| app.get(CALL))).await;

    assert!(answers.iter().all(|answer| answer.status == StatusCode::OK), "{answers:?}");
    assert_eq!(reads(&server) - before, 1);
}

#[tokio::test]
async fn a_component_that_is_refused_is_read_once_for_all_who_wait_and_again_for_the_next() {
    let server = S3Server::start();
    let app = TestApp::start_on_s3(&server).await;
    let tables = guests::extension_with(&"(table 0 funcref)".repeat(17));
    app.publish(&extension().component(tables)).await;
    app.post("/api/v1/installs", json!({"name": "com.example.hello"})).await;
    let version = Arc::clone(&app.app.registry.live().installs().next().unwrap().version);
    for _ in 0..2 {
        // Behind the second of these, what the upload began in the background is over.
        app.app.prepare(&version).await.unwrap_err();
    }

    for _ in 0..2 {
        let before = reads(&server);
        let outcomes = join_all((0..8).map(|_| app.app.prepare(&version))).await;
        let refused =
            |outcome: &Result<(), CompileError>| matches!(outcome, Err(CompileError::Prepare(_)));
        assert!(outcomes.iter().all(refused), "{outcomes:?}");
        assert_eq!(reads(&server) - before, 1);
    }
}

#[tokio::test]
async fn publishing_again_mends_a_manifest_that_was_tampered_with() {
    let server = S3Server::start();
    let app = TestApp::start_on_s3(&server).await;
    let bundle = extension();
    app.publish(&bundle).await;
    let hash = app.content_hash(&bundle).hex();
    let manifest = server.object(&format!("sha256/{hash}/manifest.json"));
    let good = fs::read(&manifest).unwrap();
    fs::write(&manifest, "{}").unwrap();

    let again = app.publish(&bundle).await;

    assert_eq!((again.status, &again.json()["outcome"]), (StatusCode::OK, &"unchanged".into()));
    assert_eq!(fs::read(&manifest).unwrap(), good);
}

#[tokio::test]
async fn without_its_server_the_appliance_serves_what_it_has() {
    let server = S3Server::start();
    let app = TestApp::start_on_s3(&server).await;
    let bundle = extension();
    app.install(&bundle).await;
    let page = app.page_of(&bundle, "index.html");
    assert_eq!(app.get(&page).await.status, StatusCode::OK);
    server.fail(|_, _| Some(Fault::Status(500)));

    let publish = app.publish(&BundleBuilder::new("com.example.other", "1.0.0").page("x")).await;

    assert_eq!(publish.status, StatusCode::SERVICE_UNAVAILABLE, "{}", publish.text());
    assert_eq!(publish.code(), "storage_unavailable");
    assert!(!publish.header("retry-after").is_empty());
    assert_eq!(app.get(&page).await.status, StatusCode::OK);
    assert_eq!(app.get(CALL).await.text(), "hello");
    let ready = app.call(Method::GET, "/readyz").anonymous().send().await;
    assert_eq!((ready.status, &ready.json()["status"]), (StatusCode::OK, &json!("degraded")));
    let reason = ready.json()["reasons"][0].as_str().unwrap().to_owned();
    assert!(reason.starts_with("the bundle store does not answer: "), "{reason}");
}

#[tokio::test]
async fn readiness_says_what_the_store_lacks() {
    let careful = TestApp::start_on_s3(&S3Server::start()).await;
    let server = S3Server::start_with(Manners::CARELESS);
    let careless = TestApp::start_on_s3(&server).await;

    let notes = |ready: serde_json::Value| ready["notes"].as_array().map_or(0, Vec::len);
    let ready = careless.call(Method::GET, "/readyz").anonymous().send().await.json();

    assert_eq!(ready["status"], "ready");
    assert!(ready["notes"][0].as_str().unwrap().contains("stay immutable all the same"), "{ready}");
    assert_eq!(notes(ready), 3);
    let ready = careful.call(Method::GET, "/readyz").anonymous().send().await.json();
    assert_eq!(notes(ready), 0);
}

#[tokio::test]
async fn orphans_in_a_bucket_are_left_to_whoever_they_belong_to() {
    let server = S3Server::start();
    let app = TestApp::start_on_s3(&server).await;
    let key = format!("sha256/{}/bundle.tar.zst", "a".repeat(64));
    fs::create_dir_all(server.object(&key).parent().unwrap()).unwrap();
    fs::write(server.object(&key), "x").unwrap();
    // Later than the object is old, by the clock of the server's files.
    app.clock.advance(60 * 60 * 24 * 365 * 50);

    app.app.sweep().await.unwrap();
    app.app.sweep().await.unwrap();

    assert_eq!(server.keys(), [key]);
}

#[tokio::test]
async fn a_sweep_without_its_server_removes_and_counts_what_is_on_the_disk() {
    let server = S3Server::start();
    let app = TestApp::start_on_s3(&server).await;
    let compiled = app.app.data_dir.join("cache/compiled");
    fs::create_dir_all(&compiled).unwrap();
    let left = compiled.join(format!("{}.cwasm", "a".repeat(64)));
    fs::write(&left, "x").unwrap();
    server.fail(|_, _| Some(Fault::Said(403, "AccessDenied")));

    let error = app.app.sweep().await.unwrap_err();

    assert!(matches!(error, SweepError::Store(_)), "{error}");
    assert!(!left.exists());
    let metrics = app.app.read_metrics();
    assert!(metrics.contains("store_swept_total{kind=\"compiled\"} 1\n"), "{metrics}");
}

#[tokio::test]
async fn the_sweep_holds_what_an_earlier_process_unpacked_to_the_bytes_of_the_cache() {
    let left = format!("cache/unpacked/{}/ui/index.html", "a".repeat(64));
    for (cache_bytes, stays) in [(99, false), (100, true)] {
        let change = |config: &mut Config| config.store.cache_bytes = cache_bytes;
        let app = TestApp::start_after(change, (&left, &[b'x'; 100])).await;
        let left = app.app.data_dir.join(&left);
        assert!(left.exists());

        app.app.sweep().await.unwrap();

        assert_eq!(left.exists(), stays, "{cache_bytes}");
    }
}

#[tokio::test]
async fn the_storage_page_says_what_the_place_lacks() {
    let server = S3Server::start_with(Manners::CARELESS);
    let app = TestApp::start_on_s3(&server).await;
    let cookie = app.sign_in().await;

    let page = app.call(Method::GET, "/admin/storage").session(&cookie).send().await;

    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    assert!(page.text().contains(&format!("bundles on {}", server.endpoint)), "{}", page.text());
    assert!(page.text().contains("stay immutable all the same"), "{}", page.text());
    assert!(!page.text().contains("does not answer"), "{}", page.text());
}
