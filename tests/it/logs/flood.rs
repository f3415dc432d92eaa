//! A guest that writes without end: what of it is kept, and that all of it is counted.
//!
//! `PLUGBOARD_TEST_ROUNDS=40` writes a million lines.

use std::collections::HashMap;
use std::time::Instant;

use super::*;
use crate::support::{note, rounds};

/// Executions of a round, with 5,000 lines each.
const EXECUTIONS: u64 = 5;
const LINES: u64 = 5_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_lines_is_counted_to_the_line_and_kept_within_bounds() {
    let app = TestApp::start().await;
    let bundle = BundleBuilder::new("com.example.floods", "1.0.0")
        .component(guests::extension("floods_log"))
        .endpoint("GET", "/a");
    let id = app.install(&bundle).await;
    let executions = EXECUTIONS * u64::from(rounds());

    for number in 0..executions {
        let call = app.call(Method::GET, "/api/ext/com.example.floods/a");
        let answer = call.header("x-request-id", &format!("r-{number}")).send().await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    }
    app.app.guest_logs.settle().await;

    let counts = app.app.guest_logs.counts();
    let total = counts.kept + counts.over_limit + counts.queue_full + counts.not_written;
    assert_eq!(total, executions * LINES, "{counts:?}");
    let (kept, dropped, by_request) = all(&app, &id).await;
    assert_eq!((kept, kept + dropped), (counts.kept, total), "a line says what is not there");
    for (request, (lines, bytes)) in by_request {
        assert!(lines <= 100 && bytes <= 64 * 1024, "{request}: {lines} lines, {bytes} bytes");
    }
    let started = Instant::now();
    app.get(&format!("/api/v1/installs/{id}/logs?level=error")).await;
    let looked = started.elapsed();
    app.add_operator("ada").await;
    let cookie = app.session().await;
    let started = Instant::now();
    let page = app.call(Method::GET, "/admin/extensions/com.example.floods/logs");
    let page = page.session(&cookie).send().await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    let shown = started.elapsed();
    note(&format!(
        "{total} lines, {kept} kept; all looked through in {looked:?}, the page in {shown:?}"
    ));
}

/// Lines that are kept, the number of those that are not, and lines and bytes by request.
async fn all(app: &TestApp, id: &str) -> (u64, u64, HashMap<String, (u64, usize)>) {
    let (mut kept, mut dropped, mut by_request) = (0, 0, HashMap::new());
    let mut after = 0;
    loop {
        let path = format!("/api/v1/installs/{id}/logs?limit=1000&after={after}");
        let page = app.get(&path).await.json();
        assert_eq!(page["missing"], 0, "the ring has room for all that may be kept");
        for line in page["lines"].as_array().unwrap() {
            after = line["seq"].as_u64().unwrap();
            dropped += line["dropped"].as_u64().unwrap_or_default();
            if line.get("dropped").is_none() {
                kept += 1;
                let request = line["request_id"].as_str().unwrap().to_owned();
                let (lines, bytes) = by_request.entry(request).or_insert((0, 0));
                *lines += 1;
                *bytes += line["message"].as_str().unwrap().len();
            }
        }
        if page["has_more"] == false {
            return (kept, dropped, by_request);
        }
    }
}

#[tokio::test]
async fn the_metrics_say_what_became_of_lines() {
    let stage = Stage::new().await;
    stage.say("i", "one").await;
    stage.read("").await;

    let metrics = stage.app.get("/metrics").await.text();

    for line in [
        "plugboard_extension_log_lines_total{outcome=\"kept\"} 1",
        "plugboard_extension_log_lines_total{outcome=\"queue_full\"} 0",
        "plugboard_extension_log_followers 0",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}
