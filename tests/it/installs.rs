//! The life of an install.

use axum::http::{Method, StatusCode};
use plugboard::app::trust::TrustRequest;
use plugboard::app::upgrade::UpgradeRequest;
use plugboard::model::{InstallId, Yank};
use plugboard::registry::{WriteTxn, installs, removals};
use plugboard::trust::keys;
use serde_json::{Value, json};

use crate::support::bundle_builder::BundleBuilder;
use crate::support::guests;
use crate::support::test_app::{Answer, TestApp, local, sign_with};

fn version(number: &str) -> BundleBuilder {
    BundleBuilder::new("com.example.reports", number)
        .page("<h1>Reports</h1>")
        .capabilities(&["cap:http.fetch"])
        .manifest(
            "settings",
            json!({"type": "object", "properties": {"n": {"type": "integer"}}, "additionalProperties": false}),
        )
}

async fn put(app: &TestApp, path: &str, body: Value) -> Answer {
    app.call(Method::PUT, path).json(body).send().await
}

#[tokio::test]
async fn installing_the_same_version_again_changes_nothing() {
    let app = TestApp::start().await;
    app.publish(&version("1.0.0")).await;
    let body = json!({"name": "com.example.reports"});
    let first = app.post("/api/v1/installs", body.clone()).await;

    let second = app.post("/api/v1/installs", body).await;

    assert_eq!((first.status, second.status), (StatusCode::CREATED, StatusCode::OK));
    assert_eq!(first.json()["id"], second.json()["id"]);
    assert_eq!(first.json()["enabled"], false);
}

#[tokio::test]
async fn installing_another_version_points_to_upgrade() {
    let app = TestApp::start().await;
    app.install(&version("1.0.0")).await;
    app.publish(&version("1.1.0")).await;

    let body = json!({"name": "com.example.reports", "version": "1.1.0"});
    let answer = app.post("/api/v1/installs", body).await;

    assert_eq!((answer.status, answer.code()), (StatusCode::CONFLICT, "already_installed".into()));
    assert!(answer.json()["hint"].as_str().unwrap().contains("upgrade"));
}

#[tokio::test]
async fn only_what_the_manifest_asks_for_can_be_granted() {
    let app = TestApp::start().await;
    app.publish(&version("1.0.0")).await;

    let body = json!({"name": "com.example.reports", "grants": ["cap:storage.kv"]});
    let answer = app.post("/api/v1/installs", body).await;

    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.code(), "grant_not_requested");
    assert_eq!(app.get("/api/v1/installs").await.json(), json!({"installs": []}));
}

#[tokio::test]
async fn an_unpublished_version_cannot_be_installed() {
    let app = TestApp::start().await;

    let answer = app.post("/api/v1/installs", json!({"name": "com.example.none"})).await;

    assert_eq!((answer.status, answer.code()), (StatusCode::NOT_FOUND, "not_found".into()));
}

#[tokio::test]
async fn an_upgrade_keeps_settings_and_can_go_back() {
    let app = TestApp::start().await;
    let id = app.install(&version("1.0.0")).await;
    let path = format!("/api/v1/installs/{id}");
    put(&app, &format!("{path}/settings"), json!({"n": 7})).await;
    app.publish(&version("1.1.0")).await;

    let upgraded = put(&app, &format!("{path}/version"), json!({"version": "1.1.0"})).await;
    let back = put(&app, &format!("{path}/version"), json!({"back": true})).await;

    assert_eq!(upgraded.json()["version"], "1.1.0", "{}", upgraded.text());
    assert_eq!(upgraded.json()["settings"], json!({"n": 7}));
    assert_eq!(upgraded.json()["grants"], json!(["cap:http.fetch"]));
    assert_eq!(back.json()["version"], "1.0.0");
    assert_eq!(back.json()["previous"]["version"], "1.1.0");
}

#[tokio::test]
async fn an_upgrade_that_allows_more_needs_a_person() {
    let app = TestApp::start().await;
    let id = app.install(&version("1.0.0")).await;
    app.publish(&version("1.1.0").capabilities(&["cap:http.fetch", "cap:storage.kv"])).await;
    let path = format!("/api/v1/installs/{id}/version");
    let mut body = json!({"version": "1.1.0", "grants": ["cap:http.fetch", "cap:storage.kv"]});

    let refused = put(&app, &path, body.clone()).await;
    body["confirm"] = json!(true);
    let accepted = put(&app, &path, body).await;

    assert_eq!((refused.status, refused.code()), (StatusCode::CONFLICT, "grants_grow".into()));
    assert_eq!(refused.json()["grants"], json!(["cap:storage.kv"]));
    assert_eq!(accepted.status, StatusCode::OK, "{}", accepted.text());
}

