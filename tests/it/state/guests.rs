//! Extensions that keep values, called through the gateway.

use std::fs;
use std::path::Path;

use axum::http::{Method, StatusCode};
use plugboard::config::Config;
use serde_json::json;

use crate::support::bundle_builder::BundleBuilder;
use crate::support::guests;
use crate::support::test_app::{ALL_SCOPES, Answer, TestApp};

pub(super) const KEEPS: &str = "com.example.keeps";
/// How the guest says what a call of `storage` came to.
pub(super) const MISSING: u16 = 460;
const CONFLICT: u16 = 461;
const DENIED: u16 = 462;
const INTERNAL: u16 = 463;

pub(super) fn keeping(name: &str) -> BundleBuilder {
    let methods = ["GET", "POST", "PUT", "PATCH", "DELETE"];
    let bundle = BundleBuilder::new(name, "1.0.0")
        .capabilities(&["cap:storage.kv"])
        .component(guests::extension("keeps"));
    methods.into_iter().fold(bundle, |bundle, method| bundle.endpoint(method, "/a"))
}

/// An appliance with the guest installed.
async fn started(change: impl FnOnce(&mut Config)) -> TestApp {
    let app = TestApp::start_with(change).await;
    app.install(&keeping(KEEPS)).await;
    app
}

pub(super) async fn call(app: &TestApp, method: Method, key: &str, body: &[u8]) -> Answer {
    let path = format!("/api/ext/{KEEPS}/a?{key}");
    app.call(method, &path).body(body.to_vec()).send().await
}

#[tokio::test]
async fn what_one_call_keeps_another_finds() {
    let app = started(|_| ()).await;

    assert_eq!(call(&app, Method::POST, "k", b"first").await.text(), "1");
    assert_eq!(call(&app, Method::POST, "k", b"second").await.text(), "2");
    assert_eq!(call(&app, Method::GET, "k", b"").await.text(), "second");
    assert_eq!(call(&app, Method::DELETE, "k", b"").await.status, StatusCode::OK);
    assert_eq!(call(&app, Method::GET, "k", b"").await.status, MISSING);
    assert_eq!(call(&app, Method::DELETE, "k", b"").await.status, MISSING);
}

#[tokio::test]
async fn a_put_with_a_revision_is_a_compare_and_set() {
    let app = started(|_| ()).await;

    let absent = call(&app, Method::PUT, "k", b"x").await;
    call(&app, Method::POST, "k", b"first").await;
    let right = call(&app, Method::PUT, "k", b"second").await;
    let wrong = call(&app, Method::PUT, "k", b"third").await;

    assert_eq!([absent.status.as_u16(), wrong.status.as_u16()], [CONFLICT; 2]);
    assert_eq!(right.text(), "2");
    assert_eq!(call(&app, Method::GET, "k", b"").await.text(), "second");
}

#[tokio::test]
async fn more_than_a_page_of_the_reference_is_listed_in_order() {
    let app = started(|_| ()).await;
    let keys: Vec<_> = (100..160).map(|number| format!("/a?{number}")).collect();
    for key in keys.iter().rev() {
        call(&app, Method::POST, &key[3..], b"v").await;
    }
    let list = |after: &'static str| async {
        let answer = call(&app, Method::PATCH, "", after.as_bytes()).await.text();
        answer.lines().map(str::to_owned).collect::<Vec<_>>()
    };

    assert_eq!(list("").await, keys);
    assert_eq!(list("/a?139").await, keys[40..]);
    assert!(list("/a?159").await.is_empty());
}

#[tokio::test]
async fn values_of_48_kib_fit_and_those_above_the_limit_do_not() {
    let app = started(|config| config.state.max_value_bytes = 50_000).await;

    assert_eq!(call(&app, Method::POST, "k", &vec![7; 48 * 1024]).await.text(), "1");
    assert_eq!(call(&app, Method::GET, "k", b"").await.body, vec![7; 48 * 1024]);
    assert_eq!(call(&app, Method::POST, "k", &vec![7; 50_001]).await.status, INTERNAL);
    let long = "k".repeat(600);
    assert_eq!(call(&app, Method::POST, &long, b"v").await.status, INTERNAL);
}

