//! Operators, who export and purge what extensions keep.

use axum::http::{Method, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt;
use plugboard::model::{AuditAction, InstallId};
use plugboard::registry::installs;
use plugboard::registry::purges::{self, Purge};
use plugboard::state::values::{self, Facts, Import, Importing};
use serde_json::{Value, json};

use super::guests::{KEEPS, MISSING, call, keeping};
use crate::support::audit;
use crate::support::test_app::{ALL_SCOPES, Answer, TestApp};

const DAY: i64 = 24 * 60 * 60;

/// An appliance with the guest installed, and the address of what it keeps.
async fn started() -> (TestApp, String) {
    let app = TestApp::start().await;
    let id = app.install(&keeping(KEEPS)).await;
    (app, format!("/api/v1/installs/{id}"))
}

async fn delete(app: &TestApp, path: &str) -> Answer {
    app.call(Method::DELETE, path).send().await
}

fn lines(answer: &Answer) -> Vec<Value> {
    answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(super) async fn count(app: &TestApp, action: AuditAction) -> usize {
    let events = app.app.registry.read(|txn| audit::newest(txn, 1_000)).await.unwrap();
    events.iter().filter(|(_, event)| event.action == action).count()
}

#[tokio::test]
async fn all_that_is_kept_is_exported_a_line_each() {
    let (app, path) = started().await;
    call(&app, Method::POST, "b", b"\0binary").await;
    call(&app, Method::POST, "a", b"first").await;
    call(&app, Method::POST, "a", b"second").await;

    let export = app.get(&format!("{path}/state")).await;

    assert_eq!(export.header("content-type"), "application/jsonl");
    assert_eq!(export.header("cache-control"), "no-store");
    let at = "2026-09-21T14:13:20Z";
    let line = |key: &str, revision, value: &[u8]| {
        json!({"namespace": "n", "key": key, "revision": revision, "created_at": at,
            "updated_at": at, "value_base64": STANDARD.encode(value)})
    };
    assert_eq!(lines(&export), [line("/a?a", 2, b"second"), line("/a?b", 1, b"\0binary")]);
    assert_eq!(count(&app, AuditAction::StateExported).await, 1);
}

#[tokio::test]
async fn an_export_of_many_pages_is_whole() {
    let (app, path) = started().await;
    let id: InstallId = path.rsplit('/').next().unwrap().parse().unwrap();
    let labels = super::labels("default", id);
    let keys: Vec<_> = (1_000..1_700).map(|number| format!("k{number}")).collect();
    let (state, wanted) = (app.app.state.clone(), keys.clone());
    let fill = move || {
        for key in wanted {
            super::put(&state, &labels, &key, &[7; 4_000]).unwrap();
        }
    };
    tokio::task::spawn_blocking(fill).await.unwrap();

    let export = lines(&app.get(&format!("{path}/state")).await);

    let exported: Vec<_> = export.iter().map(|line| line["key"].as_str().unwrap()).collect();
    assert_eq!(exported, keys);
}

#[tokio::test]
async fn a_purge_says_what_it_removed_and_leaves_the_extension_running() {
    let (app, path) = started().await;
    call(&app, Method::POST, "k", b"value").await;

    let purged = delete(&app, &format!("{path}/state")).await;

    assert_eq!(purged.json(), json!({"keys": 1, "bytes": 1 + 4 + 5}));
    assert_eq!(call(&app, Method::GET, "k", b"").await.status, MISSING);
    assert_eq!(call(&app, Method::POST, "k", b"again").await.text(), "1");
    assert_eq!(count(&app, AuditAction::StatePurged).await, 1);
}

#[tokio::test]
async fn what_an_uninstalled_extension_kept_is_there_for_30_days() {
    let (app, path) = started().await;
    call(&app, Method::POST, "k", b"v").await;
    assert_eq!(delete(&app, &path).await.status, StatusCode::NO_CONTENT);

    app.clock.advance(30 * DAY - 1);
    app.app.sweep().await.unwrap();
    let listed = app.get("/api/v1/state").await.json();
    let export = app.get(&format!("{path}/state")).await;
    app.clock.advance(1);
    app.app.sweep().await.unwrap();

    let row = &listed["state"][0];
    assert_eq!((&row["extension"], &row["keys"]), (&json!(KEEPS), &json!(1)));
    assert_eq!(row["uninstalled_at"], "2026-09-21T14:13:20Z");
    assert_eq!(row["removed_at"], "2026-10-21T14:13:20Z");
    assert_eq!(lines(&export).len(), 1);
    let gone = app.get(&format!("{path}/state")).await;
    assert_eq!((gone.status, gone.code()), (StatusCode::NOT_FOUND, "not_installed".to_owned()));
    assert_eq!(count(&app, AuditAction::StatePurged).await, 1);
}

#[tokio::test]
async fn an_uninstall_with_purge_leaves_nothing() {
    let (app, path) = started().await;
    call(&app, Method::POST, "k", b"v").await;

    let uninstalled = delete(&app, &format!("{path}?purge=true")).await;

    assert_eq!(uninstalled.status, StatusCode::NO_CONTENT);
    assert_eq!(app.get("/api/v1/state").await.json()["state"], json!([]));
    assert_eq!(app.get(&format!("{path}/state")).await.text(), "");
    assert_eq!(count(&app, AuditAction::StatePurged).await, 1);
}

#[tokio::test]
async fn what_a_crash_left_without_an_install_is_dated_by_the_sweep() {
    let (app, path) = started().await;
    call(&app, Method::POST, "k", b"v").await;
    let id: InstallId = path.rsplit('/').next().unwrap().parse().unwrap();
    app.app.registry.write(move |txn| installs::remove(txn, &id)).await.unwrap();

    app.app.sweep().await.unwrap();
    let dated = app.get("/api/v1/state").await.json();
    app.clock.advance(30 * DAY);
    app.app.sweep().await.unwrap();

    assert_eq!(dated["state"][0]["uninstalled_at"], "2026-09-21T14:13:20Z");
    assert_eq!(app.get("/api/v1/state").await.json()["state"], json!([]));
}

#[tokio::test]
async fn another_tenant_and_a_reader_get_nothing() {
    let (app, path) = started().await;
    call(&app, Method::POST, "k", b"v").await;
    let other = app.make_token("other", &ALL_SCOPES).await;
    let reader = app.make_token("default", &["install:read"]).await;
    let state = format!("{path}/state");
    let as_whom = |method, path: &str, token: &str| app.call(method, path).token(token).send();

    for method in [Method::GET, Method::DELETE] {
        let unknown = as_whom(method.clone(), &state, &other).await;
        let denied = as_whom(method, &state, &reader).await;
        assert_eq!(unknown.code(), "not_installed");
        assert_eq!(denied.status, StatusCode::FORBIDDEN);
    }
    delete(&app, &path).await;
    assert_eq!(as_whom(Method::GET, &state, &other).await.code(), "not_installed");
    let listed = as_whom(Method::GET, "/api/v1/state", &other).await;
    assert_eq!(listed.json()["state"], json!([]));
    assert_eq!(as_whom(Method::GET, "/api/v1/state", &reader).await.json()["state"][0]["keys"], 1);
}

#[tokio::test]
async fn the_pages_say_how_much_is_kept() {
    let (app, path) = started().await;
    call(&app, Method::POST, "k", &[7; 2_048]).await;
    let cookie = app.sign_in().await;
    let id = path.rsplit('/').next().unwrap();
    let page = |path: String| app.call(Method::GET, &path).session(&cookie).send();

    let overview = page(format!("/admin/extensions/{KEEPS}")).await.text();
    let question = page(format!("/admin/installs/{id}/uninstall")).await.text();

    assert!(overview.contains("1 value in 1 namespace, 2 KiB of 256 MiB"), "{overview}");
    assert!(overview.contains(&format!("href=\"/api/v1/installs/{id}/state\"")), "{overview}");
    assert!(question.contains("What it keeps, 1 value of 2 KiB"), "{question}");
}

#[tokio::test]
async fn values_whose_time_is_over_are_removed_in_the_background() {
    let (app, path) = started().await;
    let id: InstallId = path.rsplit('/').next().unwrap().parse().unwrap();
    let labels = super::labels("default", id);
    let (state, now) = (&app.app.state, app.app.state.now());
    for number in 0..300 {
        let limits = state.limits().clone();
        let place = super::place("n", &number.to_string());
        let end = now + jiff::SignedDuration::from_secs(60);
        let facts = Facts { expires_at: Some(end), ..Facts::default() };
        let ends = Import::new(place, vec![7], facts, &limits, now).unwrap();
        let labels = labels.clone();
        let write =
            state.write(move |txn| values::import(txn, &labels, &ends, false, &limits, now));
        assert_eq!(write.await.unwrap(), Importing::Created);
    }

    app.clock.advance(60);

    assert_eq!(app.app.sweep_values().await.unwrap(), 300);
    assert_eq!(super::look(state, &labels).1, super::Usage::default());
}

/// What the commit of an uninstall with purge leaves, when the process ends right after it.
async fn crash_after_uninstall(app: &TestApp, path: &str) {
    let id: InstallId = path.rsplit('/').next().unwrap().parse().unwrap();
    let write = app.app.registry.write(move |txn| {
        let install = installs::remove(txn, &id)?.unwrap();
        purges::put(txn, &Purge::of(&install))
    });
    write.await.unwrap();
}

#[tokio::test]
async fn a_purge_that_a_crash_broke_off_is_done_by_the_next_sweep() {
    let (app, path) = started().await;
    call(&app, Method::POST, "k", b"v").await;
    crash_after_uninstall(&app, &path).await;

    app.app.sweep().await.unwrap();

    assert_eq!(app.get("/api/v1/state").await.json()["state"], json!([]));
    assert_eq!(app.get(&format!("{path}/state")).await.text(), "");
    assert_eq!(app.app.registry.read(purges::list).await.unwrap(), []);
}

#[tokio::test]
async fn an_uninstall_whose_caller_goes_away_is_done_with_its_purge() {
    let (app, path) = started().await;
    call(&app, Method::POST, "k", b"v").await;

    // Held up at its commit, until the caller is gone.
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let (begun, begins) = tokio::sync::oneshot::channel();
    let registry = app.app.registry.clone();
    let held = tokio::spawn(async move {
        let hold = move |_: &_| {
            begun.send(()).ok();
            wait.recv().ok();
            Ok(())
        };
        registry.write(hold).await
    });
    begins.await.unwrap();
    let request = format!("{path}?purge=true");
    let mut uninstall = Box::pin(delete(&app, &request));
    for _ in 0..50 {
        assert!((&mut uninstall).now_or_never().is_none(), "the commit is held up");
        tokio::task::yield_now().await;
    }
    drop(uninstall);
    drop(go);
    held.await.unwrap().unwrap();

    // It runs in a task of its own: nothing but turns of the runtime is waited for.
    let mut looks = 0;
    while count(&app, AuditAction::StatePurged).await == 0
        || !app.app.registry.read(purges::list).await.unwrap().is_empty()
    {
        looks += 1;
        assert!(looks < 10_000, "it was not finished");
        tokio::task::yield_now().await;
    }
    assert_eq!(app.get("/api/v1/state").await.json()["state"], json!([]));
    assert_eq!(app.get(&path).await.code(), "not_installed");
}
