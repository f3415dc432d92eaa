//! Publishing: what a publisher sees for each kind of bundle.

mod forms;

use std::pin::pin;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use plugboard::model::{AuditAction, ContentHash, Quarantined};
use plugboard::registry::quarantine;
use plugboard::trust::keys;
use serde_json::{Value, json};

use crate::support::announced_body::announced;
use crate::support::audit;
use crate::support::bundle_builder::BundleBuilder;
use crate::support::random::noise;
use crate::support::strangers::{bad_claim, trust};
use crate::support::test_app::{TestApp, sign_with};
use crate::traces::lines::Log;

fn reports() -> BundleBuilder {
    BundleBuilder::new("com.example.reports", "1.2.0").page("<h1>Reports</h1>")
}

#[tokio::test]
async fn a_signed_bundle_is_published_and_its_files_are_listed() {
    let app = TestApp::start().await;

    let answer = app.publish(&reports()).await;

    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    assert_eq!(answer.json()["outcome"], "created");
    assert_eq!(answer.json()["report"]["verdict"], "verified");
    let version = app.get("/api/v1/extensions/com.example.reports/versions/1.2.0").await.json();
    assert_eq!(version["files"][1]["path"], "ui/index.html");
    assert_eq!(version["signers"][0]["name"], "tests");
}

#[tokio::test]
async fn publishing_twice_is_idempotent() {
    let app = TestApp::start().await;
    app.publish(&reports()).await;

    let answer = app.publish(&reports()).await;

    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json()["outcome"], "unchanged");
}

#[tokio::test]
async fn the_log_says_of_a_bundle_sent_again_that_it_was_published_before() {
    let app = TestApp::start().await;
    let (log, _heard) = Log::begin();
    let counts = || {
        let text = log.text();
        ["Stored a bundle", "Published com.example.reports 1.2.0", "1.2.0 was published before"]
            .map(|line| text.matches(line).count())
    };

    app.publish(&reports()).await;
    assert_eq!(counts(), [1, 1, 0], "{}", log.text());
    app.publish(&reports()).await;

    assert_eq!(counts(), [1, 1, 1], "{}", log.text());
}

#[tokio::test]
async fn a_published_bundle_sent_again_without_its_signature_is_unchanged() {
    let app = TestApp::start().await;
    app.publish(&reports()).await;

    let answer = app.put_bundle(reports().build(), &[]).await;

    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.json()["outcome"], "unchanged");
    assert_eq!(app.get("/api/v1/quarantine").await.json(), json!({"quarantined": []}));
}

