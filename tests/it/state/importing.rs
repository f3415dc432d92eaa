//! Operators, who put back what an export gave.

use axum::http::{Method, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use plugboard::config::Config;
use plugboard::model::AuditAction;
use serde_json::{Value, json};

use super::guests::{KEEPS, MISSING, call, keeping};
use super::operators::count;
use crate::support::test_app::{ALL_SCOPES, Answer, TestApp};

/// An appliance with the guest installed, and the address of what it keeps.
async fn started(change: impl FnOnce(&mut Config)) -> (TestApp, String) {
    let app = TestApp::start_with(change).await;
    let id = app.install(&keeping(KEEPS)).await;
    (app, format!("/api/v1/installs/{id}/state"))
}

async fn import(app: &TestApp, path: &str, lines: impl Into<Vec<u8>>) -> Answer {
    app.call(Method::POST, path).body(lines.into()).send().await
}

/// A line with as little as there may be in it.
fn line(key: &str, value: &str) -> String {
    json!({"namespace": "n", "key": key, "value_base64": STANDARD.encode(value)}).to_string()
}

fn with(line: &str, name: &str, value: impl Into<Value>) -> String {
    let mut line: Value = serde_json::from_str(line).unwrap();
    line[name] = value.into();
    line.to_string()
}

fn counts(created: u64, replaced: u64, unchanged: u64, expired: u64) -> Value {
    json!({"created": created, "replaced": replaced, "unchanged": unchanged, "expired": expired})
}

#[tokio::test]
async fn what_was_exported_and_purged_comes_back_as_it_was() {
    let (app, path) = started(|_| ()).await;
    for (key, value) in [("b", &b"\0binary"[..]), ("a", b"first"), ("a", b"second")] {
        call(&app, Method::POST, key, value).await;
    }
    let ends = with(&line("c", "ends"), "expires_at", "2026-09-22T00:00:00Z");
    import(&app, &path, ends).await;
    let exported = app.get(&path).await.body;
    app.call(Method::DELETE, &path).send().await;
    app.clock.advance(60);

    let imported = import(&app, &path, exported.clone()).await;

    assert_eq!((imported.status, imported.json()), (StatusCode::OK, counts(3, 0, 0, 0)));
    assert_eq!(app.get(&path).await.body, exported, "revisions, times and ends, too");
    assert_eq!(call(&app, Method::GET, "a", b"").await.text(), "second");
    assert_eq!(call(&app, Method::POST, "a", b"third").await.text(), "3");
    app.clock.advance(24 * 60 * 60);
    assert_eq!(call(&app, Method::GET, "c", b"").await.status, MISSING);
    assert_eq!(count(&app, AuditAction::StateImported).await, 2);
}

#[tokio::test]
async fn the_same_import_again_changes_nothing() {
    let (app, path) = started(|_| ()).await;
    let lines = [line("a", "1"), line("b", "2")].join("\n");
    import(&app, &path, lines.clone()).await;

    let again = import(&app, &path, lines).await;

    assert_eq!(again.json(), counts(0, 0, 2, 0));
}

#[tokio::test]
async fn a_value_that_is_there_is_replaced_only_when_told_and_under_a_later_revision() {
    let (app, path) = started(|_| ()).await;
    for value in ["1", "2", "3"] {
        call(&app, Method::POST, "k", value.as_bytes()).await;
    }
    let other = with(&line("/a?k", "other"), "revision", 3);
    let lines = [line("/a?a", "new"), other, line("/a?z", "never")].join("\n");

    let refused = import(&app, &path, lines.clone()).await;
    let there = call(&app, Method::GET, "k", b"").await.text();
    let replaced = import(&app, &format!("{path}?replace=true"), lines).await;

    assert_eq!((refused.status, refused.code()), (StatusCode::CONFLICT, "already_kept".into()));
    let detail = "line 2 is refused: another value is there already; 1 values of the lines before \
                  it were written and stay";
    assert_eq!(refused.json()["detail"], detail);
    let hint = refused.json()["hint"].to_string();
    assert!(hint.contains("`replace=true` (`--replace` on the command line)"), "{hint}");
    assert_eq!(there, "3");
    assert_eq!(replaced.json(), counts(1, 1, 1, 0));
    // Whoever had seen revision 3 does not win over what came in its place.
    let put_where_3_is = call(&app, Method::POST, "k", b"next").await.text();
    assert_eq!(put_where_3_is, "5");
}

#[tokio::test]
async fn a_rehearsal_says_the_same_and_writes_nothing() {
    let (app, path) = started(|config| {
        config.state.max_keys = 3;
        config.state.max_namespaces = 2;
    })
    .await;
    let dry = format!("{path}?dry_run=true");
    let three = ["a", "b", "c"].map(|key| line(key, "v")).join("\n");
    let four = format!("{three}\n{}", line("d", "v"));
    let spaces = ["n", "o", "p"].map(|name| with(&line("k", "v"), "namespace", name)).join("\n");

    for (lines, code, number) in
        [(&three, "", 0), (&four, "state_full", 4), (&spaces, "state_full", 3)]
    {
        let answer = import(&app, &dry, lines.clone()).await;
        assert_eq!(app.get(&path).await.text(), "");
        if code.is_empty() {
            assert_eq!(answer.json(), counts(3, 0, 0, 0));
            continue;
        }
        assert_eq!(answer.code(), code);
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with(&format!("line {number} is refused: ")), "{detail}");
        assert!(detail.ends_with("nothing was to be written"), "{detail}");
    }
    assert_eq!(count(&app, AuditAction::StateImported).await, 0);

    let written = import(&app, &path, four).await;
    assert_eq!(written.code(), "state_full");
    assert_eq!(app.get(&path).await.text().lines().count(), 3);
}

