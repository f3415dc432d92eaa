//! What was published is handed out as it was published, and nothing else.

use axum::http::{Method, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use plugboard::model::{AuditAction, AuditEvent, ScopeKind};
use plugboard::trust::keys;
use serde_json::{Value, json};
use sha2::{Digest, Sha256, Sha512};

use crate::support::audit;
use crate::support::bundle_builder::BundleBuilder;
use crate::support::test_app::{Answer, Call, TestApp, sign_with};

const VERSION: &str = "/api/v1/extensions/com.example.reports/versions/1.2.0";

fn reports() -> BundleBuilder {
    BundleBuilder::new("com.example.reports", "1.2.0").page("<h1>Reports</h1>")
}

/// More than is checked before the first byte leaves.
fn large() -> BundleBuilder {
    let noise: Vec<u8> =
        (0..400_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    reports().file("ui/noise.png", noise)
}

async fn published(bundle: &BundleBuilder) -> TestApp {
    let app = TestApp::start_on_disk().await;
    let answer = app.publish(bundle).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    app
}

fn bundle_with<'a>(app: &'a TestApp, header: &str, value: &str) -> Call<'a> {
    app.call(Method::GET, &format!("{VERSION}/bundle")).header(header, value)
}

fn digest_of(bytes: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(bytes)))
}

fn damage(app: &TestApp, bundle: &BundleBuilder, object: &str, at: usize) {
    let folder = app.stored().join("sha256").join(app.content_hash(bundle).hex());
    let file = folder.join(object);
    let mut content = std::fs::read(&file).unwrap();
    content[at] ^= 1;
    std::fs::write(file, content).unwrap();
}

#[tokio::test]
async fn a_bundle_is_the_one_that_was_published_with_its_digests() {
    for bundle in [reports(), large()] {
        let app = published(&bundle).await;
        let archive = bundle.build();

        let answer = app.get(&format!("{VERSION}/bundle")).await;

        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.body, archive);
        assert_eq!(answer.header("content-type"), "application/zstd");
        assert_eq!(answer.header("content-length"), archive.len().to_string());
        assert_eq!(answer.header("repr-digest"), digest_of(&archive));
        assert_eq!(answer.header("content-digest"), digest_of(&archive));
        assert_eq!(answer.header("cache-control"), "private, max-age=31536000, immutable");
        let name = "attachment; filename=\"com.example.reports-1.2.0.tar.zst\"";
        assert_eq!(answer.header("content-disposition"), name);
    }
}

#[tokio::test]
async fn any_part_of_a_bundle_can_be_had_with_the_digest_of_the_whole() {
    let app = published(&large()).await;
    let archive = large().build();
    let size = archive.len();
    for (range, part) in [
        ("bytes=0-0".to_owned(), 0..1),
        ("bytes=70000-200000".to_owned(), 70_000..200_001),
        (format!("bytes={}-", size - 5), size - 5..size),
        ("bytes=-100000".to_owned(), size - 100_000..size),
    ] {
        let answer = bundle_with(&app, "range", &range).send().await;

        assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT, "{range}");
        assert_eq!(answer.body, archive[part.clone()], "{range}");
        let described = format!("bytes {}-{}/{size}", part.start, part.end - 1);
        assert_eq!(answer.header("content-range"), described);
        assert_eq!(answer.header("repr-digest"), digest_of(&archive));
        assert_eq!(answer.header("content-digest"), "");
    }
    let beyond = bundle_with(&app, "range", &format!("bytes={size}-")).send().await;
    assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(beyond.header("content-range"), format!("bytes */{size}"));
}

#[tokio::test]
async fn a_copy_that_is_there_is_not_sent_again_and_head_sends_none() {
    let app = published(&reports()).await;
    let tag = format!("\"sha256-{}\"", app.content_hash(&reports()).hex());

    let fresh = bundle_with(&app, "if-none-match", &tag).send().await;
    let head = app.call(Method::HEAD, &format!("{VERSION}/bundle")).send().await;

    assert_eq!((fresh.status, fresh.body.len()), (StatusCode::NOT_MODIFIED, 0));
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    assert_eq!(head.header("etag"), tag);
    assert_eq!(head.header("content-length"), reports().build().len().to_string());
}

