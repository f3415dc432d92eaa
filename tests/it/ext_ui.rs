//! Extension pages: what is served, for how long, and under which headers.

mod caching;
mod hostile_paths;
mod memory;
mod negotiation;
mod ranges;
mod wire;

use axum::http::{Method, StatusCode};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::support::bundle_builder::BundleBuilder;
use crate::support::test_app::{Answer, TestApp};

const PAGE: &str = "<h1>Reports</h1>";
const SCRIPT: &str = "0123456789";

fn version(number: &str) -> BundleBuilder {
    BundleBuilder::new("com.example.reports", number)
        .page(PAGE)
        .file("ui/app.js", SCRIPT)
        .file("ui/assets/a b (1).css", "p {}")
        .file("ui/assets/logo.svg", "<svg onload=\"alert(1)\"/>")
        .file("ui/assets/data.xhtml", "<html/>")
        .file("ui/assets/LICENSE", "MIT")
        .file("ui/.well-known/x.json", "{}")
        .file("docs/secret.html", "not below ui")
        .file("ui/empty.txt", "")
}

/// Where the pages of a bundle are.
fn base(bundle: &BundleBuilder) -> String {
    let hash = hex::encode(Sha256::digest(bundle.build()));
    format!("/ext-ui/com.example.reports/sha256:{hash}")
}

/// An appliance with version 1.0.0 enabled, and where its pages are.
async fn serving() -> (TestApp, String) {
    let app = TestApp::start().await;
    app.install(&version("1.0.0")).await;
    (app, base(&version("1.0.0")))
}

async fn get(app: &TestApp, path: &str) -> Answer {
    app.call(Method::GET, path).anonymous().send().await
}

