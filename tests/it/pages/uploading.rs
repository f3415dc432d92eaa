//! The form of `/admin/upload`, as a browser without scripts sends it.

use axum::http::{Method, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use plugboard::app::sign_in::csrf_token;
use plugboard::trust::keys;
use serde_json::json;

use crate::support::attachments::{kinds, provenance};
use crate::support::bundle_builder::BundleBuilder;
use crate::support::s3_server::S3Server;
use crate::support::test_app::{Answer, Call, TestApp, sign_with};

const VERSION: &str = "/api/v1/extensions/com.example.hello/versions/1.0.0";
const SBOM: &str = r#"{"bomFormat": "CycloneDX", "specVersion": "1.6"}"#;

fn hello() -> BundleBuilder {
    BundleBuilder::new("com.example.hello", "1.0.0").page("<p>hello</p>")
}

/// Sends the form as `ada` with these files; those of no bytes were not chosen.
async fn submit(app: &TestApp, files: &[(&str, &[u8])]) -> Answer {
    let cookie = app.session().await;
    let token = csrf_token(cookie.split_once('=').unwrap().1);
    let fields = [&[("csrf_token", token.as_bytes())], files].concat();
    let call = app.call(Method::POST, "/admin/upload").session(&cookie).same_origin();
    call.multipart(&fields).send().await
}

#[tokio::test]
async fn the_form_takes_an_sbom_and_a_provenance_along() {
    let app = TestApp::start().await;
    let archive = hello().build();
    let (signature, provenance) = (app.sign(&archive), provenance(&archive));

    let files: [(&str, &[u8]); 4] = [
        ("bundle", &archive),
        ("signature", &signature),
        ("sbom", SBOM.as_bytes()),
        ("provenance", &provenance),
    ];
    let answer = submit(&app, &files).await;

    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert!(answer.text().contains("Verified and published"), "{}", answer.text());
    assert!(answer.text().contains("/attachments\">SBOM, Provenance</a>"), "{}", answer.text());
    assert_eq!(kinds(&app, VERSION).await, ["sbom", "provenance"]);
}

#[tokio::test]
async fn fields_that_are_left_empty_attach_nothing() {
    let app = TestApp::start().await;
    let archive = hello().build();
    let signature = app.sign(&archive);

    let files: [(&str, &[u8]); 4] =
        [("bundle", &archive), ("signature", &signature), ("sbom", b""), ("provenance", b"")];
    let answer = submit(&app, &files).await;

    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert!(!answer.text().contains("Attached"), "{}", answer.text());
    assert_eq!(kinds(&app, VERSION).await.len(), 0);
}

#[tokio::test]
async fn an_attachment_that_is_refused_shows_the_form_again_and_publishes_nothing() {
    let app = TestApp::start().await;
    let archive = hello().build();
    let (signature, other) = (app.sign(&archive), provenance(b"another bundle"));
    for (field, content, title) in [
        ("sbom", &b"{}"[..], "SBOM"),
        ("provenance", &other, "Provenance"),
        ("sbom", b"<x>", "SBOM"),
    ] {
        let files: [(&str, &[u8]); 3] =
            [("bundle", &archive), ("signature", &signature), (field, content)];
        let answer = submit(&app, &files).await;

        let page = answer.text();
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{page}");
        assert!(page.contains(&format!("{title} was not accepted: ")), "{page}");
        assert!(page.contains(&format!("id=\"{field}-error\"")), "{page}");
        assert!(page.contains("<details class=\"more\" open>"), "{page}");
        let versions = app.get("/api/v1/extensions").await.json()["versions"].clone();
        assert_eq!(versions, json!([]));
    }
}

#[tokio::test]
async fn an_attachment_above_its_limit_is_refused_with_the_limit() {
    let app = TestApp::start_with(|config| config.store.max_attachment_bytes = 64).await;
    let archive = hello().build();

    let answer = submit(&app, &[("bundle", &archive), ("sbom", &[b' '; 65])]).await;

    let page = answer.text();
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{page}");
    assert!(page.contains("has at most 64 bytes here"), "{page}");
    assert!(page.contains("store.max_attachment_bytes"), "{page}");
}

#[tokio::test]
async fn what_comes_with_a_quarantined_bundle_is_said_not_to_be_kept() {
    let app = TestApp::start().await;

    let files: [(&str, &[u8]); 2] = [("bundle", &hello().build()), ("sbom", SBOM.as_bytes())];
    let answer = submit(&app, &files).await;

    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    let said = "What came along was not kept (SBOM): attach it once the bundle is published.";
    assert!(answer.text().contains(said), "{}", answer.text());
}

#[tokio::test]
async fn a_yanked_bundle_that_is_sent_again_is_not_offered_for_install() {
    let app = TestApp::start().await;
    app.publish(&hello()).await;
    app.post(&format!("{VERSION}/yank"), json!({"reason": "loses reports"})).await;
    let archive = hello().build();

    let answer = submit(&app, &[("bundle", &archive), ("signature", &app.sign(&archive))]).await;

    let page = answer.text();
    assert!(page.contains("Already published") && page.contains("“loses reports”"), "{page}");
    assert!(!page.contains("Install and enable"), "{page}");
}

/// As the script of a page sends it.
fn by_page<'a>(call: Call<'a>, cookie: &str) -> Call<'a> {
    let token = csrf_token(cookie.split_once('=').unwrap().1);
    call.session(cookie).same_origin().header("x-csrf-token", &token)
}

