//! Which hosts an install is granted, and what an operator learns of refused calls.

use axum::http::{Method, StatusCode};
use plugboard::app::install::InstallError;
use plugboard::app::sign_in::csrf_token;
use plugboard::model::InstallId;
use plugboard::registry::{WriteTxn, installs};
use serde_json::{Value, json};

use super::install;
use crate::support::audit;
use crate::support::bundle_builder::BundleBuilder;
use crate::support::guests;
use crate::support::internet::{Script, Server};
use crate::support::test_app::{Answer, TestApp};

fn asking(hosts: &[&str]) -> BundleBuilder {
    BundleBuilder::new("com.example.guest", "1.0.0")
        .component(guests::extension("calls"))
        .capabilities(&["cap:http.fetch"])
        .manifest("egress", json!(hosts))
        .endpoint("POST", "/call")
}

async fn put(app: &TestApp, id: &str, granted: Value) -> Answer {
    let call = app.call(Method::PUT, &format!("/api/v1/installs/{id}/egress"));
    call.json(json!({ "granted": granted })).send().await
}

async fn report(app: &TestApp, id: &str) -> Value {
    app.get(&format!("/api/v1/installs/{id}/egress")).await.json()
}

async fn fetch(app: &TestApp, url: &str) -> u16 {
    let call = app.call(Method::POST, "/api/ext/com.example.guest/call");
    call.body(url.to_owned()).send().await.status.as_u16()
}

#[tokio::test]
async fn an_install_with_the_capability_is_granted_what_its_manifest_asks_for() {
    let app = TestApp::start().await;
    let bundle = asking(&["api.example.com", "http://*.example.net:8080"]);

    let with = install(&app, &bundle, &["cap:http.fetch"]).await;

    let report = report(&app, &with).await;
    assert_eq!(report["capability_granted"], true);
    assert_eq!(
        report["requested"],
        json!(["https://api.example.com", "http://*.example.net:8080"])
    );
    assert_eq!(
        report["granted"],
        json!([
            {"entry": "https://api.example.com", "on_allowlist": false},
            {"entry": "http://*.example.net:8080", "on_allowlist": false},
        ])
    );
}

#[tokio::test]
async fn an_install_without_the_capability_is_granted_no_hosts() {
    let app = TestApp::start().await;

    let id = install(&app, &asking(&["api.example.com"]), &[]).await;

    let report = report(&app, &id).await;
    assert_eq!((&report["capability_granted"], &report["granted"]), (&json!(false), &json!([])));
}

#[tokio::test]
async fn no_host_is_granted_that_the_manifest_does_not_ask_for() {
    let app = TestApp::start().await;
    let id = install(&app, &asking(&["*.example.com"]), &["cap:http.fetch"]).await;

    let more = put(&app, &id, json!(["a.example.com", "example.com", "evil.test"])).await;
    let less = put(&app, &id, json!(["a.example.com", "a.example.com:443", "a.example.com"])).await;

    assert_eq!(
        (more.status, more.code()),
        (StatusCode::UNPROCESSABLE_ENTITY, "host_not_requested".into())
    );
    assert_eq!(
        more.json()["detail"],
        "the manifest does not ask to call https://example.com, https://evil.test"
    );
    assert_eq!(
        less.json()["egress"],
        json!(["https://a.example.com", "https://a.example.com:443"])
    );
}

#[tokio::test]
async fn hosts_are_not_granted_by_the_manifest_of_another_version() {
    let mut app = TestApp::start().await;
    let id = install(&app, &asking(&["*.example.com"]), &["cap:http.fetch"]).await;
    let next = asking(&["api.example.net"]).manifest("version", json!("1.1.0"));
    assert_eq!(app.publish(&next).await.status, StatusCode::CREATED);
    let (principal, of): (_, InstallId) = (app.principal(), id.parse().unwrap());
    let (registry, hash) = (app.app.registry.clone(), app.content_hash(&next));
    app.meanwhile(move || {
        let upgrade = |txn: &WriteTxn| {
            let mut install = installs::get(txn, &of)?.unwrap();
            (install.version, install.content_hash) = ("1.1.0".parse().unwrap(), hash);
            installs::put(txn, &install)
        };
        registry.write_blocking(upgrade).unwrap();
    });

    let hosts = vec!["a.example.com".parse().unwrap()];
    let refused = app.app.grant_hosts(&principal, of, hosts).await.unwrap_err();

    assert!(matches!(refused, InstallError::Changed(_)), "{refused}");
    let granted = report(&app, &id).await["granted"].clone();
    assert_eq!(granted[0]["entry"], "https://*.example.com", "{granted}");
}

#[tokio::test]
async fn a_manifest_that_names_no_hosts_leaves_them_to_an_operator() {
    let app = TestApp::start().await;
    let bundle = BundleBuilder::new("com.example.guest", "1.0.0").capabilities(&["cap:http.fetch"]);
    let id = install(&app, &bundle, &["cap:http.fetch"]).await;

    let before = report(&app, &id).await;
    let saved = put(&app, &id, json!(["anything.example.com"])).await;
    let wrong = put(&app, &id, json!(["https://example.com/path"])).await;
    let many: Vec<_> = (0..101).map(|number| format!("a{number}.example.com")).collect();
    let many = put(&app, &id, json!(many)).await;

    assert_eq!((before.get("requested"), &before["granted"]), (None, &json!([])));
    assert_eq!(saved.json()["egress"], json!(["https://anything.example.com"]));
    assert_eq!((wrong.status, many.code()), (StatusCode::BAD_REQUEST, "too_many_hosts".into()));
    assert_eq!(many.json()["detail"], "101 hosts are named; 100 are allowed");
}

