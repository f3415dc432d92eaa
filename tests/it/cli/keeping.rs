//! `plugboard state`: what extensions keep, listed, exported and purged.

use std::fs;
use std::io::pipe;

use serde_json::{Value, json};

use super::program::Run;
use super::server::Server;
use crate::support::bundle_builder::BundleBuilder;
use crate::support::guests;

const NAME: &str = "com.example.keeps";

/// A server with an extension that keeps two values.
fn server_with_values() -> Server {
    let server = Server::ready();
    let bundle = BundleBuilder::new(NAME, "1.0.0")
        .capabilities(&["cap:storage.kv"])
        .endpoint("GET", "/a")
        .endpoint("POST", "/a");
    server.install(&bundle, &guests::extension("keeps"));
    for key in ["k1", "k2"] {
        put(&server, key);
    }
    server
}

fn put(server: &Server, key: &str) {
    let url = format!("{}/api/ext/{NAME}/a?{key}", server.url);
    let (status, body) = server.call(|client| client.post(url).body("value"));
    assert_eq!(status, 200, "{body}");
}

fn keys(lines: &str) -> Vec<Value> {
    let key = |line: &str| serde_json::from_str::<Value>(line).unwrap()["key"].take();
    lines.lines().map(key).collect()
}

#[test]
fn what_is_kept_is_listed_exported_and_purged() {
    let server = server_with_values();
    let desk = &server.desk;

    let list = desk.ok("state list").stdout;
    let printed = desk.ok(&format!("state export {NAME}")).stdout;
    let exported = desk.ok(&format!("state export {NAME} --out kept.jsonl --json")).json();
    let twice = desk.run(&format!("state export {NAME} --out kept.jsonl"));
    let unsure = desk.run(&format!("state purge {NAME}"));
    let purged = desk.ok(&format!("state purge {NAME} --yes --json")).json();
    let nothing = desk.ok(&format!("state export {NAME}"));
    let again = desk.ok(&format!("state purge {NAME} --yes"));
    let unknown = desk.run("state export com.example.none");

    assert!(list.contains(NAME) && list.contains("installed"), "{list}");
    assert_eq!(keys(&printed), ["/a?k1", "/a?k2"]);
    assert_eq!(fs::read_to_string(desk.path("kept.jsonl")).unwrap(), printed);
    assert_eq!((&exported["file"], &exported["keys"]), (&json!("kept.jsonl"), &json!(2)));
    assert_eq!(twice.code, Some(1), "{twice:?}");
    assert!(twice.stderr.contains("hint: name another file\n"), "it has no --force: {twice:?}");
    assert_eq!(unsure.code, Some(2), "nobody said yes");
    let sentence = format!("error: This removes 2 values of {NAME}, 22 B, for good: ");
    assert!(unsure.stderr.starts_with(&sentence), "{unsure:?}");
    assert!(unsure.stderr.ends_with("add --yes\n"), "{unsure:?}");
    assert_eq!((&purged["outcome"], &purged["keys"]), (&json!("purged"), &json!(2)));
    assert_eq!((nothing.stdout.as_str(), nothing.stderr.as_str()), ("", ""));
    assert_eq!(again.stdout, format!("Removed 0 values of {NAME}, 0 B\n"));
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    let sentence = "com.example.none is not installed, and nothing is kept of it";
    assert!(unknown.stderr.contains(sentence), "{unknown:?}");
}

#[test]
fn what_is_kept_outlives_a_kill_and_an_uninstall_and_no_purge() {
    let mut server = server_with_values();

    server.restart();
    let now = server.url.clone();
    server.desk.set("PLUGBOARD_URL", &now);
    let after_the_kill = server.desk.ok(&format!("state export {NAME}")).stdout;
    server.desk.ok(&format!("uninstall {NAME} --yes"));
    let list = server.desk.ok("state list").stdout;
    let after_the_uninstall = server.desk.ok(&format!("state export {NAME}")).stdout;
    server.desk.ok(&format!("install {NAME} --grant-all --enable"));
    put(&server, "k3");
    server.desk.ok(&format!("uninstall {NAME} --purge --yes"));

    assert_eq!(keys(&after_the_kill), ["/a?k1", "/a?k2"]);
    assert!(list.contains("uninstalled, to be removed "), "{list}");
    assert_eq!(after_the_uninstall, after_the_kill);
    let left = server.desk.ok("state list --json").json();
    assert_eq!(left["state"].as_array().unwrap().len(), 1, "{left}");
}

