//! The shapes that `--json` promises, for commands that need an appliance.

use insta::assert_json_snapshot;
use serde_json::{Value, json};

use super::program::{Desk, shape};
use super::server::Server;

fn shape_of(desk: &Desk, line: &str) -> Value {
    shape(&desk.ok(&format!("{line} --json")).json())
}

/// What a command that deletes something says.
fn outcome_of(desk: &Desk, line: &str) -> Value {
    desk.ok(&format!("{line} --json")).json()["outcome"].clone()
}

#[test]
fn the_json_about_extensions_is_the_documented_one() {
    let server = Server::ready();
    let desk = &server.desk;
    desk.ok("publish hello --key acme.key --install --enable --grant log.emit");
    let install = shape_of(desk, "enable com.example.hello");

    assert_json_snapshot!(install, @r#"
    {
      "content_hash": "string",
      "enabled": "bool",
      "grants": [
        "string"
      ],
      "id": "string",
      "installed_at": "string",
      "name": "string",
      "previous": null,
      "settings": {},
      "tenant": "string",
      "updated_at": "string",
      "version": "string"
    }
    "#);
    assert_eq!(shape_of(desk, "disable com.example.hello"), install);
    assert_eq!(shape_of(desk, "upgrade com.example.hello"), install);
    assert_eq!(shape_of(desk, "install com.example.hello"), install);
    let list = shape_of(desk, "list");
    assert_eq!(list["installs"], json!([install]));
    assert_json_snapshot!(list["versions"], @r#"
    [
      {
        "content_hash": "string",
        "name": "string",
        "published_at": "string",
        "signers": [
          {
            "key_id": "string",
            "name": "string"
          }
        ],
        "size": "number",
        "version": "string",
        "world": "string"
      }
    ]
    "#);
    let configure = shape_of(desk, "configure com.example.hello");
    assert_eq!(configure["settings"], json!({}));
    assert!(configure["schema"].is_object());
    let unsure = desk.run("uninstall com.example.hello");
    assert_eq!(unsure.code, Some(2), "nobody said yes");
    let sentence = "secrets, for good: nobody can be asked here, add --yes\n";
    assert!(unsure.stderr.ends_with(sentence), "{unsure:?}");
    let gone = desk.ok("uninstall com.example.hello --yes --json");
    assert_json_snapshot!(shape(&gone.json()), @r#"
    {
      "id": "string",
      "name": "string",
      "outcome": "string",
      "version": "string"
    }
    "#);
}

#[test]
fn the_json_about_versions_that_go_is_the_documented_one() {
    let server = Server::ready();
    let desk = &server.desk;
    desk.ok("publish hello --key acme.key");
    let version = desk.ok("list --json").json()["versions"][0]["version"].clone();
    let what = format!("com.example.hello@{}", version.as_str().unwrap());

    let yank = shape_of(desk, &format!("yank {what} --reason broken"));

    assert_json_snapshot!(yank, @r#"
    {
      "name": "string",
      "reason": "string",
      "version": "string",
      "yanked_at": "string",
      "yanked_by": "string"
    }
    "#);
    assert!(desk.ok("list").stdout.contains("yanked"));
    let refused = desk.run(&format!("install {what}"));
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("is yanked: broken"), "{}", refused.stderr);
    assert_eq!(outcome_of(desk, &format!("unyank {what}")), "unyanked");
    let unsure = desk.run(&format!("remove {what}"));
    assert_eq!(unsure.code, Some(2), "nobody said yes");
    assert!(unsure.stderr.ends_with("published again: nobody can be asked here, add --yes\n"));
    for empty in [&["--reason", ""], &["--reason", " "]] {
        let run = desk.command(&format!("yank {what}")).args(empty).output().unwrap();
        assert_eq!(run.status.code(), Some(2), "{run:?}");
    }
    let removed = shape_of(desk, &format!("remove {what} --yes"));
    assert_json_snapshot!(removed, @r#"
    {
      "content_hash": "string",
      "name": "string",
      "outcome": "string",
      "removed_at": "string",
      "version": "string"
    }
    "#);
    assert_eq!(desk.run("publish hello --key acme.key").code, Some(1));
}

#[test]
fn the_json_about_quarantined_bundles_is_the_documented_one() {
    let server = Server::ready();
    let desk = &server.desk;
    assert_eq!(desk.run("publish hello").code, Some(3));

    let mut list = shape_of(desk, "quarantine list");

    list["quarantined"][0]["report"] = "[report]".into();
    assert_json_snapshot!(list, @r#"
    {
      "quarantined": [
        {
          "content_hash": "string",
          "expires_at": "string",
          "name": "string",
          "published_by": "string",
          "quarantined_at": "string",
          "report": "[report]",
          "size": "number",
          "version": "string"
        }
      ]
    }
    "#);
    let hash = desk.ok("quarantine list --json").json()["quarantined"][0]["content_hash"].clone();
    let hash = hash.as_str().unwrap();
    assert!(shape_of(desk, &format!("quarantine show {hash}"))["report"].is_object());
    let unsure = desk.run(&format!("quarantine delete {hash}"));
    assert_eq!(unsure.code, Some(2), "nobody said yes");
    assert!(unsure.stderr.contains("cannot be undone: nobody can be asked here, add --yes"));
    let approve = format!("quarantine approve {hash}");
    let empty = desk.command(&approve).args(["--reason", ""]).output().unwrap();
    assert_eq!(empty.status.code(), Some(2), "{empty:?}");
    assert_eq!(outcome_of(desk, &format!("quarantine delete {hash} --yes")), "deleted");
}

#[test]
fn the_json_about_people_and_keys_is_the_documented_one() {
    let mut server = Server::ready();
    server.desk.set("PLUGBOARD_URL", "");
    server.desk.set("PLUGBOARD_TOKEN_FILE", "");
    let desk = &server.desk;

    assert_json_snapshot!(shape_of(desk, "token list"), @r#"
    {
      "tokens": [
        {
          "created_at": "string",
          "created_by": "string",
          "expires_at": "string",
          "id": "string",
          "last_used_at": null,
          "name": "string",
          "scopes": [
            "string"
          ],
          "tenant": "string"
        }
      ]
    }
    "#);
    let created = shape_of(desk, "token create --name a --scope ext:invoke");
    assert_eq!(created["token"], "string");
    let kept = shape_of(desk, "token create --name b --scope ext:invoke --out b.token");
    assert_eq!((&kept["token"], &kept["file"]), (&Value::Null, &"string".into()));
    let id = desk.ok("token list --json").json()["tokens"][0]["id"].clone();
    assert_eq!(outcome_of(desk, &format!("token revoke {}", id.as_str().unwrap())), "revoked");
    assert_json_snapshot!(shape_of(desk, "tenant create acme"), @r#"
    {
      "created_at": "string",
      "id": "string"
    }
    "#);
    assert_json_snapshot!(shape_of(desk, "tenant list"), @r#"
    {
      "tenants": [
        {
          "created_at": "string",
          "id": "string"
        }
      ]
    }
    "#);
    assert_json_snapshot!(shape_of(desk, "operator list"), @r#"
    {
      "operators": [
        {
          "created_at": "string",
          "name": "string",
          "password_changed_at": "string"
        }
      ]
    }
    "#);
    let key = desk.ok("trust list --json").json()["keys"][0]["id"].clone();
    assert_eq!(outcome_of(desk, &format!("trust remove {}", key.as_str().unwrap())), "removed");
}
