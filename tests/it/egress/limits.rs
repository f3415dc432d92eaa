//! What a call may take, however much a server or a guest would like it to.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use plugboard::egress::{Destination, EgressError};

use super::{Door, get};
use crate::support::internet::{Script, Server};
use crate::support::{is_again, most_memory, passes_again_in_own_memory};

/// A way out where a call has 300 ms, and 1,000 bytes each way.
fn narrow() -> Door {
    let door = Door::new(|config| {
        config.timeout_ms = 300;
        config.max_request_bytes = 1_000;
        config.max_response_bytes = 1_000;
        config.parallel_per_install = 2;
    });
    door.internet.name("api.example.com", &["127.77.0.1"]);
    door
}

async fn whole(door: &Door, script: Script) -> Result<Vec<u8>, EgressError> {
    let server = Server::start(script).await;
    let url = server.entry("api.example.com");
    door.get(&url, &[&url]).await?.into_body().whole().await
}

#[tokio::test]
async fn a_body_that_is_too_long_ends_the_call() {
    let door = narrow();
    let announced = b"HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n".to_vec();
    let endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let fitting = format!("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{}", "a".repeat(1000));

    let outcome = whole(&door, Script::Hang(announced)).await;
    assert!(matches!(outcome, Err(EgressError::ResponseTooLarge(1_000))), "{outcome:?}");
    let outcome = whole(&door, Script::Repeat(endless, vec![b'a'; 4096])).await;
    assert!(matches!(outcome, Err(EgressError::ResponseTooLarge(1_000))), "{outcome:?}");
    assert_eq!(whole(&door, Script::Say(fitting.into_bytes())).await.unwrap().len(), 1_000);
}

#[tokio::test]
async fn a_server_that_says_nothing_or_never_ends_costs_the_time_of_one_call() {
    let door = narrow();
    let begun = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc".to_vec();

    for script in [Script::Hang(Vec::new()), Script::Hang(begun)] {
        let outcome = whole(&door, script).await;
        assert!(matches!(outcome, Err(EgressError::Timeout(_))), "{outcome:?}");
    }
    assert!(door.ended().iter().all(|line| line.ends_with("the call took more than 300 ms")));
}

#[tokio::test]
async fn a_head_that_never_ends_ends_the_call() {
    let door = narrow();
    let status = b"HTTP/1.1 200 OK\r\n".to_vec();

    let fields = whole(&door, Script::Repeat(status.clone(), b"x-a: b\r\n".to_vec())).await;
    assert!(matches!(fields, Err(EgressError::ResponseFields)), "{fields:?}");
    let field = whole(&door, Script::Repeat(status, vec![b'a'; 4096])).await;
    assert!(matches!(field, Err(EgressError::ResponseFields)), "{field:?}");
}

