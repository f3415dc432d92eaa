//! Ctrl-C, and a server that is told to stop.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

use serde_json::Value;

use super::program::Desk;

/// A line of the log with this message.
fn logged(log: &str, message: &str) -> Value {
    let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let found = lines.find(|line| line["message"] == message);
    found.unwrap_or_else(|| panic!("no line {message}: {log}"))
}

#[test]
fn the_log_says_when_a_server_starts_and_how_it_ends() {
    let mut desk = Desk::new();
    desk.set("PLUGBOARD_TELEMETRY__LOG_FORMAT", "json");
    let mut command = desk.command("serve --listen 127.0.0.1:0 --data-dir data");
    let log = fs::File::create(desk.path("log")).unwrap();
    let mut server = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();

    interrupt(&server);
    assert_eq!(server.wait().unwrap().code(), Some(0));

    let log = fs::read_to_string(desk.path("log")).unwrap();
    let data = fs::canonicalize(desk.path("data")).unwrap();
    let started = logged(&log, "Plugboard is started");
    assert_eq!(started["version"], env!("CARGO_PKG_VERSION"));
    let address = line.trim_start_matches("http://").split('/').next().unwrap();
    assert_eq!(started["address"], address);
    assert_eq!(started["data_dir"], data.to_str().unwrap());
    assert_eq!((&started["extensions"], &started["installs"]), (&0.into(), &0.into()));
    let stopped = logged(&log, "Plugboard is stopped");
    assert_eq!(stopped["signal"], "SIGINT");
    assert!(stopped["duration_ms"].is_number(), "{stopped}");
    let create = format!("plugboard operator create NAME --data-dir {}\n", data.display());
    assert!(log.contains(&create), "works in every folder: {log}");
}

#[test]
fn a_start_says_that_the_trust_bundle_cannot_be_used() {
    let mut desk = Desk::new();
    desk.set("PLUGBOARD_TELEMETRY__LOG_FORMAT", "json");
    desk.set("SIGNING_TRUST_BUNDLE", "nowhere");
    let mut command = desk.command("serve --listen 127.0.0.1:0 --data-dir data");
    let log = fs::File::create(desk.path("log")).unwrap();
    let mut server = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();

    interrupt(&server);
    assert_eq!(server.wait().unwrap().code(), Some(0));

    let log = fs::read_to_string(desk.path("log")).unwrap();
    let reason = "the trust bundle cannot be read: No such file or directory (os error 2)";
    let message = format!(
        "`signing.trust_bundle` is not usable, and no bundle is verified until it is: {reason}"
    );
    assert_eq!(logged(&log, &message)["level"], "ERROR");
}

fn interrupt(child: &Child) {
    let id = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
}

#[test]
fn a_server_that_is_told_to_stop_leaves_no_socket_and_a_registry_that_opens() {
    let mut desk = Desk::new();
    desk.set("PLUGBOARD_SERVER__DATA_DIR", "data");
    let mut command = desk.command("serve --listen 127.0.0.1:0");
    let mut server = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("http://127.0.0.1:"), "{line}");

    interrupt(&server);

    assert_eq!(server.wait().unwrap().code(), Some(0));
    assert!(!desk.path("data/admin.sock").exists());
    desk.ok("operator list");
}

#[test]
fn a_command_that_waits_ends_at_ctrl_c() {
    let mut desk = Desk::new();
    desk.set("PLUGBOARD_TOKEN", "plug_abcdefgh_x");
    // Nobody listens there, so it tries again and again.
    let mut command = desk.command("publish hello --url http://127.0.0.1:9 --wait=3600");
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut first = String::new();
    stderr.read_line(&mut first).unwrap();
    assert!(first.starts_with("Packed hello"), "{first}");

    interrupt(&child);

    assert_eq!(child.wait().unwrap().code(), Some(130));
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "interrupted\n");
}
