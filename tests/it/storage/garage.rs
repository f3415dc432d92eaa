//! Garage as one node, as three, and as three of which one is away: everything
//! works. With two of three away what was unpacked goes on working.
//!
//! Garage takes `If-None-Match` and ignores it, so this is also the store that
//! does not keep its word.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use axum::http::{Method, StatusCode};
use plugboard::model::StoreCapability;
use serde_json::json;

use super::{CALL, doctor, everything_works, extension, packaging};
use crate::support::bundle_builder::BundleBuilder;
use crate::support::garage::Garage;
use crate::support::real_server::RealServer;
use crate::support::test_app::TestApp;

/// Fewer tests of the conformance suite than there are: a suite that shrinks unseen is told.
const CONFORMANCE_TESTS: usize = 45;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by .ci/soak garage, which has the program"]
async fn everything_works_on_one_node() {
    let garage = Garage::start(1);

    check(&garage.server()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by .ci/soak garage, which has the program"]
async fn everything_works_on_three_nodes() {
    let garage = Garage::start(3);

    check(&garage.server()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by .ci/soak garage, which has the program"]
async fn everything_works_on_three_nodes_of_which_one_is_stopped() {
    let mut garage = Garage::start(3);

    garage.stop(2);

    check(&garage.server()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by .ci/soak garage, which has the program"]
async fn without_a_quorum_nothing_is_published_and_what_was_unpacked_works() {
    let mut garage = Garage::start(3);
    let app = app_on(&garage.server()).await;
    let bundle = extension();
    app.install(&bundle).await;
    let page = app.page_of(&bundle, "index.html");
    assert_eq!(app.get(&page).await.status, StatusCode::OK);
    let other = BundleBuilder::new("com.example.other", "1.0.0").page("<h1>Other</h1>");

    garage.stop(2);
    garage.stop(1);
    let refused = app.publish(&other).await;

    let told = (refused.status, refused.code());
    assert_eq!(told, (StatusCode::SERVICE_UNAVAILABLE, "storage_unavailable".to_owned()));
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(app.get(&page).await.status, StatusCode::OK);
    assert_eq!(app.get(CALL).await.text(), "hello");
    assert_eq!(versions(&app).await, ["com.example.hello"]);
    let ready = app.call(Method::GET, "/readyz").anonymous().send().await;
    assert_eq!(ready.json()["status"], "degraded");

    garage.restart(1);
    garage.restart(2);
    publish_until_done(&app, &other).await;
    assert_eq!(app.get(&app.page_of(&bundle, "index.html")).await.status, StatusCode::OK);
    app.install_published("com.example.other", json!([])).await;
    let page = app.get(&app.page_of(&other, "index.html")).await;
    assert_eq!((page.status, page.text()), (StatusCode::OK, "<h1>Other</h1>".to_owned()));
}

/// What must work on every shape of a server.
async fn check(server: &RealServer) {
    let app = app_on(server).await;
    ignores_conditions(&app);
    everything_works(&app).await;
    doctor_says_so(server);
    packaging::check_script(&settings(server));
    conformance(server);
}

async fn app_on(server: &RealServer) -> TestApp {
    let mut store = server.bucket().config;
    store.s3.breaker_ms = 500;
    let app = TestApp::start_on_s3_as(store).await;
    app.app.probe_store().await;
    app
}

/// What Garage lacks, and nothing else.
fn ignores_conditions(app: &TestApp) {
    let facts = app.app.bundles.facts().unwrap();

    let missing: Vec<_> = facts.missing().map(|fact| fact.capability).collect();
    assert_eq!(
        missing,
        [StoreCapability::CreateOnly, StoreCapability::CreateOnlyMultipart],
        "{facts:#?}"
    );
}

fn settings(server: &RealServer) -> [(&'static str, &str); 5] {
    [
        ("STORAGE_S3_ENDPOINT", &server.endpoint),
        ("STORAGE_S3_REGION", &server.region),
        ("STORAGE_S3_BUCKET", &server.bucket),
        ("STORAGE_S3_ACCESS_KEY", &server.access_key),
        ("STORAGE_S3_SECRET_KEY", &server.secret_key),
    ]
}

fn doctor_says_so(server: &RealServer) {
    let folder = tempfile::tempdir().unwrap();

    let output = doctor::doctor(folder.path(), &settings(server));

    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let found = doctor::checks(&output);
    for (check, status) in &found {
        let expected = match &**check {
            "store.create_only" | "store.create_only_multipart" => "attention",
            // No appliance has been started in the folder.
            "data" => "not_checked",
            _ => "ok",
        };
        assert!(check == "config" || status == expected, "{check}: {status}");
    }
}

/// The tests of the bundle store in a process that knows the server, counted.
fn conformance(server: &RealServer) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("ran");
    let output = Command::new(std::env::current_exe().unwrap())
        .arg("bundle_store::")
        .envs(server.variables(log.to_str().unwrap()))
        .output()
        .unwrap();

    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    let log = fs::read_to_string(log).unwrap();
    let ran: BTreeSet<_> = log.lines().collect();
    assert!(ran.len() >= CONFORMANCE_TESTS, "{} tests used the server: {ran:?}", ran.len());
    crate::support::note(&format!("{} conformance tests used the server", ran.len()));
}

async fn versions(app: &TestApp) -> Vec<String> {
    let listed = app.get("/api/v1/extensions").await.json();
    let names = listed["versions"].as_array().unwrap().iter();
    names.map(|version| version["name"].as_str().unwrap().to_owned()).collect()
}

/// The nodes need a moment to find each other again.
async fn publish_until_done(app: &TestApp, bundle: &BundleBuilder) {
    for _ in 0..100 {
        let answer = app.publish(bundle).await;
        if answer.status == StatusCode::CREATED {
            return;
        }
        assert_eq!(answer.code(), "storage_unavailable", "{}", answer.text());
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    panic!("the store did not come back");
}
