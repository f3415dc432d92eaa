//! `plugboard logs`: the lines of an extension, read and followed.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::server::Server;
use crate::support::bundle_builder::BundleBuilder;
use crate::support::guests;

const NAME: &str = "com.example.says";

fn server() -> Server {
    let server = Server::ready();
    let bundle = BundleBuilder::new(NAME, "1.0.0").endpoint("POST", "/i").endpoint("POST", "/e");
    server.install(&bundle, &guests::wasi_extension("says"));
    server
}

fn say(server: &Server, does: &str, text: &'static str) {
    let url = format!("{}/api/ext/{NAME}/{does}", server.url);
    let (status, body) = server.call(|client| client.post(url).body(text));
    assert_eq!(status, 200, "{body}");
}

#[test]
fn lines_are_shown_in_columns_or_as_json_and_hostile_ones_harmlessly() {
    let server = server();
    say(&server, "i", "first");
    say(&server, "e", "a\r\nforged\u{1b}]0;x\u{7}\u{202e}");

    let shown = server.desk.ok(&format!("logs {NAME}"));
    let last = server.desk.ok(&format!("logs {NAME} -n 1 --json"));
    let errors = server.desk.ok(&format!("logs {NAME} --level error --text FORGED"));
    let none = server.desk.ok(&format!("logs {NAME} --stream stdout"));
    let unknown = server.desk.run("logs com.example.say");

    let lines: Vec<_> = shown.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{shown:?}");
    assert!(lines[0].contains("  info   log     ") && lines[0].ends_with("  first"), "{shown:?}");
    assert!(lines[1].ends_with("  a\\r\\nforged\\u{1b}]0;x\\u{7}\\u{202e}"), "{shown:?}");
    let line: Value = serde_json::from_str(&last.stdout).unwrap();
    assert_eq!((&line["seq"], &line["level"]), (&2.into(), &"error".into()));
    assert_eq!(errors.stdout.lines().count(), 1);
    assert!(none.stdout.is_empty() && none.stderr.contains("no such lines"), "{none:?}");
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
}

/// A command that follows over the admin socket.
struct Follower {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Follower {
    fn start(server: &Server) -> Self {
        let mut command = server.desk.command(&format!("logs {NAME} --follow --json"));
        command.env_remove("PLUGBOARD_URL").env_remove("PLUGBOARD_TOKEN_FILE");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn message(&mut self) -> String {
        let line: Value = serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap();
        line["message"].as_str().unwrap().to_owned()
    }
}

#[test]
fn who_follows_goes_on_over_a_restart_and_ends_at_ctrl_c() {
    let mut server = server();
    say(&server, "i", "before");
    let mut follower = Follower::start(&server);
    assert_eq!(follower.message(), "before");
    say(&server, "i", "live");
    assert_eq!(follower.message(), "live");

    // It ends in time, though somebody follows.
    server.restart_in_order();
    say(&server, "i", "after");

    assert_eq!(follower.message(), "after");
    kill_process(Pid::from_child(&follower.child), Signal::INT).unwrap();
    assert_eq!(follower.child.wait().unwrap().code(), Some(130));
}
