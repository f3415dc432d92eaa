//! What must be true of a data folder after a kill.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use plugboard::model::ContentHash;
use reqwest::StatusCode;
use serde_json::Value;

use super::appliance::{Appliance, DataFolder};
use super::client::{Client, Upload};

/// Uploads, half-made objects and a half-made registry are gone after a start, but for
/// the uploads that clients go on with.
pub(super) fn nothing_is_left_over<'u>(
    folder: &DataFolder,
    uploads: impl IntoIterator<Item = &'u str>,
    case: &str,
) {
    let uploads: BTreeSet<_> = uploads.into_iter().map(str::to_owned).collect();
    for staged in fs::read_dir(folder.path("store/sha256/_staging")).unwrap() {
        let staged = staged.unwrap().file_name().into_string().unwrap();
        assert!(uploads.contains(&staged), "{case}: {staged} is left; {uploads:?} go on");
    }
    assert!(!folder.path("registry.redb.new").exists(), "{case}");
    for file in files_below(&folder.path("store")) {
        assert!(!file.contains('#'), "{case}: {file}");
    }
}

fn files_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path.display().to_string());
        }
    }
    found
}

/// Everything acknowledged is there and works; everything else is there whole, or not at all.
pub(super) async fn what_was_told_is_true(
    client: &Client,
    appliance: &Appliance,
    folder: &DataFolder,
    case: &str,
) {
    let story = client.story;
    for (upload, version, told) in
        [(&client.first, "1.0.0", story.published), (&client.next, "1.1.0", story.published_next)]
    {
        let there = check_version(client, appliance, folder, (upload, version), case).await;
        assert!(there || !told, "{case}: {version} was acknowledged and is lost");
    }
    let there = check_quarantined(client, appliance, folder, case).await;
    assert!(there || !story.quarantined, "{case}: the quarantined bundle is lost");

    let (_, listed) = json(client, appliance, "/api/v1/installs").await;
    let all = listed["installs"].as_array().unwrap().iter();
    let installs: Vec<_> = all.filter(|install| install["name"] == *client.name).collect();
    assert!(installs.len() <= 1, "{case}: {listed}");
    let Some(install) = installs.first() else {
        assert!(!story.installed, "{case}: the install is lost");
        return;
    };
    if story.installed {
        assert_eq!(install["id"], client.install.as_str(), "{case}");
    }
    check_install(client, appliance, install, case).await;
}

/// Whoever may be seen has the bytes that its row names; gives the names.
pub(super) async fn every_visible_version_is_whole(
    client: &Client,
    appliance: &Appliance,
    folder: &DataFolder,
    case: &str,
) -> BTreeSet<String> {
    let (status, listed) = json(client, appliance, "/api/v1/extensions").await;
    assert_eq!(status, StatusCode::OK, "{case}: {listed}");
    let row = |row: &Value| {
        let hash: ContentHash = row["content_hash"].as_str().unwrap().parse().unwrap();
        let file = folder.path(&format!("store/sha256/{}/bundle.tar.zst", hash.hex()));
        let archive = fs::read(file).unwrap_or_else(|error| panic!("{case}: {row}: {error}"));
        assert_eq!(ContentHash::of(&archive), hash, "{case}: {row}");
        row["name"].as_str().unwrap().to_owned()
    };
    listed["versions"].as_array().unwrap().iter().map(row).collect()
}

/// A version that is registered has its archive and its objects, all of them.
async fn check_version(
    client: &Client,
    appliance: &Appliance,
    folder: &DataFolder,
    (upload, version): (&Upload, &str),
    case: &str,
) -> bool {
    let path = format!("/api/v1/extensions/{}/versions/{version}", client.name);
    let (status, row) = json(client, appliance, &path).await;
    if status == StatusCode::NOT_FOUND {
        return false;
    }
    assert_eq!(status, StatusCode::OK, "{case}: {row}");
    assert_eq!(row["content_hash"], upload.hash.to_string(), "{case}");
    let object = |name: &str| folder.path(&format!("store/sha256/{}/{name}", upload.hash.hex()));
    assert_eq!(ContentHash::of(&fs::read(object("bundle.tar.zst")).unwrap()), upload.hash);
    for name in ["manifest.json", "entry.wasm"] {
        assert!(fs::metadata(object(name)).unwrap().len() > 0, "{case}: {name}");
    }
    assert_eq!(fs::read_dir(object("signatures")).unwrap().count(), 1, "{case}");
    true
}

async fn check_quarantined(
    client: &Client,
    appliance: &Appliance,
    folder: &DataFolder,
    case: &str,
) -> bool {
    let hash = client.unsigned.hash;
    let (status, row) = json(client, appliance, &format!("/api/v1/quarantine/{hash}")).await;
    if status == StatusCode::NOT_FOUND {
        return false;
    }
    assert_eq!(status, StatusCode::OK, "{case}: {row}");
    let file = folder.path(&format!("store/sha256/_quarantine/{}/bundle.tar.zst", hash.hex()));
    assert_eq!(ContentHash::of(&fs::read(file).unwrap()), hash, "{case}");
    true
}

/// The install is at one version, wholly, and if it is enabled it answers with it.
async fn check_install(client: &Client, appliance: &Appliance, install: &Value, case: &str) {
    let upgraded = install["version"] == "1.1.0";
    let (current, previous) =
        if upgraded { (&client.next, Value::from("1.0.0")) } else { (&client.first, Value::Null) };
    assert!(upgraded || !client.story.upgraded, "{case}: the upgrade is lost");
    assert_eq!(install["content_hash"], current.hash.to_string(), "{case}");
    assert_eq!(install["previous"]["version"], previous, "{case}");

    let enabled = install["enabled"] == true;
    assert!(enabled || !client.story.enabled, "{case}: enabling is lost");
    let page = format!("/ext-ui/{}/{}/index.html", client.name, current.hash);
    let (status, body) = client.get(appliance, &page).await;
    if !enabled {
        assert_eq!(status, StatusCode::NOT_FOUND, "{case}");
        return;
    }
    assert_eq!((status, body), (StatusCode::OK, current.page.clone().into_bytes()), "{case}");
    let greeting = greeting(client, appliance, case).await;
    assert!(greeting.contains("Hello, Ada"), "{case}: {greeting}");
}

/// After a start the component is compiled first, and the gateway says so with 503.
async fn greeting(client: &Client, appliance: &Appliance, case: &str) -> String {
    for _ in 0..200 {
        let path = format!("/api/ext/{}/greeting?name=Ada", client.name);
        let (status, body) = client.get(appliance, &path).await;
        if status == StatusCode::OK {
            return String::from_utf8(body).unwrap();
        }
        let text = String::from_utf8_lossy(&body).into_owned();
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{case}: {text}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{case}: the component never became ready");
}

async fn json(client: &Client, appliance: &Appliance, path: &str) -> (StatusCode, Value) {
    let (status, body) = client.get(appliance, path).await;
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}
