//! Extensions that keep values by `wasi:keyvalue`, called through the gateway.

use axum::http::{Method, StatusCode};
use futures_util::future::join_all;
use plugboard::config::Config;
use serde_json::json;

use super::guests::{KEEPS, call, keeping};
use crate::support::bundle_builder::BundleBuilder;
use crate::support::guests;
use crate::support::test_app::{ALL_SCOPES, Answer, TestApp};

const SHELVES: &str = "com.example.shelves";
/// How the guest says what an error was.
const NO_SUCH_STORE: u16 = 460;
const ACCESS_DENIED: u16 = 461;
const OTHER: u16 = 462;

fn shelves() -> BundleBuilder {
    BundleBuilder::new(SHELVES, "1.0.0")
        .capabilities(&["cap:storage.kv"])
        .component(guests::wasi_extension("shelves"))
        .endpoint("POST", "/a")
}

async fn started(change: impl FnOnce(&mut Config)) -> TestApp {
    let app = TestApp::start_with(change).await;
    app.install(&shelves()).await;
    app
}

async fn ask(app: &TestApp, what: &str, body: &[u8]) -> Answer {
    let path = format!("/api/ext/{SHELVES}/a?{what}");
    app.call(Method::POST, &path).body(body.to_vec()).send().await
}

/// The status, and the text of it.
async fn told(app: &TestApp, what: &str, body: &[u8]) -> (u16, String) {
    let answer = ask(app, what, body).await;
    (answer.status.as_u16(), answer.text())
}

async fn count(app: &TestApp) -> u64 {
    let answer = ask(app, "i0n", b"").await;
    u64::from_le_bytes(answer.body[..].try_into().unwrap())
}

#[tokio::test]
async fn what_one_call_sets_another_gets() {
    let app = started(|_| ()).await;

    assert_eq!(told(&app, "s0k", b"first").await, (200, String::new()));
    assert_eq!(told(&app, "s0k", b"second").await, (200, String::new()));

    assert_eq!(told(&app, "g0k", b"").await, (200, "second".into()));
    assert_eq!(told(&app, "g1k", b"").await, (200, "second".into()));
    assert_eq!(told(&app, "g2k", b"").await.0, 404);
    assert_eq!(told(&app, "e0k", b"").await.1, "1");
    assert_eq!(told(&app, "e2k", b"").await.1, "0");
    assert_eq!(told(&app, "d0k", b"").await.0, 200);
    assert_eq!(told(&app, "d0k", b"").await.0, 200);
    assert_eq!(told(&app, "g0k", b"").await.0, 404);
}

#[tokio::test]
async fn a_name_that_is_no_namespace_is_no_store() {
    let app = started(|_| ()).await;

    assert_eq!(told(&app, "g3k", b"").await, (NO_SUCH_STORE, String::new()));
}

#[tokio::test]
async fn without_the_grant_no_bucket_is_opened() {
    let app = TestApp::start().await;
    app.publish(&shelves()).await;
    app.install_published(SHELVES, json!([])).await;

    for what in ["g0k", "s0k", "l0", "i0k", "g3k"] {
        assert_eq!(told(&app, what, b"v").await, (ACCESS_DENIED, String::new()), "{what}");
    }
}

#[tokio::test]
async fn what_does_not_fit_is_said_in_words() {
    let app = started(|config| {
        config.state.max_keys = 1;
        config.state.max_value_bytes = 1024;
    })
    .await;
    assert_eq!(told(&app, "s0k", b"no number").await.0, 200);

    let errors = [
        (told(&app, "s0k", &[7; 1025]).await, "a value has at most 1024 bytes"),
        (told(&app, "s0", b"v").await, "a key has 1 to 512 bytes"),
        (told(&app, "g0", b"").await, "a key has 1 to 512 bytes"),
        (told(&app, "s0l", b"v").await, "the install has all that it may keep"),
        (told(&app, "i0n", b"").await, "the install has all that it may keep"),
        (told(&app, "i0k", b"").await, "the value is no decimal number of 64 bits"),
        (told(&app, "c0", b"").await, "this bucket has given no such cursor"),
        (told(&app, "B0", b"").await, "there are 1001 keys; 1000 are allowed at once"),
    ];

    for (told, text) in errors {
        assert_eq!(told, (OTHER, text.to_owned()));
    }
    assert_eq!(told(&app, "g0k", b"").await.1, "no number");
}

