//! What a server holds of the bodies that pass through it.
//!
//! `PLUGBOARD_TEST_ROUNDS=16` passes 1 GiB each way.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use super::server::Server;
use crate::support::bundle_builder::BundleBuilder;
use crate::support::{guests, note, rounds};

const PIECE: usize = 64 * 1024;
/// What a server may grow by while a body passes, however long that is.
const ROOM_BYTES: u64 = 16 * 1024 * 1024;

/// Bytes that pass in this run: 64 MiB a round.
fn pieces() -> usize {
    1024 * usize::try_from(rounds()).unwrap()
}

/// A server with the guest `streams`, that lets this much pass.
fn streaming() -> Server {
    let most = (pieces() * PIECE).to_string();
    let server = Server::ready_with(&[
        ("PLUGBOARD_GATEWAY__MAX_BODY_BYTES", &most),
        ("PLUGBOARD_GATEWAY__MAX_RESPONSE_BYTES", &most),
        // A debug build takes some ten times as long as a release for each piece.
        ("PLUGBOARD_RUNNER__CPU_MS", "30000"),
        ("PLUGBOARD_TELEMETRY__LOG_FORMAT", "json"),
    ]);
    let bundle = BundleBuilder::new("com.example.streams", "1.0.0");
    let bundle = bundle.endpoint("GET", "/much/:n").endpoint("POST", "/counts");
    server.install(&bundle, &guests::proxy("streams"));
    server
}

/// Sends a request with so many pieces as its body.
fn begin(server: &Server, method: &str, path: &str, pieces: usize) -> TcpStream {
    let address = server.url.strip_prefix("http://").unwrap();
    let token = fs::read_to_string(server.desk.path("token")).unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "{method} /api/ext/com.example.streams{path} HTTP/1.1\r\nhost: {address}\r\n\
         connection: close\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n",
        token.trim(),
        pieces * PIECE,
    );
    stream.write_all(head.as_bytes()).unwrap();
    let piece = vec![0; PIECE];
    for _ in 0..pieces {
        stream.write_all(&piece).unwrap();
    }
    stream
}

/// Sends a request and reads the answer away: its first bytes and how many there were.
fn pass(server: &Server, method: &str, path: &str, pieces: usize) -> (String, usize) {
    let mut stream = begin(server, method, path, pieces);
    let mut buffer = vec![0; PIECE];
    let (mut first, mut count) = (Vec::new(), 0);
    loop {
        let read = stream.read(&mut buffer).unwrap();
        if read == 0 {
            return (String::from_utf8_lossy(&first).into_owned(), count);
        }
        count += read;
        first.extend_from_slice(&buffer[..read.min(1_000_usize.saturating_sub(first.len()))]);
    }
}

/// How much more memory the server had at some time while it did this than before.
fn growth(server: &Server, work: impl FnOnce()) -> u64 {
    let bytes = |name: &str| {
        let status = fs::read_to_string(server.process_file("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
    };
    let before = bytes("VmRSS:");
    // Forgets the peak of earlier work.
    fs::write(server.process_file("clear_refs"), "5").unwrap();
    work();
    bytes("VmHWM:").saturating_sub(before)
}

/// The access line of a call, as soon as it is there.
fn access_line(server: &Server, path: &str) -> String {
    for _ in 0..200 {
        let log = fs::read_to_string(server.desk.path("server.log")).unwrap();
        let told = |line: &&str| line.contains("http.status") && line.contains(path);
        if let Some(line) = log.lines().find(told) {
            return line.to_owned();
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("no line about {path}");
}

#[test]
fn the_access_line_of_a_stream_is_written_at_its_end() {
    let server = streaming();

    pass(&server, "GET", "/much/16", 0);
    let whole = access_line(&server, "/much/16");
    let mut left = begin(&server, "GET", "/much/999", 0);
    left.read_exact(&mut [0; 100]).unwrap();
    drop(left);
    let cut = access_line(&server, "/much/999");

    assert!(whole.contains(r#""http.sent_bytes":1048576"#), "{whole}");
    assert!(whole.contains(r#""http.cut":false"#), "{whole}");
    assert!(cut.contains(r#""http.cut":true"#), "{cut}");
}

#[test]
fn a_large_answer_passes_in_little_memory() {
    let server = streaming();
    let pieces = pieces();
    pass(&server, "GET", "/much/16", 0);

    let grown = growth(&server, || {
        let (first, count) = pass(&server, "GET", &format!("/much/{pieces}"), 0);
        assert!(first.starts_with("HTTP/1.1 200"), "{first}");
        assert!(count > pieces * PIECE, "{count}");
    });

    note(&format!("{pieces} x {PIECE} bytes down: memory grew by {grown} bytes"));
    assert!(grown < ROOM_BYTES, "it grew by {grown} bytes");
}

#[test]
fn a_large_upload_passes_in_little_memory() {
    let server = streaming();
    let pieces = pieces();
    pass(&server, "POST", "/counts", 16);

    let grown = growth(&server, || {
        let (answer, _) = pass(&server, "POST", "/counts", pieces);
        let length = (pieces * PIECE) as u64;
        let length = String::from_utf8_lossy(&length.to_le_bytes()).into_owned();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(&length), "{answer}");
    });

    note(&format!("{pieces} x {PIECE} bytes up: memory grew by {grown} bytes"));
    assert!(grown < ROOM_BYTES, "it grew by {grown} bytes");
}
