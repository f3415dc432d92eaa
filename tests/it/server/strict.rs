//! Requests with two readings: refused, and nothing behind them is answered.

use std::time::Duration;

use super::running::{Running, config};

/// A request that would be answered if the server read on.
const CANARY: &str = "GET /canary HTTP/1.1\r\nHost: a\r\n\r\n";

/// Sends a hostile request with a canary behind it.
async fn assert_refused(server: &Running, request: &str) {
    let answer = server.exchange(format!("{request}{CANARY}")).await;

    let refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4");
    assert!(refused, "{request:?} was answered: {answer}");
    assert!(!answer.contains("canary"), "read on after {request:?}: {answer}");
}

#[tokio::test]
async fn a_request_with_two_readings_is_refused_and_ends_the_connection() {
    let server = Running::start(config()).await;

    for request in [
        // CL and TE, both orders: whoever believes the length sees a request in the body.
        "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        // Two lengths, different or the same.
        "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n",
        "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 0\r\n\r\n",
        "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: +0\r\n\r\n",
        // A coding that only some understand.
        "POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
        // A continued line.
        "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n",
        // Bare line feeds, at every place.
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\r\nHost: a\rX-A: b\r\n\r\n",
        // A space before the colon.
        "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length : 0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        // Hosts.
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        // Other protocols.
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/3.0\r\nHost: a\r\n\r\n",
        "GET /\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00",
        "GET / HTTP/1.1\r\nHost: a\r\nX-A: \0\r\n\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        assert_refused(&server, request).await;
    }
}

#[tokio::test]
async fn a_refused_request_is_told_why_the_connection_ends() {
    let server = Running::start(config()).await;

    let answer = server.exchange("GET / HTTP/1.1\nHost: a\n\n").await;

    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
}

#[tokio::test]
async fn a_broken_chunk_ends_the_connection() {
    let server = Running::start(config()).await;
    let head = "POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

    for chunks in [
        "5\r\nhelloX0\r\n\r\n",
        "x\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "11111111111111111\r\nhello\r\n0\r\n\r\n",
    ] {
        assert_refused(&server, &format!("{head}{chunks}")).await;
    }
}

#[tokio::test]
async fn nothing_behind_a_chunked_body_is_read_as_a_request() {
    let server = Running::start(config()).await;
    let head = "POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

    let answer = server.exchange(format!("{head}5\r\nhello\r\n0\r\n\r\n{CANARY}")).await;

    assert!(answer.contains("connection: close"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n5"), "{answer}");
}

#[tokio::test]
async fn a_refused_request_behind_a_good_one_does_not_spoil_it() {
    let server = Running::start(config()).await;

    let answer =
        server.exchange(format!("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / X\r\n\r\n{CANARY}")).await;

    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("hello"), "{answer}");
    assert!(!answer.contains("canary"), "{answer}");
}

#[tokio::test]
async fn plain_requests_one_after_the_other_are_answered_on_one_connection() {
    let server = Running::start(config()).await;
    let mut client = server.connect().await;

    assert!(client.get("/").await.ends_with("hello"));
    client.send("POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").await;
    assert!(client.response().await.ends_with("\r\n\r\n5"));
    // Bytes in any portions, an empty line between requests, and two at once.
    for byte in "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".bytes() {
        client.send([byte]).await;
    }
    assert!(client.response().await.ends_with("hello"));
    let two =
        "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc".to_owned() + CANARY;
    client.send(two).await;
    assert!(client.response().await.ends_with("\r\n\r\n3"));
    assert!(client.response().await.ends_with("canary"));
}

#[tokio::test]
async fn a_large_body_arrives_whole() {
    let server = Running::start(config()).await;
    let mut client = server.connect().await;
    let body = vec![b'\n'; 3_000_000];

    client.send("POST /pace HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n").await;
    client.send(&body).await;
    assert!(client.response().await.ends_with("\r\n\r\n3000000"));
    assert!(client.get("/").await.ends_with("hello"));
}

#[tokio::test]
async fn a_client_may_finish_sending_a_body_that_nobody_reads() {
    let server = Running::start(config()).await;
    let mut client = server.connect().await;

    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n").await;
    assert!(client.response().await.starts_with("HTTP/1.1 405"));

    // A reset here would make many clients report it instead of the answer.
    assert!(client.try_send(&vec![b'x'; 7_999_999]).await.is_ok());
}

#[tokio::test]
async fn empty_lines_do_not_keep_a_connection_open() {
    let server = Running::start(config()).await;
    let mut client = server.connect().await;

    for _ in 0..3 {
        client.send("\r\n").await;
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    client.send(CANARY).await;

    assert!(client.rest().await.starts_with("HTTP/1.1 400"));
}
