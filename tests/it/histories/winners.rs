//! Many who do the same at once where only one can: one does, and the others are told.

use std::sync::Arc;

use axum::http::Method;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::bundle_builder::BundleBuilder;
use crate::support::test_app::TestApp;

const MANY: usize = 16;

fn hello(version: &str) -> BundleBuilder {
    BundleBuilder::new("com.example.hello", version).page("<p>hello</p>")
}

/// The statuses and codes of the same call made by many at once, the successes first.
async fn at_once(app: &Arc<TestApp>, method: Method, path: &str, body: Value) -> Vec<String> {
    let call = |app: Arc<TestApp>| {
        let (method, path, body) = (method.clone(), path.to_owned(), body.clone());
        async move {
            let answer = app.call(method, &path).json(body).send().await;
            match answer.status.as_u16() {
                status @ 200..300 => status.to_string(),
                status => format!("{status} {}", answer.code()),
            }
        }
    };
    let running: Vec<_> = (0..MANY).map(|_| tokio::spawn(call(Arc::clone(app)))).collect();
    let mut answers: Vec<_> = join_all(running).await.into_iter().map(Result::unwrap).collect();
    answers.sort();
    answers
}

fn one_winner(success: &str, others: &str) -> Vec<String> {
    let others = vec![others.to_owned(); MANY - 1];
    [success.to_owned()].into_iter().chain(others).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_install_is_uninstalled_once() {
    let app = Arc::new(TestApp::start().await);
    let id = app.install(&hello("1.0.0")).await;

    let path = format!("/api/v1/installs/{id}");
    let answers = at_once(&app, Method::DELETE, &path, json!({})).await;

    assert_eq!(answers, one_winner("204", "404 not_installed"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_version_is_removed_once() {
    let app = Arc::new(TestApp::start().await);
    app.publish(&hello("1.0.0")).await;

    let path = "/api/v1/extensions/com.example.hello/versions/1.0.0";
    let answers = at_once(&app, Method::DELETE, path, json!({})).await;

    assert_eq!(answers, one_winner("200", "404 not_found"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_quarantined_bundle_is_deleted_once_and_approved_once() {
    let app = Arc::new(TestApp::start().await);
    let (deleted, approved) = (hello("1.0.0"), hello("1.1.0"));
    app.put_bundle(deleted.build(), &[]).await;
    app.put_bundle(approved.build(), &[]).await;

    let path = format!("/api/v1/quarantine/{}", app.content_hash(&deleted));
    let deletions = at_once(&app, Method::DELETE, &path, json!({})).await;
    let path = format!("/api/v1/quarantine/{}/approve", app.content_hash(&approved));
    let approvals = at_once(&app, Method::POST, &path, json!({"reason": "known"})).await;

    assert_eq!(deletions, one_winner("204", "404 not_found"));
    assert_eq!(approvals, one_winner("201", "404 not_found"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn going_back_an_even_number_of_times_changes_nothing() {
    let app = Arc::new(TestApp::start().await);
    let id = app.install(&hello("1.0.0")).await;
    app.publish(&hello("1.1.0")).await;
    let path = format!("/api/v1/installs/{id}/version");
    let upgrade = app.call(Method::PUT, &path).json(json!({"version": "1.1.0"}));
    assert_eq!(upgrade.send().await.status, 200);

    let answers = at_once(&app, Method::PUT, &path, json!({"back": true})).await;

    assert_eq!(answers, vec!["200"; MANY]);
    let install = app.get(&format!("/api/v1/installs/{id}")).await.json();
    assert_eq!(
        (&install["version"], &install["previous"]["version"]),
        (&json!("1.1.0"), &json!("1.0.0"))
    );
}
