//! What is attached to versions, and what is there.

use plugboard::model::ContentHash;
use serde_json::json;

use super::test_app::TestApp;

/// How the bundle with this archive was made, as a publisher says it.
pub(crate) fn provenance(archive: &[u8]) -> Vec<u8> {
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "bundle.tar.zst", "digest": {"sha256": ContentHash::of(archive).hex()}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {},
    });
    statement.to_string().into_bytes()
}

/// What kinds of attachments the version at `path` has.
pub(crate) async fn kinds(app: &TestApp, path: &str) -> Vec<String> {
    let list = app.get(&format!("{path}/attachments")).await.json();
    let rows = list["attachments"].as_array().unwrap();
    rows.iter().map(|row| row["kind"].as_str().unwrap().to_owned()).collect()
}
