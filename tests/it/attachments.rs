//! What is kept beside a published version, and that it stays data.

use std::pin::pin;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use plugboard::model::{AttachmentKind, AuditAction};
use plugboard::registry::attachments;
use serde_json::{Value, json};

use crate::support::attachments as attached;
use crate::support::audit;
use crate::support::bundle_builder::BundleBuilder;
use crate::support::test_app::{Answer, TestApp};

const VERSION: &str = "/api/v1/extensions/com.example.reports/versions/1.2.0";

fn reports() -> BundleBuilder {
    BundleBuilder::new("com.example.reports", "1.2.0")
        .page("<h1>Reports</h1>")
        .file("README.md", "# Reports\n<script>alert(1)</script>")
        .file("CHANGELOG.md", "## 1.2.0")
        .file("docs/readme.md", "not at the top")
}

fn sbom(version: &str) -> Vec<u8> {
    json!({"bomFormat": "CycloneDX", "specVersion": version, "note": "<img src=x>"})
        .to_string()
        .into_bytes()
}

fn provenance() -> Vec<u8> {
    attached::provenance(&reports().build())
}

async fn published() -> TestApp {
    let app = TestApp::start_on_disk().await;
    let answer = app.publish(&reports()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    app
}

async fn put(app: &TestApp, kind: &str, content: Vec<u8>) -> Answer {
    let path = format!("{VERSION}/attachments/{kind}");
    app.call(Method::PUT, &path).body(content).send().await
}

async fn delete(app: &TestApp, kind: &str) -> Answer {
    app.call(Method::DELETE, &format!("{VERSION}/attachments/{kind}")).send().await
}

async fn get(app: &TestApp, kind: &str) -> Answer {
    app.get(&format!("{VERSION}/attachments/{kind}")).await
}

async fn kinds(app: &TestApp) -> Vec<String> {
    attached::kinds(app, VERSION).await
}

/// The names of the objects that hold attachments.
fn objects(app: &TestApp) -> usize {
    let folder = app.stored().join("sha256").join(app.content_hash(&reports()).hex());
    std::fs::read_dir(folder.join("attachments")).map_or(0, Iterator::count)
}

#[tokio::test]
async fn an_sbom_and_a_provenance_are_kept_as_they_came() {
    let app = published().await;
    let before = app.get(VERSION).await.json();

    let (bom, built) = (sbom("1.6"), provenance());
    let first = put(&app, "sbom", bom.clone()).await;
    let second = put(&app, "provenance", built.clone()).await;

    assert_eq!(first.status, StatusCode::CREATED, "{}", first.text());
    assert_eq!(first.json()["format"], "CycloneDX 1.6");
    assert_eq!(second.status, StatusCode::CREATED, "{}", second.text());
    assert_eq!(get(&app, "sbom").await.body, bom);
    let answer = get(&app, "provenance").await;
    assert_eq!(answer.body, built);
    assert_eq!(answer.header("content-type"), "application/vnd.in-toto+json");
    assert!(answer.header("content-disposition").starts_with("attachment"));
    assert_eq!(answer.header("cache-control"), "no-cache");
    assert_eq!(kinds(&app).await, ["readme", "changelog", "sbom", "provenance"]);
    assert_eq!(app.get(VERSION).await.json(), before);
}

#[tokio::test]
async fn another_one_takes_the_place_of_the_first_and_the_same_changes_nothing() {
    let app = published().await;
    put(&app, "sbom", sbom("1.5")).await;

    let same = put(&app, "sbom", sbom("1.5")).await;
    let other = put(&app, "sbom", sbom("1.6")).await;

    assert_eq!(same.status, StatusCode::OK);
    assert_eq!(other.status, StatusCode::CREATED);
    assert_eq!(get(&app, "sbom").await.body, sbom("1.6"));
    assert_eq!(objects(&app), 1);
    let events = app.app.registry.read(|txn| audit::newest(txn, 2)).await.unwrap();
    let actions: Vec<_> = events.iter().map(|(_, event)| event.action).collect();
    assert_eq!(actions, [AuditAction::Attached, AuditAction::Attached]);
}

#[tokio::test]
async fn an_attachment_can_be_taken_away() {
    let app = published().await;
    put(&app, "sbom", sbom("1.6")).await;

    assert_eq!(delete(&app, "sbom").await.status, StatusCode::NO_CONTENT);

    assert_eq!(delete(&app, "sbom").await.status, StatusCode::NOT_FOUND);
    assert_eq!(get(&app, "sbom").await.status, StatusCode::NOT_FOUND);
    assert_eq!(objects(&app), 0);
}

#[tokio::test]
async fn readme_and_changelog_come_out_of_the_bundle_and_are_text() {
    let app = published().await;

    let readme = get(&app, "readme").await;

    assert_eq!(readme.text(), "# Reports\n<script>alert(1)</script>");
    assert_eq!(readme.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(readme.header("x-content-type-options"), "nosniff");
    assert_eq!(get(&app, "changelog").await.text(), "## 1.2.0");
    for kind in ["readme", "changelog"] {
        let put = put(&app, kind, b"other".to_vec()).await;
        let delete = delete(&app, kind).await;
        assert_eq!(
            (put.status, put.code().as_str()),
            (StatusCode::CONFLICT, "attachment_of_bundle")
        );
        assert_eq!(delete.code(), "attachment_of_bundle");
    }
}

#[tokio::test]
async fn what_is_not_what_it_says_is_refused_and_not_kept() {
    let app = published().await;
    let elsewhere = String::from_utf8(provenance()).unwrap();
    let elsewhere = elsewhere.replace(&app.content_hash(&reports()).hex(), &"0".repeat(64));

    for (kind, content) in [
        ("sbom", b"<bom/>".to_vec()),
        ("sbom", provenance()),
        ("provenance", sbom("1.6")),
        ("provenance", elsewhere.into_bytes()),
    ] {
        let answer = put(&app, kind, content).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text());
        assert_eq!(answer.code(), "invalid_attachment");
    }
    assert_eq!(put(&app, "picture", sbom("1.6")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(kinds(&app).await, ["readme", "changelog"]);
    assert_eq!(objects(&app), 0);
}

#[tokio::test]
async fn an_attachment_is_limited_in_size() {
    let app = TestApp::start_with(|config| config.store.max_attachment_bytes = 2_000).await;
    app.publish(&reports()).await;

    let answer = put(&app, "sbom", [sbom("1.6"), vec![b' '; 2_000]].concat()).await;

    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer.json()["limit_bytes"], 2_000);
    assert_eq!(put(&app, "sbom", sbom("1.6")).await.status, StatusCode::CREATED);
    let large = [sbom("1.6"), vec![b' '; 2_000]].concat();
    let form = send_form(&app, &[("bundle", &reports().build()), ("sbom", &large)]).await;
    assert_eq!(form.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_readme_that_is_too_large_to_show_is_only_in_the_bundle() {
    let app = TestApp::start_with(|config| config.store.max_attachment_bytes = 2_000).await;
    let bundle = BundleBuilder::new("com.example.reports", "1.2.0");
    app.publish(&bundle.page("x").file("README.md", "x".repeat(2_001))).await;

    assert!(kinds(&app).await.is_empty());
    assert_eq!(get(&app, "readme").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_attachment_that_was_tampered_with_is_not_handed_out() {
    let app = published().await;
    put(&app, "sbom", sbom("1.6")).await;
    let hash = app.content_hash(&reports());
    let folder = app.stored().join("sha256").join(hash.hex()).join("attachments");
    let file = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&file, sbom("1.5")).unwrap();

    let answer = get(&app, "sbom").await;
    let mended = put(&app, "sbom", sbom("1.6")).await;

    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::BAD_GATEWAY, "integrity"));
    assert_eq!(mended.status, StatusCode::OK);
    assert_eq!(get(&app, "sbom").await.body, sbom("1.6"));
}

#[tokio::test]
async fn attaching_needs_the_right_to_publish_the_name() {
    let app = published().await;
    let path = format!("{VERSION}/attachments/sbom");
    for scope in ["install:write", "bundle:publish:com.other.*"] {
        let token = app.make_token("default", &[scope]).await;

        let put = app.call(Method::PUT, &path).token(&token).body(sbom("1.6")).send().await;
        let delete = app.call(Method::DELETE, &path).token(&token).send().await;

        assert_eq!((put.status, delete.status), (StatusCode::FORBIDDEN, StatusCode::FORBIDDEN));
    }
}

async fn send_form(app: &TestApp, parts: &[(&str, &[u8])]) -> Answer {
    app.call(Method::POST, "/api/v1/bundles").multipart(parts).send().await
}

#[tokio::test]
async fn attachments_can_come_along_with_the_bundle() {
    let app = TestApp::start().await;
    let archive = reports().build();
    let (signature, bom, built) = (app.sign(&archive), sbom("1.6"), provenance());

    let answer = send_form(
        &app,
        &[("sbom", &bom), ("bundle", &archive), ("signature", &signature), ("provenance", &built)],
    )
    .await;

    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    assert_eq!(answer.json()["attachments"], json!(["sbom", "provenance"]));
    assert_eq!(get(&app, "sbom").await.body, bom);
}

#[tokio::test]
async fn a_bad_attachment_refuses_the_whole_form_and_leaves_nothing() {
    let app = TestApp::start().await;
    let archive = reports().build();
    let signature = app.sign(&archive);

    let bad = [("bundle", &archive[..]), ("signature", &signature), ("sbom", b"{}")];
    let answer = send_form(&app, &bad).await;
    let bom = sbom("1.6");
    let twice = [("bundle", &archive[..]), ("sbom", &bom), ("sbom", &bom)];
    let twice = send_form(&app, &twice).await;

    assert_eq!(answer.code(), "invalid_attachment");
    assert_eq!(twice.code(), "malformed_request");
    assert_eq!(app.get("/api/v1/extensions").await.json(), json!({"versions": []}));
    assert_eq!(app.get("/api/v1/quarantine").await.json(), json!({"quarantined": []}));
}

#[tokio::test]
async fn attachments_of_a_quarantined_bundle_are_not_kept() {
    let app = TestApp::start().await;
    let (archive, bom) = (reports().build(), sbom("1.6"));

    let answer = send_form(&app, &[("bundle", &archive), ("sbom", &bom)]).await;

    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    assert_eq!(answer.json().get("attachments"), None::<&Value>);
    let hash = app.content_hash(&reports());
    let row = app.app.registry.read(move |txn| attachments::get(txn, &hash, AttachmentKind::Sbom));
    assert_eq!(row.await.unwrap(), None);
}

#[tokio::test]
async fn the_page_shows_attachments_as_text_and_never_as_markup() {
    let app = published().await;
    put(&app, "sbom", sbom("1.6")).await;
    let cookie = app.session().await;

    let path = "/admin/extensions/com.example.reports/versions/1.2.0/attachments";
    let page = app.call(Method::GET, path).session(&cookie).send().await;

    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    let html = page.text();
    assert!(html.contains("&#60;script&#62;alert(1)") && html.contains("CycloneDX 1.6"), "{html}");
    assert!(!html.contains("<script>alert") && !html.contains("<img src=x>"), "{html}");
    assert!(html.contains("trusted as tests"), "{html}");
}

#[tokio::test]
async fn attaching_and_taking_away_wait_for_whoever_settles_the_bundle() {
    let app = published().await;
    put(&app, "provenance", provenance()).await;
    let settling = app.app.bundles.settling(app.content_hash(&reports())).await;
    let mut attached = pin!(put(&app, "sbom", sbom("1.6")));
    let mut taken_away = pin!(delete(&app, "provenance"));
    let soon = Duration::from_millis(200);
    assert!(tokio::time::timeout(soon, attached.as_mut()).await.is_err());
    assert!(tokio::time::timeout(soon, taken_away.as_mut()).await.is_err());
    assert_eq!((kinds(&app).await.len(), objects(&app)), (3, 1));

    drop(settling);

    let (attached, taken_away) = tokio::join!(attached, taken_away);
    assert_eq!(attached.status, StatusCode::CREATED, "{}", attached.text());
    assert_eq!(taken_away.status, StatusCode::NO_CONTENT);
    assert_eq!(kinds(&app).await, ["readme", "changelog", "sbom"]);
    assert_eq!(get(&app, "sbom").await.body, sbom("1.6"));
}

#[tokio::test]
async fn taking_away_what_is_not_there_is_not_recorded() {
    let app = published().await;

    let answer = delete(&app, "sbom").await;

    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let events = app.app.registry.read(|txn| audit::newest(txn, 1)).await.unwrap();
    assert_eq!(events[0].1.action, AuditAction::BundlePublished);
}

#[tokio::test]
async fn a_readme_is_one_of_three_names_at_the_top() {
    let app = TestApp::start().await;
    let bundle = BundleBuilder::new("com.example.reports", "1.2.0")
        .page("x")
        .file("README.html", "<script>alert(1)</script>")
        .file("readme-of-another.md", "x")
        .file("docs/CHANGELOG.md", "x");
    assert_eq!(app.publish(&bundle).await.status, StatusCode::CREATED);

    assert_eq!(kinds(&app).await.len(), 0);
}
