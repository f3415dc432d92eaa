//! Collectors that are down, slow, or take nothing: no call notices.

use std::time::Duration;

use plugboard::traces::SpanCounts;

use super::lines::Log;
use super::*;
use crate::support::internet::{Script, Server};

/// Longer than any test takes: what waits so long would be seen.
const AGES: Duration = Duration::from_hours(1);

async fn counted(app: &TestApp) -> Value {
    let text = app.get("/metrics").await.text();
    let values = text.lines().filter_map(|line| {
        let (name, value) =
            line.strip_prefix("plugboard_spans_total{outcome=\"")?.split_once("\"} ")?;
        Some((name.to_owned(), json!(value.parse::<u64>().unwrap())))
    });
    Value::Object(values.collect())
}

#[tokio::test]
async fn what_became_of_spans_is_counted() {
    let taking = Collector::start().await;
    let app = taking.app(|_| ()).await;
    app.install(&bundle("echoes")).await;
    call(&app, None).await;
    call(&app, None).await;

    app.app.traces.flush().await;

    assert_eq!(
        counted(&app).await,
        json!({"exported": 2, "left_out": 0, "queue_full": 0, "refused": 0})
    );
    assert_eq!(counted(&TestApp::start().await).await, json!({}));
}

#[tokio::test]
async fn spans_that_a_collector_refuses_are_dropped_and_counted() {
    for (collector, refused) in [
        (Collector::rejecting(1).await, 1),
        // More than there were.
        (Collector::rejecting(i64::MAX).await, 2),
        (Collector::rejecting(-1).await, 0),
        (Collector::answering(401, b"no").await, 2),
        (Collector::answering(500, b"").await, 2),
    ] {
        let app = collector.app(|_| ()).await;
        app.install(&bundle("echoes")).await;
        call(&app, None).await;
        call(&app, None).await;

        app.app.traces.flush().await;

        let counts = app.app.traces.counts().unwrap();
        assert_eq!((counts.exported, counts.refused), (2 - refused, refused));
        assert_eq!(collector.0.connections(), 1, "it was tried again");
    }
}

#[tokio::test]
async fn a_stop_tries_once_more_and_does_not_wait_through_pauses() {
    let collector = Collector::answering(503, b"").await;
    let app = collector.app(|_| ()).await;
    app.install(&bundle("echoes")).await;
    call(&app, None).await;
    let pausing = tokio::spawn({
        let traces = app.app.traces.clone();
        async move { traces.flush().await }
    });
    while collector.0.connections() == 0 {
        tokio::task::yield_now().await;
    }

    app.app.traces.finish(AGES).await;
    pausing.await.unwrap();

    assert_eq!(app.app.traces.counts().unwrap().refused, 1);
    assert!(collector.0.connections() <= 2, "{}", collector.0.connections());
}

#[tokio::test]
async fn with_a_collector_that_is_away_calls_are_answered_and_a_stop_is_quick() {
    let address = Server::start_at("127.0.0.1:0", Script::Hang(Vec::new())).await.address;
    let app = TestApp::start_with(|config| {
        config.telemetry.otlp.endpoint = format!("http://{address}");
    })
    .await;
    app.install(&bundle("echoes")).await;

    for _ in 0..10 {
        assert_eq!(call(&app, None).await.status, 200);
    }
    app.app.traces.finish(AGES).await;

    assert_eq!(app.app.traces.counts().unwrap().refused, 10);
}

#[tokio::test]
async fn with_a_collector_that_hangs_calls_are_answered_and_a_stop_waits_no_longer_than_it_may() {
    let server = Server::start_at("127.0.0.1:0", Script::Hang(Vec::new())).await;
    let app = TestApp::start_with(|config| {
        config.telemetry.otlp.endpoint = format!("http://{}", server.address);
        config.telemetry.otlp.timeout_ms = 60_000;
    })
    .await;
    app.install(&bundle("echoes")).await;

    for _ in 0..10 {
        assert_eq!(call(&app, None).await.status, 200);
    }
    app.app.traces.finish(Duration::from_millis(1)).await;

    assert_eq!(app.app.traces.counts(), Some(SpanCounts::default()));
}

#[tokio::test]
async fn a_collector_that_takes_nothing_is_one_line_in_the_log_without_what_it_is_sent() {
    let collector = Collector::answering(401, b"answer-of-it").await;
    let app = collector
        .app(|config| config.telemetry.otlp.headers = "authorization=hunter2".to_owned().into())
        .await;
    app.install(&bundle("echoes")).await;
    let (log, _heard) = Log::begin();

    for _ in 0..3 {
        call(&app, None).await;
        app.app.traces.flush().await;
    }

    let text = log.text();
    let lines: Vec<_> = text.lines().filter(|line| line.contains("collector")).collect();
    let [line] = &lines[..] else { panic!("{text}") };
    assert!(line.ends_with("takes no spans, and they are dropped: it answered 401 Unauthorized"));
    assert!(!text.contains("hunter2") && !text.contains("answer-of-it"), "{text}");
    assert_eq!(app.app.traces.counts().unwrap().refused, 3);
}
