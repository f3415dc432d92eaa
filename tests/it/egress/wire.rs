//! What a server sees of a guest, and what a guest sees of a server.

use http::{HeaderName, HeaderValue, Method};
use plugboard::egress::{Destination, EgressError};

use super::{Door, body, get, text};
use crate::support::internet::{Authority, Script, Server};

async fn with_server(script: Script) -> (Door, Server, String) {
    let server = Server::start(script).await;
    let door = Door::new(|_| ());
    door.internet.name("api.example.com", &["127.77.0.1"]);
    let url = server.entry("api.example.com");
    (door, server, url)
}

#[tokio::test]
async fn a_request_is_written_by_the_host() {
    let (door, server, url) = with_server(Script::body("hello")).await;
    let mut call = get(Destination::parse(&format!("{url}/a/../b?c=d")).unwrap());
    call.method = Method::POST;
    call.body = body("sent");
    for (name, value) in [
        ("accept", "text/plain"),
        ("authorization", "Bearer of-the-guest"),
        ("host", "evil.test"),
        ("content-length", "1"),
        ("transfer-encoding", "chunked"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("x-forwarded-for", "1.1.1.1"),
        ("proxy-authorization", "Basic eA=="),
        ("expect", "100-continue"),
        ("upgrade", "h2c"),
    ] {
        let name: HeaderName = name.parse().unwrap();
        call.headers.append(name, HeaderValue::from_static(value));
    }

    let answered = text(door.call(call, &[&url]).await.unwrap()).await;

    assert_eq!(answered, "hello");
    let port = server.address.port();
    assert_eq!(
        server.requests(),
        [format!(
            "POST /b?c=d HTTP/1.1\r\naccept: text/plain\r\nauthorization: Bearer of-the-guest\r\n\
             host: api.example.com:{port}\r\ncontent-length: 4\r\n\r\nsent"
        )]
    );
    assert_eq!(door.ended(), [format!("{url}: answered")]);
}

#[tokio::test]
async fn a_method_that_changes_what_a_request_is_does_not_go_out() {
    let (door, server, url) = with_server(Script::body("hello")).await;

    for name in ["CONNECT", "TRACE", "PURGE", "get"] {
        let mut call = get(Destination::parse(&url).unwrap());
        call.method = Method::from_bytes(name.as_bytes()).unwrap();
        let outcome = door.call(call, &[&url]).await;
        assert!(matches!(outcome, Err(EgressError::Method(_))), "{name}: {outcome:?}");
    }

    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn fields_about_the_connection_do_not_come_in_and_nothing_is_unpacked() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: x-hop\r\nx-hop: 1\r\n\
                  keep-alive: timeout=5\r\nset-cookie: a=b\r\nset-cookie: c=d\r\n\
                  transfer-encoding: chunked\r\n\r\n4\r\ngzip\r\n0\r\nx-trailer: 1\r\n\r\n";
    let (door, _server, url) = with_server(Script::Say(answer.into())).await;

    let response = door.get(&url, &[&url]).await.unwrap();

    let fields: Vec<_> = response
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    assert_eq!(fields, ["content-encoding: gzip", "set-cookie: a=b", "set-cookie: c=d"]);
    assert_eq!(text(response).await, "gzip");
}

#[tokio::test]
async fn what_is_asked_about_a_body_with_head_comes_in() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 1234567\r\naccept-ranges: bytes\r\n\
                  via: 1.1 cache\r\nproxy-status: hit\r\n\r\n";
    let (door, server, url) = with_server(Script::Say(answer.into())).await;
    let mut call = get(Destination::parse(&url).unwrap());
    call.method = Method::HEAD;

    let response = door.call(call, &[&url]).await.unwrap();

    let mut fields: Vec<_> = response
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    fields.sort_unstable();
    assert_eq!(fields, ["accept-ranges: bytes", "content-length: 1234567", "via: 1.1 cache"]);
    assert_eq!(text(response).await, "");
    assert!(server.requests()[0].starts_with("HEAD / HTTP/1.1\r\n"), "{:?}", server.requests());
}

#[tokio::test]
async fn a_length_beside_another_framing_does_not_come_in() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n\
                  5\r\nhello\r\n0\r\n\r\n";
    let (door, _server, url) = with_server(Script::Say(answer.into())).await;

    let response = door.get(&url, &[&url]).await.unwrap();

    assert!(response.headers().is_empty(), "{:?}", response.headers());
    assert_eq!(text(response).await, "hello");
}

#[tokio::test]
async fn the_first_address_that_answers_is_taken() {
    let (door, server, _) = with_server(Script::body("hello")).await;
    // Nobody listens on the first.
    door.internet.name("two.example.com", &["127.77.9.9", "127.77.0.1"]);
    let url = server.entry("two.example.com");

    assert_eq!(text(door.get(&url, &[&url]).await.unwrap()).await, "hello");
}

#[tokio::test]
async fn an_encrypted_server_must_be_who_it_says() {
    let authority = Authority::new(&["api.example.com"]);
    let server = authority.start(Script::body("hello")).await;
    let trusting = Door::new(|config| config.ca_file.clone_from(&authority.ca_file));
    let doubting = Door::new(|_| ());
    let port = server.address.port();

    for door in [&trusting, &doubting] {
        door.internet.name("api.example.com", &["127.77.0.1"]);
        door.internet.name("other.example.com", &["127.77.0.1"]);
    }
    let call = async |door: &Door, name: &str| {
        let url = format!("https://{name}:{port}");
        door.get(&url, &[&url]).await
    };

    assert_eq!(text(call(&trusting, "api.example.com").await.unwrap()).await, "hello");
    let other = call(&trusting, "other.example.com").await;
    assert!(matches!(other, Err(EgressError::Tls { .. })), "{other:?}");
    let unknown = call(&doubting, "api.example.com").await;
    assert!(matches!(unknown, Err(EgressError::Tls { .. })), "{unknown:?}");
    assert_eq!(server.requests().len(), 1);
}
