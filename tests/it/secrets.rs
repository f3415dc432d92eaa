//! What an extension is told in confidence: set, read by it alone, and taken away.

mod bound;
mod page;
mod rotating;

use axum::http::{Method, StatusCode};
use plugboard::model::AuditAction;
use serde_json::{Value, json};

use crate::support::audit;
use crate::support::bundle_builder::BundleBuilder;
use crate::support::guests;
use crate::support::test_app::{ALL_SCOPES, Answer, TestApp};

const NAME: &str = "com.example.confides";

fn version(number: &str) -> BundleBuilder {
    ["a", "n", "l", "e", "h"].into_iter().fold(
        BundleBuilder::new(NAME, number)
            .component(guests::wasi_extension("confides"))
            .capabilities(&["cap:secrets.get"]),
        |bundle, does| bundle.endpoint("GET", &format!("/{does}")),
    )
}

/// An appliance with that extension, and the path of the secrets of its install.
async fn installed() -> (TestApp, String) {
    let app = TestApp::start().await;
    let id = app.install(&version("1.0.0")).await;
    (app, format!("/api/v1/installs/{id}/secrets"))
}

async fn set(app: &TestApp, path: &str, name: &str, body: Value) -> Answer {
    app.call(Method::PUT, &format!("{path}/{name}")).json(body).send().await
}

