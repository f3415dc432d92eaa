//! Small files come from memory: as long as they may, within bounds, and checked before.

use std::fs;

use axum::http::{Method, StatusCode};
use serde_json::json;

use super::negotiation::{self, bundle, get, script};
use crate::support::bundle_builder::BundleBuilder;
use crate::support::random::noise;
use crate::support::test_app::TestApp;

/// Takes away what the pages are read from.
fn lose_the_disk(app: &TestApp) {
    for folder in ["unpacked", "encoded"] {
        let folder = app.app.data_dir.join("cache").join(folder);
        fs::rename(&folder, folder.with_extension("away")).unwrap();
    }
}

#[tokio::test]
async fn what_was_read_once_is_served_without_its_file() {
    let app = negotiation::serving().await;
    let bundle = BundleBuilder::new("com.example.image", "1.0.0").page("image");
    let bundle = bundle.file("ui/image.png", noise(1, 200_000));
    app.install(&bundle).await;
    let image = app.page_of(&bundle, "image.png");
    let asked = [("accept-encoding", "br")];
    let all = async || {
        let image = app.call(Method::GET, &image).anonymous().send().await;
        [get(&app, "app.js", &[]).await, get(&app, "app.js", &asked).await, image]
    };
    let before = all().await;

    lose_the_disk(&app);

    let after = all().await;
    assert_eq!(after[2].body, noise(1, 200_000));
    assert_eq!(after.map(|answer| answer.body), before.map(|answer| answer.body));
}

#[tokio::test]
async fn what_the_client_has_and_what_head_says_needs_no_file_at_all() {
    let app = TestApp::start().await;
    app.install(&bundle()).await;
    let digest = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(script(20_000)));

    lose_the_disk(&app);

    let tag = format!("\"sha256-{digest}\"");
    let answer = get(&app, "app.js", &[("if-none-match", &tag)]).await;
    assert_eq!(answer.status, StatusCode::NOT_MODIFIED);
    let head = app.call(Method::HEAD, &app.page_of(&bundle(), "app.js")).send().await;
    assert_eq!(head.header("content-length"), script(20_000).len().to_string());
}

#[tokio::test]
async fn a_disabled_install_is_not_served_from_memory() {
    let app = TestApp::start().await;
    let id = app.install(&bundle()).await;
    assert_eq!(get(&app, "app.js", &[]).await.status, StatusCode::OK);
    let tag = get(&app, "app.js", &[]).await.header("etag").to_owned();

    app.post(&format!("/api/v1/installs/{id}/disable"), json!({})).await;

    for headers in [&[][..], &[("if-none-match", tag.as_str())], &[("range", "bytes=0-1")]] {
        let answer = get(&app, "app.js", headers).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{headers:?}");
    }
}

#[tokio::test]
async fn a_removed_version_leaves_the_memory() {
    let app = TestApp::start().await;
    let id = app.install(&bundle()).await;
    get(&app, "app.js", &[]).await;
    assert!(app.app.pages.bytes() > 20_000);

    let uninstall = app.call(Method::DELETE, &format!("/api/v1/installs/{id}")).send().await;
    assert!(uninstall.status.is_success(), "{}", uninstall.text());
    let version = "/api/v1/extensions/com.example.forms/versions/1.0.0";
    let removed = app.call(Method::DELETE, version).send().await;

    assert!(removed.status.is_success(), "{}", removed.text());
    assert_eq!(app.app.pages.bytes(), 0);
}

#[tokio::test]
async fn the_memory_keeps_to_its_bytes() {
    // Both below the size from which a body has a descriptor, and above.
    let size = |n: u64| if n.is_multiple_of(2) { 20_000 } else { 50_000 };
    let limit = 1_000_000;
    let app = TestApp::start_with(|config| config.ext_ui.memory_cache_bytes = limit).await;
    let mut bundle = BundleBuilder::new("com.example.many", "1.0.0").page("many");
    for n in 0..60 {
        bundle = bundle.file(&format!("ui/{n}.bin"), noise(n, size(n)));
    }
    app.install(&bundle).await;

    for n in (0..60).chain(0..60) {
        let path = app.page_of(&bundle, &format!("{n}.bin"));
        let answer = app.call(Method::GET, &path).anonymous().send().await;
        assert_eq!(answer.body, noise(n, size(n)), "{n}");
        assert!(app.app.pages.bytes() <= limit);
    }
    assert!(app.app.pages.bytes() > limit / 2);
}

#[tokio::test]
async fn a_large_file_is_not_kept_in_memory() {
    let app = negotiation::serving().await;

    let answer = get(&app, "large.js", &[]).await;

    assert_eq!(answer.text(), script(400_000));
    assert!(app.app.pages.bytes() < 100_000);
}

#[tokio::test]
async fn without_memory_everything_is_served_from_disk() {
    let app = TestApp::start_with(|config| config.ext_ui.memory_cache_bytes = 0).await;
    app.install(&bundle()).await;

    for path in ["app.js", "short.js", "app.js"] {
        assert_eq!(get(&app, path, &[]).await.status, StatusCode::OK, "{path}");
    }
    assert_eq!(app.app.pages.bytes(), 0);
}

#[tokio::test]
async fn nothing_damaged_comes_into_memory() {
    let app = TestApp::start().await;
    app.install(&bundle()).await;
    get(&app, "short.js", &[]).await;
    let hash = app.content_hash(&bundle()).hex();
    let folder = app.app.data_dir.join("cache/unpacked").join(hash).join("ui");
    let writable = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(&folder, writable).unwrap();
    fs::remove_file(folder.join("app.js")).unwrap();
    fs::write(folder.join("app.js"), "x".repeat(script(20_000).len())).unwrap();

    let answer = get(&app, "app.js", &[]).await;

    assert_eq!(answer.text(), script(20_000));
}