#[tokio::test]
async fn counting_up_loses_none_of_many_at_once() {
    let app = started(|_| ()).await;

    let mut counts = join_all((0..20).map(|_| count(&app))).await;

    counts.sort_unstable();
    assert_eq!(counts, (1..=20).map(|n| n * 5).collect::<Vec<_>>());
    assert_eq!(told(&app, "g0n", b"").await.1, "100");
    for (value, text) in [
        ("18446744073709551611", "the sum does not fit into 64 bits"),
        ("+1", "the value is no decimal number of 64 bits"),
        ("", "the value is no decimal number of 64 bits"),
        // One digit more than a number of 64 bits has: of a long value none is looked at.
        ("000000000000000000001", "the value is no decimal number of 64 bits"),
    ] {
        ask(&app, "s0n", value.as_bytes()).await;
        assert_eq!(told(&app, "i0n", b"").await, (OTHER, text.to_owned()), "{value}");
        assert_eq!(told(&app, "g0n", b"").await.1, value);
    }
    ask(&app, "s0n", b"18446744073709551610").await;
    assert_eq!(count(&app).await, u64::MAX);
}

#[tokio::test]
async fn all_keys_are_listed_page_by_page() {
    let app = started(|_| ()).await;
    assert_eq!(told(&app, "l0", b"").await, (200, ".".into()));
    // Two fit into a page of 4 MiB with their values, a third does not.
    for key in ["a", "b", "c", "d", "e"] {
        for bucket in [0, 2] {
            let set = told(&app, &format!("s{bucket}{key}"), &vec![7; 1024 * 1024 - 1]).await;
            assert_eq!(set.0, 200, "{}", set.1);
        }
    }

    assert_eq!(told(&app, "l0", b"").await.1, ".a\nb\nc\n.d\ne\n");
}

#[tokio::test]
async fn a_batch_is_set_read_and_deleted() {
    let app = started(|_| ()).await;

    assert_eq!(told(&app, "G0key", b"").await, (200, "--".into()));
    assert_eq!(told(&app, "S0key", b"v1").await.0, 200);
    assert_eq!(told(&app, "G0key", b"").await.1, "v1v1");
    assert_eq!(told(&app, "G0kin", b"").await.1, "-v1");
    assert_eq!(told(&app, "D0kin", b"").await.0, 200);
    assert_eq!(told(&app, "G0key", b"").await.1, "v1-");
}

#[tokio::test]
async fn what_a_batch_sets_before_it_is_refused_stays() {
    let app = started(|config| config.state.max_keys = 1).await;

    let full = "the install has all that it may keep".to_owned();
    assert_eq!(told(&app, "S0key", b"v").await, (OTHER, full));
    assert_eq!(told(&app, "G0key", b"").await, (200, "v-".into()));
}

#[tokio::test]
async fn a_batch_gives_no_more_than_a_page_and_counts_as_many_calls() {
    let app = TestApp::start_with(|config| config.state.max_value_bytes = 4 * 1024 * 1024).await;
    let id = app.install(&shelves()).await;
    let half = vec![7; 2 * 1024 * 1024 + 1];
    assert_eq!(told(&app, "S0key", &half).await, (200, String::new()));

    let both = told(&app, "G0key", b"").await;
    let one = ask(&app, "g0key", b"").await;

    assert_eq!(both, (OTHER, "the values have more than 4194304 bytes".to_owned()));
    assert_eq!(one.body, half);
    let usage = |answer: Answer| answer.json()["minutes"][0]["host_calls"].as_u64().unwrap();
    let path = format!("/api/v1/installs/{id}/usage");
    let before = usage(app.get(&path).await);
    ask(&app, "B0", b"").await;
    assert_eq!(usage(app.get(&path).await) - before, 1 + 1001);
}

