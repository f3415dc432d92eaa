//! Deciding about quarantined bundles and about keys: who may, and what a refusal leaves.

use axum::http::{Method, StatusCode};
use plugboard::model::AuditAction;
use plugboard::registry::approvals;
use plugboard::trust::keys::{self, GeneratedKey};
use serde_json::json;

use crate::support::audit;
use crate::support::bundle_builder::BundleBuilder;
use crate::support::strangers::{bad_claim, trust};
use crate::support::test_app::{Answer, TestApp, sign_with};

fn reports() -> BundleBuilder {
    BundleBuilder::new("com.example.reports", "1.2.0").page("<h1>Reports</h1>")
}

/// Sends a bundle that nobody vouches for; gives its address in quarantine.
async fn waiting(app: &TestApp, bundle: &BundleBuilder) -> String {
    let answer = app.put_bundle(bundle.build(), &[]).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    format!("/api/v1/quarantine/{}", app.content_hash(bundle))
}

#[tokio::test]
async fn a_token_for_other_names_sees_nothing_of_the_quarantine() {
    let app = TestApp::start().await;
    let path = waiting(&app, &reports()).await;
    let own = app.make_token("default", &["bundle:publish:com.example.*"]).await;
    let other = app.make_token("default", &["bundle:publish:com.other.*"]).await;
    let get = |path: &str, token: &str| app.call(Method::GET, path).token(token).send();

    let list = get("/api/v1/quarantine", &other).await;
    let one = get(&path, &other).await;
    let envelope = app.sign(&reports().build());
    let attach = app.call(Method::POST, &format!("{path}/signatures")).token(&other);
    let attached = attach.body(envelope).send().await;

    assert_eq!(list.json(), json!({"quarantined": []}));
    for refused in [one, attached] {
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (StatusCode::FORBIDDEN, "capability_denied")
        );
    }
    let list = get("/api/v1/quarantine", &own).await.json();
    assert_eq!(list["quarantined"][0]["name"], "com.example.reports");
    assert_eq!(get(&path, &own).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_token_that_may_trust_other_names_decides_nothing_about_this_one() {
    let app = TestApp::start().await;
    let path = waiting(&app, &reports()).await;
    let other = app.make_token("default", &["trust:write:com.other.*", "bundle:publish"]).await;
    let own = app.make_token("default", &["trust:write:com.example.*", "bundle:publish"]).await;
    let approve = |token: &str| {
        let call = app.call(Method::POST, &format!("{path}/approve")).token(token);
        call.json(json!({"reason": "seen"})).send()
    };
    let delete = |path: &str, token: &str| app.call(Method::DELETE, path).token(token).send();

    assert_eq!(approve(&other).await.code(), "capability_denied");
    assert_eq!(delete(&path, &other).await.code(), "capability_denied");

    assert_eq!(app.get(&path).await.status, StatusCode::OK);
    assert_eq!(approve(&own).await.status, StatusCode::CREATED);
    let another = waiting(&app, &BundleBuilder::new("com.example.other", "1.0.0").page("x")).await;
    assert_eq!(delete(&another, &own).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_token_for_some_names_has_no_say_about_keys() {
    let app = TestApp::start().await;
    let token = app.make_token("default", &["trust:write:com.acme.*"]).await;
    let keys_before = app.get("/api/v1/trust/keys").await.json();
    let id = keys_before["keys"][0]["id"].as_str().unwrap().to_owned();
    let trusted = |scopes: &[&str]| {
        let key = keys::generate().unwrap().public_pem;
        json!({"public_key": key, "name": "mine", "scopes": scopes})
    };
    let call = |method, path: &str| app.call(method, path).token(&token);

    let refused = [
        call(Method::GET, "/api/v1/trust/keys").send().await,
        call(Method::POST, "/api/v1/trust/keys").json(trusted(&["*"])).send().await,
        call(Method::POST, "/api/v1/trust/keys").json(trusted(&["com.acme.a"])).send().await,
        call(Method::DELETE, &format!("/api/v1/trust/keys/{id}")).send().await,
    ];

    for answer in refused {
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::FORBIDDEN, "capability_denied")
        );
    }
    assert_eq!(app.get("/api/v1/trust/keys").await.json(), keys_before);
}

/// That no approval of the bundle is on record, and that none was.
async fn assert_not_approved(app: &TestApp, bundle: &BundleBuilder) {
    let hash = app.content_hash(bundle);
    let approval = app.app.registry.read(move |txn| approvals::get(txn, &hash)).await.unwrap();
    assert_eq!(approval, None);
    let events = app.app.registry.read(|txn| audit::newest(txn, 20)).await.unwrap();
    assert!(events.iter().all(|(_, event)| event.action != AuditAction::BundleApproved));
}

#[tokio::test]
async fn an_approval_by_one_who_may_not_publish_is_not_in_force() {
    let app = TestApp::start().await;
    let path = waiting(&app, &reports()).await;
    let token = app.make_token("default", &["trust:write", "bundle:publish:com.other.*"]).await;

    let call = app.call(Method::POST, &format!("{path}/approve")).token(&token);
    let answer = call.json(json!({"reason": "seen"})).send().await;

    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text());
    assert_not_approved(&app, &reports()).await;
    waiting(&app, &reports()).await;
}

