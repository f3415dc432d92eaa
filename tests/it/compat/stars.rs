//! `X.Y.*`: a bundle gets the next patch, on these routes only.

use axum::http::{Method, StatusCode};
use plugboard::bundle::{self, BundleLimits};
use plugboard::model::{Manifest, Stars};
use plugboard::trust::keys::{self, GeneratedKey};
use plugboard::trust::statement::{self, Subject};
use serde_json::json;

use super::{FINALIZE, hello, publish, published, refused, send, trusting};
use crate::support::bundle_builder::BundleBuilder;
use crate::support::test_app::TestApp;

fn star(page: &str) -> BundleBuilder {
    hello("1.2.*").page(page)
}

#[tokio::test]
async fn a_star_is_the_next_free_patch() {
    let app = trusting().await;
    assert_eq!(published(&app, &star("a")).await, "1.2.0");
    published(&app, &hello("1.2.8")).await;
    published(&app, &hello("1.2.11-rc.1")).await;
    published(&app, &hello("1.3.40")).await;

    let version = published(&app, &star("b")).await;

    assert_eq!(version, "1.2.9");
    let row = app.get("/api/v1/extensions/com.example.hello/versions/1.2.9").await.json();
    assert_eq!(row["manifest"]["version"], "1.2.9");
}

#[tokio::test]
async fn the_same_bytes_have_the_version_they_have() {
    let app = trusting().await;
    published(&app, &star("a")).await;
    published(&app, &star("b")).await;

    let again = publish(&app, &star("a")).await;

    assert_eq!(again.status, StatusCode::CONFLICT);
    assert_eq!(again.json()["error"]["details"]["version"], "1.2.0");
    let list = app.get("/api/v1/extensions/com.example.hello").await.json();
    assert_eq!(list["versions"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn stars_that_come_at_once_get_a_number_each() {
    let app = TestApp::start_with(|config| {
        config.signing.policy = plugboard::config::SigningPolicy::AllowUnsigned;
        config.uploads.max_unfinished = 8;
    })
    .await;
    let mut keys = Vec::new();
    for n in 0..8 {
        keys.push(send(&app, &star(&format!("page {n}")).build()).await);
    }

    let calls = keys.iter().map(|key| app.post(FINALIZE, json!({ "key": key })));
    let answers = futures_util::future::join_all(calls).await;

    let version = |answer: &crate::support::test_app::Answer| {
        answer.json()["version"]["version"].as_str().unwrap_or_default().to_owned()
    };
    let mut versions: Vec<_> = answers.iter().map(version).collect();
    versions.sort_unstable();
    assert_eq!(versions, (0..8).map(|n| format!("1.2.{n}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn every_other_way_to_publish_refuses_a_star() {
    let app = trusting().await;

    let answer = app.put_bundle(star("a").build(), &[]).await;

    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.text().contains("version_not_exact"), "{}", answer.text());
}

#[tokio::test]
async fn a_star_in_quarantine_gets_its_number_when_it_is_let_out() {
    let app = TestApp::start().await;
    let hash = app.content_hash(&star("a"));
    let waiting = publish(&app, &star("a")).await;
    refused(&waiting, StatusCode::FORBIDDEN, "SIGNATURE_REQUIRED");
    app.publish(&hello("1.2.0")).await;

    let path = format!("/api/v1/quarantine/{hash}/approve");
    let approved = app.post(&path, json!({ "reason": "seen" })).await;

    assert_eq!(approved.json()["version"], "1.2.1", "{}", approved.text());
    assert_eq!(published(&app, &star("a")).await, "1.2.1");
}

#[tokio::test]
async fn a_signature_says_the_star_and_not_the_number() {
    let app = TestApp::start().await;
    let archive = star("a").build();
    let hash = app.content_hash(&star("a"));
    refused(&publish(&app, &star("a")).await, StatusCode::FORBIDDEN, "SIGNATURE_REQUIRED");
    let path = format!("/api/v1/quarantine/{hash}/signatures");
    let attach = |envelope| app.call(Method::POST, &path).body(envelope).send();
    let key = keys::generate().unwrap();

    let number = attach(sign_as(&key, &archive, None)).await;
    let literal = attach(app.sign(&archive)).await;

    assert_eq!(number.code(), "bad_signature", "{}", number.text());
    assert_eq!(literal.status, StatusCode::CREATED, "{}", literal.text());
    assert_eq!(literal.json()["version"], "1.2.0");
}

#[tokio::test]
async fn a_signature_that_comes_later_says_the_star_too() {
    let app = trusting().await;
    published(&app, &star("a")).await;
    let path = "/api/v1/extensions/com.example.hello/versions/1.2.0";
    let envelope = app.sign(&star("a").build());

    let added = app.call(Method::POST, &format!("{path}/signatures")).body(envelope).send().await;

    assert!(added.status.is_success(), "{}", added.text());
    assert_eq!(app.get(path).await.json()["star"], "1.2.*");
}

#[tokio::test]
async fn neither_the_number_nor_the_bytes_of_a_removed_version_come_again() {
    let app = trusting().await;
    published(&app, &star("a")).await;
    published(&app, &star("b")).await;
    let path = "/api/v1/extensions/com.example.hello/versions/1.2.1";
    let removed = app.call(Method::DELETE, path).send().await;
    assert!(removed.status.is_success(), "{}", removed.text());

    let again = publish(&app, &star("b")).await;

    assert_eq!(again.status, StatusCode::CONFLICT, "{}", again.text());
    assert_eq!(again.json()["error"]["details"]["version"], "1.2.1");
    let list = app.get("/api/v1/extensions/com.example.hello").await.json();
    assert_eq!(list["versions"].as_array().unwrap().len(), 1);
    assert_eq!(published(&app, &star("c")).await, "1.2.2");
}

/// An envelope whose statement says a number, or a star.
fn sign_as(key: &GeneratedKey, archive: &[u8], star: Option<&str>) -> Vec<u8> {
    let contents = bundle::read(archive, &BundleLimits::default()).unwrap();
    let manifest = Manifest::read(&contents.manifest, Stars::Allowed).unwrap().manifest;
    let subject = Subject {
        name: manifest.name,
        version: manifest.version,
        star: star.map(|star| star.parse().unwrap()),
        content_hash: contents.content_hash,
        size: contents.size,
        manifest_sha256: statement::manifest_sha256(&contents.manifest),
        target_world: None,
    };
    statement::sign(&keys::parse_private(&key.private_pem).unwrap(), &subject)
}
