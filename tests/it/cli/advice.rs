//! What the program tells people to do next can be done.

use super::server::Server;

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