/// Upgrades to 1.1.0 while somebody else changes the registry; what the API would say.
async fn upgrade_while(
    app: &mut TestApp,
    id: &str,
    change: impl FnOnce(&WriteTxn) + Send + 'static,
) -> String {
    let (principal, registry) = (app.principal(), app.app.registry.clone());
    app.meanwhile(move || {
        let write = |txn: &WriteTxn| {
            change(txn);
            Ok(())
        };
        registry.write_blocking(write).unwrap();
    });
    let version = Some("1.1.0".parse().unwrap());
    let request = UpgradeRequest { version, grants: None, confirmed: false };
    let upgraded = app.app.upgrade(&principal, id.parse().unwrap(), request).await;
    upgraded.unwrap_err().to_string()
}

#[tokio::test]
async fn an_upgrade_does_not_give_back_what_was_taken_away_meanwhile() {
    let mut app = TestApp::start().await;
    let id = app.install(&version("1.0.0")).await;
    app.publish(&version("1.1.0")).await;
    let of: InstallId = id.parse().unwrap();

    let refused = upgrade_while(&mut app, &id, move |txn| {
        let mut install = installs::get(txn, &of).unwrap().unwrap();
        install.grants.clear();
        installs::put(txn, &install).unwrap();
    });
    let refused = refused.await;

    assert!(refused.contains("was changed by somebody else"), "{refused}");
    let kept = app.get(&format!("/api/v1/installs/{id}")).await.json();
    assert_eq!((&kept["version"], &kept["grants"]), (&json!("1.0.0"), &json!([])));
}

#[tokio::test]
async fn an_upgrade_does_not_reach_a_version_that_was_yanked_meanwhile() {
    let mut app = TestApp::start().await;
    let id = app.install(&version("1.0.0")).await;
    app.publish(&version("1.1.0")).await;
    let yank = Yank {
        name: "com.example.reports".parse().unwrap(),
        version: "1.1.0".parse().unwrap(),
        yanked_at: app.app.clock.now(),
        yanked_by: "ada".to_owned(),
        reason: None,
    };

    let refused = upgrade_while(&mut app, &id, move |txn| {
        removals::yank(txn, &yank).unwrap();
    });
    let refused = refused.await;

    assert!(refused.contains("1.1.0 is yanked"), "{refused}");
    assert_eq!(app.get(&format!("/api/v1/installs/{id}")).await.json()["version"], "1.0.0");
}

#[tokio::test]
async fn the_upgrade_page_names_the_grants_that_end_and_no_other() {
    let app = TestApp::start().await;
    let asking = version("1.0.0").capabilities(&["cap:http.fetch", "cap:log.emit"]);
    let id = app.install(&asking).await;
    app.publish(&version("1.1.0").capabilities(&["cap:log.emit"])).await;
    let cookie = app.session().await;
    let ask = async |version: &str| {
        let path = format!("/admin/installs/{id}/upgrade?version={version}");
        app.call(Method::GET, &path).session(&cookie).send().await.text()
    };

    let (away, same) = (ask("1.1.0").await, ask("1.0.0").await);

    let ending = away.split_once("Grants that end").expect("one ends").1;
    assert!(ending.contains("cap:http.fetch") && !ending.contains("cap:log.emit"), "{away}");
    assert!(same.contains("1.0.0 may do?") && !same.contains("Grants that end"), "{same}");
}