#[tokio::test]
async fn a_version_cannot_change_its_content() {
    let app = TestApp::start().await;
    app.publish(&reports()).await;

    let answer = app.publish(&reports().file("ui/a.js", "1")).await;

    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.code(), "version_taken");
    let version = app.get("/api/v1/extensions/com.example.reports/versions/1.2.0").await.json();
    assert_eq!(version["files"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_version_below_the_highest_is_published_with_a_warning() {
    let app = TestApp::start().await;
    app.publish(&reports()).await;
    app.publish(&BundleBuilder::new("com.example.other", "9.0.0").page("x")).await;

    let older = BundleBuilder::new("com.example.reports", "1.1.9").page("<h1>Reports</h1>");
    let answer = app.publish(&older).await;

    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    let checks = answer.json()["report"]["checks"].as_array().unwrap().clone();
    let warnings: Vec<_> = checks.iter().filter(|row| row["status"] == "warn").collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!(warnings[0]["code"], "version_below_highest");
    assert!(warnings[0]["expected"].as_str().unwrap().contains("1.2.0"), "{}", warnings[0]);
}

#[tokio::test]
async fn publishing_the_same_bytes_again_mends_a_damaged_archive_and_is_recorded() {
    let app = TestApp::start_on_disk().await;
    app.install(&reports()).await;
    let hash = app.content_hash(&reports());
    let archive = app.stored().join("sha256").join(hash.hex()).join("bundle.tar.zst");
    std::fs::write(&archive, b"damaged").unwrap();
    let page = app.page_of(&reports(), "index.html");
    assert_eq!(app.get(&page).await.code(), "integrity");

    let answer = app.publish(&reports()).await;

    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.json()["outcome"], "unchanged");
    assert_eq!(app.get(&page).await.text(), "<h1>Reports</h1>");
    let events = app.app.registry.read(|txn| audit::newest(txn, 1)).await.unwrap();
    assert_eq!(events[0].1.action, AuditAction::BundleMended);
    let key = format!("sha256/{}/bundle.tar.zst", hash.hex());
    assert_eq!(events[0].1.detail.as_deref(), Some(key.as_str()));
}

#[tokio::test]
async fn an_unsigned_bundle_waits_in_quarantine_until_a_signature_is_attached() {
    let app = TestApp::start().await;
    let archive = reports().build();

    let answer = app.put_bundle(archive.clone(), &[]).await;

    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    let hash = answer.json()["content_hash"].as_str().unwrap().to_owned();
    assert_eq!(app.get("/api/v1/extensions").await.json(), json!({"versions": []}));
    let path = format!("/api/v1/quarantine/{hash}/signatures");
    let signed = app.call(Method::POST, &path).body(app.sign(&archive)).send().await;
    assert_eq!(signed.status, StatusCode::CREATED, "{}", signed.text());
    assert_eq!(app.get("/api/v1/quarantine").await.json(), json!({"quarantined": []}));
}

#[tokio::test]
async fn an_operator_can_approve_exactly_one_content_hash() {
    let app = TestApp::start().await;
    let quarantined = app.put_bundle(reports().build(), &[]).await;
    let hash = quarantined.json()["content_hash"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/quarantine/{hash}/approve");

    let without_reason = app.post(&path, json!({"reason": " "})).await;
    let approved = app.post(&path, json!({"reason": "checked by hand"})).await;

    assert_eq!(without_reason.status, StatusCode::BAD_REQUEST);
    assert_eq!(approved.status, StatusCode::CREATED, "{}", approved.text());
    let version = app.get("/api/v1/extensions/com.example.reports/versions/1.2.0").await.json();
    assert_eq!(version["approved_because"], "checked by hand");
}

#[tokio::test]
async fn a_bad_signature_attached_to_a_quarantined_bundle_changes_nothing() {
    let app = TestApp::start().await;
    let quarantined = app.put_bundle(reports().build(), &[]).await;
    let hash = quarantined.json()["content_hash"].as_str().unwrap().to_owned();
    let other = app.sign(&BundleBuilder::new("com.example.other", "1.0.0").page("x").build());

    let path = format!("/api/v1/quarantine/{hash}/signatures");
    let answer = app.call(Method::POST, &path).body(other).send().await;

    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text());
    assert_eq!(app.get(&format!("/api/v1/quarantine/{hash}")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_quarantined_bundle_can_be_thrown_away() {
    let app = TestApp::start().await;
    let quarantined = app.put_bundle(reports().build(), &[]).await;
    let path =
        format!("/api/v1/quarantine/{}", quarantined.json()["content_hash"].as_str().unwrap());

    let deleted = app.call(Method::DELETE, &path).send().await;

    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    assert_eq!(app.get(&path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_key_that_nobody_trusts_leads_to_quarantine() {
    let app = TestApp::start().await;
    let archive = reports().build();
    let stranger = keys::generate().unwrap();

    let answer = app.put_bundle(archive.clone(), &[sign_with(&stranger, &archive)]).await;

    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    assert_eq!(answer.json()["report"]["verdict"], "quarantined");
}

#[tokio::test]
async fn a_signature_of_another_bundle_is_forbidden_and_leaves_nothing() {
    let app = TestApp::start().await;
    let (archive, another) = (reports().build(), reports().file("ui/x.js", "x").build());

    let answer = app.put_bundle(archive.clone(), &[app.sign(&another)]).await;

    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text());
    assert_eq!(answer.code(), "bad_signature");
    let (this, that) = (ContentHash::of(&archive), ContentHash::of(&another));
    let detail = format!(
        "the bundle is refused: a statement whose content hash is {that}; expected: a statement \
         for this bundle, whose content hash is {this}"
    );
    assert_eq!(answer.json()["detail"], detail);
    assert_eq!(app.get("/api/v1/extensions").await.json(), json!({"versions": []}));
    assert_eq!(app.get("/api/v1/quarantine").await.json(), json!({"quarantined": []}));
}

#[tokio::test]
async fn a_broken_archive_is_refused_with_its_report() {
    let app = TestApp::start().await;

    let answer = app.put_bundle(b"not a bundle".to_vec(), &[]).await;

    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.code(), "invalid_bundle");
    let detail = "the bundle is refused: the file does not begin with a zstd frame";
    assert_eq!(answer.json()["detail"], detail);
    assert_eq!(answer.json()["report"]["verdict"], "rejected");
    assert_eq!(answer.json()["report"]["checks"].as_array().unwrap().len(), 8);
}

#[tokio::test]
async fn a_bundle_over_the_limit_is_refused_with_the_numbers() {
    let app = TestApp::start_with(|config| config.store.max_bundle_bytes = 100).await;

    let answer = app.put_bundle(vec![0; 101], &[]).await;

    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer.json()["limit_bytes"], 100);
    assert!(answer.json()["detail"].as_str().unwrap().contains("101"), "{}", answer.text());
}

#[tokio::test]
async fn a_form_with_bundle_and_signature_does_the_same() {
    let app = TestApp::start().await;
    let archive = reports().build();

    let call = app.call(Method::POST, "/api/v1/bundles");
    let form = [("bundle", &archive[..]), ("signature", &app.sign(&archive))];
    let answer = call.multipart(&form).send().await;

    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
}

#[tokio::test]
async fn a_form_has_one_bundle() {
    let app = TestApp::start().await;
    let archive = reports().build();

    let call = app.call(Method::POST, "/api/v1/bundles");
    let answer = call.multipart(&[("bundle", &archive), ("bundle", &archive)]).send().await;

    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::BAD_REQUEST, "malformed_request")
    );
    assert!(answer.text().contains("more than one `bundle`"), "{}", answer.text());
}

#[tokio::test]
async fn a_bundle_that_is_said_to_be_too_large_is_refused_before_a_byte_of_it_comes() {
    let app = TestApp::start().await;

    let call = app.call(Method::PUT, "/api/v1/bundles");
    let answer = call.body(announced(200 * 1024 * 1024 + 1)).send().await;

    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::PAYLOAD_TOO_LARGE, "too_large")
    );
    assert!(answer.text().contains("209715201"), "{}", answer.text());
}

