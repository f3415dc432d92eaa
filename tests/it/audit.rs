//! Reading the record of who did what: what is found, by whom, and at what cost.

use axum::http::{Method, StatusCode};
use insta::assert_json_snapshot;
use plugboard::app::audit::{MAX_READ, MAX_ROWS};
use plugboard::model::{Actor, AuditAction, AuditEvent, Clock};
use plugboard::registry::audit;
use serde_json::{Value, json};

use crate::support::test_app::{ALL_SCOPES, Answer, TestApp};

/// Appends rows of nobody's in one commit, each with a subject that begins with `start`.
async fn append(app: &TestApp, start: &str, count: usize) {
    let at = app.clock.now();
    let event = |index| AuditEvent {
        at,
        actor: Actor::System,
        action: AuditAction::SignInFailed,
        tenant: None,
        subject: format!("{start}{index}"),
        detail: None,
    };
    let events: Vec<_> = (0..count).map(event).collect();
    let write = app
        .app
        .registry
        .write(move |txn| events.iter().try_for_each(|event| audit::append(txn, event).map(drop)));
    write.await.unwrap();
}

/// What the host is shown.
async fn record(app: &TestApp, query: &str) -> Answer {
    let cookie = app.session().await;
    app.call(Method::GET, &format!("/api/v1/audit{query}")).session(&cookie).send().await
}

fn subjects(answer: &Answer) -> Vec<String> {
    let events = answer.json()["events"].as_array().unwrap().clone();
    events.iter().map(|event| event["subject"].as_str().unwrap().to_owned()).collect()
}