#[tokio::test]
async fn an_operator_learns_which_grant_would_allow_a_refused_call() {
    let server = Server::start(Script::body("hello")).await;
    let (entry, url) = (server.entry("api.example.com"), server.entry("api.example.com"));
    let listed = vec![entry.parse().unwrap()];
    let app = TestApp::start_with(|config| config.egress.allowlist = listed).await;
    app.internet.name("api.example.com", &["127.77.0.1"]);
    let id = install(&app, &asking(&[&entry]), &["cap:http.fetch"]).await;
    put(&app, &id, json!([])).await;

    for path in ["/a?secret=1", "/b"] {
        assert_eq!(fetch(&app, &format!("{url}{path}")).await, 418);
    }
    let refused = report(&app, &id).await["refused"].clone();
    assert_eq!(refused.as_array().unwrap().len(), 1, "{refused}");
    assert_eq!(refused[0]["entry"], json!(entry));
    assert_eq!((&refused[0]["count"], &refused[0]["missing_on"]), (&json!(2), &json!(["grant"])));

    put(&app, &id, json!([refused[0]["entry"]])).await;
    assert_eq!(fetch(&app, &url).await, 200);
    assert_eq!(report(&app, &id).await["refused"], json!([]));
}

#[tokio::test]
async fn a_refused_call_is_in_the_audit_record_once_an_hour() {
    use plugboard::model::AuditAction;
    let app = TestApp::start().await;
    install(&app, &asking(&["api.example.com"]), &["cap:http.fetch"]).await;
    let denied = async || {
        // The row is written behind the call: a write of ours comes after it.
        app.app.registry.write(|_| Ok(())).await.unwrap();
        let rows = app.app.registry.read(|txn| audit::newest(txn, 100));
        let rows = rows.await.unwrap();
        let denied = rows.into_iter().map(|(_, event)| event);
        denied.filter(|event| event.action == AuditAction::EgressDenied).collect::<Vec<_>>()
    };

    for _ in 0..3 {
        fetch(&app, "https://api.example.com/path?secret=1").await;
    }
    let first = denied().await;
    app.clock.advance(3_600);
    fetch(&app, "https://api.example.com/").await;

    assert_eq!(first.len(), 1, "{first:?}");
    assert_eq!(first[0].subject, "com.example.guest");
    assert_eq!(
        first[0].detail.as_deref(),
        Some("https://api.example.com is not in the appliance's `egress.allowlist`")
    );
    assert_eq!(denied().await.len(), 2);
}

#[tokio::test]
async fn the_hosts_of_another_tenant_are_neither_shown_nor_changed() {
    let app = TestApp::start().await;
    let id = install(&app, &asking(&["api.example.com"]), &["cap:http.fetch"]).await;
    let other = app.make_token("other", &["install:read", "install:write"]).await;
    let path = format!("/api/v1/installs/{id}/egress");

    let shown = app.call(Method::GET, &path).token(&other).send().await;
    let changed =
        app.call(Method::PUT, &path).token(&other).json(json!({ "granted": [] })).send().await;

    for answer in [shown, changed] {
        assert_eq!((answer.status, answer.code()), (StatusCode::NOT_FOUND, "not_installed".into()));
    }
    assert_eq!(report(&app, &id).await["granted"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn hosts_are_changed_on_their_page() {
    let app = TestApp::start().await;
    let id = install(&app, &asking(&["*.example.com"]), &["cap:http.fetch"]).await;
    let cookie = app.session().await;
    let token = csrf_token(cookie.split_once('=').unwrap().1);
    let path = format!("/admin/installs/{id}/egress");
    let submit = async |field: (&str, &str)| {
        let call = app.call(Method::POST, &path).session(&cookie).same_origin();
        call.form(&[("csrf_token", token.as_str()), field]).send().await
    };

    let page = app.call(Method::GET, &path).session(&cookie).send().await;
    let saved = submit(("hosts", "a.example.com\n\n b.example.com ")).await;
    let wrong = submit(("hosts", "a.example.com\nevil.test/")).await;
    let one_more = submit(("allow", "https://c.example.com")).await;

    assert!(page.text().contains("https://*.example.com"), "{}", page.text());
    assert_eq!((saved.status, one_more.status), (StatusCode::SEE_OTHER, StatusCode::SEE_OTHER));
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text().contains("evil.test/"), "{}", wrong.text());
    let granted = report(&app, &id).await["granted"].clone();
    let entries: Vec<_> =
        granted.as_array().unwrap().iter().map(|host| host["entry"].as_str().unwrap()).collect();
    assert_eq!(
        entries,
        ["https://a.example.com", "https://b.example.com", "https://c.example.com"]
    );
}

#[tokio::test]
async fn hosts_that_are_allowed_at_the_same_time_are_all_granted() {
    let app = TestApp::start().await;
    let id = install(&app, &asking(&["*.example.com"]), &["cap:http.fetch"]).await;
    let cookie = app.session().await;
    let token = csrf_token(cookie.split_once('=').unwrap().1);
    let path = format!("/admin/installs/{id}/egress");
    let allow = |host: String| {
        let call = app.call(Method::POST, &path).session(&cookie).same_origin();
        call.form(&[("csrf_token", token.as_str()), ("allow", host.as_str())]).send()
    };
    put(&app, &id, json!([])).await;

    let hosts = (0..8).map(|number| format!("https://n{number}.example.com"));
    let answers = futures_util::future::join_all(hosts.clone().map(allow)).await;

    assert!(answers.iter().all(|answer| answer.status == StatusCode::SEE_OTHER));
    let granted = report(&app, &id).await["granted"].clone();
    let granted = granted.as_array().unwrap().iter().map(|host| host["entry"].as_str().unwrap());
    let granted: std::collections::BTreeSet<_> = granted.map(str::to_owned).collect();
    assert_eq!(granted, hosts.collect());
}
