//! Publishers whom nobody trusts yet, honest or not.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use plugboard::app::trust::TrustRequest;
use plugboard::trust::keys::GeneratedKey;
use serde_json::{Value, json};

use super::test_app::{TestApp, local, sign_with};

/// An envelope that says it is by `key` and is not. Nobody can tell until the key is trusted:
/// the statement does not have it.
pub(crate) fn bad_claim(key: &GeneratedKey, archive: &[u8]) -> Vec<u8> {
    let mut envelope: Value = serde_json::from_slice(&sign_with(key, archive)).unwrap();
    let payload = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
    let mut statement: Value = serde_json::from_slice(&payload).unwrap();
    statement["predicate"].as_object_mut().unwrap().remove("signer").unwrap();
    envelope["payload"] = json!(STANDARD.encode(statement.to_string()));
    envelope.to_string().into_bytes()
}

/// Trusts a key for `com.example.*`.
pub(crate) async fn trust(app: &TestApp, key: &GeneratedKey) {
    let public_key = key.public_pem.clone();
    let scopes = vec!["com.example.*".parse().unwrap()];
    let request = TrustRequest { public_key, name: "stranger".to_owned(), scopes };
    app.app.trust_key(&local(), request).await.unwrap();
}
