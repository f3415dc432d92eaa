//! What a client can make the server hold, and for how long.

use std::time::Duration;

use plugboard::config::ServerConfig;
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::net::TcpStream;

use super::running::{Client, LARGE, Running, config};
use crate::support::{again, is_again};

fn head_with(lines: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}

#[tokio::test]
async fn a_head_with_too_many_lines_is_refused() {
    let server = Running::start(config()).await;
    let lines = |count: usize| head_with(&"X-A: b\r\n".repeat(count - 1));

    assert!(server.connect().await.get("/").await.starts_with("HTTP/1.1 200"));
    let mut client = server.connect().await;
    client.send(lines(64)).await;
    assert!(client.response().await.starts_with("HTTP/1.1 200"));
    let answer = server.exchange(lines(65)).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn a_head_with_too_many_bytes_is_refused() {
    let server = Running::start(config()).await;
    let with_bytes = |count: usize| head_with(&format!("X-A: {}\r\n", "b".repeat(count)));

    let mut client = server.connect().await;
    client.send(with_bytes(30 * 1024)).await;
    assert!(client.response().await.starts_with("HTTP/1.1 200"));
    let answer = server.exchange(with_bytes(40 * 1024)).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    let endless = server.exchange(format!("GET /{}", "a".repeat(1024 * 1024))).await;
    assert!(endless.is_empty() || endless.starts_with("HTTP/1.1 4"), "{endless}");
}

#[tokio::test]
async fn a_head_that_dribbles_in_is_cut_off() {
    let server = Running::start(ServerConfig { header_timeout_ms: 300, ..config() }).await;
    let mut client = server.connect().await;

    client.send("GET / HTTP/1.1\r\nHost: a\r\n").await;
    let mut more = server.connect().await;
    let dribble = async {
        // Each byte comes in time; the head as a whole does not.
        for _ in 0..100 {
            more.send("G").await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let (rest, ()) = tokio::join!(client.rest(), dribble);

    assert_eq!(rest, "");
    assert_eq!(more.rest().await, "");
}

#[tokio::test]
async fn a_connection_without_a_first_request_is_closed_like_a_slow_head() {
    let server = Running::start(ServerConfig { header_timeout_ms: 100, ..config() }).await;
    assert_eq!(server.connect().await.rest().await, "");
}

#[tokio::test]
async fn an_idle_connection_is_closed_later_than_a_slow_head() {
    let server =
        Running::start(ServerConfig { header_timeout_ms: 100, idle_timeout_ms: 2000, ..config() })
            .await;
    let mut client = server.connect().await;

    assert!(client.get("/").await.ends_with("hello"));
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert!(client.get("/").await.ends_with("hello"));
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn a_connection_is_idle_since_its_last_answer() {
    let server = Running::start(ServerConfig { idle_timeout_ms: 1500, ..config() }).await;
    let mut client = server.connect().await;

    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert!(client.get("/").await.ends_with("hello"));
    }
}

#[tokio::test]
async fn a_slow_answer_is_not_an_idle_connection() {
    let server =
        Running::start(ServerConfig { header_timeout_ms: 50, idle_timeout_ms: 50, ..config() })
            .await;
    let mut client = server.connect().await;

    assert!(client.get("/slow").await.ends_with("slow"));
    // But it is one afterwards.
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_given_up() {
    let server = Running::start(ServerConfig { body_grace_ms: 200, ..config() }).await;
    let mut client = server.connect().await;

    client.send("POST /pace HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc").await;

    assert!(client.response().await.ends_with("too slow"));
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn a_body_that_keeps_its_pace_may_take_long() {
    let server =
        Running::start(ServerConfig { body_grace_ms: 150, min_body_bytes_per_s: 1000, ..config() })
            .await;
    let mut client = server.connect().await;

    client.send("POST /pace HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n").await;
    for _ in 0..10 {
        client.send([b'x'; 1000]).await;
        tokio::time::sleep(Duration::from_millis(40)).await;
    }

    assert!(client.response().await.ends_with("\r\n\r\n10000"));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let server = Running::start(ServerConfig { write_timeout_ms: 100, ..config() }).await;
    let mut client = server.connect().await;

    client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(600)).await;

    assert!(client.rest().await.len() < LARGE);
}

#[tokio::test]
async fn a_client_that_hardly_reads_is_cut_off() {
    for (write_timeout_ms, min_body_bytes_per_s, is_cut_off) in
        [(1_000, 1024 * 1024 * 1024, true), (2_000, 1024, false)]
    {
        // A client that still reads an answer is not idle.
        let idle_timeout_ms = 500;
        let limits =
            ServerConfig { write_timeout_ms, min_body_bytes_per_s, idle_timeout_ms, ..config() };
        let server = Running::start(limits).await;
        let mut client = server.connect_with_little_room().await;
        client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await;

        // Each wait is much shorter than the time-out, all of them together are longer.
        let read = client.read_slowly(LARGE / 16, Duration::from_millis(150)).await;

        assert_eq!(read < LARGE, is_cut_off, "{read}");
    }
}

#[tokio::test]
async fn a_connection_ends_after_its_share_of_requests() {
    let server = Running::start(ServerConfig { max_requests_per_connection: 2, ..config() }).await;
    let mut client = server.connect().await;

    assert!(!client.get("/").await.contains("connection: close"));
    assert!(client.get("/").await.contains("connection: close"));
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn one_address_has_a_limited_number_of_connections() {
    let server = Running::start(ServerConfig { max_connections_per_ip: 2, ..config() }).await;
    let mut first = server.connect().await;
    let mut second = server.connect().await;
    assert!(first.get("/").await.ends_with("hello"));
    assert!(second.get("/").await.ends_with("hello"));

    assert_eq!(server.exchange(head_with("")).await, "");
}

#[tokio::test]
async fn a_full_house_makes_the_next_client_wait() {
    let server = Running::start(ServerConfig { max_connections: 1, ..config() }).await;
    let mut first = server.connect().await;
    assert!(first.get("/").await.ends_with("hello"));
    let mut second = server.connect().await;
    second.send(head_with("")).await;

    let waiting = tokio::time::timeout(Duration::from_millis(100), second.response()).await;
    assert!(waiting.is_err(), "a second connection was served");
    drop(first);
    assert!(second.get("/").await.contains("hello"));
}

#[tokio::test]
async fn a_server_without_file_descriptors_recovers() {
    // In a process of its own: the number of open files is limited for all of it.
    if is_again() {
        return run_out_of_file_descriptors().await;
    }
    let output = again("server::limits::a_server_without_file_descriptors_recovers").output();

    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

async fn run_out_of_file_descriptors() {
    let server = Running::start(config()).await;
    let mut clients = Vec::new();
    let limit = Rlimit { current: Some(40), maximum: Some(40) };
    setrlimit(Resource::Nofile, limit).unwrap();

    // Both ends are in this process: connecting stops first.
    while let Ok(stream) = TcpStream::connect(server.address).await {
        clients.push(Client::new(stream));
        tokio::task::yield_now().await;
    }
    assert!(clients.len() > 5);
    // The last clients were accepted by nobody, or closed with the reserve.
    clients.truncate(3);
    tokio::time::sleep(Duration::from_millis(200)).await;

    assert!(server.connect().await.get("/").await.ends_with("hello"));
    assert!(clients[0].get("/").await.ends_with("hello"));
}
