//! `install`, `uninstall`, `update`: an install is put where it should be, and
//! what an operator has decided stays.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{hello, published, trusting};
use crate::support::bundle_builder::BundleBuilder;
use crate::support::guests;
use crate::support::test_app::{Answer, TestApp};

const NAME: &str = "com.example.hello";

fn asking(version: &str, capabilities: &[&str]) -> BundleBuilder {
    let settings = json!({ "type": "object", "properties": { "color": { "type": "string" } } });
    hello(version).capabilities(capabilities).manifest("settings", settings)
}

async fn call(app: &TestApp, verb: &str, body: Value) -> Answer {
    app.post(&format!("/api/v1/extensions/{verb}"), body).await
}

async fn install(app: &TestApp, version: &str) -> Answer {
    call(app, "install", json!({ "registryId": NAME, "version": version })).await
}

/// The one install there is.
async fn row(app: &TestApp) -> Value {
    app.get("/api/v1/installs").await.json()["installs"][0].clone()
}

fn refused(answer: &Answer, status: StatusCode, code: &str) {
    let body = answer.json();
    assert_eq!((answer.status, &body["error"]["code"]), (status, &code.into()), "{body}");
    assert!(body["error"]["message"].as_str().is_some_and(|text| text.len() > 10), "{body}");
}

#[tokio::test]
async fn an_extension_is_installed_with_what_it_asks_for_and_runs() {
    let app = trusting().await;
    let bundle = asking("1.0.0", &["cap:http.fetch"])
        .component(guests::extension("answers"))
        .endpoint("GET", "/greeting");
    published(&app, &bundle).await;

    let answer = install(&app, "1.0.0").await;

    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    let install = row(&app).await;
    assert_eq!(
        answer.json(),
        json!({ "data": {
            "registryId": NAME, "version": "1.0.0", "installId": install["id"],
            "success": true, "message": "Installed",
        }})
    );
    assert_eq!(install["enabled"], true);
    assert_eq!(install["grants"], json!(["cap:http.fetch"]));
    let greeting = app.get(&format!("/api/ext/{NAME}/greeting")).await;
    assert_eq!(greeting.status, StatusCode::OK, "{}", greeting.text());
}

#[tokio::test]
async fn installing_again_moves_the_version_and_keeps_the_configuration() {
    let app = trusting().await;
    published(&app, &asking("1.0.0", &[])).await;
    published(&app, &asking("1.1.0", &[])).await;
    install(&app, "1.0.0").await;
    let before = row(&app).await;
    let path = format!("/api/v1/installs/{}/settings", before["id"].as_str().unwrap());
    app.call(Method::PUT, &path).json(json!({ "color": "teal" })).send().await;

    let moved = install(&app, "1.1.0").await;
    let again = install(&app, "1.1.0").await;

    assert_eq!((moved.status, again.status), (StatusCode::ACCEPTED, StatusCode::ACCEPTED));
    let after = row(&app).await;
    assert_eq!((&after["id"], &after["version"]), (&before["id"], &json!("1.1.0")));
    assert_eq!(after["settings"], json!({ "color": "teal" }));
    assert_eq!(again.json()["data"]["installId"], before["id"]);
}

#[tokio::test]
async fn what_an_operator_has_withheld_or_disabled_stays_so() {
    let app = trusting().await;
    published(&app, &asking("1.0.0", &["cap:http.fetch", "cap:secrets.get"])).await;
    let more = ["cap:http.fetch", "cap:secrets.get", "cap:storage.kv"];
    published(&app, &asking("1.1.0", &more)).await;
    let body = json!({ "name": NAME, "version": "1.0.0", "grants": ["cap:http.fetch"] });
    app.post("/api/v1/installs", body).await;

    let answer = install(&app, "1.1.0").await;

    let install = row(&app).await;
    assert_eq!(install["grants"], json!(["cap:http.fetch", "cap:storage.kv"]));
    assert_eq!(install["enabled"], false);
    let message = answer.json()["data"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("disabled"), "{message}");
}

#[tokio::test]
async fn a_star_is_the_newest_version_of_its_line() {
    let app = trusting().await;
    for version in ["1.2.0", "1.2.10", "1.2.9", "1.2.11-rc.1", "1.3.0"] {
        published(&app, &hello(version)).await;
    }

    let answer = install(&app, "1.2.*").await;

    assert_eq!(answer.json()["data"]["version"], "1.2.10", "{}", answer.text());
}

#[tokio::test]
async fn a_yanked_version_is_passed_over_and_refused_when_it_is_named() {
    let app = trusting().await;
    published(&app, &hello("1.2.0")).await;
    published(&app, &hello("1.2.1")).await;
    let path = format!("/api/v1/extensions/{NAME}/versions/1.2.1/yank");
    app.post(&path, json!({ "reason": "broken" })).await;

    let named = install(&app, "1.2.1").await;
    let star = install(&app, "1.2.*").await;

    refused(&named, StatusCode::CONFLICT, "VERSION_YANKED");
    assert_eq!(star.json()["data"]["version"], "1.2.0", "{}", star.text());
}

