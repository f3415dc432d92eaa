//! Calls that are sent twice under one key.

use axum::http::{Method, StatusCode};
use futures_util::FutureExt;
use plugboard::config::Config;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::{A, extension};
use crate::support::bundle_builder::BundleBuilder;
use crate::support::guests;
use crate::support::test_app::{Answer, Call, TestApp};

/// With a guest that answers POST and GET with all that it is told: two executions
/// differ in the id of the request.
async fn telling(change: impl FnOnce(&mut Config)) -> TestApp {
    let app = TestApp::start_with(change).await;
    let bundle = extension("tells").endpoint("GET", "/a").endpoint("PUT", "/a");
    let bundle = bundle.endpoint("POST", "/a").endpoint("POST", "/b");
    app.install(&bundle).await;
    app
}

fn post<'a>(app: &'a TestApp, key: &str) -> Call<'a> {
    app.call(Method::POST, A).header("x-idempotency-key", key)
}

fn is_replayed(answer: &Answer) -> bool {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.header("x-idempotency-replayed") == "true"
}

#[tokio::test]
async fn a_repeat_has_the_first_answer_and_runs_nothing() {
    let app = telling(|_| ()).await;
    let first = post(&app, "once").body("order 7").send().await;

    let repeat = post(&app, "once").body("order 7").send().await;

    assert!(!is_replayed(&first) && is_replayed(&repeat));
    assert_eq!(first.body, repeat.body);
    assert_eq!(first.header("content-type"), repeat.header("content-type"));
    assert_ne!(first.header("x-request-id"), repeat.header("x-request-id"));
}

#[tokio::test]
async fn calls_at_the_same_time_run_once() {
    let app = telling(|_| ()).await;

    let (one, other) = tokio::join!(post(&app, "once").send(), post(&app, "once").send());

    assert_eq!(one.body, other.body);
    assert!(is_replayed(&one) != is_replayed(&other));
}

/// A guest that asks a server, which answers once it is told to.
struct Asking {
    app: TestApp,
    entry: String,
    may_answer: watch::Sender<bool>,
    server: JoinHandle<()>,
}

impl Asking {
    /// With what the server tells of each question.
    async fn start(answer: &'static str) -> (Self, mpsc::Receiver<()>) {
        let listener = TcpListener::bind("127.77.0.1:0").await.unwrap();
        let entry = format!("http://api.example.com:{}", listener.local_addr().unwrap().port());
        let (asked, is_asked) = mpsc::channel(8);
        let (may_answer, told) = watch::channel(false);
        let server = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                asked.send(()).await.unwrap();
                told.clone().wait_for(|may| *may).await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let listed = entry.parse().unwrap();
        let app = TestApp::start_with(|config| config.egress.allowlist = vec![listed]).await;
        app.internet.name("api.example.com", &["127.77.0.1"]);
        let bundle = extension("calls")
            .capabilities(&["cap:http.fetch"])
            .manifest("egress", json!([entry]))
            .endpoint("POST", "/a");
        assert!(app.publish(&bundle).await.status.is_success());
        app.install_published("com.example.hello", json!(["cap:http.fetch"])).await;
        (Self { app, entry, may_answer, server }, is_asked)
    }

    fn call(&self) -> Call<'_> {
        post(&self.app, "once").body(self.entry.clone())
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[tokio::test]
async fn a_client_that_goes_away_has_made_its_call_and_finds_the_answer() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone";
    let (asking, mut is_asked) = Asking::start(answer).await;
    let mut first = Box::pin(asking.call().send());
    tokio::select! {
        _ = &mut first => panic!("nobody has answered"),
        _ = is_asked.recv() => {}
    }
    drop(first);
    asking.may_answer.send(true).unwrap();
    let again = asking.call().send().await;

    assert!(is_replayed(&again));
    assert_eq!(again.text(), "done");
    assert!(is_asked.try_recv().is_err(), "the call was made twice");
}

#[tokio::test]
async fn a_client_that_goes_away_while_it_waits_for_another_makes_no_call() {
    let answer = "HTTP/1.1 500 Sorry\r\ncontent-length: 0\r\n\r\n";
    let (asking, mut is_asked) = Asking::start(answer).await;
    let mut first = Box::pin(asking.call().send());
    tokio::select! {
        _ = &mut first => panic!("nobody has answered"),
        _ = is_asked.recv() => {}
    }
    let mut waiting = Box::pin(asking.call().send());
    assert!((&mut waiting).now_or_never().is_none());
    drop(waiting);
    asking.may_answer.send(true).unwrap();

    let answers = [first.await.status, asking.call().send().await.status];

    assert_eq!(answers, [StatusCode::INTERNAL_SERVER_ERROR; 2]);
    let asked = std::iter::from_fn(|| is_asked.try_recv().ok()).count();
    assert_eq!(asked, 1, "the call of the one that went away was made");
}

