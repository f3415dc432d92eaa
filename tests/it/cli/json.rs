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

    assert_json_snapshot!(install, @"");
    assert_eq!(shape_of(desk, "disable com.example.hello"), install);
    assert_eq!(shape_of(desk, "upgrade com.example.hello"), install);
    assert_eq!(shape_of(desk, "install com.example.hello"), install);
    let list = shape_of(desk, "list");
    assert_eq!(list["installs"], json!([install]));
    assert_json_snapshot!(list["versions"], @"");
    let configure = shape_of(desk, "configure com.example.hello");
    assert_eq!(configure["settings"], json!({}));
    assert!(configure["schema"].is_object());
    let gone = desk.ok("uninstall com.example.hello --yes --json");
    assert_json_snapshot!(shape(&gone.json()), @"");
}

#[test]
fn the_json_about_quarantined_bundles_is_the_documented_one() {
    let server = Server::ready();
    let desk = &server.desk;
    assert_eq!(desk.run("publish hello").code, Some(3));

    let mut list = shape_of(desk, "quarantine list");

    list["quarantined"][0]["report"] = "[report]".into();
    assert_json_snapshot!(list, @"");
    let hash = desk.ok("quarantine list --json").json()["quarantined"][0]["content_hash"].clone();
    let hash = hash.as_str().unwrap();
    assert!(shape_of(desk, &format!("quarantine show {hash}"))["report"].is_object());
    assert_eq!(outcome_of(desk, &format!("quarantine delete {hash} --yes")), "deleted");
}

#[test]
fn the_json_about_people_and_keys_is_the_documented_one() {
    let mut server = Server::ready();
    server.desk.set("PLUGBOARD_URL", "");
    server.desk.set("PLUGBOARD_TOKEN_FILE", "");
    let desk = &server.desk;

    assert_json_snapshot!(shape_of(desk, "token list"), @"");
    let created = shape_of(desk, "token create --name a --scope ext:invoke");
    assert_eq!(created["token"], "string");
    let kept = shape_of(desk, "token create --name b --scope ext:invoke --out b.token");
    assert_eq!((&kept["token"], &kept["file"]), (&Value::Null, &"string".into()));
    let id = desk.ok("token list --json").json()["tokens"][0]["id"].clone();
    assert_eq!(outcome_of(desk, &format!("token revoke {}", id.as_str().unwrap())), "revoked");
    assert_json_snapshot!(shape_of(desk, "tenant create acme"), @"");
    assert_json_snapshot!(shape_of(desk, "tenant list"), @"");
    assert_json_snapshot!(shape_of(desk, "operator list"), @"");
    let key = desk.ok("trust list --json").json()["keys"][0]["id"].clone();
    assert_eq!(outcome_of(desk, &format!("trust remove {}", key.as_str().unwrap())), "removed");
}