#[tokio::test]
async fn an_approval_of_a_number_that_is_taken_or_removed_is_not_in_force() {
    let app = TestApp::start().await;
    let path = format!("{}/approve", waiting(&app, &reports()).await);
    let published = app.publish(&reports().file("ui/a.js", "1")).await;
    assert_eq!(published.status, StatusCode::CREATED, "{}", published.text());

    let taken = app.post(&path, json!({"reason": "seen"})).await;
    let version = "/api/v1/extensions/com.example.reports/versions/1.2.0";
    let gone = app.call(Method::DELETE, version).send().await;
    assert_eq!(gone.status, StatusCode::OK, "{}", gone.text());
    let removed = app.post(&path, json!({"reason": "seen"})).await;

    assert_eq!(taken.code(), "version_taken", "{}", taken.text());
    assert_eq!(removed.code(), "version_removed", "{}", removed.text());
    assert_not_approved(&app, &reports()).await;
}

#[tokio::test]
async fn an_approval_that_a_trust_bundle_outweighs_is_not_in_force() {
    let unusable = "{}".to_owned();
    let app = TestApp::start_with(|config| config.signing.trust_bundle = unusable).await;
    let path = waiting(&app, &reports()).await;

    let answer = app.post(&format!("{path}/approve"), json!({"reason": "seen"})).await;

    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    assert_not_approved(&app, &reports()).await;
}

#[tokio::test]
async fn a_signature_is_on_record_before_what_it_leads_to() {
    let app = TestApp::start().await;
    let path = waiting(&app, &reports()).await;

    let answer = attach(&app, &path, app.sign(&reports().build())).await;

    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    let events = app.app.registry.read(|txn| audit::newest(txn, 2)).await.unwrap();
    let actions: Vec<_> = events.iter().map(|(_, event)| event.action).collect();
    assert_eq!(actions, [AuditAction::BundlePublished, AuditAction::SignatureAttached]);
}

/// A bundle that waits with a claim by a key that is trusted by now, which shows that it is bad.
async fn waiting_with_a_bad_claim(app: &TestApp) -> String {
    let (stranger, archive) = (keys::generate().unwrap(), reports().build());
    let kept = app.put_bundle(archive.clone(), &[bad_claim(&stranger, &archive)]).await;
    assert_eq!(kept.status, StatusCode::ACCEPTED, "{}", kept.text());
    trust(app, &stranger).await;
    format!("/api/v1/quarantine/{}", app.content_hash(&reports()))
}

async fn attach(app: &TestApp, path: &str, envelope: Vec<u8>) -> Answer {
    app.call(Method::POST, &format!("{path}/signatures")).body(envelope).send().await
}

#[tokio::test]
async fn a_kept_claim_that_turns_out_bad_stops_no_signature() {
    let app = TestApp::start().await;
    let path = waiting_with_a_bad_claim(&app).await;

    let answer = attach(&app, &path, app.sign(&reports().build())).await;

    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
}

#[tokio::test]
async fn a_kept_claim_that_turns_out_bad_stops_no_approval() {
    let app = TestApp::start().await;
    let path = waiting_with_a_bad_claim(&app).await;

    let answer = app.post(&format!("{path}/approve"), json!({"reason": "seen"})).await;

    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
}

