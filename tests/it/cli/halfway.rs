//! A version that is out, and an install that does not follow.

use serde_json::{Value, json};

use super::server::Server;

/// A server at whose desk a token may publish, and nothing else.
fn server_for_a_publisher() -> Server {
    let mut server = Server::ready();
    server.desk.set("PLUGBOARD_URL", "");
    server.desk.set("PLUGBOARD_TOKEN_FILE", "");
    server.desk.ok("token create --name ci --scope bundle:publish --out narrow");
    let url = server.url.clone();
    server.desk.set("PLUGBOARD_URL", &url);
    server.desk.set("PLUGBOARD_TOKEN_FILE", "narrow");
    server
}

#[test]
fn a_version_is_said_to_be_published_before_the_install_is_refused() {
    let server = server_for_a_publisher();

    let run = server.desk.run("publish hello --key acme.key --install --upgrade --enable");

    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stdout.starts_with("Published com.example.hello 1.0.0\n  sha256:"), "{run:?}");
    assert!(run.stderr.contains("error: this token does not have the scope"), "{run:?}");
}

#[test]
fn machines_are_told_of_a_published_version_beside_the_error() {
    let server = server_for_a_publisher();

    let run = server.desk.run("publish hello --key acme.key --install --json");

    let object = run.json();
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(object["error"]["problem"]["status"], 403, "{object}");
    let published = &object["published"];
    assert_eq!(
        (&published["outcome"], &published["version"]),
        (&json!("created"), &json!("1.0.0"))
    );
    assert!(published["content_hash"].is_string() && published["report"].is_object(), "{object}");
    assert!(run.stderr.contains("error: this token does not have the scope"), "{run:?}");
}

#[test]
fn a_version_whose_grants_nobody_agreed_to_is_published_all_the_same() {
    let server = Server::ready();
    server.desk.ok("publish hello --key acme.key --install");
    server.desk.sample_as("next", "1.1.0", Some("cap:http.fetch"));
    let line = "publish next --key acme.key --install --upgrade --grant-all";

    let first = server.desk.run(&format!("{line} --json"));
    let second = server.desk.run(line);

    assert_eq!((first.code, second.code), (Some(1), Some(1)), "{first:?} {second:?}");
    assert_eq!(first.json()["published"]["outcome"], "created");
    assert_eq!(first.json()["error"]["hint"], "agree to it with --yes");
    let before = "com.example.hello 1.1.0 was published before, with the same content\n  sha256:";
    assert!(second.stdout.starts_with(before), "{second:?}");
}

#[test]
fn nothing_is_called_published_that_was_refused() {
    let server = server_for_a_publisher();
    std::fs::write(server.desk.path("broken.tar.zst"), "not a bundle").unwrap();

    let run = server.desk.run("publish broken.tar.zst --install --json");

    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(run.json()["published"], Value::Null);
}
