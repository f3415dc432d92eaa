//! Lines as they come.

use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt;

use super::*;
use crate::support::test_app::local;

const PATIENCE: Duration = Duration::from_secs(20);

/// A stream of events that is read.
pub(super) struct Listening {
    body: Body,
    text: String,
}

impl Listening {
    pub(super) async fn to(app: &TestApp, path: &str) -> Self {
        let answer = app.call(Method::GET, path).header("accept", "text/event-stream").open().await;
        assert_eq!(answer.status(), StatusCode::OK);
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), "text/event-stream");
        assert_eq!(header("cache-control"), "no-cache, no-transform");
        Self { body: answer.into_body(), text: String::new() }
    }

    /// The next event that is no comment; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<String> {
        loop {
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                if !event.starts_with(':') {
                    return Some(event);
                }
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame()).await;
            let frame = frame.expect("something comes")?.unwrap();
            self.text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
        }
    }

    /// The message of the next event, which is a line.
    async fn message(&mut self) -> String {
        let event = self.next().await.unwrap();
        let data = event.split_once("data: ").expect("it is a line").1;
        serde_json::from_str::<Value>(data).unwrap()["message"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn the_last_lines_come_and_then_those_that_are_written() {
    let stage = Stage::new().await;
    for text in ["one", "two", "three"] {
        stage.say("i", text).await;
    }

    let mut listening = Listening::to(&stage.app, &format!("{}?limit=2", stage.path)).await;
    let first = listening.next().await.unwrap();
    assert!(first.starts_with("id: 2\ndata: {\"seq\":2,") || first.starts_with("id: 2\ndata: {"));
    assert_eq!(listening.message().await, "three");
    stage.say("i", "four").await;

    assert_eq!(listening.message().await, "four");
}

#[tokio::test]
async fn who_connects_again_goes_on_where_it_was() {
    let stage = Stage::new().await;
    for number in 1..=5 {
        stage.say("i", &number.to_string()).await;
    }

    let mut by_query = Listening::to(&stage.app, &format!("{}?after=3", stage.path)).await;
    let again = stage.app.call(Method::GET, &format!("{}?follow=true&after=1", stage.path));
    let again = again.header("last-event-id", "4").open().await;
    let mut by_header = Listening { body: again.into_body(), text: String::new() };

    assert_eq!(by_query.message().await, "4");
    assert_eq!(by_query.message().await, "5");
    assert_eq!(by_header.message().await, "5");
}

#[tokio::test]
async fn a_follower_hears_only_what_it_asked_for() {
    let stage = Stage::new().await;
    stage.say("i", "quiet").await;
    let mut listening =
        Listening::to(&stage.app, &format!("{}?level=error&stream=log", stage.path)).await;
    // What is read from the disk is read by the first event.
    stage.say("e", "loud").await;
    assert_eq!(listening.message().await, "loud");

    stage.say("i", "quiet").await;
    stage.say("r", "quiet").await;
    stage.say("e", "louder").await;

    assert_eq!(listening.message().await, "louder");
}

#[tokio::test]
async fn a_slow_follower_is_told_how_many_lines_it_missed() {
    let stage = Stage::new().await;
    let mut listening = Listening::to(&stage.app, &stage.path).await;
    stage.say("i", "first").await;
    assert_eq!(listening.message().await, "first");
    stage.keep(0..1_000, i64::to_string).await;

    let missed = listening.next().await.unwrap();

    let lines = missed.strip_prefix("event: missed\ndata: {\"lines\":").unwrap();
    let lines: usize = lines.trim_end_matches('}').parse().unwrap();
    let mut heard = 0;
    while listening.message().await != "999" {
        heard += 1;
    }
    assert_eq!(lines + heard + 1, 1_000);
}

#[tokio::test]
async fn a_stream_ends_with_the_install_and_with_the_appliance() {
    let stage = Stage::new().await;
    let mut uninstalled = Listening::to(&stage.app, &stage.path).await;
    stage.say("i", "heard").await;
    assert_eq!(uninstalled.message().await, "heard");
    let other = BundleBuilder::new("com.example.other", "1.0.0")
        .component(guests::extension("answers"))
        .endpoint("GET", "/a");
    let other = stage.app.install(&other).await;
    let mut stopped = Listening::to(&stage.app, &format!("/api/v1/installs/{other}/logs")).await;

    stage.app.call(Method::DELETE, &format!("/api/v1/installs/{}", stage.id)).send().await;
    let end = uninstalled.next().await.unwrap();
    stage.app.app.guest_logs.end_followers();

    assert_eq!(end, "event: end\ndata: {\"reason\":\"uninstalled\"}");
    assert_eq!(uninstalled.next().await, None);
    assert_eq!(stopped.next().await.unwrap(), "event: end\ndata: {\"reason\":\"stopping\"}");
    assert_eq!(stopped.next().await, None);
}

#[tokio::test]
async fn a_follower_hears_nothing_more_once_its_token_is_revoked_or_its_session_is_over() {
    let stage = Stage::new().await;
    stage.app.add_operator("ada").await;
    let (token, cookie) =
        (stage.app.make_token("default", &["install:read"]).await, stage.app.session().await);
    let path = format!("{}?follow=true", stage.path);
    let call = || stage.app.call(Method::GET, &path);
    let by_token = call().token(&token).open().await;
    let by_session = call().session(&cookie).open().await;
    let mut streams = [by_token, by_session].map(|answer| {
        assert_eq!(answer.status(), StatusCode::OK);
        Listening { body: answer.into_body(), text: String::new() }
    });
    stage.say("i", "for both").await;
    for stream in &mut streams {
        assert_eq!(stream.message().await, "for both");
    }

    let id = stage.app.app.authenticate_token(&token).unwrap().id.to_string();
    stage.app.app.revoke_token(&local(), &id).await.unwrap();
    stage.app.clock.advance(31 * 60);
    stage.say("i", "for nobody").await;

    for stream in &mut streams {
        let end = "event: end\ndata: {\"reason\":\"not_allowed\"}";
        assert_eq!(stream.next().await.as_deref(), Some(end));
        assert_eq!(stream.next().await, None);
    }
}

#[tokio::test]
async fn who_still_reads_what_is_on_disk_is_ended_within_a_page() {
    let stage = Stage::new().await;
    stage.keep(0..1_000, i64::to_string).await;
    let token = stage.app.make_token("default", &["install:read"]).await;
    let path = format!("{}?follow=true&after=1", stage.path);
    let revoked = stage.app.call(Method::GET, &path).token(&token).open().await;
    let mut revoked = Listening { body: revoked.into_body(), text: String::new() };
    let mut stopped = Listening::to(&stage.app, &path).await;
    assert_eq!((revoked.message().await, stopped.message().await), ("1".into(), "1".into()));

    let id = stage.app.app.authenticate_token(&token).unwrap().id.to_string();
    stage.app.app.revoke_token(&local(), &id).await.unwrap();
    stage.app.app.guest_logs.end_followers();

    for (stream, reason) in [(&mut revoked, "not_allowed"), (&mut stopped, "stopping")] {
        let (mut lines, end) = (1, format!("event: end\ndata: {{\"reason\":\"{reason}\"}}"));
        loop {
            let event = stream.next().await.expect("the end is told");
            if event == end {
                break;
            }
            lines += 1;
            assert!(lines <= 200, "{event}");
        }
        assert_eq!(stream.next().await, None);
    }
}

#[tokio::test]
async fn only_so_many_follow_and_a_seat_comes_back() {
    let stage = Stage::with(|config| config.logs.followers_per_tenant = 1).await;
    let path = format!("{}?follow=true", stage.path);
    let first = Listening::to(&stage.app, &path).await;

    let second = stage.app.get(&path).await;
    drop(first);
    let third = stage.app.call(Method::GET, &path).open().await;

    assert_eq!(second.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!((second.code(), second.header("retry-after")), ("too_many_followers".into(), "10"));
    assert_eq!(third.status(), StatusCode::OK);
}