#[tokio::test]
async fn the_files_below_ui_are_served_to_anyone() {
    let (app, base) = serving().await;

    for (path, media_type, text) in [
        ("index.html", "text/html; charset=utf-8", PAGE),
        ("app.js", "text/javascript; charset=utf-8", SCRIPT),
        ("assets/a%20b%20(1).css", "text/css; charset=utf-8", "p {}"),
        ("assets/logo.svg", "image/svg+xml", "<svg onload=\"alert(1)\"/>"),
        (".well-known/x.json", "application/json", "{}"),
        ("empty.txt", "text/plain; charset=utf-8", ""),
    ] {
        let answer = get(&app, &format!("{base}/{path}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.header("content-type"), media_type);
        assert_eq!(answer.text(), text);
        assert_eq!(answer.header("content-length"), text.len().to_string());
    }
}

#[tokio::test]
async fn the_colon_of_the_hash_may_be_encoded() {
    let (app, base) = serving().await;

    for base in [base.replace(':', "%3A"), base.replace(':', "%3a")] {
        let answer = get(&app, &format!("{base}/app.js")).await;
        assert_eq!(answer.text(), SCRIPT, "{base}");
    }
}

#[tokio::test]
async fn a_client_route_gets_the_entry_page_and_a_missing_file_does_not() {
    let (app, base) = serving().await;

    for route in ["settings", "clients/7", "clients/7/", "@ada", "a:b"] {
        assert_eq!(get(&app, &format!("{base}/{route}")).await.text(), PAGE, "{route}");
    }
    for file in ["missing.js", "assets/missing.png", "index.htm", "INDEX.HTML", "index.html/"] {
        let answer = get(&app, &format!("{base}/{file}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{file}");
        assert_eq!(answer.header("cache-control"), "no-store", "{file}");
    }
}

#[tokio::test]
async fn a_type_that_is_not_known_is_downloaded_and_never_shown() {
    let (app, base) = serving().await;

    for path in ["assets/data.xhtml", "assets/LICENSE"] {
        let answer = get(&app, &format!("{base}/{path}")).await;
        assert_eq!(answer.header("content-type"), "application/octet-stream", "{path}");
        assert_eq!(answer.header("content-disposition"), "attachment", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
    }
}

#[tokio::test]
async fn only_enabled_extensions_are_served() {
    let app = TestApp::start().await;
    let (bundle, path) = (version("1.0.0"), format!("{}/app.js", base(&version("1.0.0"))));
    let status = async || get(&app, &path).await.status;

    assert_eq!(status().await, StatusCode::NOT_FOUND);
    app.put_bundle(bundle.build(), &[]).await;
    assert_eq!(status().await, StatusCode::NOT_FOUND, "in quarantine");
    app.publish(&bundle).await;
    assert_eq!(status().await, StatusCode::NOT_FOUND, "published");
    let body = json!({"name": "com.example.reports"});
    let made = app.post("/api/v1/installs", body).await.json();
    assert_eq!(status().await, StatusCode::NOT_FOUND, "installed");
    let install = format!("/api/v1/installs/{}", made["id"].as_str().unwrap());
    app.post(&format!("{install}/enable"), json!({})).await;
    assert_eq!(status().await, StatusCode::OK, "enabled");
    app.post(&format!("{install}/disable"), json!({})).await;
    assert_eq!(status().await, StatusCode::NOT_FOUND, "disabled");
}

#[tokio::test]
async fn open_pages_of_a_replaced_version_can_finish_for_a_day() {
    let app = TestApp::start().await;
    let id = app.install(&version("1.0.0")).await;
    app.publish(&version("1.1.0")).await;
    let (old, new) = (base(&version("1.0.0")), base(&version("1.1.0")));
    let served = async |base: &str| get(&app, &format!("{base}/app.js")).await.status.is_success();
    assert!(!served(&new).await);

    let path = format!("/api/v1/installs/{id}/version");
    app.call(Method::PUT, &path).json(json!({"version": "1.1.0"})).send().await;

    assert!(served(&new).await && served(&old).await);
    app.clock.advance(24 * 60 * 60 - 1);
    assert!(served(&old).await);
    app.clock.advance(1);
    assert!(served(&new).await && !served(&old).await);
}

#[tokio::test]
async fn disabling_ends_the_pages_of_the_replaced_version_too() {
    let app = TestApp::start().await;
    let id = app.install(&version("1.0.0")).await;
    app.publish(&version("1.1.0")).await;
    let install = format!("/api/v1/installs/{id}");
    let upgrade = app.call(Method::PUT, &format!("{install}/version"));
    upgrade.json(json!({"version": "1.1.0"})).send().await;

    app.post(&format!("{install}/disable"), json!({})).await;

    for number in ["1.0.0", "1.1.0"] {
        let answer = get(&app, &format!("{}/app.js", base(&version(number)))).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{number}");
    }
}

#[tokio::test]
async fn a_hash_is_not_served_under_another_name() {
    let (app, base) = serving().await;
    let other = BundleBuilder::new("com.example.other", "1.0.0").page("other");
    app.install(&other).await;
    let hash = base.rsplit('/').next().unwrap();
    let upper = hash.to_uppercase().replace("SHA256", "sha256");

    for (name, hash) in [
        ("com.example.other", hash),
        ("com.example.none", hash),
        ("example.com.example.reports", hash),
        ("com.example.reports", upper.as_str()),
        ("com.example.reports", &hash[7..]),
        ("com.example.reports", "sha256:0"),
        ("..", hash),
    ] {
        let answer = get(&app, &format!("/ext-ui/{name}/{hash}/app.js")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{name} {hash}");
    }
}

#[tokio::test]
async fn a_service_worker_is_never_served() {
    let (app, base) = serving().await;

    let call = app.call(Method::GET, &format!("{base}/app.js")).header("service-worker", "script");
    let answer = call.send().await;

    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(!answer.text().contains(SCRIPT));
}

#[tokio::test]
async fn cookies_change_nothing() {
    let (app, base) = serving().await;
    let path = format!("{base}/index.html");
    let cookie = app.session().await;

    let with = app.call(Method::GET, &path).session(&cookie).header("x-request-id", "r");
    let without = app.call(Method::GET, &path).anonymous().header("x-request-id", "r");

    let (with, without) = (with.send().await, without.send().await);
    assert_eq!(with.headers, without.headers);
    assert_eq!(with.body, without.body);
    assert!(!with.headers.contains_key("vary") && !with.headers.contains_key("set-cookie"));
}

#[tokio::test]
async fn every_status_carries_the_sandbox() {
    let (app, base) = serving().await;
    let script = format!("{base}/app.js");
    let call = |path: &str| app.call(Method::GET, path).anonymous();
    let etag = get(&app, &script).await.header("etag").to_owned();

    for (status, answer) in [
        (200, call(&script)),
        (200, app.call(Method::HEAD, &script)),
        (206, call(&script).header("range", "bytes=0-1")),
        (304, call(&script).header("if-none-match", &etag)),
        (403, call(&script).header("service-worker", "script")),
        (404, call(&format!("{base}/missing.js"))),
        (404, call("/ext-ui/x")),
        (405, app.call(Method::POST, &script)),
        (416, call(&script).header("range", "bytes=99-")),
    ] {
        let answer = answer.send().await;
        assert_eq!(answer.status, status);
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with("sandbox allow-scripts allow-forms allow-downloads;"),
            "{status}"
        );
        assert!(!policy.contains("allow-same-origin"));
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{status}");
        assert!(!answer.headers.contains_key("access-control-allow-credentials"));
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{status}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{status}");
        assert_eq!(answer.header("cross-origin-resource-policy"), "cross-origin", "{status}");
        assert_eq!(answer.header("origin-agent-cluster"), "?1", "{status}");
        assert!(answer.header("permissions-policy").contains("camera=()"), "{status}");
    }
}

#[tokio::test]
async fn a_page_loads_files_of_its_own_bundle_only() {
    let (app, base) = serving().await;

    let answer = get(&app, &format!("{base}/index.html")).await;

    let hash = base.rsplit(':').next().unwrap();
    let policy = answer.header("content-security-policy").replace(hash, "HASH");
    insta::assert_snapshot!(policy.replace("; ", ";\n"), @r"
    sandbox allow-scripts allow-forms allow-downloads;
    default-src 'none';
    script-src http://127.0.0.1:7420/ext-ui/com.example.reports/sha256:HASH/ http://127.0.0.1:7420/ext-ui/com.example.reports/sha256%3AHASH/;
    style-src http://127.0.0.1:7420/ext-ui/com.example.reports/sha256:HASH/ http://127.0.0.1:7420/ext-ui/com.example.reports/sha256%3AHASH/ 'unsafe-inline';
    img-src http://127.0.0.1:7420/ext-ui/com.example.reports/sha256:HASH/ http://127.0.0.1:7420/ext-ui/com.example.reports/sha256%3AHASH/ data: blob:;
    font-src http://127.0.0.1:7420/ext-ui/com.example.reports/sha256:HASH/ http://127.0.0.1:7420/ext-ui/com.example.reports/sha256%3AHASH/ data:;
    media-src http://127.0.0.1:7420/ext-ui/com.example.reports/sha256:HASH/ http://127.0.0.1:7420/ext-ui/com.example.reports/sha256%3AHASH/ blob:;
    connect-src 'none';
    frame-src 'none';
    form-action 'none';
    base-uri 'none';
    frame-ancestors http://127.0.0.1:7420
    ");
}

#[tokio::test]
async fn a_strange_path_writes_nothing_of_its_own_into_the_policy() {
    let (app, base) = serving().await;
    let hash = base.rsplit('/').next().unwrap();

    for path in [
        format!("/ext-ui/x;script-src%20*/{hash}/a.js"),
        "/ext-ui/com.example.reports/*;script-src%20'unsafe-inline'/a.js".to_owned(),
        "/ext-ui/https:%2f%2fevil.test/x/a.js".to_owned(),
    ] {
        let answer = get(&app, &path).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("script-src 'none';"), "{path}: {policy}");
    }
}