#[tokio::test]
async fn what_is_not_the_same_call_runs_by_itself() {
    let app = telling(|_| ()).await;
    let first = post(&app, "once").send().await;
    let invoke = app.make_token("default", &["ext:invoke"]).await;

    for (call, what) in [
        (post(&app, "twice"), "another key"),
        (
            app.call(Method::POST, "/api/ext/com.example.hello/b")
                .header("x-idempotency-key", "once"),
            "another path",
        ),
        (
            app.call(Method::POST, &format!("{A}?b=1")).header("x-idempotency-key", "once"),
            "another query",
        ),
        (app.call(Method::PUT, A).header("x-idempotency-key", "once"), "another method"),
        (post(&app, "once").token(&invoke), "another caller"),
    ] {
        let answer = call.send().await;
        assert!(!is_replayed(&answer), "{what}");
        assert_ne!(answer.body, first.body, "{what}");
    }
}

#[tokio::test]
async fn the_same_key_with_another_body_is_refused() {
    let app = telling(|_| ()).await;
    post(&app, "once").body("order 7").send().await;

    let refused = post(&app, "once").body("order 8").send().await;

    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused.code(), "idempotency_key_reused");
    assert_eq!(refused.json()["error"], "idempotency_key_reused");
}

#[tokio::test]
async fn a_key_that_is_long_or_not_to_be_seen_is_malformed() {
    let app = telling(|_| ()).await;
    let long = "k".repeat(256);
    for key in [long.as_str(), "a\tb", "k\u{e4}"] {
        let refused = post(&app, key).send().await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{key:?}");
        assert_eq!(refused.code(), "malformed_request");
    }
    let two = post(&app, "one").header("x-idempotency-key", "two").send().await;
    assert_eq!(two.status, StatusCode::BAD_REQUEST);
    assert!(!is_replayed(&post(&app, "").send().await));
    assert!(!is_replayed(&post(&app, "").send().await));
}

#[tokio::test]
async fn reading_is_never_answered_from_what_was_kept() {
    let app = telling(|_| ()).await;
    let get = || app.call(Method::GET, A).header("x-idempotency-key", "once").send();

    let (first, second) = (get().await, get().await);

    assert!(!is_replayed(&first) && !is_replayed(&second));
    assert_ne!(first.body, second.body);
}

#[tokio::test]
async fn callers_whom_nobody_knows_share_no_answers() {
    let app = TestApp::start().await;
    let bundle =
        extension("tells").endpoint_with("POST", "/a", &serde_json::json!({"auth": "public"}));
    app.install(&bundle).await;

    let first = post(&app, "once").anonymous().send().await;
    let second = post(&app, "once").anonymous().send().await;

    assert!(!is_replayed(&first) && !is_replayed(&second));
}

#[tokio::test]
async fn an_answer_is_kept_for_its_time() {
    let app = telling(|config| config.gateway.idempotency_s = 60).await;
    post(&app, "once").send().await;

    app.clock.advance(59);
    assert!(is_replayed(&post(&app, "once").send().await));
    app.clock.advance(1);
    assert!(!is_replayed(&post(&app, "once").send().await));
}

#[tokio::test]
async fn a_failure_is_not_kept() {
    let app = TestApp::start().await;
    app.install(&extension("traps").endpoint("POST", "/a")).await;

    for _ in 0..2 {
        let failed = post(&app, "once").send().await;
        assert_eq!(failed.code(), "extension_failed");
        assert_eq!(failed.header("x-idempotency-replayed"), "");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_not_given_twice_and_its_call_not_made_twice() {
    let app = telling(|config| config.gateway.idempotency_bytes_per_install = 600).await;
    post(&app, "once").send().await;

    let repeat = post(&app, "once").send().await;

    assert_eq!(repeat.status, StatusCode::CONFLICT, "{}", repeat.text());
    assert_eq!(repeat.code(), "idempotency_answer_not_kept");
}

#[tokio::test]
async fn a_streamed_answer_is_not_kept_and_its_call_not_made_twice() {
    let app = TestApp::start().await;
    let bundle = BundleBuilder::new("com.example.hello", "1.0.0")
        .component(guests::proxy("streams"))
        .endpoint("POST", "/much/:n");
    app.install(&bundle).await;
    let path = "/api/ext/com.example.hello/much/9";
    let call = || app.call(Method::POST, path).header("x-idempotency-key", "once").send();
    let first = call().await;
    assert_eq!(first.header("x-accel-buffering"), "no", "{}", first.status);

    let repeat = call().await;

    assert_eq!(repeat.code(), "idempotency_answer_not_kept");
}

#[tokio::test]
async fn without_room_keys_are_only_handed_on() {
    let app = telling(|config| config.gateway.idempotency_bytes = 0).await;
    let first = post(&app, "once").send().await;

    let second = post(&app, "once").body("another").send().await;

    assert!(!is_replayed(&first) && !is_replayed(&second));
    assert!(second.text().contains("x-idempotency-key: once"), "{}", second.text());
}
