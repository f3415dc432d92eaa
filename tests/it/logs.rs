//! The lines of extensions: kept, read again, followed, and whose they are.

mod debug_stream;
mod flood;
mod following;
mod page;

use std::ops::Range;
use std::sync::Arc;

use axum::http::{Method, StatusCode};
use plugboard::config::Config;
use plugboard::guest_logs::{Level, NewLine, Source};
use serde_json::{Value, json};

use crate::support::bundle_builder::BundleBuilder;
use crate::support::guests;
use crate::support::test_app::{ALL_SCOPES, TestApp};

const NAME: &str = "com.example.says";

fn bundle(version: &str) -> BundleBuilder {
    ["i", "w", "e", "o", "r"].into_iter().fold(
        BundleBuilder::new(NAME, version).component(guests::wasi_extension("says")),
        |bundle, does| bundle.endpoint("POST", &format!("/{does}")),
    )
}

/// An appliance with an extension that says what it is told, and the path of its lines.
struct Stage {
    app: TestApp,
    id: String,
    path: String,
}

impl Stage {
    async fn new() -> Self {
        Self::with(|_| ()).await
    }

    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let app = TestApp::start_with(change).await;
        let id = app.install(&bundle("1.0.0")).await;
        let path = format!("/api/v1/installs/{id}/logs");
        Self { app, id, path }
    }

    /// Has the guest write `text` where `does` says.
    async fn say(&self, does: &str, text: &str) {
        self.say_as(does, text, "request-1").await;
    }

    async fn say_as(&self, does: &str, text: &str, request: &str) {
        let call = self.app.call(Method::POST, &format!("/api/ext/{NAME}/{does}"));
        let answer = call.header("x-request-id", request).body(text.to_owned()).send().await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    }

    /// Keeps lines without a guest, which may write only so many a second.
    async fn keep(&self, numbers: Range<i64>, message: impl Fn(&i64) -> String) {
        let id = self.id.parse().unwrap();
        let live = self.app.app.get_install(&self.app.principal(), id).unwrap();
        for number in numbers {
            self.app.app.guest_logs.keep(NewLine {
                install: Arc::clone(&live.labels),
                content_hash: live.install.content_hash,
                request_id: "r".into(),
                time_ms: number,
                level: Level::Info,
                source: Source::Log,
                message: message(&number),
                truncated: false,
                dropped: 0,
            });
        }
        self.app.app.guest_logs.settle().await;
    }

    async fn read(&self, query: &str) -> Value {
        let answer = self.app.get(&format!("{}{query}", self.path)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        answer.json()
    }

    async fn messages(&self, query: &str) -> Vec<String> {
        let lines = self.read(query).await;
        let lines = lines["lines"].as_array().unwrap();
        lines.iter().map(|line| line["message"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn a_line_is_read_with_all_that_is_known_of_it() {
    let stage = Stage::new().await;

    stage.say("w", "careful\n").await;

    let read = stage.read("").await;
    let hash = stage.app.content_hash(&bundle("1.0.0")).to_string();
    assert_eq!(
        read["lines"][0],
        json!({
            "seq": 1,
            "at": "2026-09-21T14:13:20Z",
            "time_ms": 1_790_000_000_000_i64,
            "level": "warn",
            "stream": "log",
            "tenant": "default",
            "extension": NAME,
            "install": stage.id,
            "version": "1.0.0",
            "content_hash": hash,
            "request_id": "request-1",
            "message": "careful",
            "truncated": false,
        })
    );
    assert_eq!((&read["has_more"], &read["last_seq"]), (&json!(false), &json!(1)));
    assert_eq!((&read["missing"], &read["kept"]), (&json!(0), &json!(true)));
}

#[tokio::test]
async fn lines_are_found_by_level_stream_request_and_text() {
    let stage = Stage::new().await;
    for (does, request) in [("i", "a-1"), ("w", "a-2"), ("e", "b-1"), ("o", "b-2"), ("r", "b-3")] {
        stage.say_as(does, &format!("Said {does}"), request).await;
    }

    assert_eq!(stage.messages("").await, ["Said i", "Said w", "Said e", "Said o", "Said r"]);
    assert_eq!(stage.messages("?level=warn").await, ["Said w", "Said e", "Said r"]);
    assert_eq!(stage.messages("?stream=stdout").await, ["Said o"]);
    assert_eq!(stage.messages("?stream=stderr&level=").await, ["Said r"]);
    assert_eq!(stage.messages("?request=b-&limit=1").await, ["Said r"]);
    assert_eq!(stage.messages("?text=said%20I").await, ["Said i"]);
    assert_eq!(stage.messages("?before=3&limit=1").await, ["Said w"]);
    assert_eq!(stage.messages("?after=3&limit=1").await, ["Said o"]);
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_with_all_that_is_wrong() {
    let stage = Stage::new().await;

    let answer = stage.app.get(&format!("{}?level=loud&limit=0", stage.path)).await;
    let unknown = stage.app.get(&format!("{}?loud=1", stage.path)).await;
    let before = stage.app.get(&format!("{}?follow=true&before=7", stage.path)).await;

    assert_eq!(
        (answer.status, answer.code()),
        (StatusCode::BAD_REQUEST, "malformed_request".into())
    );
    assert_eq!(
        answer.json()["detail"],
        "`level`: it is one of info, warn, error; `limit`: it is a number from 1 to 1000"
    );
    assert_eq!((unknown.status, before.status), (StatusCode::BAD_REQUEST, StatusCode::BAD_REQUEST));
}

#[tokio::test]
async fn a_line_of_a_guest_forges_no_other() {
    let stage = Stage::new().await;
    let hostile = "a\r\n{\"seq\":9,\"ms\":0,\"level\":\"error\",\"stream\":\"log\",\"request\":\"\",\
        \"message\":\"forged\"}\n\u{1b}[2J\u{202e}b";

    stage.say("e", hostile).await;
    stage.say("o", hostile).await;

    let messages = stage.messages("").await;
    let log = "a\\r\\n{\"seq\":9,\"ms\":0,\"level\":\"error\",\"stream\":\"log\",\"request\":\"\",\
        \"message\":\"forged\"}\\n\\u{1b}[2J\\u{202e}b";
    // Standard output has lines of its own: three, which say what they are.
    assert_eq!((messages.len(), messages[0].as_str()), (4, log));
    let read = stage.read("").await;
    let lines = read["lines"].as_array().unwrap();
    assert!(lines[1..].iter().all(|line| line["stream"] == "stdout" && line["level"] == "info"));
    assert!(lines.iter().all(|line| line["request_id"] == "request-1"), "{read}");
}

#[tokio::test]
async fn a_long_line_says_that_it_is_cut() {
    let stage = Stage::new().await;

    stage.say("i", &"x".repeat(5_000)).await;

    let read = stage.read("").await;
    assert_eq!(read["lines"][0]["truncated"], true);
    assert_eq!(read["lines"][0]["message"].as_str().unwrap().len(), 4_096);
}

#[tokio::test]
async fn lines_are_those_of_a_tenant_and_of_nobody_else() {
    let stage = Stage::new().await;
    stage.say("i", "for the default tenant").await;
    let other = stage.app.make_token("other", &ALL_SCOPES).await;
    let reader = stage.app.make_token("default", &["install:read"]).await;
    let publisher = stage.app.make_token("default", &["bundle:publish"]).await;

    for query in ["", "?follow=true"] {
        let path = format!("{}{query}", stage.path);
        let call = |token: &str| stage.app.call(Method::GET, &path).token(token);
        let answer = call(&other).send().await;
        assert_eq!((answer.status, answer.code()), (StatusCode::NOT_FOUND, "not_installed".into()));
        assert_eq!(call(&publisher).send().await.status, StatusCode::FORBIDDEN);
        let anonymous = stage.app.call(Method::GET, &path).anonymous().send().await;
        assert_eq!(anonymous.status, StatusCode::UNAUTHORIZED);
        assert_eq!(call(&reader).open().await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn lines_go_when_the_extension_is_uninstalled() {
    let stage = Stage::new().await;
    stage.say("i", "gone").await;
    stage.read("").await;
    let ring = stage.app.app.data_dir.join("logs").join(&stage.id);
    assert!(ring.exists());

    let removed = stage.app.call(Method::DELETE, &format!("/api/v1/installs/{}", stage.id));
    assert!(removed.send().await.status.is_success());

    assert!(!ring.exists());
    assert_eq!(stage.app.get(&stage.path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_a_late_execution_left_is_swept() {
    let stage = Stage::new().await;
    stage.say("i", "stays").await;
    stage.read("").await;
    let logs = stage.app.app.data_dir.join("logs");
    let left = logs.join(plugboard::model::InstallId::random().to_string());
    std::fs::create_dir(&left).unwrap();

    stage.app.app.sweep().await.unwrap();

    assert!(!left.exists());
    assert_eq!(stage.messages("").await, ["stays"]);
}

#[tokio::test]
async fn nothing_is_kept_where_the_setting_is_zero() {
    let stage = Stage::with(|config| config.logs.bytes_per_install = 0).await;

    stage.say("i", "to the log of the appliance only").await;

    let read = stage.read("").await;
    assert_eq!((&read["lines"], &read["kept"]), (&json!([]), &json!(false)));
    assert!(!stage.app.app.data_dir.join("logs").exists());
}

#[tokio::test]
async fn no_secret_that_was_read_is_in_a_kept_line_or_its_file() {
    const CANARY: &str = "CANARY-6b1f0e";
    let app = TestApp::start().await;
    let bundle = BundleBuilder::new("com.example.confides", "1.0.0")
        .component(guests::wasi_extension("confides"))
        .capabilities(&["cap:secrets.get"])
        .endpoint("GET", "/l")
        .endpoint("GET", "/e");
    let id = app.install(&bundle).await;
    let set = app.call(Method::PUT, &format!("/api/v1/installs/{id}/secrets/api_key"));
    set.json(json!({ "value": CANARY })).send().await;

    app.get("/api/ext/com.example.confides/l").await;
    app.get("/api/ext/com.example.confides/e").await;

    let read = app.get(&format!("/api/v1/installs/{id}/logs")).await.text();
    assert!(read.matches("[secret]").count() >= 3 && !read.contains(CANARY), "{read}");
    let folder = app.app.data_dir.join("logs").join(&id);
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(!text.contains(CANARY), "{text}");
    }
}
