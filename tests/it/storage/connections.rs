//! How a server is reached: with a certificate that is trusted for its name, and with
//! the bucket in its name.

use std::fs;

use axum::http::{Method, StatusCode};
use plugboard::config::StoreConfig;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::doctor::{doctor, on_server};
use super::extension;
use crate::support::s3_server::{Authority, S3Server, config_for};
use crate::support::test_app::TestApp;

const NAME: &str = "s3.localhost";

/// Settings that trust an authority, in a file below the folder.
fn trusting(server: &S3Server, authority: &Authority) -> (TempDir, StoreConfig) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config_for(&server.endpoint);
    config.s3.ca_file = folder.path().join("ca.pem");
    fs::write(&config.s3.ca_file, authority.pem()).unwrap();
    (folder, config)
}

/// What an appliance says of a server that it does not trust, and what the doctor does.
async fn refused(server: &S3Server, authority: &Authority) -> String {
    let (folder, config) = trusting(server, authority);
    let ca_file = config.s3.ca_file.to_str().unwrap().to_owned();
    let app = TestApp::start_on_s3_as(config).await;

    // First, because after some failures the server is left alone, and that is what is said.
    let ready = app.call(Method::GET, "/readyz").anonymous().send().await.json();
    let publish = app.publish(&extension()).await;

    assert_eq!(publish.status, StatusCode::SERVICE_UNAVAILABLE, "{}", publish.text());
    assert_eq!(publish.code(), "storage_unavailable");
    assert_eq!(server.seen(), []);
    let reason = ready["reasons"][0].as_str().unwrap();
    let said = reason.strip_prefix("the bundle store does not answer: ").unwrap().to_owned();
    let mut settings = Vec::from(on_server(&server.endpoint));
    settings.push(("PLUGBOARD_STORE__S3__CA_FILE", &*ca_file));
    let output = doctor(folder.path(), &settings);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let reach = told["checks"].as_array().unwrap().iter().find(|c| c["check"] == "store.reach");
    assert!(reach.unwrap()["sentence"].as_str().unwrap().ends_with(&said), "{told}");
    said
}

#[tokio::test]
async fn a_server_with_a_certificate_of_a_trusted_authority_keeps_bundles() {
    let authority = Authority::new();
    let server = S3Server::start_with_tls(&authority, NAME, &[NAME]);
    let (_folder, mut config) = trusting(&server, &authority);
    config.s3.public_endpoint = server.endpoint.clone();
    let app = TestApp::start_with_store(config).await;

    app.install(&extension()).await;

    let facts = app.app.bundles.facts().unwrap();
    assert_eq!(facts.missing().count(), 0, "{facts:?}");
    assert!(app.app.bundles.presigns());
    let page = app.get(&app.page_of(&extension(), "index.html")).await;
    assert_eq!(page.text(), "<h1>Hello</h1>");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_certificate_of_a_strange_authority_is_sent_nothing() {
    let server = S3Server::start_with_tls(&Authority::new(), NAME, &[NAME]);

    let said = refused(&server, &Authority::new()).await;

    assert_eq!(
        said,
        "the server's certificate is by an authority that is not trusted here: put the \
         authority's certificate into `store.s3.ca_file`"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_certificate_for_another_name_is_sent_nothing() {
    let authority = Authority::new();
    let server = S3Server::start_with_tls(&authority, NAME, &["other.localhost"]);

    let said = refused(&server, &authority).await;

    assert_eq!(said, "the server's certificate is for another host than the endpoint names");
}

#[tokio::test]
async fn a_server_that_finds_the_bucket_in_its_name_keeps_bundles() {
    let server = S3Server::start_with_hosts();
    let mut config = server.config_with_public_endpoint();
    config.s3.force_path_style = false;
    let app = TestApp::start_with_store(config).await;

    app.install(&extension()).await;

    let facts = app.app.bundles.facts().unwrap();
    assert_eq!(facts.missing().count(), 0, "{facts:?}");
    let page = app.get(&app.page_of(&extension(), "index.html")).await;
    assert_eq!(page.text(), "<h1>Hello</h1>");
    assert!(server.keys().iter().all(|key| key.starts_with("sha256/")), "{:?}", server.keys());
    let body = json!({ "filename": "a", "size": 3 });
    let given = app.post("/api/ext-bundles/initiate-upload", body).await.json();
    let url = given["upload"]["url"].as_str().unwrap();
    assert!(url.starts_with("http://bundles.localhost:"), "{url}");
}