/// Such a server whose extension was uninstalled and installed again: the id of the first
/// install, which the two values are of.
fn server_with_values_of_before() -> (Server, String) {
    let server = server_with_values();
    let kept = server.desk.ok("state list --json").json();
    server.desk.ok(&format!("uninstall {NAME} --yes"));
    server.desk.ok(&format!("install {NAME} --grant-all --enable"));
    let id = kept["state"][0]["install"].as_str().unwrap().to_owned();
    (server, id)
}

#[test]
fn a_name_means_the_install_that_is_there_though_only_one_of_before_keeps_something() {
    let (server, before) = server_with_values_of_before();
    let desk = &server.desk;

    let exported = desk.ok(&format!("state export {NAME}"));
    let purged = desk.ok(&format!("state purge {NAME} --yes --json")).json();

    assert_eq!(exported.stdout, "");
    assert!(exported.stderr.contains("before it was uninstalled"), "{exported:?}");
    assert_eq!((&purged["keys"], &purged["uninstalled_at"]), (&json!(0), &Value::Null));
    assert_ne!(purged["install"], json!(before));
    let by_id = desk.ok(&format!("state export {before}")).stdout;
    assert_eq!(keys(&by_id), ["/a?k1", "/a?k2"]);
}

#[test]
fn the_question_and_the_answer_say_that_an_install_is_uninstalled() {
    let (server, before) = server_with_values_of_before();
    let desk = &server.desk;
    desk.ok(&format!("uninstall {NAME} --yes"));

    let unsure = desk.run(&format!("state purge {NAME}"));
    let exported = desk.ok(&format!("state export {before} --out kept.jsonl")).stdout;
    let purged = desk.ok(&format!("state purge {NAME} --yes")).stdout;

    let title = format!("the uninstalled {NAME} ({before})");
    let question = format!("error: This removes 2 values of {title}, 22 B, for good: ");
    assert!(unsure.stderr.starts_with(&question), "{unsure:?}");
    assert_eq!(exported, format!("What {title} keeps is in kept.jsonl\n"));
    assert_eq!(purged, format!("Removed 2 values of {title}, 22 B\n"));
}

#[test]
fn an_export_that_nobody_reads_to_its_end_is_no_failure() {
    let server = server_with_values();
    let (reader, writer) = pipe().unwrap();
    drop(reader);

    let mut command = server.desk.command(&format!("state export {NAME}"));
    let run = Run::of(command.stdout(writer));

    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
}

#[test]
fn an_export_to_a_dash_is_printed() {
    let server = server_with_values();

    let printed = server.desk.ok(&format!("state export {NAME} --out -")).stdout;

    assert_eq!(keys(&printed), ["/a?k1", "/a?k2"]);
    assert!(!server.desk.path("-").exists());
}

#[test]
fn what_was_exported_is_imported_into_another_install_or_not_at_all() {
    let server = server_with_values();
    let desk = &server.desk;
    let exported = desk.ok(&format!("state export {NAME}")).stdout;
    fs::write(desk.path("kept.jsonl"), &exported).unwrap();
    desk.ok(&format!("state purge {NAME} --yes"));

    let tried = desk.ok(&format!("state import {NAME} kept.jsonl --dry-run --json")).json();
    let imported = desk.ok(&format!("state import {NAME} kept.jsonl --json")).json();
    let again = desk.run_with_input(&format!("state import {NAME}"), &exported);
    let mut other = exported.replace("dmFsdWU=", "b3RoZXI=");
    other.push_str("nonsense\n");
    fs::write(desk.path("other.jsonl"), &other).unwrap();
    let refused = desk.run(&format!("state import {NAME} other.jsonl --replace"));
    let missing = desk.run(&format!("state import {NAME} none.jsonl"));
    let unknown = desk.run("state import com.example.none kept.jsonl");

    assert_eq!((&tried["outcome"], &tried["created"]), (&json!("tried"), &json!(2)));
    assert_eq!((&imported["outcome"], &imported["created"]), (&json!("imported"), &json!(2)));
    assert!(
        again.stdout.contains("Imported 0 new values") && again.stdout.contains("2 were there")
    );
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("line 3 is refused"), "{refused:?}");
    assert_eq!(desk.ok(&format!("state export {NAME}")).stdout, exported, "all or nothing");
    assert_eq!((missing.code, unknown.code), (Some(2), Some(1)));
}