#[tokio::test]
async fn a_range_means_nothing_to_head() {
    let app = published(&reports()).await;
    let manifest = app.get(&format!("{VERSION}/manifest")).await;
    let lengths = [reports().build().len(), manifest.body.len()];

    for (file, length) in ["bundle", "manifest"].into_iter().zip(lengths) {
        for range in ["bytes=0-9", "bytes=999999-"] {
            let head = app.call(Method::HEAD, &format!("{VERSION}/{file}"));
            let head = head.header("range", range).send().await;

            assert_eq!(head.status, StatusCode::OK, "{file} {range}");
            assert_eq!(head.header("content-length"), length.to_string(), "{file} {range}");
        }
    }
}

#[tokio::test]
async fn a_head_request_reads_nothing() {
    let app = published(&reports()).await;
    damage(&app, &reports(), "bundle.tar.zst", 20);

    let head = app.call(Method::HEAD, &format!("{VERSION}/bundle")).send().await;

    assert_eq!(head.status, StatusCode::OK);
}

#[tokio::test]
async fn a_small_bundle_that_is_damaged_is_refused_before_its_first_byte() {
    let app = published(&reports()).await;
    damage(&app, &reports(), "bundle.tar.zst", 20);

    for call in [bundle_with(&app, "range", "bytes=0-3"), bundle_with(&app, "accept", "*/*")] {
        let answer = call.send().await;

        assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
        assert_eq!(answer.code(), "integrity");
    }
}

#[tokio::test]
async fn a_large_bundle_that_is_damaged_breaks_off_before_its_end() {
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    let app = published(&large()).await;
    damage(&app, &large(), "bundle.tar.zst", 500_000);
    let token = app.make_token("default", &["install:read"]).await;
    let get = |range: &str| {
        let request = http::Request::get(format!("{VERSION}/bundle"))
            .header("authorization", format!("Bearer {token}"))
            .header("range", range.to_owned())
            .body(axum::body::Body::empty())
            .unwrap();
        plugboard::web::router(std::sync::Arc::clone(&app.app)).oneshot(request)
    };

    let answer = get("bytes=0-").await.unwrap();

    assert!(answer.into_body().collect().await.is_err());
    let again = get("bytes=0-9").await.unwrap();
    assert_eq!(again.status(), StatusCode::BAD_GATEWAY, "it is known to be damaged");
}

#[tokio::test]
async fn the_manifest_is_the_one_in_the_bundle_also_when_its_copy_is_damaged() {
    let app = published(&reports()).await;
    let before = app.get(&format!("{VERSION}/manifest")).await;
    damage(&app, &reports(), "manifest.json", 3);

    let after = app.get(&format!("{VERSION}/manifest")).await;

    assert_eq!(before.body, reports().manifest_json());
    assert_eq!(before.header("repr-digest"), digest_of(&reports().manifest_json()));
    assert_eq!(after.body, before.body);
}

#[tokio::test]
async fn what_is_not_published_is_unknown_and_scopes_are_kept() {
    let app = published(&reports()).await;
    let reader = app.make_token("default", &["install:read:com.other.*"]).await;
    let writer = app.make_token("default", &["install:write", "bundle:publish"]).await;

    let path = "/api/v1/extensions/com.example.reports/versions/9.9.9";
    for below in ["bundle", "manifest", "signatures", "attachments"] {
        let unknown = app.get(&format!("{path}/{below}")).await;
        assert_eq!(unknown.status, StatusCode::NOT_FOUND, "{below}");
        for token in [&reader, &writer] {
            let call = app.call(Method::GET, &format!("{VERSION}/{below}")).token(token);
            assert_eq!(call.send().await.status, StatusCode::FORBIDDEN, "{below}");
        }
    }
}

async fn signatures(app: &TestApp) -> Vec<Value> {
    let answer = app.get(&format!("{VERSION}/signatures")).await;
    answer.json()["signatures"].as_array().unwrap().clone()
}

async fn add_signature(app: &TestApp, envelope: Vec<u8>) -> Answer {
    app.call(Method::POST, &format!("{VERSION}/signatures")).body(envelope).send().await
}