#[tokio::test]
async fn an_extension_that_has_all_it_may_leaves_its_neighbor_writing() {
    let app = started(|config| config.state.max_keys = 3).await;
    let neighbor = "com.example.neighbor";
    app.install(&keeping(neighbor)).await;

    let mut statuses = Vec::new();
    for key in ["1", "2", "3", "4", "1"] {
        statuses.push(call(&app, Method::POST, key, b"v").await.status.as_u16());
    }

    assert_eq!(statuses, [200, 200, 200, DENIED, 200]);
    let path = format!("/api/ext/{neighbor}/a?4");
    let answer = app.call(Method::POST, &path).body("v").send().await;
    assert_eq!(answer.text(), "1");
}

#[tokio::test]
async fn without_the_grant_nothing_is_kept() {
    let app = TestApp::start().await;
    app.publish(&keeping(KEEPS)).await;
    app.install_published(KEEPS, json!([])).await;

    assert_eq!(call(&app, Method::POST, "k", b"v").await.status, DENIED);
    assert_eq!(call(&app, Method::GET, "k", b"").await.status, DENIED);
}

#[tokio::test]
async fn the_same_extension_of_another_tenant_finds_nothing() {
    let app = started(|_| ()).await;
    call(&app, Method::POST, "k", b"of default").await;
    let other = app.make_token("other", &ALL_SCOPES).await;
    let post = |path: String, body| app.call(Method::POST, &path).token(&other).json(body).send();
    let body = json!({"name": KEEPS, "grants": ["cap:storage.kv"]});
    let install = post("/api/v1/installs".to_owned(), body).await.json();
    let id = install["id"].as_str().unwrap();
    post(format!("/api/v1/installs/{id}/enable"), json!({})).await;
    let path = format!("/api/ext/{KEEPS}/a?k");

    let found = app.call(Method::GET, &path).token(&other).send().await;
    app.call(Method::POST, &path).token(&other).body("of other").send().await;

    assert_eq!(found.status, MISSING);
    assert_eq!(call(&app, Method::GET, "k", b"").await.text(), "of default");
}

#[tokio::test]
async fn an_extension_that_is_installed_again_begins_with_nothing() {
    let app = TestApp::start().await;
    let id = app.install(&keeping(KEEPS)).await;
    call(&app, Method::POST, "k", b"v").await;
    app.call(Method::DELETE, &format!("/api/v1/installs/{id}")).send().await;

    app.install_published(KEEPS, json!(["cap:storage.kv"])).await;

    assert_eq!(call(&app, Method::GET, "k", b"").await.status, MISSING);
}

#[tokio::test]
async fn an_extension_that_asks_too_often_is_refused_for_a_moment_and_its_neighbor_is_not() {
    let app = started(|config| config.state.max_operations_per_s = 1).await;
    let neighbor = "com.example.neighbor";
    app.install(&keeping(neighbor)).await;
    let mut statuses = Vec::new();
    for _ in 0..7 {
        statuses.push(call(&app, Method::POST, "k", b"v").await.status.as_u16());
    }

    let of_neighbor =
        app.call(Method::POST, &format!("/api/ext/{neighbor}/a?k")).body("v").send().await;
    app.clock.advance(1);
    let a_second_later = call(&app, Method::POST, "k", b"v").await;

    assert_eq!(statuses, [200, 200, 200, 200, 200, DENIED, DENIED]);
    assert_eq!(of_neighbor.text(), "1");
    assert_eq!(a_second_later.text(), "6", "what was refused changed nothing");
    assert_eq!(app.app.state.settle_operations().len(), 1);
}

#[test]
fn the_guest_that_the_bench_calls_is_this_one() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/guests/keeps");
    let kept = fs::read(folder.join("dist/main.wasm")).unwrap_or_default();
    let made = guests::extension("keeps");

    if kept != made {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("keeps.wasm");
        fs::write(&place, &made).unwrap();
        panic!("its source was changed: put {} in its place", place.display());
    }
}