#[tokio::test]
async fn signatures_are_limited_in_number_and_size() {
    let app = TestApp::start().await;

    let archive = reports().build();
    let nine = app.put_bundle(archive.clone(), &vec![b"{}".to_vec(); 9]).await;
    let mut parts = vec![("bundle", &archive[..])];
    parts.extend([("signature", &b"{}"[..]); 9]);
    let call = app.call(Method::POST, "/api/v1/bundles");
    let in_form = call.multipart(&parts).send().await;
    let long = app.put_bundle(reports().build(), &[vec![b' '; 7 * 1024]]).await;

    for nine in [nine, in_form] {
        assert_eq!(nine.status, StatusCode::BAD_REQUEST);
        assert!(nine.text().contains("9 signatures were sent; 8 are allowed"), "{}", nine.text());
    }
    assert_eq!(long.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_form_ends_with_the_signature_that_is_one_too_many() {
    let app = TestApp::start().await;
    let part = "--XX\r\ncontent-disposition: form-data; name=\"signature\"\r\n\r\n{}\r\n";
    // It has no end: whoever waits for that finds the form broken.
    let form = format!("{}--XX\r\n", part.repeat(9));

    let call = app.call(Method::POST, "/api/v1/bundles").body(form);
    let answer = call.header("content-type", "multipart/form-data; boundary=XX").send().await;

    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.text().contains("9 signatures were sent; 8 are allowed"), "{}", answer.text());
}

#[tokio::test]
async fn a_token_publishes_only_the_names_of_its_scope() {
    let app = TestApp::start().await;
    let token = app.make_token("default", &["bundle:publish:com.other.*"]).await;
    let archive = reports().build();

    let answer = app.call(Method::PUT, "/api/v1/bundles").token(&token).body(archive).send().await;

    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text());
    assert_eq!(app.get("/api/v1/quarantine").await.json(), json!({"quarantined": []}));
}

#[tokio::test]
async fn a_star_version_is_refused() {
    let app = TestApp::start().await;

    let answer = app.put_bundle(BundleBuilder::new("com.example.a", "1.2.*").build(), &[]).await;

    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.text().contains("version_not_exact"), "{}", answer.text());
}

#[tokio::test]
async fn a_form_can_be_as_large_as_a_bundle_may_be() {
    let app = TestApp::start().await;
    let archive = reports().file("ui/noise.png", noise(1, 4 * 1024 * 1024)).build();
    assert!(archive.len() > 2 * 1024 * 1024, "{}", archive.len());

    let call = app.call(Method::POST, "/api/v1/bundles");
    let form = [("bundle", &archive[..]), ("signature", &app.sign(&archive))];
    let answer = call.multipart(&form).send().await;

    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
}