#[tokio::test]
async fn a_signature_can_be_added_without_changing_the_version() {
    let app = published(&reports()).await;
    let before = app.get(VERSION).await.json();
    let auditor = keys::generate().unwrap();
    let envelope = sign_with(&auditor, &reports().build());

    let added = add_signature(&app, envelope.clone()).await;
    let again = add_signature(&app, envelope.clone()).await;

    assert_eq!(added.status, StatusCode::CREATED, "{}", added.text());
    assert_eq!(again.status, StatusCode::OK, "{}", again.text());
    let events = app.app.registry.read(|txn| audit::newest(txn, 9)).await.unwrap();
    let attached = |event: &&(_, AuditEvent)| event.1.action == AuditAction::SignatureAttached;
    assert_eq!(events.iter().filter(attached).count(), 1, "it is recorded once");
    assert_eq!(app.get(VERSION).await.json(), before);
    let listed = signatures(&app).await;
    assert_eq!(listed.len(), 2, "{listed:?}");
    let trusted: Vec<_> = listed.iter().map(|row| row["trusted_as"].clone()).collect();
    assert!(trusted.contains(&json!("tests")) && trusted.contains(&Value::Null), "{trusted:?}");
    assert!(listed.iter().all(|row| row["verified"] == true));
    let id = added.json()["signatures"][0]["key_id"].as_str().unwrap().to_owned();
    assert_eq!(app.get(&format!("{VERSION}/signatures/{id}")).await.body, envelope);
}

#[tokio::test]
async fn a_signature_that_two_add_at_once_is_on_record_once() {
    let app = published(&reports()).await;
    let principal = app.principal();
    let (name, number) = ("com.example.reports".parse().unwrap(), "1.2.0".parse().unwrap());
    let read = app.app.published(&principal, ScopeKind::BundlePublish, &name, &number);
    let version = read.await.unwrap();
    let envelope = sign_with(&keys::generate().unwrap(), &reports().build());
    let add = || app.app.add_signature(&principal, &version, envelope.clone().into());

    let (one, two) = tokio::join!(add(), add());

    let mut added = [one.unwrap().1, two.unwrap().1];
    added.sort_unstable();
    assert_eq!(added, [false, true]);
    let events = app.app.registry.read(|txn| audit::newest(txn, 9)).await.unwrap();
    let attached = |event: &&(_, AuditEvent)| event.1.action == AuditAction::SignatureAttached;
    assert_eq!(events.iter().filter(attached).count(), 1);
}

#[tokio::test]
async fn a_signature_of_something_else_is_refused() {
    let app = published(&reports()).await;
    let other = app.sign(&reports().file("ui/x.js", "x").build());
    let reader = app.make_token("default", &["install:read", "install:write"]).await;

    let refused = add_signature(&app, other).await;
    let nonsense = add_signature(&app, b"{}".to_vec()).await;
    let own = app.sign(&reports().build());
    let call = app.call(Method::POST, &format!("{VERSION}/signatures")).token(&reader).body(own);

    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::FORBIDDEN, "bad_signature"));
    assert!(refused.text().contains("statement_mismatch"), "{}", refused.text());
    assert_eq!(nonsense.status, StatusCode::FORBIDDEN);
    assert_eq!(call.send().await.status, StatusCode::FORBIDDEN);
    assert_eq!(signatures(&app).await.len(), 1);
}

#[tokio::test]
async fn a_signature_is_on_record_before_it_is_kept() {
    let app = published(&reports()).await;
    let stranger = keys::generate().unwrap();
    let folder = app.stored().join("sha256").join(app.content_hash(&reports()).hex());
    let name = format!("{}.dsse.json", stranger.id.as_str().trim_start_matches("sha256:"));
    // What has this name is no file: keeping the signature ends as in a crash.
    std::fs::create_dir_all(folder.join("signatures").join(name)).unwrap();

    let answer = add_signature(&app, sign_with(&stranger, &reports().build())).await;

    assert!(!answer.status.is_success(), "{}", answer.text());
    let events = app.app.registry.read(|txn| audit::newest(txn, 1)).await.unwrap();
    assert_eq!(events[0].1.action, AuditAction::SignatureAttached);
}

#[tokio::test]
async fn no_more_than_sixteen_signatures_are_kept() {
    let app = published(&reports()).await;
    let archive = reports().build();
    for _ in 0..15 {
        let envelope = sign_with(&keys::generate().unwrap(), &archive);
        assert_eq!(add_signature(&app, envelope).await.status, StatusCode::CREATED);
    }

    let one_more = add_signature(&app, sign_with(&keys::generate().unwrap(), &archive)).await;

    assert_eq!(one_more.status, StatusCode::CONFLICT);
    assert_eq!(one_more.code(), "too_many_signatures");
    let known = add_signature(&app, app.sign(&archive)).await;
    assert_eq!(known.status, StatusCode::OK, "one that is there is no more: {}", known.text());
    assert!(one_more.text().contains("16"), "{}", one_more.text());
}