#[tokio::test]
async fn a_version_nobody_knows_is_the_one_just_published_by_the_same_token() {
    let app = trusting().await;
    let other = app.make_token("default", &["install:write"]).await;
    published(&app, &hello("1.0.0")).await;
    let body = json!({ "registryId": NAME, "version": "latest" });

    let call = app.call(Method::POST, "/api/v1/extensions/install").token(&other);
    let others = call.json(body.clone()).send().await;
    let own = install(&app, "latest").await;
    app.clock.advance(16 * 60);
    let later = install(&app, "latest").await;

    refused(&others, StatusCode::NOT_FOUND, "NOT_FOUND");
    assert_eq!(own.json()["data"]["version"], "1.0.0", "{}", own.text());
    refused(&later, StatusCode::NOT_FOUND, "NOT_FOUND");
}

#[tokio::test]
async fn a_version_that_is_not_published_is_not_installed() {
    let app = trusting().await;

    let answer = install(&app, "1.0.0").await;

    refused(&answer, StatusCode::NOT_FOUND, "NOT_FOUND");
    assert_eq!(app.get("/api/v1/installs").await.json()["installs"], json!([]));
}

#[tokio::test]
async fn an_alias_names_an_installed_extension() {
    let app = trusting().await;
    published(&app, &hello("1.0.0")).await;
    install(&app, "1.0.0").await;

    let alias = json!({ "registryId": "example.com.example.hello", "version": "1.0.0" });
    let answer = call(&app, "update", alias).await;

    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
}

#[tokio::test]
async fn a_published_name_goes_before_the_alias_of_another() {
    let app = trusting().await;
    published(&app, &hello("1.0.0")).await;
    install(&app, "1.0.0").await;
    published(&app, &BundleBuilder::new("example.com.example.hello", "2.0.0")).await;

    let name = json!({ "registryId": "example.com.example.hello", "version": "2.0.0" });
    let answer = call(&app, "install", name).await;

    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    let installs = app.get("/api/v1/installs").await.json();
    assert_eq!(installs["installs"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn uninstalling_keeps_the_bundle_and_is_no_error_twice() {
    let app = trusting().await;
    published(&app, &hello("1.0.0")).await;
    install(&app, "1.0.0").await;

    for _ in 0..2 {
        let answer = call(&app, "uninstall", json!({ "registryId": NAME })).await;

        assert_eq!(answer.status, StatusCode::OK);
        let data = json!({ "registryId": NAME, "success": true, "message": "Uninstalled" });
        assert_eq!(answer.json(), json!({ "data": data }));
    }
    assert_eq!(app.get("/api/v1/installs").await.json()["installs"], json!([]));
    assert_eq!(install(&app, "1.0.0").await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn updating_moves_an_install_and_makes_none() {
    let app = trusting().await;
    published(&app, &hello("1.0.0")).await;
    published(&app, &hello("1.1.0")).await;
    let update = json!({ "registryId": NAME, "version": "1.1.*", "disableMissingSchedules": true });

    let before = call(&app, "update", update.clone()).await;
    install(&app, "1.0.0").await;
    let after = call(&app, "update", update).await;

    refused(&before, StatusCode::NOT_FOUND, "NOT_INSTALLED");
    assert_eq!(after.status, StatusCode::OK);
    let data =
        json!({ "registryId": NAME, "version": "1.1.0", "success": true, "message": "Updated" });
    assert_eq!(after.json(), json!({ "data": data }));
}

#[tokio::test]
async fn bodies_that_say_nothing_right_are_refused() {
    let app = trusting().await;

    for body in [
        json!([]),
        json!({}),
        json!({ "registryId": NAME }),
        json!({ "registryId": NAME, "version": "" }),
        json!({ "registryId": 7, "version": "1.0.0" }),
        json!({ "registryId": "../etc", "version": "1.0.0" }),
    ] {
        refused(&call(&app, "install", body).await, StatusCode::BAD_REQUEST, "VALIDATION_ERROR");
    }
    let answer = call(&app, "uninstall", json!({})).await;
    refused(&answer, StatusCode::BAD_REQUEST, "VALIDATION_ERROR");
}

#[tokio::test]
async fn each_tenant_has_its_own_install() {
    let app = trusting().await;
    let acme = app.make_token("acme", &["install:write", "install:read"]).await;
    published(&app, &hello("1.0.0")).await;
    install(&app, "1.0.0").await;

    let call = app.call(Method::POST, "/api/v1/extensions/uninstall").token(&acme);
    let answer = call.json(json!({ "registryId": NAME })).send().await;

    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(row(&app).await["name"], NAME);
}

#[tokio::test]
async fn a_token_installs_only_the_names_of_its_scope() {
    let app = trusting().await;
    let token = app.make_token("default", &["install:write:com.acme.*"]).await;
    published(&app, &hello("1.0.0")).await;

    for verb in ["install", "uninstall", "update"] {
        let call = app.call(Method::POST, &format!("/api/v1/extensions/{verb}")).token(&token);
        let body = json!({ "registryId": NAME, "version": "1.0.0" });
        refused(&call.json(body).send().await, StatusCode::FORBIDDEN, "FORBIDDEN");
    }
}
