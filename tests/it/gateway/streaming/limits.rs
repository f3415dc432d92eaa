//! Bytes, time and idleness of streams.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::*;
use crate::support::announced_body::announced;

fn chunks(count: usize) -> Body {
    let chunk = |_| Ok::<_, io::Error>(Bytes::from_static(&[b'x'; 1_000]));
    Body::from_stream(stream::iter((0..count).map(chunk)))
}

async fn problem(answer: Response<Body>) -> (u16, Value) {
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&read(answer.into_body()).await.0).unwrap())
}

#[tokio::test]
async fn an_answer_over_the_limit_breaks_off_and_one_at_the_limit_does_not() {
    let app = streaming(|config| config.gateway.max_response_bytes = 3 * 64 * 1024).await;

    let (within, ended_well) = read(open(&app, "/much/3").await.into_body()).await;
    let (beyond, ended_badly) = read(open(&app, "/much/4").await.into_body()).await;

    assert_eq!((within.len(), ended_well), (3 * 64 * 1024, true));
    assert!(beyond.len() <= 3 * 64 * 1024 && !ended_badly);
}

#[tokio::test]
async fn an_answer_announced_over_the_limit_is_refused_before_it_begins() {
    let app = streaming(|config| config.gateway.max_response_bytes = 9).await;

    let (status, problem) = problem(open(&app, "/short").await).await;

    assert_eq!((status, problem["code"].as_str()), (502, Some("extension_failed")));
}

#[tokio::test]
async fn an_upload_announced_over_the_limit_is_refused_before_the_guest_runs() {
    let app = streaming(|config| {
        one_slot(config);
        config.gateway.max_body_bytes = 100_000;
    });
    let app = app.await;
    let held = open(&app, "/ticks").await;

    let (status, problem) = problem(post(&app, "/echo", announced(100_001)).await).await;

    // Had it got as far as the guest, it would have been told that no slot is free.
    assert_eq!((status, problem["code"].as_str()), (413, Some("too_large")));
    assert_eq!(problem["limit_bytes"], 100_000);
    drop(held);
}

#[tokio::test]
async fn a_short_body_is_read_before_a_slot_is_taken() {
    let app = streaming(one_slot).await;
    let held = open(&app, "/ticks").await;

    let short = timeout(Duration::from_millis(200), post(&app, "/counts", announced(65_536))).await;
    let long = post(&app, "/counts", announced(65_537)).await;

    assert!(short.is_err(), "nothing of it came, and something was answered");
    assert_eq!(long.status(), StatusCode::TOO_MANY_REQUESTS);
    drop(held);
}

#[tokio::test]
async fn an_upload_that_grows_over_the_limit_is_refused_while_nothing_is_answered() {
    let app = streaming(|config| config.gateway.max_body_bytes = 100_000).await;

    let fits = read(post(&app, "/counts", chunks(100)).await.into_body()).await;
    let (status, problem) = problem(post(&app, "/counts", chunks(101)).await).await;

    assert_eq!(fits, (100_000_u64.to_le_bytes().to_vec(), true));
    assert_eq!((status, problem["code"].as_str()), (413, Some("too_large")));
    assert_eq!(problem["limit_bytes"], 100_000);
}

#[tokio::test]
async fn an_upload_that_grows_over_the_limit_later_is_an_error_for_the_guest() {
    let app = streaming(|config| config.gateway.max_body_bytes = 100_000).await;

    let answer = post(&app, "/echo", chunks(101)).await;

    // The guest traps when it cannot read on.
    assert_eq!(answer.status(), StatusCode::OK);
    let (echoed, ended_well) = read(answer.into_body()).await;
    assert!(echoed.len() <= 100_000 && !ended_well, "{}", echoed.len());
}

#[tokio::test]
async fn a_stream_in_which_nothing_comes_is_ended() {
    let app = streaming(|config| {
        one_slot(config);
        config.gateway.stream_idle_timeout_ms = 100;
    });
    let app = app.await;

    let idle = read(open(&app, "/idle").await.into_body()).await;

    assert_eq!(idle, (b"data\n\n".to_vec(), false));
    assert!(answers_again(&app).await, "the slot is still held");
}

#[tokio::test]
async fn a_stream_that_goes_on_for_ever_is_ended() {
    let app = streaming(|config| config.gateway.stream_timeout_ms = 300).await;

    let (bytes, ended_well) = read(open(&app, "/ticks").await.into_body()).await;

    assert!(!bytes.is_empty() && !ended_well);
}

