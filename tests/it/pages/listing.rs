//! What the list of extensions and the storage page say of what waits and what is yanked.

use axum::http::{Method, StatusCode};
use plugboard::model::Clock;
use serde_json::json;

use crate::support::bundle_builder::BundleBuilder;
use crate::support::s3_server::S3Server;
use crate::support::test_app::TestApp;

fn reports(version: &str) -> BundleBuilder {
    BundleBuilder::new("com.example.reports", version).page("<h1>Reports</h1>")
}

async fn yank(app: &TestApp, version: &str) {
    let path = format!("/api/v1/extensions/com.example.reports/versions/{version}/yank");
    assert_eq!(app.post(&path, json!({})).await.status, StatusCode::OK);
}

async fn page(app: &TestApp, path: &str) -> String {
    app.call(Method::GET, path).session(&app.session().await).send().await.text()
}

#[tokio::test]
async fn a_quarantined_bundle_is_listed_with_what_it_lacks() {
    let app = TestApp::start().await;
    app.put_bundle(reports("1.0.0").build(), &[]).await;

    let list = page(&app, "/admin/extensions").await;

    let hash = &app.content_hash(&reports("1.0.0")).hex()[..12];
    assert!(list.contains("no signature; expires"), "{list}");
    assert!(list.contains(&format!("plugboard quarantine show {hash}")), "{list}");
    assert!(list.contains("Nothing is published yet"), "{list}");
}

#[tokio::test]
async fn a_warning_of_the_manifest_is_not_why_a_bundle_is_quarantined() {
    let app = TestApp::start().await;
    // It has a name that others may choose, too.
    let warned_of = BundleBuilder::new("reports", "1.0.0").page("<h1>Reports</h1>");
    let quarantined = app.put_bundle(warned_of.build(), &[]).await;
    assert!(quarantined.text().contains("name_not_reverse_dns"), "{}", quarantined.text());

    let list = page(&app, "/admin/extensions").await;

    assert!(list.contains("no signature; expires"), "{list}");
}

#[tokio::test]
async fn a_yanked_version_is_not_recommended() {
    let app = TestApp::start().await;
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        app.publish(&reports(version)).await;
    }
    let body = json!({"name": "com.example.reports", "version": "1.0.0"});
    app.post("/api/v1/installs", body).await;
    assert!(page(&app, "/admin/extensions").await.contains("1.2.0 is published"));

    yank(&app, "1.2.0").await;

    let list = page(&app, "/admin/extensions").await;
    assert!(list.contains("1.1.0 is published") && !list.contains("1.2.0"), "{list}");
}

#[tokio::test]
async fn an_extension_whose_versions_are_all_yanked_has_no_install_button() {
    let app = TestApp::start().await;
    app.publish(&reports("1.0.0")).await;
    let button = "/admin/extensions/com.example.reports?version=1.0.0#install";
    assert!(page(&app, "/admin/extensions").await.contains(button));

    yank(&app, "1.0.0").await;

    let list = page(&app, "/admin/extensions").await;
    assert!(list.contains("yanked") && !list.contains("#install"), "{list}");
}

#[tokio::test]
async fn a_pre_release_is_recommended_only_where_there_is_nothing_else() {
    let app = TestApp::start().await;
    let extension = "/admin/extensions/com.example.reports";
    app.publish(&reports("2.0.0-beta.1")).await;
    assert!(page(&app, extension).await.contains("Install 2.0.0-beta.1"));
    let button = format!("{extension}?version=2.0.0-beta.1#install");
    assert!(page(&app, "/admin/extensions").await.contains(&button));

    app.publish(&reports("1.0.0")).await;

    assert!(page(&app, extension).await.contains("Install 1.0.0"));
    assert!(!page(&app, "/admin/extensions").await.contains("2.0.0-beta.1"));
    let installed = app.post("/api/v1/installs", json!({"name": "com.example.reports"})).await;
    assert_eq!(installed.json()["version"], "1.0.0");
    assert!(!page(&app, "/admin/extensions").await.contains("2.0.0-beta.1"));
}

#[tokio::test]
async fn where_the_highest_version_is_yanked_another_can_be_installed() {
    let app = TestApp::start().await;
    app.publish(&reports("1.0.0")).await;
    app.publish(&reports("1.1.0")).await;
    yank(&app, "1.1.0").await;
    let extension = "/admin/extensions/com.example.reports";

    let list = page(&app, "/admin/extensions").await;
    let settings = page(&app, &format!("{extension}/settings")).await;

    let button = format!("{extension}?version=1.0.0");
    for shown in [list, settings] {
        assert!(shown.contains(&format!("{button}#install")), "{shown}");
    }
    for path in [button.as_str(), extension] {
        let shown = page(&app, path).await;
        assert!(shown.contains("Install and enable"), "{path}: {shown}");
    }
    let yanked = page(&app, &format!("{extension}?version=1.1.0")).await;
    assert!(!yanked.contains("Install and enable"), "{yanked}");
}

#[tokio::test]
async fn the_storage_page_says_what_waits_and_how_much_it_holds() {
    let app = TestApp::start_on_disk().await;
    app.put_bundle(reports("1.0.0").build(), &[]).await;
    let call = app.call(Method::POST, "/api/v1/uploads").header("tus-resumable", "1.0.0");
    let begun = call.header("upload-length", "3145728").send().await;
    assert_eq!(begun.status, StatusCode::CREATED, "{}", begun.text());

    let storage = page(&app, "/admin/storage").await;

    assert!(storage.contains("1 unfinished upload and 1 quarantined bundle hold"), "{storage}");
    assert!(storage.contains("3 MiB"), "{storage}");
}

#[tokio::test]
async fn bundles_of_others_in_the_bucket_stay_and_are_counted() {
    let server = S3Server::start();
    let (app, other) = (TestApp::start_on_s3(&server).await, TestApp::start_on_s3(&server).await);
    other.publish(&reports("1.0.0")).await;
    assert!(!page(&app, "/admin/storage").await.contains("Without a version"));
    // The server's clock is the machine's.
    app.clock.advance(20 * 365 * 24 * 60 * 60);

    app.app.sweep().await.unwrap();

    let metrics = app.app.metrics.encode(app.clock.now());
    assert!(metrics.contains("\nstore_orphans 1\n"), "{metrics}");
    assert!(metrics.contains("store_swept_total{kind=\"orphan\"} 0"), "{metrics}");
    let storage = page(&app, "/admin/storage").await;
    assert!(storage.contains("1 bundle in the bucket"), "{storage}");
    let bundle = format!("sha256/{}/bundle.tar.zst", app.content_hash(&reports("1.0.0")).hex());
    assert!(server.keys().contains(&bundle), "{:?}", server.keys());
}

#[tokio::test]
async fn an_uninstall_warns_only_of_what_is_lost() {
    let app = TestApp::start().await;
    let bare = app.install(&reports("1.0.0")).await;
    let other = BundleBuilder::new("com.example.other", "1.0.0").page("x");
    let rich = app.install(&other.capabilities(&["cap:http.fetch"])).await;
    let question = async |id: &str| page(&app, &format!("/admin/installs/{id}/uninstall")).await;

    let (bare, rich) = (question(&bare).await, question(&rich).await);

    assert!(bare.contains("Its log lines are deleted at once."), "{bare}");
    assert!(!bare.contains("cannot be brought back"), "{bare}");
    assert!(rich.contains("1 grant and 0 settings are deleted."), "{rich}");
    assert!(rich.contains("cannot be brought back"), "{rich}");
}
