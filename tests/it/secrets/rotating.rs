//! Another master key, while the appliance runs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use plugboard::app::master_key::MasterKey;
use plugboard::state::secrets::{WrappingKey, rewrap_at_start};
use plugboard::web::server::Peer;

use super::*;

async fn rotate(app: &TestApp) -> Answer {
    let call = app.call(Method::POST, "/api/v1/master-key/rotate").anonymous();
    call.peer(Peer::Unix { uid: 0 }).send().await
}

fn key(app: &TestApp) -> Vec<u8> {
    fs::read(app.app.data_dir.join("master.key")).unwrap()
}

fn files(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap();
    let names = names.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("master")).collect()
}

#[tokio::test]
async fn a_new_master_key_leaves_every_secret_readable_and_the_old_key_nowhere() {
    let (app, path) = installed().await;
    set(&app, &path, "api_key", json!({"value": "hunter2"})).await;
    let (before, id) = (key(&app), app.app.secrets.key_id());

    let rotated = rotate(&app).await;

    assert_eq!(rotated.status, StatusCode::OK, "{}", rotated.text());
    let now = app.app.secrets.key_id();
    assert_eq!(rotated.json(), json!({"key_id": now.to_string(), "data_keys": 1}));
    assert_ne!(now, id);
    assert_ne!(key(&app), before);
    assert_eq!(files(&app.app.data_dir), ["master.key"]);
    assert_eq!(guest(&app, "a").await, "hunter2");
    set(&app, &path, "api_key", json!({"value": "hunter3"})).await;
    assert_eq!(guest(&app, "a").await, "hunter3");
    let events = app.app.registry.read(|txn| audit::newest(txn, 2)).await.unwrap();
    assert_eq!(events[1].1.action, AuditAction::MasterKeyRotated);
    assert_eq!(events[1].1.subject, now.to_string());
    assert_eq!(events[1].1.detail, Some(format!("in place of {id}")));

    // As after a start.
    let (server, state) = (app.app.config.server.clone(), app.app.state.clone());
    let folder = app.app.data_dir.clone();
    let open = move || plugboard::app::secret_keys::open_secrets(&server, &folder, &state);
    let (_, started) = tokio::task::spawn_blocking(open).await.unwrap().unwrap();
    assert_eq!(started.key_id(), now);
}

#[tokio::test]
async fn a_key_that_is_given_and_a_change_that_did_not_end_are_left_alone() {
    let keys = tempfile::tempdir().unwrap();
    let file = keys.path().join("key");
    fs::write(&file, [7; 32]).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let given = TestApp::start_with(|config| config.server.master_key_file = file.clone()).await;
    let own = TestApp::start().await;
    fs::write(own.app.data_dir.join("master.key.next"), [7; 32]).unwrap();
    let before = key(&own);

    let answers = [rotate(&given).await, rotate(&own).await];

    for (answer, code) in answers.iter().zip(["master_key_given", "rotation_unfinished"]) {
        assert_eq!((answer.status, answer.code()), (StatusCode::CONFLICT, code.to_owned()));
        assert!(answer.json()["hint"].is_string(), "{}", answer.text());
    }
    assert_eq!(fs::read(&file).unwrap(), [7; 32]);
    assert_eq!(key(&own), before);
}

#[tokio::test]
async fn secrets_of_another_master_key_are_not_read_nor_added_to_until_they_are_removed() {
    let (app, path) = installed().await;
    set(&app, &path, "api_key", json!({"value": "hunter2"})).await;
    let (state, folder) = (app.app.state.clone(), app.app.data_dir.clone());
    let lose = move || {
        let own = MasterKey::open(&folder).unwrap().wrapping_key();
        rewrap_at_start(&state, own, Arc::new(WrappingKey::new([9; 32].into())))
    };
    assert_eq!(tokio::task::spawn_blocking(lose).await.unwrap().unwrap(), 1);

    assert_eq!(guest(&app, "a").await, INTERNAL);
    assert_eq!(guest(&app, "n").await, "api_key\n");
    let refused = set(&app, &path, "api_key", json!({"value": "hunter3"})).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text());
    assert_eq!(refused.code(), "other_master_key");
    let own = app.app.secrets.key_id().to_string();
    assert!(refused.text().contains(&own), "{}", refused.text());
    // The record comes before the secret, and so is there.
    let last = app.app.registry.read(|txn| audit::newest(txn, 2)).await.unwrap();
    assert_eq!(last.iter().map(|(_, e)| e.action).collect::<Vec<_>>(), [AuditAction::SecretSet; 2]);

    app.call(Method::DELETE, &format!("{path}/api_key")).send().await;
    let anew = set(&app, &path, "api_key", json!({"value": "hunter3"})).await;
    assert_eq!(anew.status, StatusCode::CREATED, "{}", anew.text());
    assert_eq!(guest(&app, "a").await, "hunter3");
}