#[tokio::test]
async fn a_stream_nobody_reads_is_ended_too() {
    let app = streaming(|config| {
        one_slot(config);
        config.gateway.stream_timeout_ms = 300;
    });
    let app = app.await;

    let unread = open(&app, "/much/100").await;

    assert!(answers_again(&app).await, "the slot is still held");
    assert!(!read(unread.into_body()).await.1);
}

#[tokio::test]
async fn an_endpoint_can_lower_the_time_of_its_streams() {
    let app = TestApp::start().await;
    let lower = bundle().endpoint_with("GET", "/to/:n", &json!({"timeout_ms": 300}));
    app.install(&lower).await;

    let (bytes, ended_well) = read(open(&app, "/to/1").await.into_body()).await;

    assert!(!bytes.is_empty() && !ended_well);
}

#[tokio::test]
async fn the_time_a_client_takes_to_send_is_not_the_guests() {
    let app = streaming(|config| config.gateway.timeout_ms = 300).await;
    let (sender, upload) = growing();
    let slow = async move {
        for _ in 0..4 {
            sleep(Duration::from_millis(150)).await;
            sender.send(Bytes::from_static(b"x")).await.unwrap();
        }
    };

    let (answer, ()) = tokio::join!(post(&app, "/counts", upload), slow);
    let late = open(&app, "/pauses").await;

    assert_eq!(read(answer.into_body()).await.0, 4_u64.to_le_bytes());
    assert_eq!(problem(late).await.1["code"], "extension_timeout");
}

#[tokio::test]
async fn a_client_that_sends_nothing_waits_no_longer_than_a_stream_may_take() {
    let app = streaming(|config| {
        config.gateway.timeout_ms = 100;
        config.gateway.stream_timeout_ms = 400;
    });
    let app = app.await;
    let (_sender, upload) = growing();

    let (status, problem) = problem(post(&app, "/counts", upload).await).await;

    assert_eq!((status, problem["code"].as_str()), (504, Some("extension_timeout")));
    let detail = problem["detail"].as_str().unwrap();
    assert_eq!(detail, "the request body did not arrive within 400 ms");
}

/// How two calls of `path` ended that were answered 504, and what the guest answers then; the
/// breaker opens at two failures.
async fn after_two_late_ones(path: &str, stream_timeout_ms: u64) -> (Value, StatusCode) {
    let app = TestApp::start_with(|config| {
        config.gateway.timeout_ms = 300;
        config.gateway.stream_timeout_ms = stream_timeout_ms;
        config.runner.breaker_failures = 2;
    });
    let app = app.await;
    let id = app.install(&bundle()).await;
    for _ in 0..2 {
        let (_sender, upload) = growing();
        let late = post(&app, path, upload).await.status();
        assert_eq!(late, StatusCode::GATEWAY_TIMEOUT);
    }
    let outcomes = timeout(PATIENCE, both_ended(&app, &id)).await.expect("they go on");
    (outcomes, open(&app, "/refuses").await.status())
}

/// How the two executions of an install ended, once they have: a guest ends after its caller was
/// told.
async fn both_ended(app: &TestApp, id: &str) -> Value {
    loop {
        let usage = app.get(&format!("/api/v1/installs/{id}/usage")).await.json();
        let outcomes = &usage["minutes"][0]["outcomes"];
        let ended = outcomes.as_object().into_iter().flatten().filter_map(|(_, n)| n.as_u64());
        if ended.sum::<u64>() == 2 {
            return outcomes.clone();
        }
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn clients_that_send_slowly_are_no_failure_of_the_install() {
    for stream_timeout_ms in [300, 700] {
        let after = after_two_late_ones("/counts", stream_timeout_ms).await;

        assert_eq!(after, (json!({"caller": 2}), StatusCode::OK), "{stream_timeout_ms}");
    }
}

#[tokio::test]
async fn a_guest_that_takes_its_time_while_a_body_arrives_fails() {
    for (path, stream_timeout_ms) in [("/quits", 300), ("/quits", 700), ("/loops", 700)] {
        let after = after_two_late_ones(path, stream_timeout_ms).await;

        let left_alone = (json!({"deadline": 2}), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(after, left_alone, "{path} {stream_timeout_ms}");
    }
}

#[tokio::test]
async fn a_guest_that_asks_for_a_body_and_then_sleeps_has_its_own_deadline() {
    let app = streaming(|config| config.gateway.timeout_ms = 200).await;

    // Nothing of it ever comes.
    let answer = timeout(PATIENCE, post(&app, "/quits", announced(65_537))).await;

    let (status, problem) = problem(answer.expect("it waited for the client")).await;
    assert_eq!((status, problem["code"].as_str()), (504, Some("extension_timeout")));
}