fn numbers(answer: &Answer) -> Vec<u64> {
    let events = answer.json()["events"].as_array().unwrap().clone();
    events.iter().map(|event| event["number"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_row_has_its_number_and_says_who_did_what_where() {
    let app = TestApp::start().await;
    app.make_token("acme", &["ext:invoke"]).await;

    let answer = record(&app, "?action=tenant_created&tenant=acme").await;

    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_json_snapshot!(answer.json(), @r#"
    {
      "events": [
        {
          "action": "tenant_created",
          "actor": {
            "id": {
              "uid": 0
            },
            "kind": "local"
          },
          "at": "2026-09-21T14:13:20Z",
          "number": 3,
          "subject": "acme",
          "tenant": "acme"
        }
      ],
      "next": null
    }
    "#);
}

#[tokio::test]
async fn a_token_sees_the_rows_of_its_tenant_and_no_others() {
    let app = TestApp::start().await;
    let other = app.make_token("other", &ALL_SCOPES).await;
    let tenants = |answer: &Answer| -> Vec<Value> {
        let events = answer.json()["events"].as_array().unwrap().clone();
        events.iter().map(|event| event["tenant"].clone()).collect()
    };

    let seen = app.call(Method::GET, "/api/v1/audit").token(&other).send().await;

    assert_eq!(tenants(&seen), vec![json!("other"); 2], "{}", seen.text());
    let all = tenants(&record(&app, "").await);
    assert!(all.contains(&Value::Null) && all.contains(&json!("default")), "{all:?}");
    for tenant in ["default", "nobody"] {
        let path = format!("/api/v1/audit?tenant={tenant}");
        let refused = app.call(Method::GET, &path).token(&other).send().await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
        assert_eq!(refused.code(), "capability_denied");
    }
    let own = app.call(Method::GET, "/api/v1/audit?tenant=other").token(&other).send().await;
    assert_eq!(numbers(&own), numbers(&seen));
}

#[tokio::test]
async fn only_the_scope_for_every_name_reads_the_record() {
    let app = TestApp::start().await;
    for (scopes, status) in [
        (&["audit:read"][..], StatusCode::OK),
        (&["audit:read:com.acme.*"], StatusCode::FORBIDDEN),
        (&["install:read", "token:write"], StatusCode::FORBIDDEN),
    ] {
        let token = app.make_token("acme", scopes).await;

        let answer = app.call(Method::GET, "/api/v1/audit").token(&token).send().await;

        assert_eq!(answer.status, status, "{scopes:?} {}", answer.text());
    }
}

#[tokio::test]
async fn filters_can_be_put_together() {
    let app = TestApp::start().await;
    append(&app, "early-", 2).await;
    app.clock.advance(24 * 60 * 60);
    append(&app, "late-", 2).await;

    for (query, expected) in [
        ("?subject=early-", &["early-1", "early-0"][..]),
        ("?action=sign_in_failed&from=2026-09-22", &["late-1", "late-0"]),
        ("?action=sign_in_failed&to=2026-09-21", &["early-1", "early-0"]),
        ("?actor=system&to=2026-09-22T14:13:20Z", &["early-1", "early-0"]),
        ("?actor=local:0&action=sign_in_failed", &[]),
        ("?subject=early-&tenant=default", &[]),
        ("?subject=late-&tenant=&action=&actor=&from=&to=", &["late-1", "late-0"]),
    ] {
        assert_eq!(subjects(&record(&app, query).await), expected, "{query}");
    }
}

#[tokio::test]
async fn pages_follow_each_other_without_a_gap_and_without_an_overlap() {
    let app = TestApp::start().await;
    append(&app, "row-", 7).await;
    let (mut seen, mut next) = (Vec::new(), String::new());

    loop {
        let page = record(&app, &format!("?subject=row-&limit=3{next}")).await;
        assert!(numbers(&page).len() <= 3, "{}", page.text());
        seen.extend(subjects(&page));
        // A sign-in for each request is newer than all of them.
        let Some(before) = page.json()["next"].as_u64() else { break };
        next = format!("&before={before}");
    }

    assert_eq!(seen, ["row-6", "row-5", "row-4", "row-3", "row-2", "row-1", "row-0"]);
}

#[tokio::test]
async fn a_filter_that_matches_nothing_reads_part_of_the_record_and_says_where_to_go_on() {
    let app = TestApp::start().await;
    append(&app, "wanted-", 1).await;
    append(&app, "row-", MAX_READ).await;

    let first = record(&app, "?subject=wanted-").await;

    assert_eq!(first.json()["events"], json!([]));
    let next = first.json()["next"].as_u64().unwrap();
    let second = record(&app, &format!("?subject=wanted-&before={next}")).await;
    assert_eq!(subjects(&second), ["wanted-0"]);
    assert_eq!(second.json()["next"], Value::Null);
    let everything = record(&app, &format!("?limit={MAX_ROWS}")).await;
    assert_eq!(numbers(&everything).len(), MAX_ROWS);
}

#[tokio::test]
async fn what_cannot_be_read_is_named() {
    let app = TestApp::start().await;
    for (query, name) in [
        ("?limit=0", "limit"),
        ("?limit=1001", "limit"),
        ("?before=-1", "before"),
        ("?action=Installed", "action"),
        ("?actor=ada", "actor"),
        ("?tenant=No", "tenant"),
        ("?subject=%1b", "subject"),
        ("?from=yesterday", "from"),
        ("?to=2026-13-01", "to"),
        ("?page=2", "page"),
    ] {
        let answer = record(&app, query).await;

        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query} {}", answer.text());
        assert_eq!(answer.code(), "malformed_request", "{query}");
        assert!(answer.json()["detail"].as_str().unwrap().contains(name), "{}", answer.text());
    }
}

async fn page(app: &TestApp, query: &str) -> Answer {
    let cookie = app.session().await;
    app.call(Method::GET, &format!("/admin/audit{query}")).session(&cookie).send().await
}

#[tokio::test]
async fn the_page_shows_sentences_and_leads_to_older_rows() {
    let app = TestApp::start().await;
    append(&app, "guessed-", 3).await;

    let newest = page(&app, "?subject=guessed-&limit=2").await.text();

    assert!(newest.contains("A sign-in was refused"), "{newest}");
    assert!(newest.contains("guessed-2") && newest.contains("guessed-1"), "{newest}");
    assert!(!newest.contains("guessed-0"), "{newest}");
    let link = newest.split("rel=\"next\" href=\"/admin/audit").nth(1).unwrap();
    let link = link.split('"').next().unwrap().replace("&#38;", "&");
    let older = page(&app, &link).await.text();
    assert!(older.contains("guessed-0") && !older.contains("guessed-1"), "{older}");
    assert!(older.contains(">Newest</a>"), "{older}");
}

#[tokio::test]
async fn the_page_says_what_is_wrong_beside_the_field_and_keeps_what_was_typed() {
    let app = TestApp::start().await;

    let answer = page(&app, "?actor=ada&subject=com.acme.").await;

    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let text = answer.text();
    assert!(text.contains("id=\"actor-error\"") && text.contains("value=\"com.acme.\""), "{text}");
    assert!(!text.contains("<table>"), "{text}");
}

#[tokio::test]
async fn the_page_tells_nothing_found_from_not_found_yet() {
    let app = TestApp::start().await;
    let nothing = page(&app, "?subject=wanted-").await.text();
    assert!(nothing.contains("<h2>Nothing found</h2>"), "{nothing}");

    append(&app, "row-", MAX_READ).await;

    let not_yet = page(&app, "?subject=wanted-").await.text();
    assert!(not_yet.contains("None of the 20,000 rows"), "{not_yet}");
    assert!(not_yet.contains(">Older</a>"), "{not_yet}");
}
