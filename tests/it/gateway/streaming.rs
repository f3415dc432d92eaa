//! Answers that grow while they are read, and bodies that are read while they arrive.

mod limits;
mod wire;

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Method, Response, StatusCode};
use futures_util::stream;
use http_body::Body as _;
use http_body_util::BodyExt;
use plugboard::config::Config;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::support::bundle_builder::BundleBuilder;
use crate::support::guests;
use crate::support::test_app::TestApp;

const BASE: &str = "/api/ext/com.example.streams";
/// Longer than anything here takes, so that a test fails and does not hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// The guest `streams` with an endpoint for each of its moods.
fn bundle() -> BundleBuilder {
    let bundle = BundleBuilder::new("com.example.streams", "1.0.0");
    let bundle = bundle.component(guests::proxy("streams")).endpoint("GET", "/much/:n");
    let gets = ["/ticks", "/idle", "/breaks", "/short", "/announced", "/pauses", "/refuses"];
    let gets = gets.into_iter().chain(["/done", "/nothing", "/zero"]);
    let bundle = gets.fold(bundle, |bundle, path| bundle.endpoint("GET", path));
    ["/echo", "/counts", "/quits", "/loops"]
        .into_iter()
        .fold(bundle, |bundle, path| bundle.endpoint("POST", path))
}

async fn streaming(change: impl FnOnce(&mut Config)) -> TestApp {
    let app = TestApp::start_with(change).await;
    app.install(&bundle()).await;
    app
}

async fn open(app: &TestApp, path: &str) -> Response<Body> {
    app.call(Method::GET, &format!("{BASE}{path}")).open().await
}

async fn post(app: &TestApp, path: &str, body: impl Into<Body>) -> Response<Body> {
    app.call(Method::POST, &format!("{BASE}{path}")).body(body).open().await
}

/// The next piece of a body; `None` at a good end, an error at a bad one.
async fn next(body: &mut Body) -> Option<Result<Bytes, axum::Error>> {
    let frame = timeout(PATIENCE, body.frame()).await.expect("nothing came");
    frame.map(|frame| frame.map(|frame| frame.into_data().unwrap()))
}

/// All of a body, and whether it ended well.
async fn read(mut body: Body) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    loop {
        match next(&mut body).await {
            Some(Ok(piece)) => bytes.extend_from_slice(&piece),
            Some(Err(_)) => return (bytes, false),
            None => return (bytes, true),
        }
    }
}

/// A body without a length, and what its sender writes to.
fn growing() -> (mpsc::Sender<Bytes>, Body) {
    let (sender, pieces) = mpsc::channel(1);
    let pieces = stream::unfold(pieces, async |mut pieces: mpsc::Receiver<Bytes>| {
        pieces.recv().await.map(|piece| (Ok::<_, io::Error>(piece), pieces))
    });
    (sender, Body::from_stream(pieces))
}

/// Waits for a slot that is about to be given back.
async fn answers_again(app: &TestApp) -> bool {
    for _ in 0..200 {
        if open(app, "/refuses").await.status() == StatusCode::OK {
            return true;
        }
        sleep(Duration::from_millis(20)).await;
    }
    false
}

fn one_slot(config: &mut Config) {
    config.runner.slots_per_install = 1;
    config.runner.queue_ms = 0;
}

#[tokio::test]
async fn an_event_stream_arrives_while_the_guest_still_runs() {
    let app = streaming(|_| ()).await;

    let answer = open(&app, "/ticks").await;

    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    assert_eq!(answer.headers()["cache-control"], "private, no-store");
    assert_eq!(answer.headers()["x-accel-buffering"], "no");
    let mut body = answer.into_body();
    for _ in 0..3 {
        assert_eq!(next(&mut body).await.unwrap().unwrap(), "data\n\n");
    }
}

