//! `plugboard audit`: the record from a terminal.

use insta::assert_json_snapshot;
use jiff::Timestamp;
use plugboard::model::{Actor, AuditAction, AuditEvent};
use plugboard::registry::{Registry, audit};

use super::program::{Desk, shape};

/// A data folder with `count` rows and no server.
fn desk_with_rows(count: usize) -> Desk {
    let mut desk = Desk::new();
    desk.set("PLUGBOARD_SERVER__DATA_DIR", "data");
    std::fs::create_dir(desk.path("data")).unwrap();
    let at = Timestamp::from_second(1_790_000_000).unwrap();
    let registry = Registry::open(&desk.path("data/registry.redb"), 1 << 20, at).unwrap();
    let event = |index| AuditEvent {
        at,
        actor: Actor::System,
        action: AuditAction::SignInFailed,
        tenant: None,
        subject: format!("row-{index}"),
        detail: None,
    };
    let write = registry.write_blocking(|txn| {
        (0..count).try_for_each(|index| audit::append(txn, &event(index)).map(drop))
    });
    write.unwrap();
    desk
}

#[test]
fn the_record_is_read_on_in_as_many_requests_as_it_takes() {
    let desk = desk_with_rows(1_200);

    let all = desk.ok("audit --limit 1100 --json").json();

    assert_eq!(all["events"].as_array().unwrap().len(), 1_100);
    assert_eq!(all["events"][0]["number"], 1_200);
    assert_eq!((&all["events"][1_099]["number"], &all["next"]), (&101.into(), &101.into()));
    let rest = desk.ok("audit --before 101 --limit 1000 --json").json();
    assert_eq!(rest["events"].as_array().unwrap().len(), 100);
    assert_eq!(rest["next"], serde_json::Value::Null);
}

#[test]
fn a_person_reads_columns_and_where_to_go_on() {
    let desk = desk_with_rows(3);

    let run = desk.ok("audit --subject row- --limit 2");

    insta::assert_snapshot!(run.stdout, @r"
    NUMBER  TIME (UTC)           ACTION          WHO        TENANT  ABOUT
    3       2026-09-21 14:13:20  sign_in_failed  plugboard  -       row-2
    2       2026-09-21 14:13:20  sign_in_failed  plugboard  -       row-1
    ");
    assert!(run.stderr.contains("--before 2"), "{run:?}");
    assert_eq!(desk.ok("audit --actor token").stdout, "Nothing found.\n");
}

#[test]
fn a_filter_that_cannot_be_is_wrong_usage() {
    let desk = desk_with_rows(1);

    for wrong in ["--action Installed", "--actor ada", "--from yesterday", "--limit 0"] {
        assert_eq!(desk.run(&format!("audit {wrong}")).code, Some(2), "{wrong}");
    }
}

#[test]
fn the_json_is_the_documented_one() {
    let desk = desk_with_rows(0);
    desk.ok("tenant create acme");

    let found = desk.ok("audit --json").json();

    assert_json_snapshot!(shape(&found), @r#"
    {
      "events": [
        {
          "action": "string",
          "actor": {
            "id": {
              "uid": "number"
            },
            "kind": "string"
          },
          "at": "string",
          "number": "number",
          "subject": "string",
          "tenant": "string"
        }
      ],
      "next": null
    }
    "#);
}
