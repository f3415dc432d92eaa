//! Whose signatures count: what is taken as a key, and what its removal changes.

use axum::http::{Method, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use plugboard::trust::keys;
use serde_json::{Value, json};

use crate::support::bundle_builder::BundleBuilder;
use crate::support::test_app::{Answer, TestApp};

const KEYS: &str = "/api/v1/trust/keys";

fn bundle(version: &str) -> BundleBuilder {
    BundleBuilder::new("com.example.hello", version).page("<h1>Hello</h1>")
}

async fn trust(app: &TestApp, public_key: &str, name: &str, scopes: Value) -> Answer {
    app.post(KEYS, json!({"public_key": public_key, "name": name, "scopes": scopes})).await
}

/// The public key with this point, as a base64 text without the lines of PEM.
fn with_point(point: [u8; 32]) -> String {
    let head = hex::decode("302a300506032b6570032100").unwrap();
    STANDARD.encode([head, point.to_vec()].concat())
}

#[tokio::test]
async fn what_is_no_good_key_and_a_key_for_no_name_are_not_trusted() {
    let app = TestApp::start().await;
    let before = app.get(KEYS).await.json();
    let (good, all) = (keys::generate().unwrap(), json!(["*"]));
    // The neutral element: its signatures fit every message.
    let mut weak = [0; 32];
    weak[0] = 1;

    for (answer, code) in [
        (trust(&app, &with_point(weak), "weak", all.clone()).await, "invalid_key"),
        (trust(&app, &good.private_pem, "private", all.clone()).await, "invalid_key"),
        (trust(&app, "", "none", all.clone()).await, "invalid_key"),
        (trust(&app, &good.public_pem, "for nothing", json!([])).await, "invalid_key_request"),
        (trust(&app, &good.public_pem, " ", all.clone()).await, "invalid_key_request"),
        (trust(&app, &good.public_pem, "a\u{1b}", all).await, "invalid_key_request"),
    ] {
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (422, code));
        assert!(!answer.text().contains("PRIVATE KEY"), "{}", answer.text());
    }
    assert_eq!(app.get(KEYS).await.json(), before);
}

#[tokio::test]
async fn what_a_removed_key_signs_waits_and_what_it_signed_before_stays() {
    let app = TestApp::start().await;
    app.install(&bundle("1.0.0")).await;
    let id = app.get(KEYS).await.json()["keys"][0]["id"].as_str().unwrap().to_owned();
    let remove = || app.call(Method::DELETE, &format!("{KEYS}/{id}")).send();

    assert_eq!(remove().await.status, StatusCode::NO_CONTENT);
    let next = app.publish(&bundle("1.1.0")).await;

    assert_eq!(next.status, StatusCode::ACCEPTED, "{}", next.text());
    assert!(next.text().contains("unknown_signer"), "{}", next.text());
    let page = app.get(&app.page_of(&bundle("1.0.0"), "index.html")).await;
    assert_eq!(page.status, StatusCode::OK);
    let again = remove().await;
    assert_eq!((again.status, again.code()), (StatusCode::NOT_FOUND, "not_found".to_owned()));
}
