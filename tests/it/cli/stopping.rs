//! Ctrl-C, and a server that is told to stop.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

use super::program::Desk;

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
