//! What the program tells people to do next can be done.

use std::fs;

use super::program::Desk;
use super::server::Server;
use crate::support::bundle_builder::BundleBuilder;
use crate::support::guests;

/// The command below a line of advice, without the name of the program.
fn advised(text: &str) -> &str {
    let command = text.lines().find_map(|line| line.trim().strip_prefix("plugboard "));
    command.unwrap_or_else(|| panic!("nothing is advised: {text}"))
}

#[test]
fn a_capability_that_the_manifest_does_not_ask_for_is_not_to_be_granted() {
    let server = Server::ready();
    server.desk.ok("publish hello --key acme.key --install");

    let shown = server.desk.ok("egress show com.example.hello").stdout;

    assert!(shown.contains("its manifest does not ask for it, and only a new version"), "{shown}");
    assert!(!shown.contains("plugboard upgrade"), "{shown}");
    let grant = server.desk.run("upgrade com.example.hello --grant cap:http.fetch --yes");
    assert_eq!(grant.code, Some(1), "it was advised for nothing: {grant:?}");
}

#[test]
fn a_capability_that_the_manifest_asks_for_is_granted_as_it_is_told() {
    let server = Server::ready();
    server.desk.sample_as("asks", "1.1.0", Some("cap:http.fetch"));
    server.desk.ok("publish asks --key acme.key --install");
    let shown = server.desk.ok("egress show com.example.hello").stdout;

    server.desk.ok(advised(&shown));

    let shown = server.desk.ok("egress show com.example.hello").stdout;
    assert!(!shown.contains("is not granted"), "{shown}");
}

#[test]
fn a_bundle_without_one_version_is_signed_for_those_who_take_it() {
    let desk = Desk::new();
    desk.ok("keygen acme");
    let bundle = BundleBuilder::new("com.example.hello", "1.4.*");
    let bundle = bundle.endpoint("GET", "/a").component(guests::extension("answers"));
    fs::write(desk.path("star.tar.zst"), bundle.build()).unwrap();

    let signed = desk.ok("sign star.tar.zst --key acme.key").stdout;
    let object = desk.ok("sign star.tar.zst --key acme.key --json").json();

    assert!(signed.starts_with("Signed com.example.hello 1.4.*\n"), "{signed}");
    assert!(signed.contains("`plugboard publish` refuses 1.4.*: "), "{signed}");
    assert!(signed.contains("POST /api/ext-bundles/finalize"), "{signed}");
    assert!(!signed.contains("Publish it"), "{signed}");
    assert_eq!(object["version"], "1.4.*");
    let verified = desk.run("verify star.tar.zst --key acme.pub");
    assert_eq!(verified.code, Some(1), "it was right not to say so: {verified:?}");
    assert!(verified.stdout.contains("version_not_exact"), "{verified:?}");
}