#[tokio::test]
async fn a_value_whose_time_is_over_is_left_out_and_one_that_is_there_makes_room() {
    let (app, path) = started(|config| config.state.max_keys = 1).await;
    let ended = with(&line("a", "v"), "expires_at", "2026-09-21T14:13:20Z");
    let ends = with(&line("b", "v"), "expires_at", "2026-09-21T14:13:21Z");

    let imported = import(&app, &path, [ended, ends].join("\n")).await;
    app.clock.advance(1);
    let after = import(&app, &path, line("b", "again")).await;

    assert_eq!(imported.json(), counts(1, 0, 0, 1));
    assert_eq!(after.json(), counts(1, 0, 0, 0), "what has ended is as absent");
}

#[tokio::test]
async fn a_line_that_is_no_export_is_named_and_ends_it() {
    let (app, path) = started(|_| ()).await;
    let good = line("a", "v");
    let cases = [
        ("{}".to_owned(), "missing field `namespace`"),
        ("nonsense".to_owned(), "it is not as an export writes it"),
        (String::new(), "EOF"),
        (with(&line("b", "v"), "ttl", 7), "unknown field `ttl`"),
        (with(&line("b", "v"), "revision", 0), "a revision is 1 to"),
        (with(&line("b", "v"), "revision", 1_u64 << 60), "a revision is 1 to"),
        (with(&line("b", "v"), "value_base64", "A"), "no base64"),
        (with(&line("b", "v"), "expires_at", "2027-01-01T00:00:00Z"), "at most 30 days"),
        (with(&line("b", "v"), "key", "k".repeat(513)), "1 to 512 bytes"),
        (with(&line("b", "v"), "namespace", ""), "1 to 128 characters"),
        (line("a", "v"), "does not come after"),
        (line("A", "v"), "does not come after"),
    ];

    for (bad, part) in cases {
        let answer = import(&app, &path, format!("{good}\n{bad}\n{}\n", line("z", "v"))).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
        assert_eq!(answer.code(), "import_refused", "{bad}");
        assert_eq!(answer.json()["hint"], "correct the line and send all of it again");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with("line 2 is refused") && detail.contains(part), "{detail}");
    }
    assert_eq!(app.get(&path).await.text().lines().count(), 1, "what came before stays");
}

#[tokio::test]
async fn a_large_import_is_written_in_steps_and_counted() {
    let (app, path) = started(|_| ()).await;
    let value = "x".repeat(2_000);
    let lines: Vec<_> = (10_000..11_500).map(|number| line(&number.to_string(), &value)).collect();

    let imported = import(&app, &path, lines.join("\n")).await;

    assert_eq!(imported.json(), counts(1_500, 0, 0, 0));
    let listed = app.get("/api/v1/state").await.json();
    assert_eq!(listed["state"][0]["keys"], 1_500);
    assert_eq!(listed["state"][0]["bytes"], 1_500 * (2_000 + 5 + 1));
}

#[tokio::test]
async fn only_an_install_that_is_there_gets_values_and_only_from_its_own_tenant() {
    let (app, path) = started(|_| ()).await;
    call(&app, Method::POST, "k", b"v").await;
    let other = app.make_token("other", &ALL_SCOPES).await;
    let reader = app.make_token("default", &["install:read"]).await;
    let as_whom = |token: &str| {
        app.call(Method::POST, &path).token(token).body(line("a", "v").into_bytes()).send()
    };

    assert_eq!(as_whom(&other).await.code(), "not_installed");
    assert_eq!(as_whom(&reader).await.status, StatusCode::FORBIDDEN);
    app.call(Method::DELETE, path.strip_suffix("/state").unwrap()).send().await;
    assert_eq!(import(&app, &path, line("a", "v")).await.code(), "not_installed");
    assert_eq!(app.get(&path).await.text().lines().count(), 1, "what was kept is as it was");
}