#[tokio::test]
async fn an_upload_is_echoed_while_it_is_being_sent() {
    let app = streaming(|_| ()).await;
    let (sender, upload) = growing();

    let mut body = post(&app, "/echo", upload).await.into_body();

    for piece in ["one", "two", "three"] {
        sender.send(piece.into()).await.unwrap();
        assert_eq!(next(&mut body).await.unwrap().unwrap(), piece);
    }
    drop(sender);
    assert!(next(&mut body).await.is_none());
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_execution_and_frees_its_slot() {
    let app = streaming(one_slot).await;
    let mut body = open(&app, "/ticks").await.into_body();
    next(&mut body).await.unwrap().unwrap();

    let meanwhile = open(&app, "/refuses").await.status();
    drop(body);

    assert_eq!(meanwhile, StatusCode::TOO_MANY_REQUESTS, "the slot is held by the stream");
    assert!(answers_again(&app).await, "the slot is still held");
}

#[tokio::test]
async fn a_client_that_goes_away_before_the_answer_frees_its_slot_too() {
    let app = streaming(one_slot).await;

    let left = timeout(Duration::from_millis(100), open(&app, "/pauses")).await;

    assert!(left.is_err());
    assert!(answers_again(&app).await, "the slot is still held");
}

#[tokio::test]
async fn a_guest_that_traps_after_its_headers_breaks_the_body_off() {
    let app = streaming(one_slot).await;

    let answer = open(&app, "/breaks").await;

    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(read(answer.into_body()).await, (b"data\n\n".to_vec(), false));
    assert!(answers_again(&app).await, "the slot is still held");
}

#[tokio::test]
async fn a_body_shorter_than_announced_breaks_off() {
    let app = streaming(|_| ()).await;

    let answer = open(&app, "/short").await;

    assert_eq!(answer.body().size_hint().exact(), Some(10));
    assert_eq!(read(answer.into_body()).await, (b"data\n\n".to_vec(), false));
}

#[tokio::test]
async fn a_client_has_not_all_of_an_answer_before_the_guest_has_returned() {
    let app = streaming(|_| ()).await;

    let (bytes, ended_well) = read(open(&app, "/announced").await.into_body()).await;

    assert!(!ended_well, "the guest trapped behind its last byte");
    assert!(bytes.len() < 6, "{bytes:?}");
}

#[tokio::test]
async fn a_client_has_no_answer_without_a_body_before_the_guest_has_returned() {
    let app = streaming(|_| ()).await;

    let done = open(&app, "/done").await;

    assert_eq!(done.status(), StatusCode::NO_CONTENT);
    for path in ["/nothing", "/zero"] {
        let failed = open(&app, path).await;
        assert_eq!(failed.status(), StatusCode::BAD_GATEWAY, "the guest of {path} trapped");
    }
}

#[tokio::test]
async fn an_answer_that_is_complete_at_once_has_a_length() {
    let app = streaming(|_| ()).await;

    let answer = open(&app, "/refuses").await;

    assert_eq!(answer.body().size_hint().exact(), Some(6));
    assert_eq!(read(answer.into_body()).await, (b"data\n\n".to_vec(), true));
}

#[tokio::test]
async fn a_large_answer_arrives_whole() {
    let app = streaming(|_| ()).await;

    let (bytes, ended_well) = read(open(&app, "/much/40").await.into_body()).await;

    assert_eq!((bytes.len(), ended_well), (40 * 64 * 1024, true));
}

#[tokio::test]
async fn head_of_a_stream_has_no_body_and_keeps_no_slot() {
    let app = streaming(one_slot).await;

    let ticks = app.call(Method::HEAD, &format!("{BASE}/ticks")).open().await;
    assert!(!ticks.headers().contains_key("content-length"), "{:?}", ticks.headers());
    let ticks = (ticks.status(), read(ticks.into_body()).await.0.len());
    let free = answers_again(&app).await;
    let short = app.call(Method::HEAD, &format!("{BASE}/short")).open().await;

    assert_eq!(ticks, (StatusCode::OK, 0));
    assert!(free, "the slot is still held");
    assert_eq!(short.headers()["content-length"], "10");
}