#[tokio::test]
async fn a_signature_that_cannot_be_kept_is_not_said_to_be_attached() {
    let app = TestApp::start().await;
    let (path, archive) = (waiting(&app, &reports()).await, reports().build());
    let strangers: Vec<GeneratedKey> = (0..9).map(|_| keys::generate().unwrap()).collect();
    let (ninth, kept) = strangers.split_last().unwrap();
    for stranger in kept {
        let answer = attach(&app, &path, sign_with(stranger, &archive)).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    }
    let before = app.get(&path).await.json();

    let refused = attach(&app, &path, sign_with(ninth, &archive)).await;

    assert_eq!(
        (refused.status, refused.code().as_str()),
        (StatusCode::CONFLICT, "too_many_signatures")
    );
    assert_eq!(app.get(&path).await.json(), before);
    let events = app.app.registry.read(|txn| audit::newest(txn, 50)).await.unwrap();
    let attached = |action| action == AuditAction::SignatureAttached;
    assert_eq!(events.iter().filter(|(_, event)| attached(event.action)).count(), 8);
    let again = attach(&app, &path, sign_with(&kept[0], &archive)).await;
    assert_eq!(again.status, StatusCode::ACCEPTED, "{}", again.text());
    let good = attach(&app, &path, app.sign(&archive)).await;
    assert_eq!(good.status, StatusCode::CREATED, "{}", good.text());
}

/// A trust bundle that asks for signatures by all of these.
fn all_needed(signers: &[GeneratedKey]) -> String {
    let row = |key: &GeneratedKey| {
        let public = keys::parse_public(&key.public_pem).unwrap();
        json!({
            "keyid": key.id, "alg": "ed25519", "spki": keys::spki_base64(&public),
            "scopes": ["*"], "status": "active",
        })
    };
    let rows: Vec<_> = signers.iter().map(row).collect();
    json!({
        "schema": "plugboard.trust/v1", "version": 1, "expires": "2027-01-01T00:00:00Z",
        "threshold": rows.len(), "keys": rows,
    })
    .to_string()
}

/// An appliance that asks for signatures by two keys, and the two.
async fn asking_for_two() -> (TestApp, [GeneratedKey; 2]) {
    let two = [keys::generate().unwrap(), keys::generate().unwrap()];
    let setting = all_needed(&two);
    let app = TestApp::start_with(|config| config.signing.trust_bundle = setting).await;
    (app, two)
}

/// Signatures by so many whom nobody trusts.
fn by_strangers(count: usize, archive: &[u8]) -> Vec<Vec<u8>> {
    (0..count).map(|_| sign_with(&keys::generate().unwrap(), archive)).collect()
}

#[tokio::test]
async fn what_is_sent_and_what_is_kept_count_together_however_many_they_are() {
    for sent_by_strangers in [0, 7] {
        let (app, [one, two]) = asking_for_two().await;
        let archive = reports().build();
        let mut kept = by_strangers(7, &archive);
        kept.push(sign_with(&two, &archive));
        let waits = app.put_bundle(archive.clone(), &kept).await;
        assert_eq!(waits.status, StatusCode::ACCEPTED, "{}", waits.text());
        let mut sent = by_strangers(sent_by_strangers, &archive);
        sent.push(sign_with(&one, &archive));

        let answer = app.put_bundle(archive, &sent).await;

        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    }
}

#[tokio::test]
async fn two_who_send_a_bundle_at_once_have_it_published_by_the_signatures_of_both() {
    let (app, two) = asking_for_two().await;
    let archive = reports().build();
    let [one, two] = two.map(|key| [sign_with(&key, &archive)]);

    let (one, two) =
        tokio::join!(app.put_bundle(archive.clone(), &one), app.put_bundle(archive.clone(), &two),);

    let mut statuses = [one.status, two.status];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::CREATED, StatusCode::ACCEPTED]);
}

#[tokio::test]
async fn a_bundle_is_not_said_to_wait_with_a_signature_that_cannot_be_kept() {
    let app = TestApp::start().await;
    let archive = reports().build();
    let waits = app.put_bundle(archive.clone(), &by_strangers(8, &archive)).await;
    assert_eq!(waits.status, StatusCode::ACCEPTED, "{}", waits.text());
    let path = format!("/api/v1/quarantine/{}", app.content_hash(&reports()));
    let before = app.get(&path).await.json();

    let refused = app.put_bundle(archive.clone(), &by_strangers(1, &archive)).await;

    assert_eq!(
        (refused.status, refused.code().as_str()),
        (StatusCode::CONFLICT, "too_many_signatures")
    );
    assert_eq!(app.get(&path).await.json(), before);
    let good = app.put_bundle(archive.clone(), &[app.sign(&archive)]).await;
    assert_eq!(good.status, StatusCode::CREATED, "{}", good.text());
}
