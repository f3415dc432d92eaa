//! Tokens and keys that are made: somebody has them, or they are good for nothing.

use std::io::pipe;
use std::process::Stdio;

use super::program::{Desk, Run};
use super::server::Server;

const CREATE: &str = "token create --name lost --scope ext:invoke";
/// As on a full disk: no file can have a byte in it.
const NO_ROOM: &str = "trap '' XFSZ; ulimit -f 0; exec \"$0\"";

fn tokens(server: &Server) -> usize {
    let list = server.desk.ok("token list --json").json();
    list["tokens"].as_array().unwrap().len()
}

#[test]
fn no_token_is_made_for_a_place_that_is_none() {
    let server = Server::start();
    std::fs::write(server.desk.path("full"), "x").unwrap();
    for (place, code, hint) in [
        ("none/token", 2, "hint: no token was made\n"),
        ("data", 2, "hint: no token was made\n"),
        ("full", 1, "hint: name another file; no token was made\n"),
    ] {
        let run = server.desk.run(&format!("{CREATE} --out {place}"));

        assert_eq!(run.code, Some(code), "{run:?}");
        assert!(run.stderr.ends_with(hint), "{run:?}");
    }
    assert_eq!(tokens(&server), 0);
}

#[test]
fn no_token_is_made_where_it_would_be_thrown_away() {
    let server = Server::start();

    let dropped = Run::of(server.desk.command(CREATE).stdout(Stdio::null()));
    let closed = server.desk.shell(&format!("exec \"$0\" {CREATE} >&-"));

    for run in [dropped, closed] {
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.stderr.contains("write it to a file with --out; no token was made"), "{run:?}");
    }
    assert_eq!(tokens(&server), 0);
}

#[test]
fn a_token_that_nobody_reads_is_revoked_again() {
    let server = Server::start();
    for line in [CREATE.to_owned(), format!("{CREATE} --json")] {
        let (reader, writer) = pipe().unwrap();
        drop(reader);

        let run = Run::of(server.desk.command(&line).stdout(writer));

        assert_eq!(run.code, Some(4), "{run:?}");
        assert!(run.stderr.contains("error: cannot write to standard output\n"), "{run:?}");
        assert!(run.stderr.ends_with("was revoked again: nobody has it\n"), "{run:?}");
        assert_eq!(tokens(&server), 0);
    }
}

#[test]
fn a_token_that_the_disk_has_no_room_for_is_revoked_again() {
    let server = Server::start();

    let run = server.desk.shell(&format!("{NO_ROOM} {CREATE} --out token"));

    assert_eq!(run.code, Some(4), "{run:?}");
    assert!(run.stderr.contains("error: cannot write token\n"), "{run:?}");
    assert!(run.stderr.ends_with("was revoked again: nobody has it\n"), "{run:?}");
    assert_eq!(tokens(&server), 0);
    server.desk.ok(&format!("{CREATE} --out token"));
}

#[test]
fn a_token_for_a_dash_is_printed() {
    let server = Server::start();

    let printed = server.desk.ok(&format!("{CREATE} --out -")).stdout;

    assert!(printed.starts_with("plug_"), "{printed}");
    assert!(!server.desk.path("-").exists());
}

#[test]
fn a_key_that_the_disk_has_no_room_for_leaves_no_file() {
    let desk = Desk::new();

    let run = desk.shell(&format!("{NO_ROOM} keygen acme"));

    assert_eq!(run.code, Some(4), "{run:?}");
    assert!(run.stderr.starts_with("error: cannot write acme.key\n"), "{run:?}");
    desk.ok("keygen acme");
}