#[tokio::test]
async fn an_answer_that_is_none_or_breaks_off_is_an_error() {
    let door = narrow();
    for answer in [
        "",
        "SSH-2.0-OpenSSH_9.9\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcde",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n",
    ] {
        let outcome = whole(&door, Script::Say(answer.into())).await;
        assert!(matches!(outcome, Err(EgressError::Broken(_))), "{answer:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_request_that_is_too_long_or_breaks_off_is_an_error() {
    let door = narrow();
    let server = Server::start(Script::Hang(Vec::new())).await;
    let url = server.entry("api.example.com");
    let to = Destination::parse(&url).unwrap();
    let mut long = get(to.clone());
    long.body = Full::new(Bytes::from(vec![b'a'; 1_001])).map_err(|e| match e {}).boxed_unsync();
    let mut broken = get(to);
    broken.method = Method::POST;
    let parts = [Ok(Frame::data(Bytes::from_static(b"a"))), Err("the guest trapped".into())];
    broken.body = StreamBody::new(futures_util::stream::iter(parts)).boxed_unsync();

    let long = door.call(long, &[&url]).await;
    let broken = door.call(broken, &[&url]).await;

    assert!(matches!(long, Err(EgressError::RequestTooLarge(1_000))), "{long:?}");
    assert!(matches!(broken, Err(EgressError::RequestBody)), "{broken:?}");
}

/// A way out where an install has 1,000 bytes a day.
fn with_a_quota() -> Door {
    let door = Door::new(|config| config.bytes_per_install_per_day = 1_000);
    door.internet.name("api.example.com", &["127.77.0.1"]);
    door
}

#[tokio::test]
async fn what_servers_send_counts_against_the_bytes_of_a_day() {
    let (door, server) = (with_a_quota(), Server::start(Script::body(&"a".repeat(600))).await);
    let (other, url) = (door.of_another_install(), server.entry("api.example.com"));
    let read = async |door: &Door| door.get(&url, &[&url]).await?.into_body().whole().await;

    let (first, second, third) = (read(&door).await, read(&door).await, read(&door).await);

    assert_eq!(first.unwrap().len(), 600);
    assert!(matches!(second, Err(EgressError::Quota(1_000))), "{second:?}");
    assert!(matches!(third, Err(EgressError::Quota(1_000))), "{third:?}");
    assert_eq!(server.connections(), 2, "the third call was not made");
    assert_eq!(read(&other).await.unwrap().len(), 600, "another install has bytes of its own");
    door.clock.advance(24 * 60 * 60);
    assert_eq!(read(&door).await.unwrap().len(), 600, "so has another day");
}

#[tokio::test]
async fn what_an_install_sends_counts_against_the_bytes_of_a_day() {
    let (door, server) = (with_a_quota(), Server::start(Script::body("")).await);
    let url = server.entry("api.example.com");
    let send = async || {
        let mut call = get(Destination::parse(&url).unwrap());
        call.method = Method::POST;
        let body = Full::new(Bytes::from(vec![b'a'; 600]));
        call.body = body.map_err(|never| match never {}).boxed_unsync();
        door.call(call, &[&url]).await
    };

    let (first, second, third) = (send().await, send().await, send().await);

    assert!(first.is_ok(), "{first:?}");
    assert!(matches!(second, Err(EgressError::Quota(1_000))), "{second:?}");
    assert!(matches!(third, Err(EgressError::Quota(1_000))), "{third:?}");
    drop(first);
    server.until_ended(2).await;
    assert_eq!(server.connections(), 2, "the third call was not made");
}

#[tokio::test]
async fn one_install_has_so_many_calls_at_once() {
    let door = narrow();
    let begun = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc".to_vec();
    let server = Server::start(Script::Hang(begun)).await;
    let url = server.entry("api.example.com");

    let first = door.get(&url, &[&url]).await.unwrap();
    let _second = door.get(&url, &[&url]).await.unwrap();
    let third = door.get(&url, &[&url]).await;
    drop(first);
    let fourth = door.get(&url, &[&url]).await;

    assert!(matches!(third, Err(EgressError::InstallBusy(2))), "{third:?}");
    assert!(fourth.is_ok(), "{fourth:?}");
}

#[tokio::test]
async fn whoever_drops_a_response_ends_its_connection() {
    let door = narrow();
    let endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let server = Server::start(Script::Repeat(endless, vec![b'a'; 1])).await;
    let url = server.entry("api.example.com");

    drop(door.get(&url, &[&url]).await.unwrap());

    server.until_ended(1).await;
    assert_eq!(door.ended(), [format!("{url}: answered")]);
}

#[tokio::test]
async fn a_response_that_nobody_reads_ends_with_the_time_of_its_call() {
    let door = narrow();
    let begun = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc".to_vec();
    let server = Server::start(Script::Hang(begun)).await;
    let url = server.entry("api.example.com");

    let first = door.get(&url, &[&url]).await.unwrap();
    let second = door.get(&url, &[&url]).await.unwrap();
    server.until_ended(2).await;

    assert_eq!(door.ended(), vec![format!("{url}: the call took more than 300 ms"); 2]);
    // Both are still held, and have no place any more.
    door.get(&url, &[&url]).await.unwrap();
    let late = first.into_body().whole().await;
    assert!(matches!(late, Err(EgressError::Timeout(_))), "{late:?}");
    drop(second);
}

#[tokio::test]
async fn whoever_does_not_wait_for_a_response_had_none() {
    let door = narrow();
    let server = Server::start(Script::Hang(Vec::new())).await;
    let url = server.entry("api.example.com");

    let granted = [url.as_str()];
    let call = tokio::time::timeout(Duration::from_millis(50), door.get(&url, &granted));
    call.await.unwrap_err();

    while door.ended().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(door.ended(), [format!("{url}: nobody waited for the response any more")]);
}

#[tokio::test]
async fn names_that_nobody_answers_keep_the_places_of_their_install_and_of_no_other() {
    let door = Door::new(|config| {
        config.resolve_timeout_ms = 20;
        config.parallel_per_install = 2;
    });
    let other = door.of_another_install();
    let server = Server::start(Script::body("yes")).await;
    door.internet.name("api.example.com", &["127.77.0.1"]);
    let url = server.entry("api.example.com");
    let silent = ["https://a.example.net", "https://b.example.net"];

    for url in silent {
        door.internet.silence(url.trim_start_matches("https://"));
        let outcome = door.get(url, &silent).await;
        assert!(matches!(outcome, Err(EgressError::ResolveTimeout { .. })), "{outcome:?}");
    }

    let refused = door.get(&url, &[&url]).await;
    assert!(matches!(refused, Err(EgressError::InstallBusy(2))), "{refused:?}");
    assert!(other.get(&url, &[&url]).await.is_ok());
}

#[tokio::test]
async fn whole_responses_share_the_memory_that_there_is_for_them() {
    let door = Door::new(|config| {
        config.max_response_bytes = 600;
        config.max_held_bytes = 1_000;
        config.timeout_ms = 2_000;
    });
    door.internet.name("api.example.com", &["127.77.0.1"]);
    let begun = format!("HTTP/1.1 200 OK\r\ncontent-length: 600\r\n\r\n{}", "a".repeat(599));
    let fitting = Script::body(&"a".repeat(402));
    let server = Server::start(Script::Hang(begun.into_bytes())).await;
    let url = server.entry("api.example.com");

    let first = door.get(&url, &[&url]).await.unwrap();
    let mut reading = Box::pin(first.into_body().whole());
    let unfinished = tokio::time::timeout(Duration::from_millis(200), &mut reading).await;
    assert!(unfinished.is_err(), "{unfinished:?}");
    let crowded = whole(&door, fitting.clone()).await;
    drop(reading);
    let alone = whole(&door, fitting).await;

    assert!(matches!(crowded, Err(EgressError::Crowded(1_000))), "{crowded:?}");
    assert_eq!(alone.unwrap().len(), 402);
}

/// In a process of its own: others have memory, too.
#[test]
fn servers_that_send_without_end_take_less_than_20_mib() {
    let test = "egress::limits::servers_that_send_without_end_take_less_than_20_mib";
    if !is_again() {
        return passes_again_in_own_memory(test);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let door = Door::new(|config| config.timeout_ms = 1_000);
        door.internet.name("api.example.com", &["127.77.0.1"]);
        let head = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        whole(&door, Script::body("warm")).await.unwrap();
        let before = most_memory();

        let body = whole(&door, Script::Repeat(head.clone(), vec![b'a'; 64 * 1024])).await;
        assert!(matches!(body, Err(EgressError::ResponseTooLarge(_))), "{body:?}");
        let fields =
            whole(&door, Script::Repeat(b"HTTP/1.1 200 OK\r\n".to_vec(), vec![b'a'; 64 * 1024]));
        assert!(matches!(fields.await, Err(EgressError::ResponseFields)));
        let server = Server::start(Script::Repeat(head, vec![b'a'; 64 * 1024])).await;
        let url = server.entry("api.example.com");
        let granted = [url.as_str()];
        let calls = (0..100).map(|_| door.get(&url, &granted));
        let begun: Vec<_> = futures_util::future::join_all(calls).await;
        let refused = begun.iter().filter(|it| matches!(it, Err(EgressError::InstallBusy(8))));
        assert_eq!(refused.count(), 92);
        let read = begun.into_iter().flatten().map(|response| response.into_body().whole());
        let read = futures_util::future::join_all(read).await;
        assert!(read.iter().all(Result::is_err), "one of them ended");

        let grown = most_memory() - before;
        assert!(grown < 20 * 1024 * 1024, "{grown} bytes more");
    });
}