#[tokio::test]
async fn the_upgrade_page_names_other_signers_and_what_is_answered_no_more() {
    let app = TestApp::start().await;
    let first = version("1.0.0").component(guests::extension("answers")).endpoint("GET", "/a");
    app.publish(&first).await;
    let body = json!({"name": "com.example.reports"});
    let id = app.post("/api/v1/installs", body).await.json()["id"].as_str().unwrap().to_owned();
    let key = keys::generate().unwrap();
    let trusted = TrustRequest {
        public_key: key.public_pem.clone(),
        name: "another".to_owned(),
        scopes: vec!["com.example.*".parse().unwrap()],
    };
    app.app.trust_key(&local(), trusted).await.unwrap();
    let next = version("1.1.0").build();
    let signed = sign_with(&key, &next);
    assert_eq!(app.put_bundle(next, &[signed]).await.status, StatusCode::CREATED);
    let like_first = first.manifest("version", json!("1.0.1"));
    app.publish(&like_first).await;
    let cookie = app.session().await;
    let ask = async |version: &str| {
        let path = format!("/admin/installs/{id}/upgrade?version={version}");
        app.call(Method::GET, &path).session(&cookie).send().await.text()
    };

    let (same, other) = (ask("1.0.1").await, ask("1.1.0").await);

    assert!(other.contains("1.1.0 is signed by another ("), "{other}");
    assert!(other.contains("1.0.0 was signed by tests ("), "{other}");
    assert!(other.contains("1.1.0 does not answer GET /a."), "{other}");
    assert!(!same.contains("is signed by") && !same.contains("does not answer"), "{same}");
}

#[tokio::test]
async fn settings_must_fit_the_manifest() {
    let app = TestApp::start().await;
    let id = app.install(&version("1.0.0")).await;
    let path = format!("/api/v1/installs/{id}/settings");

    let wrong = put(&app, &path, json!({"n": "seven"})).await;
    let unknown = put(&app, &path, json!({"m": 1})).await;

    assert_eq!(
        (wrong.status, wrong.code()),
        (StatusCode::UNPROCESSABLE_ENTITY, "invalid_settings".into())
    );
    assert_eq!(wrong.json()["detail"], "the settings do not fit the extension's schema");
    assert_eq!(wrong.json()["problems"][0]["path"], "/n");
    assert_eq!(unknown.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn settings_of_more_than_64_kib_are_refused_with_the_numbers() {
    let app = TestApp::start().await;
    let id = app.install(&version("1.0.0")).await;
    let settings = json!({"n": "x".repeat(64 * 1024)});

    let answer = put(&app, &format!("/api/v1/installs/{id}/settings"), settings).await;

    assert_eq!((answer.status, answer.code()), (StatusCode::PAYLOAD_TOO_LARGE, "too_large".into()));
    let answer = answer.json();
    assert_eq!(answer["limit_bytes"], 64 * 1024);
    assert_eq!(answer["detail"], "the settings are 65544 bytes; 65536 are allowed");
}

#[tokio::test]
async fn a_pattern_of_a_settings_schema_cannot_keep_the_appliance_busy() {
    let app = TestApp::start().await;
    let schema =
        json!({"type": "object", "properties": {"s": {"type": "string", "pattern": "^(a+)+$"}}});
    let id = app.install(&version("1.0.0").manifest("settings", schema)).await;
    let text = format!("{}!", "a".repeat(5_000));

    let answer = put(&app, &format!("/api/v1/installs/{id}/settings"), json!({"s": text})).await;

    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.code(), "invalid_settings");
}

#[tokio::test]
async fn uninstalling_leaves_the_bundle_published() {
    let app = TestApp::start().await;
    let id = app.install(&version("1.0.0")).await;

    let answer = app.call(Method::DELETE, &format!("/api/v1/installs/{id}")).send().await;

    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(app.get(&format!("/api/v1/installs/{id}")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(app.get("/api/v1/extensions/com.example.reports").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_component_that_takes_too_much_to_compile_is_not_enabled_and_the_answer_says_why() {
    let app = TestApp::start_with(|config| config.runner.compile_cpu_s = 1).await;
    let bomb = BundleBuilder::new("com.example.bomb", "1.0.0")
        .component(guests::extension_with(&guests::much_to_compile()))
        .endpoint("GET", "/a");
    assert_eq!(app.publish(&bomb).await.status, StatusCode::CREATED);
    let installed = app.post("/api/v1/installs", json!({"name": "com.example.bomb"})).await;
    let id = installed.json()["id"].as_str().unwrap().to_owned();

    let refused = app.post(&format!("/api/v1/installs/{id}/enable"), json!({})).await;

    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text());
    assert_eq!(refused.code(), "component_unusable");
    let text = refused.text();
    assert!(text.contains("takes more than 1 s"), "{text}");
    assert!(text.contains("raise `runner.compile_cpu_s`"), "{text}");
    assert_eq!(app.get(&format!("/api/v1/installs/{id}")).await.json()["enabled"], false);
}