#[tokio::test]
async fn a_signature_that_was_tampered_with_is_not_handed_out() {
    let app = published(&reports()).await;
    let id = signatures(&app).await[0]["key_id"].as_str().unwrap().to_owned();
    let object = format!("signatures/{}.dsse.json", id.trim_start_matches("sha256:"));
    damage(&app, &reports(), &object, 40);

    let answer = app.get(&format!("{VERSION}/signatures/{id}")).await;

    assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{}", answer.text());
    assert_eq!(answer.code(), "integrity");
    let absent = format!("{VERSION}/signatures/sha256:{}", "0".repeat(64));
    assert_eq!(app.get(&absent).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_signature_in_the_place_of_another_is_not_handed_out() {
    let app = published(&reports()).await;
    let own = signatures(&app).await[0]["key_id"].as_str().unwrap().to_owned();
    let other = sign_with(&keys::generate().unwrap(), &reports().build());
    let folder = app.stored().join("sha256").join(app.content_hash(&reports()).hex());
    let name = format!("signatures/{}.dsse.json", own.trim_start_matches("sha256:"));
    std::fs::write(folder.join(name), other).unwrap();

    let answer = app.get(&format!("{VERSION}/signatures/{own}")).await;

    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::BAD_GATEWAY, "integrity"));
    assert_eq!(app.get(&format!("{VERSION}/signatures")).await.code(), "integrity");
}

async fn put_with(app: &TestApp, header: &str, value: &str) -> Answer {
    app.call(Method::PUT, "/api/v1/bundles")
        .header(header, value)
        .body(reports().build())
        .send()
        .await
}

#[tokio::test]
async fn a_bundle_is_held_against_the_digests_it_is_sent_with() {
    let app = TestApp::start().await;
    let archive = reports().build();
    let long = format!("sha-512=:{}:", STANDARD.encode(Sha512::digest(&archive)));
    for header in ["content-digest", "repr-digest"] {
        for right in [digest_of(&archive), long.clone(), "md5=:AAAA:".to_owned()] {
            let answer = put_with(&app, header, &right).await;
            assert_eq!(answer.status, StatusCode::ACCEPTED, "{right}: {}", answer.text());
        }
        for wrong in [digest_of(b"x"), format!("sha-512=:{}:", STANDARD.encode([0; 64]))] {
            let answer = put_with(&app, header, &wrong).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
            assert_eq!(answer.code(), "digest_mismatch");
            assert_eq!(answer.json()["expected"], wrong.as_str());
        }
        let unreadable = put_with(&app, header, "sha-256=abc").await;
        assert_eq!(unreadable.code(), "malformed_request");
    }
    let wrong = put_with(&app, "content-digest", &digest_of(b"x")).await;
    assert_eq!(wrong.json()["found"], digest_of(&archive).as_str());
}

#[tokio::test]
async fn a_bundle_with_a_wrong_digest_leaves_nothing() {
    let app = TestApp::start_on_disk().await;

    put_with(&app, "repr-digest", &digest_of(b"x")).await;

    assert_eq!(app.get("/api/v1/quarantine").await.json(), json!({"quarantined": []}));
    let staging = app.stored().join("sha256/_staging");
    assert_eq!(std::fs::read_dir(staging).unwrap().count(), 0);
}

#[tokio::test]
async fn a_digest_in_a_form_is_that_of_the_part_it_is_in() {
    let app = TestApp::start().await;
    let archive = reports().build();
    let send = |digest: &str| {
        let call = app.call(Method::POST, "/api/v1/bundles");
        let digest = format!("content-digest: {digest}\r\n");
        call.multipart_with(&digest, &[("bundle", &archive)]).send()
    };

    let right = send(&digest_of(&archive)).await;
    let wrong = send(&digest_of(b"x")).await;

    assert_eq!(right.status, StatusCode::ACCEPTED, "{}", right.text());
    let checks = right.json()["report"]["checks"].clone();
    assert_eq!((&checks[0]["check"], &checks[0]["code"]), (&json!("transport"), &json!("ok")));
    assert_eq!(wrong.code(), "digest_mismatch");
}

#[tokio::test]
async fn small_bodies_are_held_against_their_digests_too() {
    let app = published(&reports()).await;

    let answer = app
        .call(Method::POST, "/api/v1/installs")
        .header("content-digest", &digest_of(b"x"))
        .json(json!({"name": "com.example.reports"}))
        .send()
        .await;

    assert_eq!(answer.code(), "digest_mismatch");
    assert_eq!(app.get("/api/v1/installs").await.json(), json!({"installs": []}));
}
