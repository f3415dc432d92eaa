//! Each request of one call to the store fails once: the call is done or it is not, and
//! nothing is lost, broken or left over.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::{Method, StatusCode};
use plugboard::model::ContentHash;
use serde_json::json;

use crate::support::bundle_builder::BundleBuilder;
use crate::support::guests;
use crate::support::s3_server::{Fault, S3Server};
use crate::support::test_app::{Answer, TestApp};

/// One that a repeat gets over, one that it does not, and one where the work is done all the same.
const FAULTS: [Fault; 3] =
    [Fault::Status(500), Fault::Said(403, "AccessDenied"), Fault::ErrorDocument("InternalError")];

fn extension(number: usize) -> BundleBuilder {
    BundleBuilder::new(&format!("com.example.n{number}"), "1.0.0")
        .page(&format!("<p>{number}</p>"))
        .component(guests::extension("answers"))
        .endpoint("GET", "/a")
}

/// Gives the request `number` from here on a fault; counts requests.
fn fail_one(server: &S3Server, number: usize, fault: Fault) -> Arc<AtomicUsize> {
    let requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&requests);
    server
        .fail(move |_, _| (counter.fetch_add(1, Ordering::SeqCst) + 1 == number).then_some(fault));
    requests
}

/// Whether a call was done. If not, it was told that the store is at fault.
fn is_done(answer: &Answer, case: &str) -> bool {
    let unavailable = || answer.code() == "storage_unavailable";
    assert!(answer.status.is_success() || unavailable(), "{case}: {}", answer.text());
    answer.status.is_success()
}

/// The versions that can be seen, by name; each has the bytes that it says.
async fn visible(app: &TestApp, server: &S3Server, case: &str) -> BTreeMap<String, ContentHash> {
    let listed = app.get("/api/v1/extensions").await.json();
    let row = |row: &serde_json::Value| {
        let hash: ContentHash = row["content_hash"].as_str().unwrap().parse().unwrap();
        let archive = server.object(&format!("sha256/{}/bundle.tar.zst", hash.hex()));
        assert_eq!(ContentHash::of(&fs::read(archive).unwrap()), hash, "{case}");
        (row["name"].as_str().unwrap().to_owned(), hash)
    };
    listed["versions"].as_array().unwrap().iter().map(row).collect()
}

/// Sweeps, and finds the objects of `versions` and no others.
async fn nothing_is_left_over(
    app: &TestApp,
    server: &S3Server,
    versions: &BTreeMap<String, ContentHash>,
) {
    // Later than the objects are old, by the clock of the server's files.
    app.clock.advance(50 * 365 * 24 * 3_600);
    app.app.sweep().await.unwrap();
    app.app.sweep().await.unwrap();

    let mut objects: BTreeMap<String, usize> = BTreeMap::new();
    for key in server.keys() {
        *objects.entry(key.split('/').nth(1).unwrap().to_owned()).or_default() += 1;
    }
    // The archive, the manifest, the component and a signature.
    let expected = versions.values().map(|hash| (hash.hex(), 4)).collect();
    assert_eq!(objects, expected);
    assert_eq!((server.unfinished(), app.app.bundles.staged_bytes()), (0, 0));
    assert_eq!(fs::read_dir(app.app.data_dir.join("cache/staging")).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_in_which_any_one_request_fails_is_whole_or_not_there() {
    for fault in FAULTS {
        let server = S3Server::start();
        let app = TestApp::start_on_s3(&server).await;
        let mut acknowledged = 0;
        for number in 1.. {
            let case = format!("{fault:?} at request {number}");
            let bundle = extension(number);

            let requests = fail_one(&server, number, fault);
            let done = is_done(&app.publish(&bundle).await, &case);
            let was_hit = requests.load(Ordering::SeqCst) >= number;
            server.heal();

            acknowledged += usize::from(done);
            assert_eq!(visible(&app, &server, &case).await.len(), acknowledged, "{case}");
            let again = app.publish(&bundle).await;
            let expected = if done { StatusCode::OK } else { StatusCode::CREATED };
            assert_eq!(again.status, expected, "{case}: {}", again.text());
            acknowledged += usize::from(!done);
            // Also waits for what goes on in the background.
            app.install_published(&format!("com.example.n{number}"), json!([])).await;
            if !was_hit {
                assert!(done && number > 4, "{case}");
                break;
            }
        }
        let versions = visible(&app, &server, "at the end").await;
        assert_eq!(versions.len(), acknowledged);
        nothing_is_left_over(&app, &server, &versions).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn installing_and_enabling_in_which_any_one_request_fails_is_done_or_not() {
    for fault in FAULTS {
        let server = S3Server::start();
        let app = TestApp::start_on_s3(&server).await;
        let bundle = extension(0);
        let mut id = app.install(&bundle).await;
        for number in 1.. {
            let case = format!("{fault:?} at request {number}");
            app.call(Method::DELETE, &format!("/api/v1/installs/{id}")).send().await;
            app.forget_compiled(&app.content_hash(&bundle));

            let requests = fail_one(&server, number, fault);
            let installed = app.post("/api/v1/installs", json!({"name": "com.example.n0"})).await;
            id = installed.json()["id"].as_str().unwrap().to_owned();
            let enable = format!("/api/v1/installs/{id}/enable");
            let done = is_done(&app.post(&enable, json!({})).await, &case);
            let was_hit = requests.load(Ordering::SeqCst) >= number;
            let seen = app.get(&format!("/api/v1/installs/{id}")).await.json();
            server.heal();

            assert_eq!(seen["enabled"], done, "{case}");
            let again = app.post(&enable, json!({})).await;
            assert_eq!(again.status, StatusCode::OK, "{case}: {}", again.text());
            assert_eq!(app.get("/api/ext/com.example.n0/a").await.text(), "hello", "{case}");
            if !was_hit {
                assert!(done && number > 1, "{case}");
                break;
            }
        }
        let versions = visible(&app, &server, "at the end").await;
        nothing_is_left_over(&app, &server, &versions).await;
    }
}