#[tokio::test]
async fn values_count_as_a_host_call_for_each_64_kib() {
    let app = TestApp::start().await;
    let id = app.install(&shelves()).await;
    let path = format!("/api/v1/installs/{id}/usage");
    let usage = |answer: Answer| answer.json()["minutes"][0]["host_calls"].as_u64().unwrap();
    let (mut before, mut counted) = (0, Vec::new());

    let large = vec![7; 200_000];
    for (what, body) in [("s0k", &large[..]), ("g0k", b""), ("e0k", b""), ("l0", b"")] {
        assert_eq!(told(&app, what, body).await.0, 200, "{what}");
        let after = usage(app.get(&path).await);
        counted.push(after - before);
        before = after;
    }

    // To open the bucket, to call, and three times 64 KiB.
    assert_eq!(counted, [5; 4]);
}

#[tokio::test]
async fn the_same_extension_of_another_tenant_gets_nothing() {
    let app = started(|_| ()).await;
    ask(&app, "s0k", b"of default").await;
    let other = app.make_token("other", &ALL_SCOPES).await;
    let post = |path: String, body| app.call(Method::POST, &path).token(&other).json(body).send();
    let body = json!({"name": SHELVES, "grants": ["cap:storage.kv"]});
    let install = post("/api/v1/installs".to_owned(), body).await.json();
    post(format!("/api/v1/installs/{}/enable", install["id"].as_str().unwrap()), json!({})).await;

    let path = format!("/api/ext/{SHELVES}/a?g0k");
    let found = app.call(Method::POST, &path).token(&other).send().await;

    assert_eq!(found.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_guest_of_wasi_http_counts_in_a_row_of_the_same_state() {
    let app = TestApp::start().await;
    let http = BundleBuilder::new("com.example.counts", "1.0.0")
        .capabilities(&["cap:storage.kv"])
        .component(guests::proxy("counts_http"))
        .endpoint("GET", "/a");
    let counts = app.install(&http).await;

    let sums = [
        app.get("/api/ext/com.example.counts/a").await.status.as_u16(),
        app.get("/api/ext/com.example.counts/a").await.status.as_u16(),
    ];

    assert_eq!(sums, [201, 202]);
    let kept = app.get(&format!("/api/v1/installs/{counts}/state")).await.json();
    let row = [&kept["namespace"], &kept["key"], &kept["revision"], &kept["value_base64"]];
    assert_eq!(row, [&json!("default"), &json!("n"), &json!(2), &json!("Mg==")]);
}

#[tokio::test]
async fn a_value_that_storage_puts_is_read_by_key_and_namespace() {
    let app = TestApp::start().await;
    app.install(&keeping(KEEPS)).await;
    call(&app, Method::POST, "k", b"kept").await;
    let newer = BundleBuilder::new(KEEPS, "1.1.0")
        .capabilities(&["cap:storage.kv"])
        .component(guests::wasi_extension("shelves"))
        .endpoint("POST", "/a");
    app.publish(&newer).await;
    let installs = app.get("/api/v1/installs").await.json();
    let id = installs["installs"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/installs/{id}/version");
    let upgraded = app.call(Method::PUT, &path).json(json!({"version": "1.1.0"})).send().await;
    assert_eq!(upgraded.status, StatusCode::OK, "{}", upgraded.text());

    let listed = app.call(Method::POST, &format!("/api/ext/{KEEPS}/a?l4")).send().await;
    let read = app.call(Method::POST, &format!("/api/ext/{KEEPS}/a?g4")).send().await;

    assert_eq!(listed.text(), "./a?k\n");
    assert_eq!(read.text(), "kept");
}