/// Begins an upload as somebody; gives its id.
async fn begin(app: &TestApp, cookie: Option<&str>, length: &str, metadata: &str) -> String {
    let call = app.call(Method::POST, "/api/v1/uploads");
    let call = match cookie {
        Some(cookie) => by_page(call, cookie),
        None => call,
    };
    let call = call.header("tus-resumable", "1.0.0").header("upload-length", length);
    let answer = call.header("upload-metadata", metadata).send().await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_page_lists_what_its_operator_has_not_finished_and_nobody_elses() {
    let app = TestApp::start().await;
    let cookie = app.session().await;
    // `mine.tar.zst` and 64 zeros; `blind.tar.zst`; `other.tar.zst`; `done.tar.zst`.
    let zeros = "MDAw".repeat(21) + "MA==";
    let known = format!("filename bWluZS50YXIuenN0,sha256 {zeros}");
    let mine = begin(&app, Some(&cookie), "3000000", &known).await;
    begin(&app, Some(&cookie), "7", "filename YmxpbmQudGFyLnpzdA==").await;
    begin(&app, None, "7", "filename b3RoZXIudGFyLnpzdA==").await;
    app.publish(&hello()).await;
    let hash = STANDARD.encode(app.content_hash(&hello()).hex());
    begin(&app, Some(&cookie), "7", &format!("filename ZG9uZS50YXIuenN0,sha256 {hash}")).await;

    let page = app.call(Method::GET, "/admin/upload").session(&cookie).send().await.text();
    app.clock.advance(60 * 60 * 24 * 2);
    let cookie = app.session().await;
    let later = app.call(Method::GET, "/admin/upload").session(&cookie).send().await.text();

    assert!(page.contains(&format!("<li data-kept=\"{mine}\">")), "{page}");
    assert!(page.contains("mine.tar.zst") && page.contains("2.9 MiB"), "{page}");
    assert!(page.contains("blind.tar.zst") && page.contains("begun without a content hash"));
    assert_eq!(page.matches("begun without a content hash").count(), 1);
    assert!(!page.contains("other.tar.zst") && !page.contains("done.tar.zst"), "{page}");
    assert!(!later.contains("data-kept-list"), "{later}");
}

#[tokio::test]
async fn what_is_sent_to_the_store_is_not_gone_on_with_by_the_page() {
    let server = S3Server::start();
    let app = TestApp::start_with_public_store(&server).await;
    let cookie = app.session().await;
    begin(&app, Some(&cookie), "7", "filename aGVyZS50YXIuenN0").await;
    let call = by_page(app.call(Method::POST, "/api/v1/uploads/presigned"), &cookie);
    let created = call.json(json!({ "length": 7, "filename": "there.tar.zst" })).send().await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.text());

    let page = app.call(Method::GET, "/admin/upload").session(&cookie).send().await.text();

    assert!(page.contains("<strong>here.tar.zst") && !page.contains("there.tar.zst"), "{page}");
}

#[tokio::test]
async fn a_key_is_to_be_trusted_for_the_name_it_signed_and_only_if_there_is_one() {
    let app = TestApp::start().await;
    let archive = hello().build();
    let strange = sign_with(&keys::generate().unwrap(), &archive);

    let signed = submit(&app, &[("bundle", &archive), ("signature", &strange)]).await.text();
    let unsigned = submit(&app, &[("bundle", &hello().file("ui/x.js", "x").build())]).await.text();

    assert!(signed.contains("--scope com.example.hello"), "{signed}");
    assert!(!signed.contains("plugboard sign "), "{signed}");
    assert!(unsigned.contains("plugboard sign bundle.tar.zst"), "{unsigned}");
    assert!(!unsigned.contains("plugboard trust add"), "{unsigned}");
}