#[tokio::test]
async fn an_attached_signature_is_limited_in_size() {
    let app = TestApp::start().await;
    let quarantined = app.put_bundle(reports().build(), &[]).await;
    let hash = quarantined.json()["content_hash"].as_str().unwrap().to_owned();

    let path = format!("/api/v1/quarantine/{hash}/signatures");
    let answer = app.call(Method::POST, &path).body(vec![b' '; 3 * 1024 * 1024]).send().await;

    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer.code(), "too_large");
}

#[tokio::test]
async fn a_quarantined_bundle_without_a_row_is_swept() {
    let app = TestApp::start().await;
    let kept = app.put_bundle(reports().build(), &[]).await.json();
    let orphan = app.put_bundle(reports().file("ui/x.js", "x").build(), &[]).await.json();
    let hash = |answer: &Value| -> ContentHash {
        answer["content_hash"].as_str().unwrap().parse().unwrap()
    };
    let (kept, orphan) = (hash(&kept), hash(&orphan));
    // What a crash between the store and the registry leaves.
    app.app.registry.write(move |txn| quarantine::remove(txn, &orphan)).await.unwrap();
    let row = app.app.registry.read(move |txn| quarantine::get(txn, &kept)).await.unwrap();
    let mut row = row.unwrap();
    row.expires_at = jiff::Timestamp::MAX;
    app.app.registry.write(move |txn| quarantine::put(txn, &row)).await.unwrap();
    app.clock.advance(3_650 * 24 * 3_600);

    // The first sweep after a put lets it be.
    app.app.sweep().await.unwrap();
    app.app.sweep().await.unwrap();

    let found = async |hash| app.app.bundles.quarantined_upload(&hash, Vec::new()).await.is_ok();
    assert!(!found(orphan).await);
    assert!(found(kept).await);
}

#[tokio::test]
async fn a_bundle_sent_again_while_it_expires_is_kept() {
    let app = TestApp::start().await;
    let sent = app.put_bundle(reports().build(), &[]).await.json();
    let hash: ContentHash = sent["content_hash"].as_str().unwrap().parse().unwrap();
    app.clock.advance(3_650 * 24 * 3_600);
    let settling = app.app.bundles.settling(hash).await;
    let mut sweep = pin!(app.app.sweep());
    // It has found the bundle, and waits for whoever settles it: the one who sends it again.
    assert!(tokio::time::timeout(Duration::from_millis(200), sweep.as_mut()).await.is_err());
    let row = app.app.registry.read(move |txn| quarantine::get(txn, &hash)).await.unwrap();
    let renewed = Quarantined { expires_at: jiff::Timestamp::MAX, ..row.unwrap() };
    app.app.registry.write(move |txn| quarantine::put(txn, &renewed)).await.unwrap();
    drop(settling);

    sweep.await.unwrap();

    let row = app.app.registry.read(move |txn| quarantine::get(txn, &hash)).await.unwrap();
    assert!(row.is_some());
    assert!(app.app.bundles.quarantined_upload(&hash, Vec::new()).await.is_ok());
}

#[tokio::test]
async fn a_bundle_sent_again_without_its_signature_keeps_its_signer() {
    let app = TestApp::start().await;
    let (stranger, archive) = (keys::generate().unwrap(), reports().build());
    app.put_bundle(archive.clone(), &[sign_with(&stranger, &archive)]).await;

    let answer = app.put_bundle(archive.clone(), &[]).await;

    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    assert!(answer.text().contains("unknown_signer"), "{}", answer.text());
    trust(&app, &stranger).await;
    let answer = app.put_bundle(archive, &[]).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    assert_eq!(app.get("/api/v1/quarantine").await.json(), json!({"quarantined": []}));
}

#[tokio::test]
async fn a_kept_signature_that_turns_out_bad_stops_no_later_sending() {
    let app = TestApp::start().await;
    let (stranger, archive) = (keys::generate().unwrap(), reports().build());
    let kept = app.put_bundle(archive.clone(), &[bad_claim(&stranger, &archive)]).await;
    assert_eq!(kept.status, StatusCode::ACCEPTED, "{}", kept.text());
    trust(&app, &stranger).await;

    let answer = app.put_bundle(archive.clone(), &[]).await;

    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    let answer = app.put_bundle(archive.clone(), &[app.sign(&archive)]).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
}
