//! Streams as a client on the wire sees them.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::support::wire::Wire;

async fn at_a_socket(change: impl FnOnce(&mut Config)) -> Wire {
    Wire::start(streaming(change).await).await
}

impl Wire {
    /// A request head with some lines more, on a new connection with a small window.
    async fn send(&self, method: &str, path: &str, lines: &str) -> TcpStream {
        let mut stream = self.connect().await;
        let token = self.app.authorization();
        let head = format!(
            "{method} {BASE}{path} HTTP/1.1\r\nhost: 127.0.0.1:7420\r\n\
             authorization: {token}\r\n{lines}\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    }

    async fn get(&self, path: &str) -> String {
        let mut stream = self.send("GET", path, "connection: close\r\n").await;
        let mut bytes = Vec::new();
        // A reset is a way to close.
        timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.unwrap().ok();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Reads until the text ends so.
async fn until(stream: &mut TcpStream, wanted: &str) -> String {
    let mut bytes = Vec::new();
    let read = async {
        while !bytes.ends_with(wanted.as_bytes()) {
            bytes.push(stream.read_u8().await.unwrap());
        }
    };
    timeout(PATIENCE, read).await.expect("nothing came");
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn frames_of_an_event_stream_come_in_chunks_of_their_own() {
    let wire = at_a_socket(|_| ()).await;

    let mut stream = wire.send("GET", "/ticks", "").await;

    let head = until(&mut stream, "\r\n\r\n").await;
    assert!(head.contains("\r\ntransfer-encoding: chunked\r\n"), "{head}");
    for _ in 0..3 {
        assert_eq!(until(&mut stream, "\n\n\r\n").await, "6\r\ndata\n\n\r\n");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_has_no_last_chunk() {
    let wire = at_a_socket(|_| ()).await;

    let answer = wire.get("/breaks").await;

    assert!(answer.contains("\r\ntransfer-encoding: chunked\r\n"), "{answer}");
    assert!(answer.ends_with("6\r\ndata\n\n\r\n"), "{answer}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_shorter_than_its_length() {
    let wire = at_a_socket(|_| ()).await;

    for (path, length) in [("/short", 10), ("/announced", 6)] {
        let answer = wire.get(path).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("\r\ncontent-length: {length}")), "{head}");
        assert!(body.len() < length, "{body:?}");
    }
}

#[tokio::test]
async fn an_answer_complete_at_once_is_sent_with_its_length() {
    let wire = at_a_socket(|_| ()).await;

    let answer = wire.get("/refuses").await;

    assert!(answer.contains("\r\ncontent-length: 6\r\n"), "{answer}");
    assert!(!answer.contains("transfer-encoding"), "{answer}");
}

#[tokio::test]
async fn both_directions_go_on_at_the_same_time() {
    let wire = at_a_socket(|_| ()).await;
    let mut stream = wire.send("POST", "/echo", "transfer-encoding: chunked\r\n").await;

    stream.write_all(b"3\r\none\r\n").await.unwrap();
    until(&mut stream, "3\r\none\r\n").await;
    stream.write_all(b"3\r\ntwo\r\n").await.unwrap();
    until(&mut stream, "3\r\ntwo\r\n").await;
    stream.write_all(b"0\r\n\r\n").await.unwrap();

    assert_eq!(until(&mut stream, "0\r\n\r\n").await, "0\r\n\r\n");
}

#[tokio::test]
async fn a_client_that_reads_slowly_holds_no_other_back() {
    let wire = at_a_socket(|config| config.runner.slots_per_install = 4).await;
    let mut slow = Vec::new();
    for _ in 0..3 {
        slow.push(wire.send("GET", "/much/100", "").await);
    }
    for slow in &mut slow {
        until(slow, "\r\n\r\n").await;
    }

    for _ in 0..20 {
        let answer = wire.get("/refuses").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    for mut slow in slow {
        slow.read_u8().await.expect("its stream goes on");
    }
}

#[tokio::test]
async fn a_connection_that_closes_ends_the_execution() {
    let wire = at_a_socket(one_slot).await;
    let mut stream = wire.send("GET", "/ticks", "").await;
    until(&mut stream, "data\n\n").await;

    drop(stream);

    assert!(answers_again(&wire.app).await, "the slot is still held");
}
