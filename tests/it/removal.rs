//! Versions going away: yanked, or removed for good.

use axum::http::{Method, StatusCode};
use plugboard::app::sign_in::csrf_token;
use plugboard::model::AuditAction;
use plugboard::registry::versions;
use serde_json::{Value, json};

use crate::support::audit;
use crate::support::bundle_builder::BundleBuilder;
use crate::support::test_app::{Answer, TestApp, local};

const DAY_S: i64 = 24 * 3_600;

fn reports(version: &str) -> BundleBuilder {
    BundleBuilder::new("com.example.reports", version).page("<h1>Reports</h1>")
}

fn path(version: &str) -> String {
    format!("/api/v1/extensions/com.example.reports/versions/{version}")
}

async fn published(versions: &[&str]) -> TestApp {
    let app = TestApp::start_on_disk().await;
    for version in versions {
        let answer = app.publish(&reports(version)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    }
    app
}

async fn remove(app: &TestApp, version: &str) -> Answer {
    app.call(Method::DELETE, &path(version)).send().await
}

async fn yank(app: &TestApp, version: &str, reason: &str) -> Answer {
    app.post(&format!("{}/yank", path(version)), json!({"reason": reason})).await
}

async fn install(app: &TestApp, version: Option<&str>) -> Answer {
    app.post("/api/v1/installs", json!({"name": "com.example.reports", "version": version})).await
}

async fn upgrade(app: &TestApp, id: &str, body: Value) -> Answer {
    app.call(Method::PUT, &format!("/api/v1/installs/{id}/version")).json(body).send().await
}

async fn last_action(app: &TestApp) -> AuditAction {
    let events = app.app.registry.read(|txn| audit::newest(txn, 1)).await.unwrap();
    events[0].1.action
}

#[tokio::test]
async fn a_removed_version_is_gone_and_its_number_is_never_used_again() {
    let app = published(&["1.0.0", "1.1.0"]).await;

    let answer = remove(&app, "1.0.0").await;

    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(last_action(&app).await, AuditAction::VersionRemoved);
    assert_eq!(app.get(&path("1.0.0")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(remove(&app, "1.0.0").await.status, StatusCode::NOT_FOUND);
    let list = app.get("/api/v1/extensions/com.example.reports").await.json();
    assert_eq!(list["versions"].as_array().unwrap().len(), 1);
    assert_eq!(list["removed"][0]["version"], "1.0.0");
    for bundle in [reports("1.0.0"), reports("1.0.0").file("ui/x.js", "x")] {
        let signed = app.publish(&bundle).await;
        let unsigned = app.put_bundle(bundle.build(), &[]).await;
        assert_eq!(
            (signed.status, signed.code()),
            (StatusCode::CONFLICT, "version_removed".into())
        );
        assert_eq!(unsigned.code(), "version_removed");
    }
    assert_eq!(app.get("/api/v1/quarantine").await.json(), json!({"quarantined": []}));
}

#[tokio::test]
async fn a_version_that_is_installed_anywhere_is_not_removed() {
    let app = published(&["1.0.0"]).await;
    let other = app.make_token("acme", &["install:write", "install:read"]).await;
    let body = json!({"name": "com.example.reports"});
    let installed =
        app.call(Method::POST, "/api/v1/installs").token(&other).json(body).send().await;
    assert_eq!(installed.status, StatusCode::CREATED, "{}", installed.text());

    let answer = remove(&app, "1.0.0").await;

    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::CONFLICT, "version_in_use"));
    assert!(answer.text().contains("1 tenant"), "{}", answer.text());
    let page = "/admin/extensions/com.example.reports/versions/1.0.0/remove";
    let question = app.call(Method::GET, page).session(&app.session().await).send().await.text();
    assert!(question.contains("it is installed for tenant acme."), "{question}");
    assert!(!question.contains("<button class=\"danger\">"), "{question}");
    assert_eq!(app.get(&path("1.0.0")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_version_before_an_upgrade_is_kept_for_a_day_and_then_nobody_goes_back_to_it() {
    let app = published(&["1.0.0", "1.1.0"]).await;
    let id = install(&app, Some("1.0.0")).await.json()["id"].as_str().unwrap().to_owned();
    let moved = upgrade(&app, &id, json!({"version": "1.1.0"})).await;
    assert_eq!(moved.status, StatusCode::OK, "{}", moved.text());

    app.clock.advance(DAY_S - 1);
    assert_eq!(remove(&app, "1.0.0").await.code(), "version_in_use");
    app.clock.advance(1);
    assert_eq!(remove(&app, "1.0.0").await.status, StatusCode::OK);

    let back = upgrade(&app, &id, json!({"back": true})).await;
    assert_eq!(back.code(), "no_previous_version");
    assert_eq!(app.get(&format!("/api/v1/installs/{id}")).await.json()["previous"], Value::Null);
}

#[tokio::test]
async fn the_objects_of_a_removed_version_go_after_a_day() {
    let app = published(&["1.0.0", "1.1.0"]).await;
    let hash = app.content_hash(&reports("1.0.0"));
    let folder = app.stored().join("sha256").join(hash.hex());
    // The first sweep after a put lets it be, and files are as old as the real clock says.
    app.clock.advance(40 * 365 * DAY_S);
    app.app.sweep().await.unwrap();
    let (name, number) = ("com.example.reports".parse().unwrap(), "1.0.0".parse().unwrap());
    app.app.remove_version(&local(), &name, &number).await.unwrap();

    app.clock.advance(DAY_S - 1);
    app.app.sweep().await.unwrap();
    assert!(folder.exists());
    app.clock.advance(1);
    app.app.sweep().await.unwrap();

    assert!(!folder.exists());
    let standings = app.app.standings_of(&name).await.unwrap();
    assert!(standings.removed[0].objects_removed);
    let kept = app.content_hash(&reports("1.1.0"));
    assert!(app.stored().join("sha256").join(kept.hex()).exists());
}

#[tokio::test]
async fn objects_that_another_version_has_stay_when_a_removed_one_had_them_too() {
    let app = published(&["1.0.0"]).await;
    let hash = app.content_hash(&reports("1.0.0"));
    // The first sweep after a put lets it be, and files are as old as the real clock says.
    app.clock.advance(40 * 365 * DAY_S);
    app.app.sweep().await.unwrap();
    let row = app.app.registry.read(move |txn| versions::get_by_hash(txn, &hash)).await.unwrap();
    let mut row = row.unwrap();
    app.app.remove_version(&local(), &row.name, &row.version).await.unwrap();
    row.version = "1.0.1".parse().unwrap();
    app.app.registry.write(move |txn| versions::insert(txn, &row)).await.unwrap();

    app.clock.advance(DAY_S);
    app.app.sweep().await.unwrap();

    assert!(app.stored().join("sha256").join(hash.hex()).join("bundle.tar.zst").exists());
    let standings = app.app.standings_of(&"com.example.reports".parse().unwrap()).await.unwrap();
    assert!(standings.removed[0].objects_removed, "it is not looked at again");
}

#[tokio::test]
async fn removing_takes_attachments_and_yanks_along() {
    let app = published(&["1.0.0"]).await;
    let bom = json!({"bomFormat": "CycloneDX", "specVersion": "1.6"});
    let attach = format!("{}/attachments/sbom", path("1.0.0"));
    app.call(Method::PUT, &attach).json(bom).send().await;
    yank(&app, "1.0.0", "broken").await;

    remove(&app, "1.0.0").await;

    let standings = app.app.standings_of(&"com.example.reports".parse().unwrap()).await.unwrap();
    assert!(standings.yanks.is_empty());
    assert_eq!(standings.removed.len(), 1);
    assert_eq!(app.get(&attach).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn nobody_new_gets_a_yanked_version() {
    let app = published(&["1.0.0", "1.1.0"]).await;

    let yanked = yank(&app, "1.1.0", "loses reports").await;

    assert_eq!(yanked.status, StatusCode::OK, "{}", yanked.text());
    assert_eq!(last_action(&app).await, AuditAction::VersionYanked);
    let refused = install(&app, Some("1.1.0")).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::CONFLICT, "version_yanked"));
    assert!(refused.text().contains("loses reports"), "{}", refused.text());
    let highest = install(&app, None).await;
    assert_eq!(highest.json()["version"], "1.0.0");
    let id = highest.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(upgrade(&app, &id, json!({"version": "1.1.0"})).await.code(), "version_yanked");
    let list = app.get("/api/v1/extensions").await.json();
    assert_eq!(list["versions"][0]["yanked"]["reason"], "loses reports");
    assert_eq!(list["versions"][1].get("yanked"), None);
    assert_eq!(app.get(&path("1.1.0")).await.json()["yanked"]["reason"], "loses reports");
}

#[tokio::test]
async fn a_yanked_version_is_refused_before_anyone_is_asked_for_its_grants() {
    let app = published(&["1.0.0"]).await;
    app.publish(&reports("1.1.0").capabilities(&["cap:http.fetch"])).await;
    let id = install(&app, Some("1.0.0")).await.json()["id"].as_str().unwrap().to_owned();
    let grown = json!({"version": "1.1.0", "grants": ["cap:http.fetch"]});
    assert_eq!(upgrade(&app, &id, grown.clone()).await.code(), "grants_grow");
    yank(&app, "1.1.0", "").await;

    assert_eq!(upgrade(&app, &id, grown).await.code(), "version_yanked");
}

#[tokio::test]
async fn the_pages_offer_no_way_to_a_yanked_version() {
    let app = published(&["1.0.0", "1.1.0"]).await;
    let id = install(&app, Some("1.0.0")).await.json()["id"].as_str().unwrap().to_owned();
    let cookie = app.session().await;
    let ask = |query: &str| {
        let path = format!("/admin/installs/{id}/upgrade?{query}");
        app.call(Method::GET, &path).session(&cookie).send()
    };
    let button = "<button class=\"primary\">";
    assert!(ask("version=1.1.0").await.text().contains(button));
    yank(&app, "1.1.0", "loses reports").await;

    let question = ask("version=1.1.0").await.text();

    assert!(question.contains("1.1.0 is yanked (“loses reports”)"), "{question}");
    assert!(!question.contains(button), "{question}");
    assert!(ask("version=1.0.0").await.text().contains(button), "its grants can change");
}

#[tokio::test]
async fn where_a_yanked_version_is_installed_it_goes_on() {
    let app = published(&["1.0.0", "1.1.0"]).await;
    let id = app.install_published("com.example.reports", json!([])).await;
    yank(&app, "1.1.0", "").await;

    let again = install(&app, Some("1.1.0")).await;
    let enabled = app.post(&format!("/api/v1/installs/{id}/enable"), json!({})).await;
    let away = upgrade(&app, &id, json!({"version": "1.0.0"})).await;
    let back = upgrade(&app, &id, json!({"back": true})).await;

    assert_eq!((again.status, enabled.status), (StatusCode::OK, StatusCode::OK));
    assert_eq!(away.status, StatusCode::OK, "{}", away.text());
    assert_eq!((back.status, &back.json()["version"]), (StatusCode::OK, &json!("1.1.0")));
    assert_eq!(app.get(&app.page_of(&reports("1.1.0"), "index.html")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_yank_can_be_taken_back_and_is_recorded_once() {
    let app = published(&["1.0.0"]).await;
    let first = yank(&app, "1.0.0", "first").await;
    let second = yank(&app, "1.0.0", "second").await;
    assert_eq!(first.json(), second.json());

    let unyank = format!("{}/unyank", path("1.0.0"));
    let back = app.call(Method::POST, &unyank).send().await;
    let again = app.call(Method::POST, &unyank).send().await;

    assert_eq!((back.status, again.status), (StatusCode::NO_CONTENT, StatusCode::NO_CONTENT));
    assert_eq!(install(&app, None).await.status, StatusCode::CREATED);
    let events = app.app.registry.read(|txn| audit::newest(txn, 20)).await.unwrap();
    let count = |action| events.iter().filter(|(_, event)| event.action == action).count();
    assert_eq!(count(AuditAction::VersionYanked), 1);
    assert_eq!(count(AuditAction::VersionUnyanked), 1);
}

#[tokio::test]
async fn a_reason_is_limited_and_the_version_must_be_there() {
    let app = published(&["1.0.0"]).await;

    assert_eq!(yank(&app, "1.0.0", &"x".repeat(501)).await.code(), "malformed_request");
    assert_eq!(yank(&app, "9.0.0", "").await.status, StatusCode::NOT_FOUND);
    let unyank = app.call(Method::POST, &format!("{}/unyank", path("9.0.0"))).send().await;
    assert_eq!(unyank.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn going_away_needs_the_right_to_publish_the_name() {
    let app = published(&["1.0.0"]).await;
    for scope in ["install:write", "bundle:publish:com.other.*"] {
        let token = app.make_token("default", &[scope]).await;
        let removed = app.call(Method::DELETE, &path("1.0.0")).token(&token);
        let yanked = app.call(Method::POST, &format!("{}/yank", path("1.0.0"))).token(&token);
        let unyanked = app.call(Method::POST, &format!("{}/unyank", path("1.0.0"))).token(&token);

        assert_eq!(removed.send().await.status, StatusCode::FORBIDDEN, "{scope}");
        assert_eq!(yanked.json(json!({})).send().await.status, StatusCode::FORBIDDEN, "{scope}");
        assert_eq!(unyanked.send().await.status, StatusCode::FORBIDDEN, "{scope}");
    }
}

#[tokio::test]
async fn the_pages_ask_before_and_show_after() {
    let app = published(&["1.0.0", "1.1.0"]).await;
    let cookie = app.session().await;
    let token = csrf_token(cookie.split_once('=').unwrap().1);
    let below = |rest: &str| format!("/admin/extensions/com.example.reports/versions{rest}");
    let get = |path: String| app.call(Method::GET, &path).session(&cookie).send();
    let post = |path: String, reason: &'static str| {
        let form = [("csrf_token", token.as_str()), ("reason", reason)];
        app.call(Method::POST, &path).session(&cookie).same_origin().form(&form).send()
    };

    let question = get(below("/1.1.0/yank")).await.text();
    assert!(question.contains("It is installed nowhere."), "{question}");
    let yanked = post(below("/1.1.0/yank"), "loses <b>reports</b>").await;
    assert_eq!(yanked.header("location"), below("?done=yanked"));
    let versions = get(below("")).await.text();
    assert!(versions.contains("loses &#60;b&#62;reports"), "{versions}");
    assert!(versions.contains(&below("/1.1.0/unyank")), "{versions}");
    let overview = get("/admin/extensions/com.example.reports?version=1.1.0".to_owned()).await;
    assert!(!overview.text().contains("Install and enable"), "{}", overview.text());
    assert_eq!(post(below("/1.1.0/unyank"), "").await.status, StatusCode::SEE_OTHER);

    let question = get(below("/1.0.0/remove")).await.text();
    assert!(question.contains("The number 1.0.0") && question.contains("2 files"), "{question}");
    assert_eq!(post(below("/1.0.0/remove"), "").await.status, StatusCode::SEE_OTHER);
    let versions = get(below("?done=removed")).await.text();
    assert!(versions.contains("These numbers are never used again."), "{versions}");
    let last = post(below("/1.1.0/remove"), "").await;
    assert_eq!(last.header("location"), "/admin/extensions?done=removed");
}
