//! `finalize`: what becomes of a bundle, and every way in which nothing does.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{FINALIZE, hello, publish, published, refused, send, trusting, unfinished};
use crate::support::bundle_builder::BundleBuilder;
use crate::support::raw_tar::{RawTar, zstd};
use crate::support::test_app::{Answer, TestApp};

const BAD_REQUEST: StatusCode = StatusCode::BAD_REQUEST;

/// Sends `bundle` and finalizes it with more members.
async fn finalize(app: &TestApp, archive: &[u8], members: Value) -> Answer {
    let mut body = members;
    body["key"] = send(app, archive).await.into();
    app.post(FINALIZE, body).await
}

#[tokio::test]
async fn a_bundle_is_published_and_its_upload_is_gone() {
    let app = trusting().await;
    let bundle = hello("1.0.0").page("<p>hello</p>");
    let hex = app.content_hash(&bundle).hex();

    let answer = publish(&app, &bundle).await;

    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(
        answer.json(),
        json!({
            "extension": {
                "id": "com.example.hello", "name": "com.example.hello", "publisher": "Example",
            },
            "version": { "id": "com.example.hello@1.0.0", "version": "1.0.0" },
            "contentHash": hex,
            "canonicalKey": format!("sha256/{hex}/bundle.tar.zst"),
        })
    );
    assert_eq!(unfinished(&app).await.len(), 0);
    let version = app.get("/api/v1/extensions/com.example.hello/versions/1.0.0").await.json();
    assert_eq!(version["content_hash"], format!("sha256:{hex}"));
}

#[tokio::test]
async fn what_the_published_client_sends_is_accepted() {
    let app = trusting().await;
    let bundle = hello("1.0.0");
    let manifest = String::from_utf8(bundle.manifest_json()).unwrap();
    let archive = bundle.build();
    let hash = app.content_hash(&bundle).hex();

    let members = json!({
        "declaredHash": hash, "size": archive.len(), "manifestJson": manifest, "more": [1],
    });
    let answer = finalize(&app, &archive, members).await;

    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
}

#[tokio::test]
async fn bodies_that_say_nothing_right_are_refused() {
    let app = trusting().await;
    let key = "sha256/_staging/5c2ad6e0-9d1c-4f0a-8c53-0d5a2a5f9b11/bundle.tar.zst";
    let at = |key: &str| json!({ "key": key });

    for body in [
        json!([]),
        json!({}),
        json!({ "key": 7 }),
        at("tenants/a/_staging/b/bundle.tar.zst"),
        at("sha256/b/bundle.tar.zst"),
        at("sha256/_staging/b/other.tar.zst"),
        json!({ "key": key, "size": 0 }),
        json!({ "key": key, "size": "3" }),
        json!({ "key": key, "size": 209_715_201 }),
        json!({ "key": key, "declaredHash": "abc" }),
        json!({ "key": key, "manifestJson": {} }),
        json!({ "key": key, "signature": "x" }),
        json!({ "key": key, "signature": { "algorithm": "rot13" } }),
    ] {
        let answer = app.post(FINALIZE, body.clone()).await;

        refused(&answer, BAD_REQUEST, "BAD_REQUEST");
    }
    let broken = app.call(Method::POST, FINALIZE).body("{").send().await;
    refused(&broken, BAD_REQUEST, "BAD_REQUEST");
}

#[tokio::test]
async fn a_key_that_names_no_upload_of_the_caller_is_not_found() {
    let app = trusting().await;
    let key = send(&app, &hello("1.0.0").build()).await;
    let other = app.make_token("default", &["bundle:publish"]).await;
    let nobodys = "sha256/_staging/5c2ad6e0-9d1c-4f0a-8c53-0d5a2a5f9b11/bundle.tar.zst";

    let missing = app.post(FINALIZE, json!({ "key": nobodys })).await;
    let call = app.call(Method::POST, FINALIZE).token(&other);
    let others = call.json(json!({ "key": key })).send().await;

    refused(&missing, BAD_REQUEST, "STAGING_NOT_FOUND");
    refused(&others, BAD_REQUEST, "STAGING_NOT_FOUND");
}

#[tokio::test]
async fn a_declared_hash_is_held_against_the_bytes() {
    let app = trusting().await;
    let hash = app.content_hash(&hello("1.0.0")).hex();
    let declared = "0".repeat(64);

    let archive = hello("1.0.0").build();
    let answer = finalize(&app, &archive, json!({ "declaredHash": declared })).await;

    let body = refused(&answer, BAD_REQUEST, "HASH_MISMATCH");
    assert_eq!(body["details"], json!({ "declared": declared, "computed": hash }));
    assert_eq!(unfinished(&app).await.len(), 0);
}