/// What the guest answers to a call that does `does`.
async fn guest(app: &TestApp, does: &str) -> String {
    let answer = app.get(&format!("/api/ext/{NAME}/{does}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.text()
}

const MISSING: &str = "0";
const DENIED: &str = "1";
const EXPIRED: &str = "2";
const INTERNAL: &str = "3";

#[tokio::test]
async fn a_secret_is_read_by_its_extension_and_shown_by_nothing() {
    let (app, path) = installed().await;
    assert_eq!(guest(&app, "a").await, MISSING);

    let first = set(&app, &path, "api_key", json!({"value": "hunter2"})).await;
    let second = set(&app, &path, "api_key", json!({"value": "hunter3\n\"ü\""})).await;
    set(&app, &path, "Another", json!({"value": "x"})).await;

    assert_eq!((first.status, second.status), (StatusCode::CREATED, StatusCode::OK));
    assert_eq!(guest(&app, "a").await, "hunter3\n\"ü\"");
    assert_eq!(guest(&app, "n").await, "Another\napi_key\n");
    let listed = app.get(&path).await;
    let rows = listed.json();
    let [first_row, row] = &rows["secrets"].as_array().unwrap()[..] else { panic!("{rows}") };
    assert_eq!((&first_row["name"], &row["name"]), (&json!("Another"), &json!("api_key")));
    assert_eq!((&row["version"], &row["expired"]), (&json!(2), &json!(false)));
    assert_eq!(row["set_at"], "2026-09-21T14:13:20Z");
    assert_eq!(row.as_object().unwrap().len(), 6, "{row}");
    for answer in [first, second, listed] {
        assert!(!answer.text().contains("hunter"), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_removed_secret_is_missing_at_once() {
    let (app, path) = installed().await;
    set(&app, &path, "api_key", json!({"value": "hunter2"})).await;

    let one = format!("{path}/api_key");
    let [removed, again] =
        [app.call(Method::DELETE, &one).send().await, app.call(Method::DELETE, &one).send().await];

    assert_eq!((removed.status, again.status), (StatusCode::NO_CONTENT, StatusCode::NOT_FOUND));
    assert_eq!(again.code(), "not_found");
    assert_eq!(guest(&app, "a").await, MISSING);
    assert_eq!(guest(&app, "n").await, "");
}

#[tokio::test]
async fn an_expired_secret_says_so_until_it_is_set_again() {
    let (app, path) = installed().await;
    let end = "2026-09-21T15:13:20Z";
    set(&app, &path, "api_key", json!({"value": "hunter2", "expires_at": end})).await;
    assert_eq!(guest(&app, "a").await, "hunter2");

    app.clock.advance(60 * 60);

    assert_eq!(guest(&app, "a").await, EXPIRED);
    assert_eq!(app.get(&path).await.json()["secrets"][0]["expired"], true);
    set(&app, &path, "api_key", json!({"value": "hunter3"})).await;
    assert_eq!(guest(&app, "a").await, "hunter3");
}

#[tokio::test]
async fn without_the_grant_there_is_nothing_to_read() {
    let app = TestApp::start().await;
    app.publish(&version("1.0.0")).await;
    let id = app.install_published(NAME, json!([])).await;
    let path = format!("/api/v1/installs/{id}/secrets");

    let kept = set(&app, &path, "api_key", json!({"value": "hunter2"})).await;

    assert_eq!(kept.status, StatusCode::CREATED);
    assert_eq!(guest(&app, "a").await, DENIED);
    assert_eq!(guest(&app, "n").await, "");
}

#[tokio::test]
async fn what_is_no_secret_is_refused_with_the_numbers_and_a_hint() {
    let (app, path) = installed().await;
    let most = "x".repeat(16 * 1024);
    let cases = [
        ("-key", json!({"value": "x"}), 422, "invalid_secret_name", "1 to 128"),
        ("a%2Fb", json!({"value": "x"}), 422, "invalid_secret_name", "1 to 128"),
        ("a", json!({"value": ""}), 422, "invalid_secret", "1 to 16384 bytes"),
        ("a", json!({"value": most.clone() + "x"}), 413, "too_large", "16384 bytes"),
        (
            "a",
            json!({"value": "x", "expires_at": "2026-09-21T14:13:20Z"}),
            422,
            "invalid_secret",
            "2026-09-21T14:13:20Z",
        ),
    ];

    for (name, body, status, code, part) in cases {
        let answer = set(&app, &path, name, body).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code.to_owned()), "{name}");
        assert!(answer.text().contains(part), "{}", answer.text());
        assert!(answer.json()["hint"].is_string(), "{}", answer.text());
    }
    assert_eq!(app.get(&path).await.json(), json!({"secrets": []}));
    let as_large = set(&app, &path, "a", json!({"value": most})).await;
    assert_eq!(as_large.status, StatusCode::CREATED);
}

#[tokio::test]
async fn an_install_has_64_secrets_and_no_more() {
    let (app, path) = installed().await;
    for number in 0..64 {
        let set = set(&app, &path, &format!("k{number}"), json!({"value": "x"})).await;
        assert_eq!(set.status, StatusCode::CREATED);
    }

    let more = set(&app, &path, "more", json!({"value": "x"})).await;
    let replaced = set(&app, &path, "k0", json!({"value": "y"})).await;

    assert_eq!((more.status, more.code()), (StatusCode::CONFLICT, "too_many_secrets".to_owned()));
    assert!(more.text().contains("has 64 secrets; 64 are allowed"), "{}", more.text());
    assert_eq!(replaced.status, StatusCode::OK);
}

#[tokio::test]
async fn a_body_that_does_not_fit_is_refused_without_a_word_of_it() {
    let (app, path) = installed().await;
    let bodies = [
        r#"{"value": 7, "hunter2": 1}"#,
        r#"{"hunter2": "x", "value": "x"}"#,
        r#"{"value": {"hunter2": 1}}"#,
        r#"{"value": "x", "expires_at": "hunter2"}"#,
        r#""hunter2""#,
        "hunter2",
        "{}",
    ];
    let put = || app.call(Method::PUT, &format!("{path}/a"));

    for body in bodies {
        let answer = put().header("content-type", "application/json").body(body).send().await;
        assert_eq!(
            (answer.status, answer.code()),
            (StatusCode::BAD_REQUEST, "malformed_request".into()),
            "{body}"
        );
        assert!(!answer.text().contains("hunter2"), "{}", answer.text());
        assert!(answer.text().contains("line 1, column"), "{}", answer.text());
    }
    let text = put().header("content-type", "text/plain").body(r#"{"value": "x"}"#).send().await;
    assert_eq!(text.status, StatusCode::BAD_REQUEST);
    let endless = format!(r#"{{"value": "{}"}}"#, "x".repeat(128 * 1024));
    let endless = put().header("content-type", "application/json").body(endless).send().await;
    assert_eq!(endless.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(app.get(&path).await.json(), json!({"secrets": []}));
}

#[tokio::test]
async fn an_upgrade_keeps_secrets_and_an_uninstall_deletes_them_at_once() {
    let (app, path) = installed().await;
    set(&app, &path, "api_key", json!({"value": "hunter2"})).await;
    app.publish(&version("1.1.0")).await;
    let install = path.strip_suffix("/secrets").unwrap();

    let to = json!({"version": "1.1.0"});
    let upgraded = app.call(Method::PUT, &format!("{install}/version")).json(to).send().await;

    assert_eq!(upgraded.status, StatusCode::OK, "{}", upgraded.text());
    assert_eq!(guest(&app, "a").await, "hunter2");
    app.call(Method::DELETE, install).send().await;
    assert_eq!(app.app.secrets.owners().await.unwrap(), []);
    app.install_published(NAME, json!(["cap:secrets.get"])).await;
    assert_eq!(guest(&app, "a").await, MISSING);
}

#[tokio::test]
async fn an_install_that_goes_while_a_secret_is_set_leaves_none() {
    let app = TestApp::start().await;
    app.publish(&version("1.0.0")).await;

    for _ in 0..30 {
        let installed = app.post("/api/v1/installs", json!({"name": NAME})).await;
        let install = format!("/api/v1/installs/{}", installed.json()["id"].as_str().unwrap());
        let uninstall = app.call(Method::DELETE, &install).send();
        let path = format!("{install}/secrets");
        let (gone, _) =
            tokio::join!(uninstall, set(&app, &path, "api_key", json!({"value": "hunter2"})));
        assert_eq!(gone.status, StatusCode::NO_CONTENT, "{}", gone.text());
        assert_eq!(app.app.secrets.owners().await.unwrap(), []);
    }
}

#[tokio::test]
async fn the_sweep_deletes_secrets_whose_install_is_gone_and_no_others() {
    let (app, path) = installed().await;
    set(&app, &path, "api_key", json!({"value": "hunter2"})).await;
    let gone = plugboard::state::Owner::new(
        &"default".parse().unwrap(),
        plugboard::model::InstallId::random(),
    );
    let left = plugboard::state::secrets::NewSecret {
        name: "left".parse().unwrap(),
        value: "x".into(),
        set_at: app.app.clock.now(),
        set_by: "a crash".to_owned(),
        expires_at: None,
        binding: plugboard::model::BindingChange::Keep,
    };
    app.app.secrets.set(gone, left).await.unwrap();
    assert_eq!(app.app.secrets.owners().await.unwrap().len(), 2);

    app.app.sweep().await.unwrap();

    assert_eq!(app.app.secrets.owners().await.unwrap().len(), 1);
    assert_eq!(guest(&app, "a").await, "hunter2");
}

#[tokio::test]
async fn who_set_and_removed_a_secret_is_on_record_by_its_name() {
    let (app, path) = installed().await;
    set(&app, &path, "api_key", json!({"value": "hunter2"})).await;
    app.call(Method::DELETE, &format!("{path}/api_key")).send().await;
    set(&app, &path, "-bad", json!({"value": "hunter2"})).await;

    let events = app.app.registry.read(|txn| audit::newest(txn, 2)).await.unwrap();

    let found: Vec<_> = events.iter().map(|(_, e)| (e.action, e.subject.as_str())).collect();
    let subject = "com.example.confides api_key";
    assert_eq!(found, [(AuditAction::SecretRemoved, subject), (AuditAction::SecretSet, subject)]);
    assert_eq!(events[0].1.actor, app.principal().actor());
    assert!(!format!("{events:?}").contains("hunter2"));
}

#[tokio::test]
async fn another_tenant_neither_lists_nor_sets_nor_removes_nor_reads_them() {
    let (app, path) = installed().await;
    set(&app, &path, "api_key", json!({"value": "hunter2"})).await;
    let other = app.make_token("other", &ALL_SCOPES).await;
    let body = json!({"name": NAME, "grants": ["cap:secrets.get"]});
    let theirs = app.call(Method::POST, "/api/v1/installs").token(&other).json(body).send().await;
    let enable = format!("/api/v1/installs/{}/enable", theirs.json()["id"].as_str().unwrap());
    app.call(Method::POST, &enable).token(&other).send().await;

    let one = format!("{path}/api_key");
    let calls = [
        app.call(Method::GET, &path),
        app.call(Method::PUT, &one).json(json!({"value": "theirs"})),
        app.call(Method::DELETE, &one),
    ];
    for call in calls {
        let answer = call.token(&other).send().await;
        assert_eq!((answer.status, answer.code()), (StatusCode::NOT_FOUND, "not_installed".into()));
    }
    for (does, found) in [("a", MISSING), ("n", "")] {
        let call = app.call(Method::GET, &format!("/api/ext/{NAME}/{does}"));
        assert_eq!(call.token(&other).send().await.text(), found, "{does}");
    }
    assert_eq!(guest(&app, "a").await, "hunter2");
}

#[tokio::test]
async fn a_token_for_reading_lists_names_and_changes_nothing() {
    let (app, path) = installed().await;
    let reader = app.make_token("default", &["install:read"]).await;
    let others = app.make_token("default", &["install:write:com.acme.*"]).await;

    let listed = app.call(Method::GET, &path).token(&reader).send().await;
    assert_eq!(listed.status, StatusCode::OK);
    for token in [&reader, &others] {
        let call = app.call(Method::PUT, &format!("{path}/a")).json(json!({"value": "x"}));
        assert_eq!(call.token(token).send().await.status, StatusCode::FORBIDDEN);
        let call = app.call(Method::DELETE, &format!("{path}/a"));
        assert_eq!(call.token(token).send().await.status, StatusCode::FORBIDDEN);
    }
}