#[tokio::test]
async fn a_manifest_beside_the_bundle_must_be_the_one_in_it() {
    let app = trusting().await;
    let archive = hello("1.0.0").build();
    let manifest = |bundle: &BundleBuilder| {
        let value: Value = serde_json::from_slice(&bundle.manifest_json()).unwrap();
        json!({ "manifestJson": value.to_string() })
    };

    let mut duplicate = manifest(&hello("1.0.0"))["manifestJson"].as_str().unwrap().to_owned();
    duplicate.replace_range(..1, r#"{"version":"1.0.1","#);
    let other = finalize(&app, &archive, manifest(&hello("1.0.1"))).await;
    let more = finalize(&app, &archive, manifest(&hello("1.0.0").capabilities(&["cap:x"]))).await;
    let none = finalize(&app, &archive, json!({ "manifestJson": "{" })).await;
    let twice = finalize(&app, &archive, json!({ "manifestJson": duplicate })).await;
    let blank = finalize(&app, &archive, json!({ "manifestJson": " " })).await;

    refused(&other, BAD_REQUEST, "MANIFEST_MISMATCH");
    refused(&more, BAD_REQUEST, "MANIFEST_MISMATCH");
    for unreadable in [none, twice] {
        let body = refused(&unreadable, BAD_REQUEST, "INVALID_MANIFEST");
        assert_eq!(body["details"]["issues"][0]["path"], "$");
    }
    assert_eq!(blank.status, StatusCode::OK, "{}", blank.text());
}

#[tokio::test]
async fn a_signature_of_blanks_is_none() {
    let app = trusting().await;

    let members = json!({ "signature": { "text": " \n", "algorithm": "x509" } });
    let answer = finalize(&app, &hello("1.0.0").build(), members).await;

    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
}

#[tokio::test]
async fn members_that_are_null_are_absent_and_a_body_has_a_limit() {
    let app = trusting().await;
    let archive = hello("1.0.0").build();

    let long = finalize(&app, &archive, json!({ "manifestJson": "x".repeat(2 << 20) })).await;
    let members =
        json!({ "size": null, "declaredHash": null, "manifestJson": null, "signature": null });
    let nulls = finalize(&app, &archive, members).await;

    let body = refused(&long, StatusCode::PAYLOAD_TOO_LARGE, "BAD_REQUEST");
    assert!(body["error"].as_str().unwrap().contains("2097152"), "{body}");
    assert_eq!(nulls.status, StatusCode::OK, "{}", nulls.text());
}

#[tokio::test]
async fn everything_wrong_with_a_manifest_is_an_issue() {
    let app = trusting().await;
    let bundle = hello("1.0").manifest("runtime", json!("wasm")).manifest("colour", json!("red"));

    let answer = publish(&app, &bundle).await;

    let body = refused(&answer, BAD_REQUEST, "INVALID_MANIFEST");
    let issues = body["details"]["issues"].as_array().unwrap();
    let mut paths: Vec<_> = issues.iter().map(|issue| issue["path"].as_str().unwrap()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["colour", "runtime", "version"]);
    assert!(issues.iter().all(|issue| issue["message"].as_str().unwrap().len() > 10), "{body}");
}

#[tokio::test]
async fn a_bundle_without_a_manifest_or_that_is_no_bundle_is_refused() {
    let app = trusting().await;
    let without = zstd(&RawTar::new().file("ui/index.html", b"x").end());

    let without = finalize(&app, &without, json!({})).await;
    let junk = finalize(&app, b"not zstd", json!({})).await;

    refused(&without, BAD_REQUEST, "MANIFEST_NOT_FOUND");
    let body = refused(&junk, BAD_REQUEST, "INVALID_BUNDLE");
    assert_eq!(body["details"]["report"]["verdict"], "rejected");
}

#[tokio::test]
async fn a_repeat_is_a_conflict_whether_the_bytes_are_the_same_or_not() {
    let app = trusting().await;
    published(&app, &hello("1.0.0")).await;

    for bundle in [hello("1.0.0"), hello("1.0.0").page("<p>other</p>")] {
        let answer = publish(&app, &bundle).await;

        assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text());
        let body = answer.json();
        assert_eq!(body["success"], false);
        assert_eq!(body["error"]["code"], "EXTENSION_VERSION_ALREADY_EXISTS");
        assert!(body["error"]["message"].as_str().unwrap().contains("com.example.hello 1.0.0"));
        assert_eq!(body.as_object().unwrap().len(), 2, "{body}");
    }
}

#[tokio::test]
async fn the_same_request_again_is_a_conflict() {
    let app = trusting().await;
    let key = send(&app, &hello("1.0.0").build()).await;

    let first = app.post(FINALIZE, json!({ "key": key })).await;
    let again = app.post(FINALIZE, json!({ "key": key })).await;

    assert_eq!(first.status, StatusCode::OK);
    assert_eq!(again.status, StatusCode::CONFLICT, "{}", again.text());
}

#[tokio::test]
async fn a_token_publishes_only_the_names_of_its_scope() {
    let app = trusting().await;
    let token = app.make_token("default", &["bundle:publish:com.acme.*"]).await;
    let archive = hello("1.0.0").build();
    let path = format!("{}?filename=a&size={}", super::PROXY, archive.len());
    let sent = app.call(Method::POST, &path).token(&token).body(archive).send().await.json();

    let call = app.call(Method::POST, FINALIZE).token(&token);
    let answer = call.json(json!({ "key": sent["upload"]["key"] })).send().await;

    refused(&answer, StatusCode::FORBIDDEN, "RBAC_FORBIDDEN");
}

#[tokio::test]
async fn many_who_finalize_one_version_at_once_have_one_winner() {
    let app = TestApp::start_with(|config| {
        config.signing.policy = plugboard::config::SigningPolicy::AllowUnsigned;
        config.uploads.max_unfinished = 32;
    })
    .await;
    let mut keys = Vec::new();
    for n in 0..32 {
        // Half of them have the same bytes.
        let page = if n % 2 == 0 { "same".to_owned() } else { format!("other {n}") };
        keys.push(send(&app, &hello("1.0.0").page(&page).build()).await);
    }

    let calls = keys.iter().map(|key| app.post(FINALIZE, json!({ "key": key })));
    let answers = futures_util::future::join_all(calls).await;

    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(StatusCode::OK), count(StatusCode::CONFLICT)), (1, 31));
    let list = app.get("/api/v1/extensions/com.example.hello").await.json();
    assert_eq!(list["versions"].as_array().unwrap().len(), 1);
}
